"""HTTP requests to feeds, with limits on time, size and address."""
