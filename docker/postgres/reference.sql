-- Creates the reference tables for Trino from the files of the dbt project. Run it again after the files have changed, as
-- the owner of the database in TRINO_REFERENCE_URL, in the project's root folder:
--     psql --dbname "host=… dbname=lake user=lake" --file docker/postgres/reference.sql
\set ON_ERROR_STOP on
begin;
create schema if not exists reference;
set local search_path to reference;
drop table if exists parking_sites;
\i dbt_project/reference/parking_sites.sql
\copy parking_sites from 'dbt_project/reference/parking_sites.csv' with (format csv, header match)
commit;
