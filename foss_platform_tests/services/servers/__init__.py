"""The servers that tests run: getting, starting and stopping them."""
