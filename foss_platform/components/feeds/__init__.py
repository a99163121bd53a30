"""The assets and checks of a feed."""
