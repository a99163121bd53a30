"""SQL identifiers and string literals, quoted."""


def quote_name(name: str) -> str:
    """Return any text as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return any text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
