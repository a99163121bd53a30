"""Commands that run pipelines: run, dev, demo, feed."""
