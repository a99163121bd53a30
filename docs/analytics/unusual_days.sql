/* Which days differed from their weekday, and at which car park? Counts hours outside of the usual range, p10 to p90. */

with hours as (
    select
        hourly.site,
        cast(hourly.local_hour as date) as local_day,
        week.iso_weekday,
        case when hourly.free_avg < week.free_p10 then 1 end as fuller,
        case when hourly.free_avg > week.free_p90 then 1 end as emptier
    from gold.parking_hourly as hourly
    -- Sunday is 0 on one engine and 7 on the other
    join gold.parking_typical_week as week
        on hourly.site = week.site
        and (extract(dow from hourly.local_hour) + 6) % 7 + 1 = week.iso_weekday
        and extract(hour from hourly.local_hour) = week.local_hour_of_day
)

select
    site,
    local_day,
    iso_weekday,
    count(*) as hours,
    count(fuller) as hours_fuller,
    count(emptier) as hours_emptier
from hours
group by site, local_day, iso_weekday
-- days of which at least half is known
having count(*) >= 12
order by site, local_day
