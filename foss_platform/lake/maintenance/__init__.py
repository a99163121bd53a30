"""Maintenance of tables: compaction, expiry of snapshots, removal of unreferenced files, health, the log of it."""
