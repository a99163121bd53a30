/* What a Friday looks like as far as the lake knows; with --at, as far as it knew then. */

select site, local_hour_of_day, readings, free_p50
from gold.parking_typical_week
where iso_weekday = 5
order by site, local_hour_of_day
