"""The files of a table: listing, writing, reading and deleting them."""
