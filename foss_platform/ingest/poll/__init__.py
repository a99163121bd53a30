"""One poll: its identity, its request, its judged records."""
