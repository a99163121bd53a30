/* The typical Friday according to the lake, or with --at according to an earlier state of the lake. */

select site, local_hour_of_day, readings, free_p50
from gold.parking_typical_week
where iso_weekday = 5
order by site, local_hour_of_day
