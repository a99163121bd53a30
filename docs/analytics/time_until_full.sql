/* After a car park is down to 50 spaces, how often and how soon does it fill up on the same day? */

with readings as (
    select
        site,
        cast(observed_at at time zone 'Europe/Oslo' as date) as local_day,
        observed_at,
        free_spaces,
        lag(free_spaces) over (partition by site order by observed_at) as free_before
    from silver.parking_readings
    where free_spaces is not null and coalesce(is_plausible, true)
),

low as (
    select site, local_day, min(observed_at) as low_at
    from readings
    where free_spaces between 1 and 50
    group by site, local_day
),

-- only full readings that follow a small count: the feed has false full readings, see false_full.sql
filled as (
    select low.site, low.local_day, date_diff('minute', low.low_at, min(readings.observed_at)) as minutes
    from low
    left join readings
        on low.site = readings.site
        and low.local_day = readings.local_day
        and low.low_at < readings.observed_at
        and readings.free_spaces = 0
        and readings.free_before <= 20
    group by low.site, low.local_day, low.low_at
),

placed as (
    select
        site,
        minutes,
        row_number() over (partition by site order by minutes) as place,
        count(*) over (partition by site) as days
    from filled
    where minutes is not null
),

-- the middle value, or the two middle values
medians as (
    select site, avg(minutes) as median_minutes
    from placed
    where 2 * place between days and days + 2
    group by site
)

select
    filled.site,
    count(*) as days_low,
    count(filled.minutes) as days_full,
    min(filled.minutes) as fastest_minutes,
    max(medians.median_minutes) as median_minutes
from filled
left join medians on filled.site = medians.site
group by filled.site
order by filled.site
