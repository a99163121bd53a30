"""The quarantine of rejected records, and replaying them."""
