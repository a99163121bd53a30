"""The pages of feeds and of the platform: their models, and reading them."""
