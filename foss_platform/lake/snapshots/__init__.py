"""The states of a table: live snapshots, pinned states, expiry."""
