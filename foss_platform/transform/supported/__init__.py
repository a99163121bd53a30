"""The part of dbt's language that the platform supports."""
