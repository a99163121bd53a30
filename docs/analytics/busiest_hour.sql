/* The hour of each weekday at which a car park is usually fullest (1 is Monday, Oslo time). */

with ranked as (
    select
        site,
        iso_weekday,
        local_hour_of_day,
        free_p50,
        max(free_p50) over (partition by site, iso_weekday) as free_at_most,
        -- the first of equal hours
        row_number() over (partition by site, iso_weekday order by free_p50, local_hour_of_day) as place
    from gold.parking_typical_week
)

select site, iso_weekday, local_hour_of_day as busiest_hour, free_p50 as free_then, free_at_most
from ranked
-- without an hour that is at least a tenth below the maximum, no hour is busy
where place = 1 and 10 * free_p50 < 9 * free_at_most
order by site, iso_weekday
