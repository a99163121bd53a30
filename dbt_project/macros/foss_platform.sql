{#
  What dbt looks for in the project itself, not in packages. All of it is in the package `foss_platform`. This file belongs to
  the platform: `foss check` says when it differs from the installed version's.

  A view is built as a table, because the lake contains only tables.
#}

{% materialization table, adapter='duckdb' %}{{ return(foss_platform.build_table(sql)) }}{% endmaterialization %}
{% materialization view, adapter='duckdb' %}{{ return(foss_platform.build_table(sql)) }}{% endmaterialization %}
{% materialization incremental, adapter='duckdb' %}{{ return(foss_platform.build_incremental(sql)) }}{% endmaterialization %}
{% materialization seed, adapter='duckdb' %}{{ return(foss_platform.build_seed()) }}{% endmaterialization %}

{% materialization table, adapter='trino' %}{{ return(foss_platform.build_table(sql)) }}{% endmaterialization %}
{% materialization view, adapter='trino' %}{{ return(foss_platform.build_table(sql)) }}{% endmaterialization %}
{% materialization incremental, adapter='trino' %}{{ return(foss_platform.build_incremental(sql)) }}{% endmaterialization %}
{% materialization seed, adapter='trino' %}{{ return(foss_platform.build_seed()) }}{% endmaterialization %}

{% macro generate_schema_name(custom_schema_name, node) %}{{ foss_platform.namespace_of(custom_schema_name) }}{% endmacro %}

{# dbt's own answer could be true in a full build, which would then replace the table with only the new rows. #}
{% macro is_incremental() %}{{ return(foss_platform.is_step()) }}{% endmacro %}
