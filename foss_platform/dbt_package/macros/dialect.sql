{#
  All differences between DuckDB and Trino, with one dispatch macro for each. Models contain no such differences.
  The engines' SQL differs, but the results are the same.
#}

{# Converts the text of a local date and time, in the feed's format, to an instant. An ambiguous time becomes its later
   instant. Any other text becomes null. The format is checked first, because each engine alone accepts more formats, and the
   engines' zones differ by minutes before 1900. #}
{% macro local_text_to_instant(text, zone) -%}
    case when {{ foss_platform.matches(text, '^[0-9]{1,2}[.][0-9]{1,2}[.](19|20|21)[0-9]{2} [0-9]{1,2}:[0-9]{1,2}$') }}
        then {{ adapter.dispatch('local_text_to_instant', 'foss_platform')(text, zone) }} end
{%- endmacro %}
{% macro duckdb__local_text_to_instant(text, zone) -%}
    (try_strptime({{ text }}, '%d.%m.%Y %H:%M') at time zone '{{ zone }}')
{%- endmacro %}
{% macro trino__local_text_to_instant(text, zone) -%}
    cast(with_timezone(try(date_parse({{ text }}, '%d.%m.%Y %H:%i')), '{{ zone }}') at time zone 'UTC' as timestamp(6) with time zone)
{%- endmacro %}

{# An instant as local time in a zone, without the zone. #}
{% macro on_clock_of(instant, zone) %}{{ return(adapter.dispatch('on_clock_of', 'foss_platform')(instant, zone)) }}{% endmacro %}
{% macro duckdb__on_clock_of(instant, zone) -%} (({{ instant }}) at time zone '{{ zone }}') {%- endmacro %}
{% macro trino__on_clock_of(instant, zone) -%} cast(({{ instant }}) at time zone '{{ zone }}' as timestamp(6)) {%- endmacro %}

{# The instant at which the local day of a date begins. #}
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
    {#- an interval has only milliseconds, but an instant has microseconds. These fit into a double of seconds since 1970 -#}
    (cast(
        cast(round(to_unixtime({{ later }}) * 1e6) as bigint) - cast(round(to_unixtime({{ earlier }}) * 1e6) as bigint) as double
    ) / 60000000e0)
{%- endmacro %}

{# Text without surrounding white space. The characters are listed, because \s differs between the engines. #}
{% macro trimmed(text) %}{{ return(adapter.dispatch('trimmed', 'foss_platform')(text)) }}{% endmacro %}
{% macro duckdb__trimmed(text) -%} regexp_replace({{ text }}, '^[ \t\n\f\r]+|[ \t\n\f\r]+$', '', 'g') {%- endmacro %}
{% macro trino__trimmed(text) -%} regexp_replace({{ text }}, '\A[ \t\n\f\r]+|[ \t\n\f\r]+\z', '') {%- endmacro %}

{# Whether any part of a text matches a regular expression. #}
{% macro matches(text, pattern) %}{{ return(adapter.dispatch('matches', 'foss_platform')(text, pattern)) }}{% endmacro %}
{% macro duckdb__matches(text, pattern) -%} regexp_matches({{ text }}, '{{ pattern }}') {%- endmacro %}
{% macro trino__matches(text, pattern) -%}
    {#- its $ also matches before a final line feed -#}
    regexp_like({{ text }}, '{{ pattern[:-1] ~ "\\z" if pattern.endswith("$") else pattern }}')
{%- endmacro %}

{# Converts the text of a number to a double. Any other text becomes null. The text is checked first, because each engine alone
   accepts more, such as 1_000, 1d, infinity and blanks. #}
{% macro text_to_double(text) -%}
    case when {{ foss_platform.matches(text, '^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?$') }} then try_cast({{ text }} as double) end
{%- endmacro %}

{# The percentile of a value: the smallest value with at least that share of all values at or below it. #}
{% macro exact_percentile(value, percent) %}{{ return(adapter.dispatch('exact_percentile', 'foss_platform')(value, percent)) }}{% endmacro %}
{% macro duckdb__exact_percentile(value, percent) -%} quantile_disc({{ value }}, {{ percent }} / 100.0) {%- endmacro %}
{% macro trino__exact_percentile(value, percent) -%}
    element_at(
        array_agg({{ value }} order by {{ value }}) filter (where {{ value }} is not null),
        cast(ceiling({{ percent }} * count({{ value }}) / 100e0) as integer)
    )
{%- endmacro %}

{# The ISO weekday: Monday is 1, Sunday is 7. #}
{% macro iso_weekday(moment) %}{{ return(adapter.dispatch('iso_weekday', 'foss_platform')(moment)) }}{% endmacro %}
{% macro duckdb__iso_weekday(moment) -%} cast(isodow({{ moment }}) as integer) {%- endmacro %}
{% macro trino__iso_weekday(moment) -%} cast(day_of_week({{ moment }}) as integer) {%- endmacro %}

{# An instant as a literal. #}
{% macro instant(text) %}{{ return(adapter.dispatch('instant', 'foss_platform')(text)) }}{% endmacro %}
{% macro duckdb__instant(text) -%} timestamptz '{{ text }}' {%- endmacro %}
{% macro trino__instant(text) -%} timestamp '{{ text }}' {%- endmacro %}

{# The newest value of a model's time column, read from the files' statistics, because max() reads the whole column. #}
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

{# An instant as text, in the format that `instant` accepts. #}
{% macro instant_text(value) %}{{ return(adapter.dispatch('instant_text', 'foss_platform')(value)) }}{% endmacro %}
{% macro duckdb__instant_text(value) -%} strftime({{ value }}, '%Y-%m-%d %H:%M:%S.%f') || ' UTC' {%- endmacro %}
{% macro trino__instant_text(value) -%}
    cast(cast(({{ value }}) at time zone 'UTC' as timestamp(6) with time zone) as varchar)
{%- endmacro %}

{# A contract's type in the engine's notation, so that both engines create the same Iceberg column. #}
{% macro column_type(name) %}{{ return(adapter.dispatch('column_type', 'foss_platform')(name)) }}{% endmacro %}
{% macro duckdb__column_type(name) %}{{ return(name) }}{% endmacro %}
{% macro trino__column_type(name) %}
    {{ return({
        'timestamp': 'timestamp(6)', 'timestamp with time zone': 'timestamp(6) with time zone', 'text': 'varchar'
    }.get(name | lower, name)) }}
{% endmacro %}
