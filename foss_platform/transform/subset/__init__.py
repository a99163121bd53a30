"""The subset of dbt's language that the platform supports."""
