/* Which car parks fill together? 1 means together, -1 opposite. Scaling by the capacity would not change the result. */

with hours as (
    select
        hourly.site,
        hourly.hour,
        hourly.free_avg,
        hourly.free_avg - week.free_p50 as beyond_usual
    from gold.parking_hourly as hourly
    -- Sunday is 0 on one engine and 7 on the other
    join gold.parking_typical_week as week
        on hourly.site = week.site
        and (extract(dow from hourly.local_hour) + 6) % 7 + 1 = week.iso_weekday
        and extract(hour from hourly.local_hour) = week.local_hour_of_day
)

select
    one.site,
    other.site as other_site,
    count(*) as hours,
    round(corr(one.free_avg, other.free_avg), 2) as together,
    -- without the usual pattern of weekday and hour
    round(corr(one.beyond_usual, other.beyond_usual), 2) as together_beyond_usual
from hours as one
join hours as other on one.hour = other.hour and one.site < other.site
group by one.site, other.site
-- a constant series has no correlation: one engine returns null, the other NaN
having min(one.free_avg) < max(one.free_avg)
    and min(other.free_avg) < max(other.free_avg)
    and min(one.beyond_usual) < max(one.beyond_usual)
    and min(other.beyond_usual) < max(other.beyond_usual)
order by one.site, other.site
