"""From the body of an answer to records."""
