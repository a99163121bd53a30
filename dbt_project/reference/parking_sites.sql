-- Facts about the car parks that are not in the feed. DuckDB and Postgres both run this text.
-- Zones and tariffs are made-up examples for a join. Replace them if you have the real values.
create table parking_sites (
    site varchar primary key,
    capacity integer,
    capacity_basis varchar,
    example_zone varchar not null,
    example_tariff_nok_per_hour integer not null
);
