"""Finds lines and keys in the YAML of a page, so that a problem can name its place as the user wrote it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

PathPart = str | int


@dataclass(frozen=True)
class Place:
    """A place in a document.

    Attributes
    ----------
    line
        Counted from 1.
    key
        The keys as the user wrote them. A list entry is shown by its name, such as
        `contract "Sted": type`. Empty for the document itself.
    """

    line: int
    key: str


def place_of(document: yaml.Node, path: Sequence[PathPart]) -> Place:
    """Return the place of a path of keys and list positions. If it does not exist, return its nearest ancestor."""
    node, line, words = document, document.start_mark.line + 1, ""
    for part in path:
        found = _child(node, part)
        if found is None:
            # the key is missing, or pydantic added this part to the path
            words = f"{words}: {part}" if isinstance(part, str) and words else words or str(part)
            continue
        key_line, node = found
        line = key_line
        words = _joined(words, part, node)
    return Place(line, words)


def repeated_keys(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """Yield repeated keys of a mapping, with the line of the second occurrence. YAML would drop the first silently."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield str(key.value), key.start_mark.line + 1
            seen.add(key.value)
            yield from repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from repeated_keys(item)


def _child(node: yaml.Node, part: PathPart) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def _joined(words: str, part: PathPart, node: yaml.Node) -> str:
    if isinstance(part, int):
        return f"{words} {_entry(part, node)}"
    return f"{words}: {part}" if words else part


def _entry(index: int, node: yaml.Node) -> str:
    """Return the name of a list entry. If it has no name, return its position."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "name" and isinstance(value, yaml.ScalarNode):
                return f'"{value.value}"'
    if isinstance(node, yaml.ScalarNode):
        return f'"{node.value}"'
    return f"entry {index + 1}"
