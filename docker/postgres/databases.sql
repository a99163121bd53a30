-- Creates the two databases and their owners, with psql. The passwords are in the environment. The tests run it too.
\set ON_ERROR_STOP on
\getenv lake_password LAKE_PASSWORD
\getenv dagster_password DAGSTER_PASSWORD

create role lake login password :'lake_password';
create database lake owner lake;
revoke all on database lake from public;

create role dagster login password :'dagster_password';
create database dagster owner dagster;
revoke all on database dagster from public;
