"""Scripts that created files in the repository. They are not tests, and the platform does not import them."""
