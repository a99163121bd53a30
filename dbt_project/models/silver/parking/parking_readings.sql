{{ config(materialized='incremental', unique_key=['site', 'observed_at'], prune_by='observed_at') }}

{%- set step = foss_platform.is_step() -%}
{%- set bronze = source('bronze', 'stavanger_parking') -%}
{%- set readable = foss_platform.readable('bronze.stavanger_parking') -%}
{%- if step -%}
    {%- set unread = foss_platform.unread('bronze.stavanger_parking') -%}
    {#- all rows of each batch with new rows: within a batch the record's index decides, and silver does not store it -#}
    {%- set batches_with_news = readable
        ~ ' and ' ~ foss_platform.on_days_of('_polled_at', 'select _polled_at from ' ~ bronze ~ ' where ' ~ unread)
        ~ ' and _batch_id in (select _batch_id from ' ~ bronze ~ ' where ' ~ unread ~ ')' -%}
    {%- set observations = parking_observations(batches_with_news) -%}
{%- else -%}
    {%- set observations = parking_observations(readable) -%}
{%- endif %}

with observations as (
    {{ observations }}
),

candidates as (
    select site, observed_at, raw_value, latitude, longitude, polled_at, batch_id, record_index, true as is_new
    from observations
    {%- if step %}
    union all
    select site, observed_at, raw_value, latitude, longitude, polled_at, batch_id, 0 as record_index, false as is_new
    from {{ this }}
    where {{ foss_platform.on_days_of('observed_at', 'select observed_at from (' ~ observations ~ ') as observations') }}
        and batch_id not in (select batch_id from observations)
    {%- endif %}
),

ranked as (
    select
        *,
        row_number() over (
            partition by site, observed_at
            -- a poll whose clock was behind the reading comes last, because it would make a good reading look wrong
            order by case when {{ is_not_ahead() }} then 0 else 1 end, polled_at, batch_id, record_index
        ) as place
    from candidates
),

firsts as (
    select *, {{ foss_platform.trimmed('raw_value') }} as value_text
    from ranked
    where place = 1 and is_new
),

typed as (
    select
        *,
        case
            when {{ foss_platform.matches('value_text', '^[0-9]{1,9}([.,]0+)?$') }} then 'counted'
            when value_text = 'Fullt' then 'full'
            when value_text = 'Open' then 'open'
            else 'unreadable'
        end as status
    from firsts
),

numbered as (
    select
        *,
        case
            when status = 'counted' then cast(split_part(replace(value_text, ',', '.'), '.', 1) as integer)
            when status = 'full' then 0
        end as free_spaces
    from typed
)

select
    numbered.site,
    numbered.observed_at,
    numbered.raw_value,
    numbered.status,
    numbered.free_spaces,
    numbered.free_spaces <= sites.capacity as is_plausible,
    numbered.latitude,
    numbered.longitude,
    numbered.polled_at,
    numbered.batch_id
from numbered
left join {{ ref('parking_sites') }} as sites on numbered.site = sites.site
order by numbered.observed_at, numbered.site
