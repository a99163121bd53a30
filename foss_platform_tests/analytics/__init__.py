"""The questions of docs/ANALYTICS.md: asked of a lake, drawn, and put into the document."""
