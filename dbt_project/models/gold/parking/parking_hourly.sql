{{ config(materialized='incremental', unique_key=['site', 'hour'], prune_by='hour', delete_when='readings = 0') }}

{%- set step = foss_platform.is_step() -%}
{%- if step -%}
    {%- set changed = changed_parking_readings() -%}
{%- endif %}

with readings as (
    select *, date_trunc('hour', observed_at) as hour
    from {{ ref('parking_readings') }}
    {%- if step %}
    where {{ foss_platform.on_days_of('observed_at', 'select observed_at from (' ~ changed ~ ') as changed') }}
    {%- endif %}
),

usable as (
    select * from readings where {{ is_usable_reading() }}
),

hours as (
    {%- if step %}
    -- every changed hour, including hours without any usable reading left
    select distinct site, date_trunc('hour', observed_at) as hour
    from ({{ changed }}) as changed
    {%- else %}
    select distinct site, hour from usable
    {%- endif %}
)

select
    hours.site,
    hours.hour,
    {{ foss_platform.on_clock_of('hours.hour', 'Europe/Oslo') }} as local_hour,
    count(usable.site) as readings,
    avg(usable.free_spaces) as free_avg,
    min(usable.free_spaces) as free_min,
    max(usable.free_spaces) as free_max,
    cast(count(case when usable.status = 'full' then 1 end) as double) / nullif(count(usable.site), 0) as full_share
from hours
left join usable on hours.site = usable.site and hours.hour = usable.hour
group by hours.site, hours.hour
order by hours.hour, hours.site
