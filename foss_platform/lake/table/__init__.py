"""A table's name, schema, properties, policy and statistics."""
