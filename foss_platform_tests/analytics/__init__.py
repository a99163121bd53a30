"""The questions of docs/ANALYTICS.md: runs their queries, draws the answers and updates the document."""
