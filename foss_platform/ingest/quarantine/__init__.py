"""The quarantine of rejected records, and its replay."""
