/* What would a day's parking be worth at the example tariffs? Spaces taken, times the price of an hour, from 8 to 18. */

with hours as (
    select
        hourly.site,
        cast(hourly.local_hour as date) as local_day,
        -- more can be free than the capacity says where that is only what was seen
        greatest(sites.capacity - hourly.free_avg, 0e0) * sites.example_tariff_nok_per_hour as nok
    from gold.parking_hourly as hourly
    join reference.reference.parking_sites as sites on hourly.site = sites.site
    where sites.capacity is not null and extract(hour from hourly.local_hour) between 8 and 17
),

-- a day with hours missing says nothing about a day
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
