{#
  On Trino a build is one statement. A full build is a CREATE OR REPLACE, which keeps the table's history. An increment is a
  MERGE, which creates one snapshot, while a delete and an insert create two. `incremental` has the same options as on DuckDB.

  CREATE OR REPLACE also sets the positions. After a MERGE, the platform sets the positions (`transform/trino/built_table.py`).
  If the run crashes between the MERGE and the positions, the next increment reads the same rows again, which changes nothing.
#}

{% macro trino__build_table(sql) %}{{ return(foss_platform.trino_build(sql, false)) }}{% endmacro %}

{% macro trino__build_incremental(sql) %}
    {{ return(foss_platform.trino_build(sql, foss_platform.is_step())) }}
{% endmacro %}

{% macro trino__build_seed() %}
    {%- set query = foss_platform.seed_query() -%}
    {%- set table = this.schema ~ '.' ~ this.identifier -%}
    {%- set logic = foss_platform.handed_over('logic').get(model.unique_id, '') -%}
    {%- if foss_platform.handed_over('built_with').get(table) == logic -%}
        {%- do store_raw_result('main', 'unchanged', 'unchanged', 0) -%}
        {{ return({'relations': [this.incorporate(type='table')]}) }}
    {%- endif -%}
    {{ return(foss_platform.trino_build(query, false)) }}
{% endmacro %}

{% macro trino_build(query, step) %}
    {{ run_hooks(pre_hooks) }}
    {%- set columns = foss_platform.trino_columns(query) -%}
    {%- if step -%}{%- do foss_platform.refuse_other_columns(columns | map(attribute='name') | list) -%}{%- endif -%}
    {%- set rows -%}
        select {% for column in columns -%}
            cast({{ adapter.quote(column.name) }} as {{ column.type }}) as {{ adapter.quote(column.name) }}{{ ', ' if not loop.last }}
        {%- endfor %} from ({{ query }}) as model
    {%- endset -%}
    {%- call statement('main') -%}
        {{ foss_platform.trino_merge(rows, columns | map(attribute='name') | list) if step else foss_platform.trino_replace(rows) }}
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmacro %}

{% macro trino_replace(rows) %}
    {%- set properties = foss_platform.built_properties() %}
    create or replace table {{ this }}
    with (
        format_version = 2
        {%- if config.get('prune_by') %}, sorted_by = array['{{ config.get('prune_by') }}']{% endif %}
        {%- if properties %}, extra_properties = map(
            array['{{ properties.keys() | join("', '") }}'], array['{{ properties.values() | join("', '") }}']
        ){% endif %}
    )
    as {{ rows }}
{% endmacro %}

{% macro trino_merge(rows, columns) %}
    {%- set key = config.require('unique_key') -%}
    merge into {{ this }} as standing
    using (select *, coalesce({{ config.get('delete_when') or 'false' }}, false) as foss_is_gone from ({{ rows }}) as step) as incoming
    on {% for column in ([key] if key is string else key) -%}
        standing.{{ adapter.quote(column) }} = incoming.{{ adapter.quote(column) }}{{ ' and ' if not loop.last }}
    {%- endfor %}
    when matched and incoming.foss_is_gone then delete
    when matched and (
        {%- for column in columns -%}
            standing.{{ adapter.quote(column) }} is distinct from incoming.{{ adapter.quote(column) }}{{ ' or ' if not loop.last }}
        {%- endfor -%}
    ) then update set
        {% for column in columns -%}
            {{ adapter.quote(column) }} = incoming.{{ adapter.quote(column) }}{{ ', ' if not loop.last }}
        {%- endfor %}
    when not matched and not incoming.foss_is_gone then insert (
        {%- for column in columns -%}{{ adapter.quote(column) }}{{ ', ' if not loop.last }}{%- endfor -%}
    ) values (
        {%- for column in columns -%}incoming.{{ adapter.quote(column) }}{{ ', ' if not loop.last }}{%- endfor -%}
    )
{% endmacro %}

{# An increment must have the columns of its table: a MERGE would fill a missing column with nulls. #}
{% macro refuse_other_columns(names) %}
    {%- set table = this.schema ~ '.' ~ this.identifier -%}
    {%- set existing = foss_platform.handed_over('columns').get(table, names) -%}
    {%- if existing | map('lower') | sort | list != names | map('lower') | sort | list -%}
        {%- do exceptions.raise_compiler_error(
            'The columns of the model ' ~ table ~ ' have changed since its table was built (it has ' ~ names | sort | join(', ')
            ~ '; the table has ' ~ existing | sort | join(', ') ~ '). Run `foss rebuild ' ~ this.identifier ~ '`.'
        ) -%}
    {%- endif -%}
{% endmacro %}

{# The columns of a build with their names and types, from the contract if there is one, otherwise from the query. #}
{% macro trino_columns(query) %}
    {%- set found = get_columns_in_query(query) -%}
    {%- set columns = [] -%}
    {%- if config.get('contract') and config.get('contract').enforced -%}
        {%- if found | map('lower') | sort | list != model.columns.keys() | map('lower') | sort | list -%}
            {%- do exceptions.raise_compiler_error(
                'The columns of ' ~ this.identifier ~ ' are ' ~ found | sort | join(', ') ~ '; its contract says ' ~ model.columns.keys() | sort | join(', ')
            ) -%}
        {%- endif -%}
        {%- for name, column in model.columns.items() -%}
            {%- do columns.append({'name': name, 'type': foss_platform.column_type(column.data_type)}) -%}
        {%- endfor -%}
    {%- else -%}
        {%- for column in get_column_schema_from_query(query) -%}
            {%- do columns.append({'name': column.name, 'type': column.dtype}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(columns) }}
{% endmacro %}

{# Keys and values of the table properties with the positions of a full build and the hash of its logic. #}
{% macro built_properties() %}
    {%- set properties = {} -%}
    {%- for source_name, position in foss_platform.source_positions().items() -%}
        {%- do properties.update({'foss.position.' ~ source_name: position.uuid ~ ':' ~ position.available}) -%}
    {%- endfor -%}
    {%- set logic = foss_platform.handed_over('logic').get(model.unique_id) -%}
    {%- if logic -%}{%- do properties.update({'foss.logic': logic}) -%}{%- endif -%}
    {{ return(properties) }}
{% endmacro %}
