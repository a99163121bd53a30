"""The catalog that owns a lake's files, and the refusal of changes by any other catalog."""
