"""YAML files with the line of every key, so that an error can point at its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from harness.errors import ConfigError

# In braces a bare ${NAME} is no YAML, yet it is how one writes it: as if it stood in quotes.
_BARE_REFERENCE = re.compile(r"(:[ ]+)(\$\{[^{}\s\"']{1,200}\})(?=[ ]*[,}\n\r]|[ ]*$)")

Place = tuple[str | int, ...]
MAX_BYTES = 5_000_000


@dataclass(frozen=True)
class Document:
    """A parsed file: plain values, and the line on which each of them starts (from 1)."""

    name: str
    data: Any
    lines: dict[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """Return the line of a place, or of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def error(self, place: Place, message: str) -> ConfigError:
        """Build the error that names file, line and place."""
        return ConfigError(f"{self.name}:{self.line(place)}: {message}")


def read_yaml(path: Path, name: str | None = None) -> Document:
    """Read one YAML file.

    Raises:
        ConfigError: it is missing, too large, no UTF-8, no YAML, or names a key twice.
    """
    name = name or path.name
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{name}: there is no such file ({path}); `harness init DIR` makes a workspace") from None
    except OSError as error:
        raise ConfigError(f"{name}: can't be read: {error.strerror or error}") from None
    return parse_yaml(raw, name)


def parse_yaml(raw: bytes, name: str) -> Document:
    """Parse the bytes of a YAML file; errors as in `read_yaml`."""
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{name}: {len(raw)} bytes are more than a settings file may have ({MAX_BYTES})")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{name}:{line}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    text = _BARE_REFERENCE.sub(r'\1"\2"', text)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[Place, int] = {}
        budget = iter(range(200_000))
        data = None if node is None else _build(node, (), lines, name, budget)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{where}: this is not YAML: {what}; check indentation, quotes and colons") from None
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply") from None
    return Document(name, data, lines)


def _build(node: yaml.Node, place: Place, lines: dict[Place, int], name: str, budget: Iterator[int]) -> Any:
    """Turn a node into plain values, noting lines; `budget` bounds what aliases can blow up."""
    if next(budget, None) is None:
        raise ConfigError(f"{name}: too many values (aliases that multiply?)")
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(node, place, lines, name, budget)
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*place, i), lines, name, budget) for i, item in enumerate(node.value)]
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except ValueError as error:  # 2026-13-45 looks like a date
        raise ConfigError(f"{name}:{node.start_mark.line + 1}: {node.value!r}: {error}; put it in quotes") from None


def _build_mapping(
    node: yaml.MappingNode, place: Place, lines: dict[Place, int], name: str, budget: Iterator[int]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError(f"{name}:{key_node.start_mark.line + 1}: a key must be a word, not a list or mapping")
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
        if key in result:
            first = lines[(*place, key)]
            raise ConfigError(f"{name}:{line}: key {key!r} stands here again (first in line {first}); keep one of them")
        lines[(*place, key)] = line
        result[key] = _build(value_node, (*place, key), lines, name, budget)
    return result


def nearest(word: str, known: list[str]) -> str:
    """Say "; did you mean 'x'?" or list what is known."""
    close = get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f" (known: {', '.join(sorted(known))})" if known else ""
