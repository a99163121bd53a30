{#
  dbt looks for materializations and some other macros in the project itself. The project's `macros/foss_platform.sql` defines
  them, and they only call the macros of this file.
#}

{# Builds a model as a whole. #}
{% macro build_table(sql) %}{{ return(adapter.dispatch('build_table', 'foss_platform')(sql)) }}{% endmacro %}

{# Builds the rows that a model's sources have added since its last build, or the model as a whole. #}
{% macro build_incremental(sql) %}{{ return(adapter.dispatch('build_incremental', 'foss_platform')(sql)) }}{% endmacro %}

{# Builds a seed as a whole. #}
{% macro build_seed() %}{{ return(adapter.dispatch('build_seed', 'foss_platform')()) }}{% endmacro %}

{# The lake's namespaces as schema names, independent of the target's schema. A comparison of engines adds a prefix. #}
{% macro namespace_of(custom_schema_name) -%}
    {{ env_var('DBT_FOSS_NAMESPACE_PREFIX', '') }}{{ custom_schema_name or target.schema }}
{%- endmacro %}
