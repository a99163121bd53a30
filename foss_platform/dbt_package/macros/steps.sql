{#
  Incremental builds: how far a model has read its sources, and which rows are new.

  Every row of bronze and of ops.polls has the sequence number of the commit that added it. The commit of a derived table's
  rows also sets a table property: how far the table has read each source. One comparison then finds the new rows. If a
  position is missing or invalid, the model is built in full.
#}

{# The names in the lake of a model's upstream tables. An ephemeral model has no table, so its own upstream tables count. #}
{% macro upstream_tables(node=model) %}
    {%- set names = [] -%}
    {%- for unique_id in node.depends_on.nodes -%}
        {%- set upstream = graph.sources.get(unique_id) or graph.nodes.get(unique_id) -%}
        {%- if upstream and upstream.resource_type != 'source' and upstream.config.materialized == 'ephemeral' -%}
            {%- do names.extend(foss_platform.upstream_tables(upstream)) -%}
        {%- elif upstream -%}
            {%- do names.append(upstream.schema ~ '.' ~ (upstream.identifier or upstream.alias or upstream.name)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(names | unique | list) }}
{% endmacro %}

{# For each source: how far this model has read it (`consumed`, none if unknown), and how far it may read (`available`). #}
{% macro source_positions() %}
    {#- a unit test has rows for its sources, but no table that has read them, so its model is built in full -#}
    {{ return({} if model.resource_type == 'unit_test' else adapter.dispatch('source_positions', 'foss_platform')()) }}
{% endmacro %}

{% macro duckdb__source_positions() %}
    {%- set upstream = "'" ~ foss_platform.upstream_tables() | join("', '") ~ "'" -%}
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

{# Trino cannot find out how far a table has been read, so the platform passes the positions to the run. #}
{% macro trino__source_positions() %}{{ return(foss_platform.handed_over('sources').get(model.unique_id, {})) }}{% endmacro %}

{# A part of the platform's input to a dbt run on Trino (`transform/trino/run.py`). Empty if dbt was started by hand. #}
{% macro handed_over(part) %}
    {{ return(fromjson(env_var('DBT_FOSS_RUN', '{}')).get(part, {}) if execute else {}) }}
{% endmacro %}

{# Whether this build can be an increment: the model has read all of its sources up to a known position. #}
{% macro is_step() %}
    {%- if not execute or model.config.materialized != 'incremental' or should_full_refresh() -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set positions = foss_platform.source_positions().values() | list -%}
    {{ return(positions | length > 0 and positions | selectattr('consumed', 'none') | list | length == 0) }}
{% endmacro %}

{# The condition for the rows of a source that this build may read: up to the positions of the upstream models. #}
{% macro readable(source_name) %}
    {%- set position = foss_platform.source_positions().get(source_name) if execute else none -%}
    {{ return('_sequence_number <= ' ~ position.available if position else 'true') }}
{% endmacro %}

{# The condition for the rows of a source that this model has not read yet. #}
{% macro unread(source_name) %}
    {%- set position = foss_platform.source_positions().get(source_name) if execute else none -%}
    {%- if position and position.consumed is not none -%}
        {{ return('_sequence_number > ' ~ position.consumed ~ ' and _sequence_number <= ' ~ position.available) }}
    {%- endif -%}
    {{ return('true') }}
{% endmacro %}

{# The first column of a query's result, as a list. The query runs when the model is compiled, before the rows of a unit
   test exist. A unit test must therefore provide the result itself, under `overrides: macros: values_of`. #}
{% macro values_of(query) %}
    {{ return(run_query(query).columns[0].values() | list if execute else []) }}
{% endmacro %}

{# The condition that `column` is within the UTC days of the instants that `query` returns in its one column. The days are
   constants, so that files are pruned, and a list of spans, so that one old value does not read all days since. #}
{% macro on_days_of(column, query) %}
    {%- set days = foss_platform.values_of(
        "with days as (select distinct date_trunc('day', moment) as day from (" ~ query ~ ") as moments (moment)), "
        ~ "islands as (select day, day - row_number() over (order by day) * interval '1' day as island from days where day is not null) "
        ~ "select " ~ foss_platform.instant_text('min(day)') ~ " || '|' || " ~ foss_platform.instant_text("max(day) + interval '1' day") ~ " from islands group by island order by 1"
    ) -%}
    {%- if days | length == 0 -%}{{ return('false') }}{%- endif -%}
    {%- set spans = [] -%}
    {%- for day in days -%}
        {%- set bounds = day.split('|') -%}
        {%- do spans.append('(' ~ column ~ ' >= ' ~ foss_platform.instant(bounds[0]) ~ ' and ' ~ column ~ ' < ' ~ foss_platform.instant(bounds[1]) ~ ')') -%}
    {%- endfor -%}
    {{ return('(' ~ spans | join(' or ') ~ ')') }}
{% endmacro %}

{# The last value of `column` before an instant, as text. None if there is no such value. It reads two days first, because
   `max` over a whole column reads all of it. #}
{% macro last_before(relation, column, moment, condition) %}
    {%- set query = 'select ' ~ foss_platform.instant_text('max(' ~ column ~ ')') ~ ' from ' ~ relation ~ ' where ' ~ condition
        ~ ' and ' ~ column ~ ' < ' ~ foss_platform.instant(moment) -%}
    {%- set near = foss_platform.values_of(query ~ ' and ' ~ column ~ ' >= ' ~ foss_platform.instant(moment) ~ " - interval '2' day") -%}
    {{ return(near[0] if near and near[0] else (foss_platform.values_of(query) or [none])[0]) }}
{% endmacro %}

{# The condition for the rows of a model's newest days. It is a constant, so that files are pruned and a test does not read
   the whole history. #}
{% macro of_newest_days(model, column, days) %}
    {%- if column and execute -%}
        {%- set newest = foss_platform.values_of('select ' ~ foss_platform.instant_text(foss_platform.newest_instant(model, column) ~ " - interval '" ~ days ~ "' day")) -%}
        {%- if newest and newest[0] -%}
            {{ return(column ~ ' >= ' ~ foss_platform.instant(newest[0])) }}
        {%- endif -%}
    {%- endif -%}
    {{ return('true') }}
{% endmacro %}
