"""HTTP requests to feeds, bounded in time, size and address."""
