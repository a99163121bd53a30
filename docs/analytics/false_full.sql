/* How often is a full reading false, with more than 20 free spaces in both the previous and the next reading? */

with readings as (
    select
        site,
        status,
        lag(free_spaces) over (partition by site order by observed_at) as free_before,
        lead(free_spaces) over (partition by site order by observed_at) as free_after
    from silver.parking_readings
)

select
    site,
    count(*) as says_full,
    count(case when free_before > 20 and free_after > 20 then 1 end) as cannot_be
from readings
where status = 'full'
group by site
order by site
