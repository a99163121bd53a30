-- What people know of the car parks and the feed does not say. DuckDB and Postgres run this text alike.
-- Zones and tariffs are examples, made up to show a join; whoever has real ones puts them in place of these.
create table parking_sites (
    site varchar primary key,
    capacity integer,
    capacity_basis varchar,
    example_zone varchar not null,
    example_tariff_nok_per_hour integer not null
);
