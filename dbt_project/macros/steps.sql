{#
  Building in steps: what a model has read of its sources, and what is new since.

  Every row of bronze and of ops.polls bears the sequence number of the commit that brought it. A
  derived table keeps, as a property set in the commit of its rows, how far it has read each source.
  What is new is one comparison; where a position is missing or does not fit, the model is built anew.
#}

{# The names of the tables a model is made from, as the lake knows them. An ephemeral model has no table: its own count. #}
{% macro upstream_tables(node=model) %}
    {%- set names = [] -%}
    {%- for unique_id in node.depends_on.nodes -%}
        {%- set upstream = graph.sources.get(unique_id) or graph.nodes.get(unique_id) -%}
        {%- if upstream and upstream.resource_type != 'source' and upstream.config.materialized == 'ephemeral' -%}
            {%- do names.extend(upstream_tables(upstream)) -%}
        {%- elif upstream -%}
            {%- do names.append(upstream.schema ~ '.' ~ (upstream.identifier or upstream.alias or upstream.name)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(names | unique | list) }}
{% endmacro %}

{# By source: how far this model has read it (`consumed`, none where that cannot be told) and how far it may (`available`). #}
{% macro source_positions() %}
    {#- a unit test has rows for its sources, and no table that has read them: its model is built as a whole -#}
    {{ return({} if model.resource_type == 'unit_test' else adapter.dispatch('source_positions', 'foss_platform')()) }}
{% endmacro %}

{% macro duckdb__source_positions() %}
    {%- set upstream = "'" ~ upstream_tables() | join("', '") ~ "'" -%}
    {%- set query -%}
        with available as (
            select source_name, min(sequence_number) as sequence_number
            from foss_state.positions
            where table_name in ({{ upstream }})
            group by source_name
        )
        select
            available.source_name,
            available.sequence_number,
            (
                select consumed.sequence_number
                from foss_state.positions as consumed
                where consumed.table_name = '{{ this.schema }}.{{ this.identifier }}'
                    and consumed.source_name = available.source_name
            ) as consumed
        from available
        order by 1
    {%- endset -%}
    {%- set positions = {} -%}
    {%- for row in run_query(query).rows -%}
        {%- do positions.update({row[0]: {'available': row[1] | int, 'consumed': none if row[2] is none else row[2] | int}}) -%}
    {%- endfor -%}
    {{ return(positions) }}
{% endmacro %}

{# Trino cannot tell how far a table has been read: the platform hands it over. #}
{% macro trino__source_positions() %}{{ return(handed_over('sources').get(model.unique_id, {})) }}{% endmacro %}

{# A part of what the platform says when it runs dbt on Trino (`transform/trino/run.py`); nothing where dbt is run by hand. #}
{% macro handed_over(part) %}
    {{ return(fromjson(env_var('DBT_FOSS_RUN', '{}')).get(part, {}) if execute else {}) }}
{% endmacro %}

{# Whether this build may take a step: everything the model is made from has been read up to a known position. #}
{% macro is_step() %}
    {%- if not execute or model.config.materialized != 'incremental' or should_full_refresh() -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set positions = source_positions().values() | list -%}
    {{ return(positions | length > 0 and positions | selectattr('consumed', 'none') | list | length == 0) }}
{% endmacro %}

{# dbt's own word for it. Its answer would let a build of the whole, which replaces the table, read the new rows alone. #}
{% macro is_incremental() %}{{ return(is_step()) }}{% endmacro %}

{# The condition for a source's rows that this build may read: not beyond what the upstream models have read. #}
{% macro readable(source_name) %}
    {%- set position = source_positions().get(source_name) if execute else none -%}
    {{ return('_sequence_number <= ' ~ position.available if position else 'true') }}
{% endmacro %}

{# The condition for a source's rows that this model has not read yet. #}
{% macro unread(source_name) %}
    {%- set position = source_positions().get(source_name) if execute else none -%}
    {%- if position and position.consumed is not none -%}
        {{ return('_sequence_number > ' ~ position.consumed ~ ' and _sequence_number <= ' ~ position.available) }}
    {%- endif -%}
    {{ return('true') }}
{% endmacro %}

{# The first column of a query's result, as a list. The query runs while the model is compiled, before the rows of a unit
   test exist: such a test gives the answer itself, under `overrides: macros: values_of`. #}
{% macro values_of(query) %}
    {{ return(run_query(query).columns[0].values() | list if execute else []) }}
{% endmacro %}

{# The condition that `column` lies within the UTC days of the instants that `query` (of one column) yields: constants, so
   that files are pruned; a list of spans, so that one stale value does not read all that lies between. #}
{% macro on_days_of(column, query) %}
    {%- set days = values_of(
        "with days as (select distinct date_trunc('day', moment) as day from (" ~ query ~ ") as moments (moment)), "
        ~ "islands as (select day, day - row_number() over (order by day) * interval '1' day as island from days where day is not null) "
        ~ "select " ~ instant_text('min(day)') ~ " || '|' || " ~ instant_text("max(day) + interval '1' day") ~ " from islands group by island order by 1"
    ) -%}
    {%- if days | length == 0 -%}{{ return('false') }}{%- endif -%}
    {%- set spans = [] -%}
    {%- for day in days -%}
        {%- set bounds = day.split('|') -%}
        {%- do spans.append('(' ~ column ~ ' >= ' ~ instant(bounds[0]) ~ ' and ' ~ column ~ ' < ' ~ instant(bounds[1]) ~ ')') -%}
    {%- endfor -%}
    {{ return('(' ~ spans | join(' or ') ~ ')') }}
{% endmacro %}

{# The last value of `column` before an instant, as text; none where there is none. Looks at two days first: `max` over all
   of a column reads all of it. #}
{% macro last_before(relation, column, moment, condition) %}
    {%- set query = 'select ' ~ instant_text('max(' ~ column ~ ')') ~ ' from ' ~ relation ~ ' where ' ~ condition
        ~ ' and ' ~ column ~ ' < ' ~ instant(moment) -%}
    {%- set near = values_of(query ~ ' and ' ~ column ~ ' >= ' ~ instant(moment) ~ " - interval '2' day") -%}
    {{ return(near[0] if near and near[0] else (values_of(query) or [none])[0]) }}
{% endmacro %}

{# The rows of a model's newest days, by a constant, so that files are pruned: a test of all rows reads all of the history. #}
{% macro of_newest_days(model, column, days) %}
    {%- if column and execute -%}
        {%- set newest = values_of('select ' ~ instant_text(newest_instant(model, column) ~ " - interval '" ~ days ~ "' day")) -%}
        {%- if newest and newest[0] -%}
            {{ return(column ~ ' >= ' ~ instant(newest[0])) }}
        {%- endif -%}
    {%- endif -%}
    {{ return('true') }}
{% endmacro %}
