"""A poll: its identity, its request and its judged records."""
