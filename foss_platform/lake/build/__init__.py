"""The operations that change a table's content: build it, roll it back, commit and compact it."""
