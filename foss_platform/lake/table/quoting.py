"""SQL identifiers and string literals, quoted."""


def quote_name(name: str) -> str:
    """A SQL identifier, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """A SQL string literal, whatever it holds."""
    return "'" + text.replace("'", "''") + "'"
