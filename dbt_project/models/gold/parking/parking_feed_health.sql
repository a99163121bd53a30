{{ config(materialized='incremental', unique_key=['local_day'], prune_by='local_day') }}

{%- set polls = source('ops', 'polls') -%}
{%- set readings = ref('parking_readings') -%}
{%- set ours = "pipeline = 'stavanger_parking' and " ~ foss_platform.readable('ops.polls') -%}
{%- set accepted = ours ~ " and status = 'accepted'" -%}
{%- set step = foss_platform.is_step() -%}
{%- set nothing_new = false -%}
{%- if step -%}
    {#- A poll changes its own day, later days if it is between two other polls, and the day of its data time. All days from
        the first of these days on are computed again. -#}
    {%- set news -%}
        select polled_at as moment from {{ polls }} where {{ ours }} and {{ foss_platform.unread('ops.polls') }}
        union all
        select newest_data_time from {{ polls }} where {{ ours }} and {{ foss_platform.unread('ops.polls') }}
        union all
        select _polled_at from {{ source('bronze', 'stavanger_parking') }} where {{ foss_platform.unread('bronze.stavanger_parking') }}
    {%- endset -%}
    {%- set first_day -%} cast({{ foss_platform.on_clock_of('min(moment)', 'Europe/Oslo') }} as date) {%- endset -%}
    {%- set since = (foss_platform.values_of('select ' ~ foss_platform.instant_text(foss_platform.start_of_local_day(first_day, 'Europe/Oslo')) ~ ' from (' ~ news ~ ') as news') or [none])[0] -%}
    {%- set nothing_new = since is none -%}
{%- endif -%}
{%- if since -%}
    {%- set enough_before -%} {{ foss_platform.instant(since) }} - interval '{{ var("frozen_after_minutes") }}' minute {%- endset -%}
    {%- set enough_before = foss_platform.values_of('select ' ~ foss_platform.instant_text(enough_before))[0] -%}
    {%- set context_from = foss_platform.last_before(polls, 'polled_at', enough_before, accepted) -%}
    {%- set time_before = foss_platform.last_before(polls, 'newest_data_time', since, accepted) -%}
{%- endif %}

with attempts as (
    select
        cast({{ foss_platform.on_clock_of('polled_at', 'Europe/Oslo') }} as date) as local_day,
        count(*) as polls,
        count(case when status <> 'accepted' then 1 end) as polls_failed,
        cast(sum(records_rejected) as bigint) as rejected_records
    from {{ polls }}
    where {{ ours }}
        {%- if since %} and polled_at >= {{ foss_platform.instant(since) }}{% endif %}
        {%- if nothing_new %} and false{% endif %}
    group by 1
),

-- new readings, by the first poll with each reading
carried as (
    select
        cast({{ foss_platform.on_clock_of('polled_at', 'Europe/Oslo') }} as date) as local_day,
        count(*) as readings,
        count(distinct batch_id) as polls_with_new_readings
    from {{ readings }}
    {%- if since %}
    where polled_at >= {{ foss_platform.instant(since) }}
    {%- endif %}
    group by 1
),

-- the windows below are kept in memory completely, so they have only the necessary columns
accepted as (
    select polled_at, newest_data_time
    from {{ polls }}
    where {{ accepted }}
        {%- if context_from %} and polled_at >= {{ foss_platform.instant(context_from) }}{% endif %}
),

pairs as (
    select
        *,
        lag(polled_at) over (order by polled_at, newest_data_time) as previous_polled_at,
        lag(newest_data_time) over (order by polled_at, newest_data_time) as previous_data_time
    from accepted
),

-- a standstill is an unbroken series of polls with the same newest data time
marked as (
    select
        *,
        sum(case when newest_data_time = previous_data_time then 0 else 1 end)
            over (order by polled_at, newest_data_time rows unbounded preceding) as standstill
    from pairs
),

intervals as (
    select
        cast({{ foss_platform.on_clock_of('polled_at', 'Europe/Oslo') }} as date) as local_day,
        {{ foss_platform.minutes_between('previous_polled_at', 'polled_at') }} as minutes,
        {{ foss_platform.minutes_between('min(polled_at) over (partition by standstill)', 'polled_at') }} as minutes_standing_still
    from marked
),

interval_minutes as (
    select
        local_day,
        sum(case when minutes > {{ var('gap_minutes') }} then minutes else 0e0 end) as minutes_without_poll,
        sum(case
            when minutes <= {{ var('gap_minutes') }} and minutes_standing_still > {{ var('frozen_after_minutes') }} then minutes
            else 0e0
        end) as minutes_frozen
    from intervals
    group by 1
),

data_times as (
    select distinct newest_data_time
    from {{ polls }}
    where {{ accepted }}
        {%- if since %}
        and (newest_data_time >= {{ foss_platform.instant(since) }}{% if time_before %} or newest_data_time = {{ foss_platform.instant(time_before) }}{% endif %})
        {%- endif %}
),

gaps as (
    select
        cast({{ foss_platform.on_clock_of('newest_data_time', 'Europe/Oslo') }} as date) as local_day,
        {{ foss_platform.minutes_between('lag(newest_data_time) over (order by newest_data_time)', 'newest_data_time') }} as minutes
    from data_times
),

longest_gaps as (
    select local_day, max(minutes) as longest_gap_minutes
    from gaps
    group by 1
)

select
    attempts.local_day,
    attempts.polls,
    attempts.polls_failed,
    coalesce(carried.polls_with_new_readings, 0) as polls_with_new_readings,
    coalesce(carried.readings, 0) as readings,
    attempts.rejected_records,
    longest_gaps.longest_gap_minutes,
    coalesce(interval_minutes.minutes_frozen, 0e0) as minutes_frozen,
    coalesce(interval_minutes.minutes_without_poll, 0e0) as minutes_without_poll
from attempts
left join carried on attempts.local_day = carried.local_day
left join interval_minutes on attempts.local_day = interval_minutes.local_day
left join longest_gaps on attempts.local_day = longest_gaps.local_day
order by attempts.local_day
