{{ config(materialized='incremental', unique_key=['site']) }}

{%- set step = foss_platform.is_step() -%}
{%- set bronze = source('bronze', 'stavanger_parking') -%}
{%- set readable = foss_platform.readable('bronze.stavanger_parking') -%}
{%- set all_readings = 'select * from ' ~ ref('parking_readings') ~ ' where ' ~ is_not_ahead() -%}
{%- set readings = all_readings -%}
{%- set newest_poll_since = 'true' -%}
{%- if step -%}
    {%- set changed = 'select observed_at from (' ~ changed_parking_readings() ~ ') as changed' -%}
    {%- set standing = 'select observed_at from ' ~ this -%}
    {%- set readings = all_readings ~ ' and ' ~ foss_platform.on_days_of('observed_at', standing ~ ' union all ' ~ changed) -%}
    {#- no reading here is more than ahead_minutes after its poll, so the newest poll is not before this time -#}
    {%- set oldest = foss_platform.values_of(
        'select ' ~ foss_platform.instant_text("max(observed_at) - interval '" ~ var('ahead_minutes') ~ "' minute") ~ ' from ' ~ this
    ) -%}
    {%- if oldest and oldest[0] -%}
        {%- set newest_poll_since = '_polled_at >= ' ~ foss_platform.instant(oldest[0]) -%}
    {%- endif -%}
{%- endif %}

with readings as (
    {{ readings }}
),

ranked as (
    select *, row_number() over (partition by site order by observed_at desc) as place
    from readings
),

newest as (
    select * from ranked where place = 1
),

newest_poll as (
    select max(_polled_at) as polled_at
    from {{ bronze }}
    where {{ readable }} and {{ newest_poll_since }}
)

select
    newest.site,
    newest.observed_at,
    newest.status,
    newest.free_spaces,
    newest.is_plausible,
    {{ foss_platform.minutes_between('newest.observed_at', 'newest_poll.polled_at') }} as age_minutes
from newest
cross join newest_poll
