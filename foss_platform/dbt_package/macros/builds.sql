{#
  What the materializations and the other macros that dbt looks for in a project only call: see `macros/foss_platform.sql` of
  a project.
#}

{# Builds a model as a whole. #}
{% macro build_table(sql) %}{{ return(adapter.dispatch('build_table', 'foss_platform')(sql)) }}{% endmacro %}

{# Builds what a model's sources added since its last build, or the model as a whole. #}
{% macro build_incremental(sql) %}{{ return(adapter.dispatch('build_incremental', 'foss_platform')(sql)) }}{% endmacro %}

{# Builds a seed as a whole. #}
{% macro build_seed() %}{{ return(adapter.dispatch('build_seed', 'foss_platform')()) }}{% endmacro %}

{# The lake's namespaces as schema names, independent of the target's schema. A comparison of engines adds a prefix. #}
{% macro namespace_of(custom_schema_name) -%}
    {{ env_var('DBT_FOSS_NAMESPACE_PREFIX', '') }}{{ custom_schema_name or target.schema }}
{%- endmacro %}
