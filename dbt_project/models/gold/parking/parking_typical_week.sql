{{ config(materialized='incremental', unique_key=['site', 'iso_weekday', 'local_hour_of_day'], delete_when='readings is null') }}

{#- The window ends with the day before the newest reading's day. So an increment changes rows only once a day, and after a
    late reading inside the window. -#}
{%- set newest_day -%}
    cast({{ foss_platform.on_clock_of('(select max(observed_at) from ' ~ ref('parking_latest') ~ ')', 'Europe/Oslo') }} as date)
{%- endset -%}
{%- set window_days = var('typical_week_days') -%}
{%- set days = foss_platform.values_of('select cast(' ~ newest_day ~ " - interval '" ~ window_days ~ "' day as date) union all select " ~ newest_day ~ ' order by 1') -%}
{%- set step = foss_platform.is_step() -%}
{%- set is_current = false -%}
{%- if step and days and days[0] -%}
    {%- set changed = changed_parking_readings() -%}
    {%- set day_of_changed -%} cast({{ foss_platform.on_clock_of('observed_at', 'Europe/Oslo') }} as date) {%- endset -%}
    {%- set touched = foss_platform.values_of(
        'select 1 from (' ~ changed ~ ') as changed where ' ~ day_of_changed ~ " >= date '" ~ days[0] ~ "' and "
        ~ day_of_changed ~ " <> date '" ~ days[1] ~ "' limit 1"
    ) -%}
    {%- set known_before = foss_platform.values_of(
        'select 1 from ' ~ ref('parking_readings') ~ ' as readings where ' ~ is_not_ahead()
        ~ ' and observed_at >= ' ~ foss_platform.start_of_local_day("date '" ~ days[1] ~ "'", 'Europe/Oslo')
        ~ ' and not exists (select 1 from (' ~ changed ~ ') as changed where changed.site = readings.site and changed.observed_at = readings.observed_at) limit 1'
    ) -%}
    {%- set is_current = touched | length == 0 and known_before | length > 0 -%}
{%- endif %}

with readings as (
    select *, {{ foss_platform.on_clock_of('observed_at', 'Europe/Oslo') }} as local_time
    from {{ ref('parking_readings') }}
    where {{ is_usable_reading() }}
    {%- if is_current or not (days and days[0]) %}
        and false
    {%- else %}
        and observed_at >= {{ foss_platform.start_of_local_day("date '" ~ days[0] ~ "'", 'Europe/Oslo') }}
        and observed_at < {{ foss_platform.start_of_local_day("date '" ~ days[1] ~ "'", 'Europe/Oslo') }}
    {%- endif %}
),

week as (
    select
        site,
        {{ foss_platform.iso_weekday('local_time') }} as iso_weekday,
        cast(extract(hour from local_time) as integer) as local_hour_of_day,
        count(*) as readings,
        {{ foss_platform.exact_percentile('free_spaces', 10) }} as free_p10,
        {{ foss_platform.exact_percentile('free_spaces', 50) }} as free_p50,
        {{ foss_platform.exact_percentile('free_spaces', 90) }} as free_p90
    from readings
    group by 1, 2, 3
)

select site, iso_weekday, local_hour_of_day, readings, free_p10, free_p50, free_p90
from week
{%- if step and not is_current %}
union all
select standing.site, standing.iso_weekday, standing.local_hour_of_day, null, null, null, null
from {{ this }} as standing
left join week
    on standing.site = week.site
    and standing.iso_weekday = week.iso_weekday
    and standing.local_hour_of_day = week.local_hour_of_day
where week.site is null
{%- endif %}
order by 1, 2, 3
