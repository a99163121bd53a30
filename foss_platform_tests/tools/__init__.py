"""Scripts that made what the project carries. Not tests, and nothing of the platform imports them."""
