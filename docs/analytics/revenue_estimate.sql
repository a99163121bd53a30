/* What would a day's parking earn at the example tariffs? Occupied spaces times the hourly price, from 8 to 18. */

with hours as (
    select
        hourly.site,
        cast(hourly.local_hour as date) as local_day,
        -- free spaces can exceed a capacity that is only the largest observed count
        greatest(sites.capacity - hourly.free_avg, 0e0) * sites.example_tariff_nok_per_hour as nok
    from gold.parking_hourly as hourly
    join reference.reference.parking_sites as sites on hourly.site = sites.site
    where sites.capacity is not null and extract(hour from hourly.local_hour) between 8 and 17
),

-- days with missing hours are left out
days as (
    select site, local_day, sum(nok) as nok
    from hours
    group by site, local_day
    having count(*) = 10
)

select site, count(*) as days, round(avg(nok)) as nok_per_day, round(sum(nok)) as nok
from days
group by site
order by site
