"""Opening the catalog and the object store, with bounded waits and clear failures."""
