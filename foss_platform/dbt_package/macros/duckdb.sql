{#
  On DuckDB, full builds and increments leave the engine as Arrow, and PyIceberg commits them (plugin `lake`).
  Options of `incremental`: unique_key, prune_by (the time column whose days select the files to read), and delete_when (a
  condition on new rows: if it is true, the row with the same key is deleted).
#}

{% macro duckdb__build_table(sql) %}{{ return(foss_platform.lake_build(sql, none)) }}{% endmacro %}

{% macro duckdb__build_seed() %}{{ return(foss_platform.lake_build(foss_platform.seed_query(), none)) }}{% endmacro %}

{% macro duckdb__build_incremental(sql) %}
    {%- set merge = none -%}
    {%- if foss_platform.is_step() -%}
        {%- set merge = {
            'unique_key': config.require('unique_key'),
            'prune_by': config.get('prune_by'),
            'delete_when': config.get('delete_when')
        } -%}
    {%- endif -%}
    {{ return(foss_platform.lake_build(sql, merge)) }}
{% endmacro %}

{# Runs the query and passes its rows to the plugin, which commits them and updates the view. #}
{% macro lake_build(query, merge) %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set incoming = api.Relation.create(schema='foss_state', identifier=this.schema ~ '__' ~ this.identifier) -%}
    {{ run_hooks(pre_hooks) }}
    {%- if config.get('contract') and config.get('contract').enforced -%}
        {%- do get_assert_columns_equivalent(query) -%}
    {%- endif -%}
    {#- an increment is small and read several times. The whole content is read once and may be larger than memory -#}
    {%- set kind = 'table' if merge else 'view' -%}
    {%- call statement('main', auto_begin=false) -%}
        create or replace {{ kind }} {{ incoming }} as {{ query }}
    {%- endcall -%}
    {%- do adapter.store_relation('lake', incoming, [], '', '', {
        'table': [this.schema, this.identifier],
        'upstream': foss_platform.upstream_tables(),
        'merge': merge,
        'layout': {'unique_key': config.get('unique_key'), 'prune_by': config.get('prune_by'), 'meta': config.get('meta', {})},
        'docs': foss_platform.column_docs(),
        'description': model.description,
        'unique_id': model.unique_id,
        'only_when_changed': model.resource_type == 'seed'
    }) -%}
    {%- do run_query('drop ' ~ kind ~ ' ' ~ incoming) -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmacro %}

{% macro column_docs() %}
    {%- set docs = {} -%}
    {%- for name, column in model.columns.items() -%}
        {%- do docs.update({name: column.description}) -%}
    {%- endfor -%}
    {{ return(docs) }}
{% endmacro %}
