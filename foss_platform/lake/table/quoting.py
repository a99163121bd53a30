"""SQL identifiers and string literals, quoted."""


def quote_name(name: str) -> str:
    """Return a text as a SQL identifier. It may contain any character."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a text as a SQL string literal. It may contain any character."""
    return "'" + text.replace("'", "''") + "'"
