{# The rows of a seed as a query, with the types of its YAML file. An empty cell is null. #}
{% macro seed_query() %}
    {%- set loaded = load_agate_table() -%}
    {%- do store_result('agate_table', response='OK', agate_table=loaded) -%}
    {%- set columns = [] -%}
    {%- set quoted = [] -%}
    {%- for column in loaded.column_names -%}
        {%- set type = foss_platform.column_type(config.get('column_types', {}).get(column, 'varchar')) -%}
        {%- do columns.append('cast(nullif(' ~ adapter.quote(column) ~ ", '') as " ~ type ~ ') as ' ~ adapter.quote(column)) -%}
        {%- do quoted.append(adapter.quote(column)) -%}
    {%- endfor -%}
    {%- set rows = [] -%}
    {%- for row in loaded.rows -%}
        {%- set cells = [] -%}
        {%- for cell in row -%}
            {%- do cells.append("'" ~ (cell if cell is not none else '') | string | replace("'", "''") ~ "'") -%}
        {%- endfor -%}
        {%- do rows.append('(' ~ cells | join(', ') ~ ')') -%}
    {%- endfor -%}
    {{ return(
        'select ' ~ columns | join(', ') ~ ' from (values ' ~ rows | join(', ') ~ ') as seed (' ~ quoted | join(', ') ~ ')'
    ) }}
{% endmacro %}
