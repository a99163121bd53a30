"""What a run builds, which tables it needs, and what to do if a model has changed."""
