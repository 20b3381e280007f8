"""Shapes: which columns the objects of a JSON file make.

A column is a way into the object: keys, the first entry of a list or all of them, and into a text that holds JSON
itself, as a notification of Amazon SNS does. All ways of the whole file count, for a bounce has keys that no delivery
has, and may come late. An object of very many keys names things, not fields: of it only common keys count.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.triage.columns import fold, is_known, wrappings

Steps = tuple[str, ...]
PARSED = "\x00"  # a step: what stands here is a text that holds JSON
LISTED = "\x01"  # a step: what stands here is a list, and all of its entries are meant
DEEPEST = 5
MOST_KEYS = 300  # of one object; beyond that, keys in under a hundredth of the rows make no columns
SEPARATE = 100


@dataclass(frozen=True, slots=True)
class Shape:
    """The ways into the objects by the names of their columns, and objects of whose keys most are left out."""

    columns: Mapping[str, Steps]
    left: tuple[str, ...] = ()


def flatten(value: Any, steps: Steps = ()) -> Iterator[tuple[Steps, str]]:
    """Yield where an object holds texts."""
    depth = len(steps) - steps.count(PARSED)
    if isinstance(value, dict) and depth < DEEPEST:
        for key, inner in value.items():
            yield from flatten(inner, (*steps, key))
    elif isinstance(value, list) and value and depth < DEEPEST:
        if len(value) > 1 and not any(isinstance(one, (dict, list)) for one in value):
            yield (*steps, LISTED), " ".join(as_text(one).replace(" ", "_") for one in value)
        yield from flatten(value[0], (*steps, "0"))
    elif not isinstance(value, (dict, list)):
        inner = object_in(value)
        yield from flatten(inner, (*steps, PARSED)) if inner else [(steps, as_text(value))]


def ways(structure: Any, steps: Steps = ()) -> Iterator[Steps]:
    """Yield the ways into a structure as DuckDB's json_group_structure gives it: types in the place of values."""
    depth = len(steps) - steps.count(PARSED)
    if isinstance(structure, dict) and depth < DEEPEST:
        for key, inner in structure.items():
            yield from ways(inner, (*steps, key))
    elif isinstance(structure, list) and structure and depth < DEEPEST:
        yield from ways(structure[0], (*steps, "0"))
    elif isinstance(structure, str) and steps:
        yield steps


def object_in(value: Any) -> dict[str, Any] | None:
    """Return the object that a text holds; None if it holds none."""
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def as_text(value: Any) -> str:
    """Return a value as a cell shows it."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def shape(rows: Sequence[Mapping[Steps, str]], others: Iterable[Steps]) -> Shape:
    """Choose and name the columns.

    Args:
        rows: the first rows, flattened.
        others: ways that the rest of the file has; some may be known.
    """
    every = dict.fromkeys([*(steps for row in rows for steps in row), *others])
    common, left = _common(rows, list(every))
    return Shape(_named(common), left)


def _common(rows: Sequence[Mapping[Steps, str]], every: Sequence[Steps]) -> tuple[list[Steps], tuple[str, ...]]:
    """Leave out the rare keys of objects that have very many, but for those that a product has a use for."""
    keys: defaultdict[Steps, set[str]] = defaultdict(set)
    for steps in every:
        for depth, key in enumerate(steps):
            keys[steps[:depth]].add(key)
    many = {parent for parent, found in keys.items() if len(found) > MOST_KEYS}
    if not many:
        return list(every), ()
    seen = Counter(
        child for row in rows for child in {steps[: len(parent) + 1] for steps in row for parent in _in(steps, many)}
    )

    def rare(steps: Steps) -> bool:
        return any(seen[steps[: len(parent) + 1]] * SEPARATE < len(rows) for parent in _in(steps, many))

    kept = [steps for steps in every if not rare(steps) or is_known(_dotted(_unwrapped(steps)))]
    told = [f"{_dotted(parent) or 'each row'}, an object of {len(keys[parent]):,} keys" for parent in many]
    return kept, tuple(sorted(told)) if len(kept) < len(every) else ()


def _in(steps: Steps, parents: set[Steps]) -> list[Steps]:
    return [steps[:depth] for depth in range(len(steps)) if steps[:depth] in parents]


def _named(every: Sequence[Steps]) -> dict[str, Steps]:
    """Name columns by their dotted keys, without the wrapping that a webhook puts around every event."""
    names: dict[str, Steps] = {}
    inside = {steps[:depth] for steps in every for depth in range(1, len(steps))}
    known, texts = set(every), {steps[:-1] for steps in every if steps[-1] == LISTED}
    lists = texts | {steps[:-1] for steps in every if steps[-1] == "0" and steps[:-1] in known}
    for steps in dict.fromkeys((*every, *((*steps, LISTED) for steps in lists))):
        if steps in inside:
            continue  # an object in some rows, and null or a text in others: what it holds is compared
        inner = _unwrapped(steps)
        if steps[-1] == "0" and steps[:-1] in lists and not is_known(_dotted(inner)):
            continue  # the first entry, of which all are compared
        names[_dotted(steps) if _dotted(inner) in names else _dotted(inner)] = steps
    return names


def _unwrapped(steps: Steps) -> Steps:
    while len(steps) > 1 and fold(steps[0]) in wrappings():
        steps = steps[1:]
    return steps[2:] if steps[:2] == ("Message", PARSED) else steps  # of a notification of Amazon SNS


def _dotted(steps: Steps) -> str:
    return ".".join(key for key in steps if key not in (PARSED, LISTED))
