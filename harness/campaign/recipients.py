"""Recipients: merge rows of production become profiles that seeds can wear, without anybody's address.

An address that stands in every row (support@shop.example) is the campaign's own and stays; one that doesn't is a
recipient's, and goes wherever it stands: in a column of its own, or inside of a link.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import ConfigError

MAX_PROFILES = 50  # as many as a segment has seeds: cases to reproduce, not a mailing list
STAND_IN = "@recipient.example"
_ADDRESS = re.compile(r"[^\s<>@,;:\"'()\[\]&=?/%|]{1,64}(?:@|%40)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")


@dataclass(frozen=True, slots=True)
class Profiles:
    """Cleaned rows, each with its name under `profile`, and what the operator should know."""

    rows: tuple[Mapping[str, object], ...]
    notes: tuple[str, ...] = ()


def make_profiles(rows: Sequence[Mapping[str, object]], file: str, used: frozenset[str], null: object = "") -> Profiles:
    """Take addresses out of merge rows and name them.

    `used` are fields that the campaign shows: an address there is replaced, in any other column it goes with the
    column. `null` stands for a missing value; None leaves the field out, for syntaxes to which nothing and "" differ.

    Raises:
        ConfigError: there are no rows.
    """
    if not rows:
        raise ConfigError(f"{file}: holds no rows; one row of merge values for each recipient was expected")
    notes = []
    if len(rows) > MAX_PROFILES:
        notes.append(f"{file}: the first {MAX_PROFILES} of {len(rows)} rows were taken; put failed recipients first")
    rows = rows[:MAX_PROFILES]
    personal = _personal(rows)
    dropped = [key for key in _keys(rows) if key not in used and _only_addresses(key, rows, personal)]
    made: list[Mapping[str, object]] = []
    taken: set[str] = set()
    for number, row in enumerate(rows, 1):
        name = _name(row, number, personal, taken)
        clean = _cleaner(personal, f"{name}{STAND_IN}", null)
        kept = {key: clean(value) for key, value in row.items() if key not in dropped and key != "profile"}
        kept = {_without(key, personal): value for key, value in kept.items() if value is not None}
        made.append({"profile": name, **kept})
    if dropped:
        notes.append(f"recipients' addresses are left out: {', '.join(dropped)}")
    if any(STAND_IN in text for row in made for text in _texts(row)):
        notes.append(f"recipients' addresses inside of other values are now …{STAND_IN}")
    return Profiles(tuple(made), tuple(notes))


def _keys(rows: Sequence[Mapping[str, object]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _texts(value: object) -> Iterator[str]:
    """Walk all texts of a value, keys of groups included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _addresses(row: object) -> set[str]:
    return {found.lower().replace("%40", "@") for text in _texts(row) for found in _ADDRESS.findall(text)}


def _personal(rows: Sequence[Mapping[str, object]]) -> frozenset[str]:
    """List the addresses that are somebody's: all but those that every one of several rows has."""
    found = [_addresses(row) for row in rows]
    shared = set.intersection(*found) if len(found) > 1 else set()
    return frozenset(set.union(*found) - shared)


def _only_addresses(key: str, rows: Sequence[Mapping[str, object]], personal: frozenset[str]) -> bool:
    values = [row[key] for row in rows if row.get(key) not in (None, "")]
    return bool(values) and all(isinstance(value, str) and value.strip().lower() in personal for value in values)


def _name(row: Mapping[str, object], number: int, personal: frozenset[str], taken: set[str]) -> str:
    """Name a profile: as the row says, if that is a name and nobody's address."""
    given = str(row.get("profile") or "").strip()
    good = re.fullmatch(r"[\w][\w .-]{0,60}", given) and given not in taken
    name = given if good else f"profile-{number}"
    while name in taken:
        name += "-again"
    taken.add(name)
    return name


def _without(text: str, personal: frozenset[str], instead: str = STAND_IN.removeprefix("@")) -> str:
    def replace(found: re.Match[str]) -> str:
        if found[0].lower().replace("%40", "@") not in personal:
            return found[0]
        return instead.replace("@", "%40") if "%40" in found[0] else instead

    return _ADDRESS.sub(replace, text)


def _cleaner(personal: frozenset[str], instead: str, null: object) -> Callable[[object], object]:
    instead = instead.replace(" ", "-")

    def clean(value: object) -> object:
        if value is None:
            return null
        if isinstance(value, str):
            return _without(value, personal, instead)
        if isinstance(value, Mapping):
            inner = {_without(str(key), personal, instead): clean(item) for key, item in value.items()}
            return {key: item for key, item in inner.items() if item is not None}
        if isinstance(value, list):
            return [item for item in map(clean, value) if item is not None]
        return value

    return clean
