"""Problems of a page. Each has the file, the line, the key as the user wrote it, and the allowed values."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from foss_platform.ingest.page.yaml_nodes import PathPart, place_of

_FEW = 16


@dataclass(frozen=True)
class PageProblem:
    """One problem of a page.

    Attributes
    ----------
    file
        Path relative to the project, such as `defs/city_parking/defs.yaml`.
    line
        Counted from 1.
    key
        The key as the user wrote it, such as `contract "Sted": type`. Empty for the whole page.
    """

    file: str
    line: int
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        subject = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}: {subject}{self.problem}" + (f" {self.remedy}" if self.remedy else "")


def problems_of(
    error: ValidationError, model: type[BaseModel], document: yaml.Node, file: str, prefix: Sequence[PathPart]
) -> list[PageProblem]:
    """Return the errors of a validation as problems of a page.

    Parameters
    ----------
    model
        The model of the validated part of the page.
    prefix
        The path of keys from the top of the document to the validated part.
    """
    items = error.errors()
    paths = [item["loc"] for item in items]
    # pydantic reports a list with invalid entries as too short as well; leave this out
    told = [
        item
        for item in items
        if item["type"] != "too_short"
        or not any(len(path) > len(item["loc"]) and path[: len(item["loc"])] == item["loc"] for path in paths)
    ]
    return [_problem(item, model, document, file, prefix) for item in told]


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return a remedy for an unknown word: the nearest known word, and all known words if there are few."""
    near = difflib.get_close_matches(word, known, n=1)
    question = f"Did you mean {near[0]}? " if near else ""
    return question if near and len(known) > _FEW else f"{question}Allowed: {', '.join(known)}."


def _problem(
    item: Any, model: type[BaseModel], document: yaml.Node, file: str, prefix: Sequence[PathPart]
) -> PageProblem:
    path: tuple[PathPart, ...] = item["loc"]
    place = place_of(document, [*prefix, *path])
    key = place.key.removeprefix(": ".join(str(part) for part in prefix)).removeprefix(": ")
    problem, remedy = _words(item, model, path)
    return PageProblem(file, place.line, key, problem, remedy)


def _words(item: Any, model: type[BaseModel], path: Sequence[PathPart]) -> tuple[str, str]:
    kind, context = item["type"], item.get("ctx") or {}
    if kind == "extra_forbidden":
        parent = _model_at(model, path[:-1])
        return "This key is not known here.", did_you_mean(str(path[-1]), sorted(parent.model_fields) if parent else [])
    if kind == "missing":
        return "This key is required.", _description(model, path)
    if kind in ("enum", "literal_error"):
        return f"{item['input']!r} is not allowed here.", did_you_mean(str(item["input"]), _choices(model, path))
    if kind == "value_error":
        return _sentence(str(context.get("error", item["msg"]))), ""
    return f"{_sentence(item['msg'])}", f"It is {_shown(item['input'])}." if "input" in item else ""


def _sentence(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text if text.endswith((".", "?", "!", ")")) else f"{text}."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _description(model: type[BaseModel], path: Sequence[PathPart]) -> str:
    parent = _model_at(model, path[:-1])
    field = parent.model_fields.get(str(path[-1])) if parent else None
    return f"It is {field.description}." if field is not None and field.description else ""


def _choices(model: type[BaseModel], path: Sequence[PathPart]) -> list[str]:
    found: list[str] = []
    for type_ in _types_at(model, path):
        if isinstance(type_, type) and issubclass(type_, Enum):
            found += [str(member.value) for member in type_]
        elif get_origin(type_) is Literal:
            found += [str(value) for value in get_args(type_)]
    return found


def _model_at(model: type[BaseModel], path: Sequence[PathPart]) -> type[BaseModel] | None:
    """Return the model of the mapping at `path`."""
    for type_ in _types_at(model, path):
        if isinstance(type_, type) and issubclass(type_, BaseModel):
            return type_
    return None


def _types_at(model: type[BaseModel], path: Sequence[PathPart]) -> list[Any]:
    """Return the possible types at `path`, with unions, lists and annotations resolved."""
    types: list[Any] = [model]
    for part in path:
        below: list[Any] = []
        for type_ in types:
            if isinstance(part, str) and isinstance(type_, type) and issubclass(type_, BaseModel):
                field = type_.model_fields.get(part)
                below += _alternatives(field.annotation) if field is not None else []
            elif isinstance(part, int) and get_origin(type_) in (tuple, list):
                below += [one for argument in get_args(type_) if argument is not ... for one in _alternatives(argument)]
        types = below
    return types


def _alternatives(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, UnionType):
        return [one for argument in get_args(annotation) for one in _alternatives(argument)]
    if hasattr(annotation, "__metadata__"):
        return _alternatives(get_args(annotation)[0])
    return [annotation]
