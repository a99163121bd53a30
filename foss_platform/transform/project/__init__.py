"""The dbt project: its folders, the copy that last parsed, its manifest, and running dbt on it."""
