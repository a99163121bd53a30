-- Car parks that are only in the feed or only in the reference table: the feed has renamed or added a car park, or the
-- reference table is out of date.

with fed as (
    select site from {{ ref('parking_latest') }}
),

known as (
    select site from {{ source('reference', 'parking_sites') }}
)

select
    coalesce(fed.site, known.site) as site,
    case when known.site is null then 'not in the reference table' else 'not in the feed' end as missing
from fed
full outer join known on fed.site = known.site
where fed.site is null or known.site is null
order by 1
