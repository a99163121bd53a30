"""The assets and checks of the dbt project."""
