"""Creates years of synthetic polls in the shape of the parking feed with DuckDB, and streams them into the tables."""

from foss_platform.cli.shared.pages import find_feed
from foss_platform.ingest.bronze.commit_polls import ensure_feed_tables
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.duckdb_views import connect, create_view, pin
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.quoting import quote_text
from foss_platform_tests.benchmarks.ingest.polls import PIPELINE
from foss_platform_tests.benchmarks.measure import settings_of

SITES = 9
BRONZE = TableName("bronze", PIPELINE)
_BATCH_ROWS = 122_880

# A poll every two minutes. One in fourteen polls returns the reading of the poll before, as in the real month.
_POLLS = """
select
    number,
    timestamptz '2021-01-01 00:00:00+00' + number * interval 2 minute as polled_at,
    timestamptz '2021-01-01 00:00:00+00'
        + (number - 1 - (hash(number) % 14 = 0)::integer) * interval 2 minute as data_time,
    'stavanger_parking/schedule/' || strftime(polled_at, '%Y-%m-%dT%H:%M:%S.000Z') as batch_id,
    'http://127.0.0.1/parking.json' as source
from (select {number} as number from range({first}, {end}) as rows (i)) as numbers
"""

_RECORDS = """
select
    strftime(data_time at time zone 'Europe/Oslo', '%d.%m.%Y') as "Dato",
    strftime(data_time at time zone 'Europe/Oslo', '%H:%M') as "Klokkeslett",
    (['Jernbanen', 'Valberget', 'Posten', 'Jorenholmen', 'St Olav', 'Siddis', 'Forum', 'Kyrre', 'Parketten'])[place + 1]
        as "Sted",
    '58.96' || place as "Latitude",
    '5.73' || place as "Longitude",
    case when hash(data_time, place) % 250 = 0 then 'Fullt' else (hash(data_time, place) % 400)::text end
        as "Antall_ledige_plasser",
    null::text as _unknown_fields,
    polled_at as _polled_at,
    batch_id as _batch_id,
    place::integer as _record_index,
    source as _source,
    1::bigint as _sequence_number
from (select *, (row_number() over () - 1) % 9 as place from ({polls}) as polls) as placed
"""

_LOG = """
select
    'stavanger_parking' as pipeline,
    batch_id,
    'schedule' as cause,
    polled_at,
    case when hash(number) % 5000 = 1 then 'failed' else 'accepted' end as status,
    source,
    200::integer as http_status,
    1::integer as http_tries,
    0.05::double as duration_seconds,
    1700::bigint as body_bytes,
    md5(batch_id) as content_hash,
    9::bigint as records_accepted,
    0::bigint as records_rejected,
    case when hash(number) % 5000 <> 1 then data_time end as newest_data_time,
    null::text as error,
    null::text as error_class,
    null::blob as body,
    1::bigint as _sequence_number
from ({polls}) as polls
"""

# The rows of `parking_readings`. A poll has new readings unless it repeats the readings of the poll before.
_READINGS = """
select
    made.site,
    data_time as observed_at,
    raw_value,
    case when raw_value = 'Fullt' then 'full' else 'counted' end as status,
    case when raw_value = 'Fullt' then 0 else raw_value::integer end as free_spaces,
    case when raw_value = 'Fullt' then 0 else raw_value::integer end <= sites.capacity as is_plausible,
    latitude,
    longitude,
    polled_at,
    batch_id
from (
    select
        "Sted" as site,
        _polled_at as polled_at,
        timestamptz '2021-01-01 00:00:00+00' + (number - 1 - (hash(number) % 14 = 0)::integer) * interval 2 minute
            as data_time,
        "Antall_ledige_plasser" as raw_value,
        "Latitude"::double as latitude,
        "Longitude"::double as longitude,
        _batch_id as batch_id
    from (
        select *, (epoch(_polled_at) - epoch(timestamptz '2021-01-01 00:00:00+00'))::bigint // 120 as number
        from bronze.stavanger_parking
    ) as records
    where hash(number) % 14 <> 0 or hash(number - 1) % 14 = 0 or number = 0
) as made
left join silver.parking_sites as sites on made.site = sites.site
"""


def readings_query() -> str:
    """Return SQL for the rows of silver from the synthetic bronze and the seed, in order of time without a sort."""
    return _READINGS


def make_lake(home: str, rows: int, there: int = 0) -> int:
    """Fill bronze and `ops.polls`. Return the number of rows of bronze.

    Parameters
    ----------
    rows
        Target number of rows. The result is a little lower because polls are whole.
    there
        Number of rows that an earlier call created.
    """
    settings = settings_of(home)
    settings.spill_directory.mkdir(parents=True, exist_ok=True)
    catalog = open_catalog(settings)
    ensure_feed_tables(catalog, find_feed(PIPELINE))
    first, end = there // SITES, rows // SITES
    queries = {
        BRONZE: _RECORDS.format(polls=_POLLS.format(number=f"i // {SITES}", first=first * SITES, end=end * SITES)),
        POLLS: _LOG.format(polls=_POLLS.format(number="i", first=first, end=end)),
    }
    connection = connect(settings)
    for name, query in queries.items():
        columns = ", ".join(f'"{column}"' for column in catalog.load_table(name.identifier).schema().column_names)
        reader = connection.execute(f"select {columns} from ({query}) as made").to_arrow_reader(_BATCH_ROWS)
        commit(catalog, name, lambda _, reader=reader: Change(reader))  # type: ignore[misc]
    return end * SITES


def copy_as_parquet(home: str, folder: str) -> None:
    """Write the same rows as plain Parquet, one file per table, for the other side of the comparison."""
    settings = settings_of(home)
    catalog = open_catalog(settings)
    connection = connect(settings)
    for name in (BRONZE, POLLS):
        create_view(connection, pin(name, catalog.load_table(name.identifier)))
        target = quote_text(f"{folder}/{name}.parquet")
        connection.execute(f"copy (select * from {name}) to {target} (format parquet, compression zstd)")
