"""The plan of a run: the nodes to build, the tables that they need, and advice if a model has changed."""
