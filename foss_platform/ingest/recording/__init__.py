"""Recordings of a feed: reading, replaying and serving them."""
