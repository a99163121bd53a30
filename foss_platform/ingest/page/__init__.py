"""The grammar of a feed's page."""
