"""Moving a lake into another catalog and store."""
