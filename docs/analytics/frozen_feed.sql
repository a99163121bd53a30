/* What did a frozen feed hide? For the day with the longest freeze: the frozen count, and the next one. */

with frozen_days as (
    select local_day, minutes_frozen, row_number() over (order by minutes_frozen desc, local_day) as place
    from gold.parking_feed_health
    where minutes_frozen > 0
),

readings as (
    select
        site,
        observed_at,
        free_spaces,
        is_plausible,
        lead(observed_at) over (partition by site order by observed_at) as next_at,
        lead(free_spaces) over (partition by site order by observed_at) as next_free
    from silver.parking_readings
),

gaps as (
    select
        readings.*,
        frozen_days.minutes_frozen,
        date_diff('minute', readings.observed_at, readings.next_at) as minutes,
        row_number() over (
            partition by readings.site order by readings.next_at - readings.observed_at desc, readings.observed_at
        ) as place
    from frozen_days
    join readings on frozen_days.local_day = cast(readings.next_at at time zone 'Europe/Oslo' as date)
    where frozen_days.place = 1
)

select
    site,
    observed_at as shown_from,
    next_at as shown_until,
    minutes,
    minutes_frozen,
    free_spaces as free_shown,
    next_free as free_after
from gaps
-- an implausible count was already wrong before the freeze
where place = 1 and coalesce(is_plausible, true)
order by site
