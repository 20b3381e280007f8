"""Frozen nouns to plain JSON values and back, by their type hints.

The ledger keeps nouns whole as JSON beside the columns that it searches by. A field that a noun gained later is
read as its default from older rows, and a field that it lost is left out, so that old runs stay readable.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import types
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def stamp(at: datetime) -> str:
    """Write a moment as UTC text of one length, so that text order is time order.

    Raises:
        ValueError: the moment has no time zone; it would mean another hour on another machine.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def moment(text: str) -> datetime:
    """Read a moment that `stamp` wrote."""
    return datetime.fromisoformat(text)


def plain(value: Any) -> Any:
    """Turn a noun into values that JSON knows."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(plain(item) for item in value)
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no place in the ledger")


def to_json(value: Any) -> str:
    """Write a noun as canonical JSON."""
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate becomes its JSON escape


def from_json(kind: type[T], text: str) -> T:
    """Read a noun of a kind from its JSON."""
    read: Callable[[Any], T] = _reader(cast(Any, kind))
    return read(json.loads(text))


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return the function that reads one kind; None stays None where the kind allows it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        readers = [_reader(argument) for argument in arguments if argument is not type(None)]
        return lambda value: None if value is None else readers[0](value)
    if origin is tuple:
        return _tuple_reader(arguments)
    if origin is frozenset:
        item = _reader(arguments[0])
        return lambda value: frozenset(item(part) for part in value)
    if origin is not None and issubclass(origin, Mapping):
        item = _reader(arguments[1])
        return lambda value: {key: item(part) for key, part in value.items()}
    if origin is not None and issubclass(origin, Sequence):
        item = _reader(arguments[0])
        return lambda value: tuple(item(part) for part in value)
    if isinstance(kind, type):
        return _class_reader(kind)
    return lambda value: value  # Any, object: as JSON has it


def _tuple_reader(arguments: tuple[Any, ...]) -> Callable[[Any], Any]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item = _reader(arguments[0])
        return lambda value: tuple(item(part) for part in value)
    items = [_reader(argument) for argument in arguments]
    return lambda value: tuple(read(part) for read, part in zip(items, value, strict=True))


def _class_reader(kind: type) -> Callable[[Any], Any]:
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        readers = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(kind)}
        return lambda value: kind(**{name: read(value[name]) for name, read in readers.items() if name in value})
    if issubclass(kind, datetime):
        return moment
    if issubclass(kind, bytes):
        return base64.b64decode
    if issubclass(kind, float):
        return float
    if issubclass(kind, Enum):
        return kind
    return lambda value: value
