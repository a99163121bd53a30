{#
  Every difference between DuckDB and Trino, one dispatch macro each. Models hold none.
  The answers agree; only the words differ.
#}

{# Text of a local date and time, in the feed's format, as the later of the instants that it can mean; null for what is none.
   The format is held to first: each engine alone takes more, and before 1900 their zones differ by minutes. #}
{% macro local_text_to_instant(text, zone) -%}
    case when {{ matches(text, '^[0-9]{1,2}[.][0-9]{1,2}[.](19|20|21)[0-9]{2} [0-9]{1,2}:[0-9]{1,2}$') }}
        then {{ adapter.dispatch('local_text_to_instant', 'foss_platform')(text, zone) }} end
{%- endmacro %}
{% macro duckdb__local_text_to_instant(text, zone) -%}
    (try_strptime({{ text }}, '%d.%m.%Y %H:%M') at time zone '{{ zone }}')
{%- endmacro %}
{% macro trino__local_text_to_instant(text, zone) -%}
    cast(with_timezone(try(date_parse({{ text }}, '%d.%m.%Y %H:%i')), '{{ zone }}') at time zone 'UTC' as timestamp(6) with time zone)
{%- endmacro %}

{# An instant on the clock of a zone, without the zone. #}
{% macro on_clock_of(instant, zone) %}{{ return(adapter.dispatch('on_clock_of', 'foss_platform')(instant, zone)) }}{% endmacro %}
{% macro duckdb__on_clock_of(instant, zone) -%} (({{ instant }}) at time zone '{{ zone }}') {%- endmacro %}
{% macro trino__on_clock_of(instant, zone) -%} cast(({{ instant }}) at time zone '{{ zone }}' as timestamp(6)) {%- endmacro %}

{# The instant at which the local day begins that a date names. #}
{% macro start_of_local_day(day, zone) %}{{ return(adapter.dispatch('start_of_local_day', 'foss_platform')(day, zone)) }}{% endmacro %}
{% macro duckdb__start_of_local_day(day, zone) -%} (cast({{ day }} as timestamp) at time zone '{{ zone }}') {%- endmacro %}
{% macro trino__start_of_local_day(day, zone) -%}
    cast(with_timezone(cast({{ day }} as timestamp(6)), '{{ zone }}') at time zone 'UTC' as timestamp(6) with time zone)
{%- endmacro %}

{# Minutes from one instant to a later one, as double. #}
{% macro minutes_between(earlier, later) %}{{ return(adapter.dispatch('minutes_between', 'foss_platform')(earlier, later)) }}{% endmacro %}
{% macro duckdb__minutes_between(earlier, later) -%}
    (cast(epoch_us({{ later }}) - epoch_us({{ earlier }}) as double) / 60000000e0)
{%- endmacro %}
{% macro trino__minutes_between(earlier, later) -%}
    {#- an interval has milliseconds; an instant has microseconds, which a double of seconds since 1970 still tells apart -#}
    (cast(
        cast(round(to_unixtime({{ later }}) * 1e6) as bigint) - cast(round(to_unixtime({{ earlier }}) * 1e6) as bigint) as double
    ) / 60000000e0)
{%- endmacro %}

{# Text without the white space around it; the characters are named, since the engines' \s differ. #}
{% macro trimmed(text) %}{{ return(adapter.dispatch('trimmed', 'foss_platform')(text)) }}{% endmacro %}
{% macro duckdb__trimmed(text) -%} regexp_replace({{ text }}, '^[ \t\n\f\r]+|[ \t\n\f\r]+$', '', 'g') {%- endmacro %}
{% macro trino__trimmed(text) -%} regexp_replace({{ text }}, '\A[ \t\n\f\r]+|[ \t\n\f\r]+\z', '') {%- endmacro %}

{# Whether text matches a regular expression somewhere. #}
{% macro matches(text, pattern) %}{{ return(adapter.dispatch('matches', 'foss_platform')(text, pattern)) }}{% endmacro %}
{% macro duckdb__matches(text, pattern) -%} regexp_matches({{ text }}, '{{ pattern }}') {%- endmacro %}
{% macro trino__matches(text, pattern) -%}
    {#- its $ also stands before a last line feed -#}
    regexp_like({{ text }}, '{{ pattern[:-1] ~ "\\z" if pattern.endswith("$") else pattern }}')
{%- endmacro %}

{# A number in text, as double; null for what is none. Each engine alone takes more: 1_000, 1d, infinity, blanks. #}
{% macro text_to_double(text) -%}
    case when {{ matches(text, '^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?$') }} then try_cast({{ text }} as double) end
{%- endmacro %}

{# The smallest value with at least that share of the values at or below it. #}
{% macro exact_percentile(value, percent) %}{{ return(adapter.dispatch('exact_percentile', 'foss_platform')(value, percent)) }}{% endmacro %}
{% macro duckdb__exact_percentile(value, percent) -%} quantile_disc({{ value }}, {{ percent }} / 100.0) {%- endmacro %}
{% macro trino__exact_percentile(value, percent) -%}
    element_at(
        array_agg({{ value }} order by {{ value }}) filter (where {{ value }} is not null),
        cast(ceiling({{ percent }} * count({{ value }}) / 100e0) as integer)
    )
{%- endmacro %}

{# Monday is 1, Sunday 7. #}
{% macro iso_weekday(moment) %}{{ return(adapter.dispatch('iso_weekday', 'foss_platform')(moment)) }}{% endmacro %}
{% macro duckdb__iso_weekday(moment) -%} cast(isodow({{ moment }}) as integer) {%- endmacro %}
{% macro trino__iso_weekday(moment) -%} cast(day_of_week({{ moment }}) as integer) {%- endmacro %}

{# An instant as a literal. #}
{% macro instant(text) %}{{ return(adapter.dispatch('instant', 'foss_platform')(text)) }}{% endmacro %}
{% macro duckdb__instant(text) -%} timestamptz '{{ text }}' {%- endmacro %}
{% macro trino__instant(text) -%} timestamp '{{ text }}' {%- endmacro %}

{# The newest value of a model's column of time. DuckDB: from the files' statistics, since max() reads the whole column. #}
{% macro newest_instant(model, column) %}{{ return(adapter.dispatch('newest_instant', 'foss_platform')(model, column)) }}{% endmacro %}
{% macro duckdb__newest_instant(model, column) -%}
    cast(foss_newest('{{ model.schema }}.{{ model.identifier }}', '{{ column }}') as timestamptz)
{%- endmacro %}
{% macro trino__newest_instant(model, column) -%}
    (
        select max(cast(from_iso8601_timestamp_nanos(json_extract_scalar(readable_metrics, '$.{{ column }}.upper_bound')) as timestamp(6) with time zone))
        from {{ model.database }}.{{ model.schema }}."{{ model.identifier }}$files"
        where content = 0
    )
{%- endmacro %}

{# An instant as text that `instant` takes. #}
{% macro instant_text(value) %}{{ return(adapter.dispatch('instant_text', 'foss_platform')(value)) }}{% endmacro %}
{% macro duckdb__instant_text(value) -%} strftime({{ value }}, '%Y-%m-%d %H:%M:%S.%f') || ' UTC' {%- endmacro %}
{% macro trino__instant_text(value) -%}
    cast(cast(({{ value }}) at time zone 'UTC' as timestamp(6) with time zone) as varchar)
{%- endmacro %}

{# A contract's type as the engine writes it, so that both make the same Iceberg column of it. #}
{% macro column_type(name) %}{{ return(adapter.dispatch('column_type', 'foss_platform')(name)) }}{% endmacro %}
{% macro duckdb__column_type(name) %}{{ return(name) }}{% endmacro %}
{% macro trino__column_type(name) %}
    {{ return({
        'timestamp': 'timestamp(6)', 'timestamp with time zone': 'timestamp(6) with time zone', 'text': 'varchar'
    }.get(name | lower, name)) }}
{% endmacro %}
