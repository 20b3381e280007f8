"""What people say to `harness triage`, checked before anything is read: one sentence for each mistake.

All functions return what is meant, and raise ConfigError where nothing can be.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.bounce.rule import Rules


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Part THEIRS=OURS."""
    out = {}
    for text in given or ():
        theirs, sign, ours = text.rpartition("=")
        if not sign or not theirs or not ours:
            raise ConfigError(f"{option} {text}: expected THEIRS=OURS")
        out[theirs] = ours
    return out


def outcomes(said: dict[str, str]) -> dict[str, str]:
    """Take words for what became of a message."""
    from harness.triage.statement import LETTERS

    for theirs, ours in said.items():
        if ours not in LETTERS:
            raise ConfigError(f"--word {theirs}={ours}: {ours!r} is no outcome; expected {', '.join(LETTERS)}")
    return said


def roles(mapped: dict[str, str]) -> dict[str, str]:
    """Take names of columns, for what there is a field."""
    from harness.edge.yamlfile import nearest
    from harness.triage.columns import IGNORED, NEEDED, TITLES

    made = {"recipient_domain", "hour", "link_host", "redirect_host", "image_host"}  # of other columns
    known = [*NEEDED, *(name for name in TITLES if name not in made), "redirect", "job", IGNORED]
    for theirs, ours in mapped.items():
        prefix, sign, name = ours.partition(":")
        if ours not in known and not (prefix == "merge" and sign and name.strip()):
            hint = nearest(ours, known)
            raise ConfigError(f"--map {theirs}={ours}: there is no field {ours!r}{hint}; merge:NAME compares any other")
    return mapped


def named(names: list[str] | None, rules: Rules) -> tuple[str, ...]:
    """Take classes and tags that there are, and tags that nobody has seen yet."""
    from harness.bounce.reply import TAG
    from harness.edge.yamlfile import nearest

    known = {name.lower(): name for name in (*rules.causes, *rules.tags)}
    for name in names or ():
        if name.lower() not in known and not TAG.fullmatch(f"[{name}]"):
            hint = nearest(name, list(known.values()))
            raise ConfigError(f"--target {name}: no class of replies and no tag is called so{hint}")
    return tuple(known.get(name.lower(), name) for name in names or ())


def join_key(on: str | None) -> str | None:
    """Take what a merge file can be joined by."""
    if on not in (None, "recipient", "message_id"):
        raise ConfigError(f"--on {on}: a merge file is joined by recipient or message_id")
    return on


def memory_limit(limit: str) -> str:
    """Take a number of bytes with its unit."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,3})?\s*[KMGT]i?B", limit.strip(), re.IGNORECASE):
        raise ConfigError(f"--memory {limit}: expected a number and its unit, such as 600MB or 2GB")
    return limit.strip()


def spill_folder(spill: Path | None) -> Path | None:
    """Take a folder in which a file can be made."""
    try:
        if spill is not None:
            with tempfile.TemporaryFile(dir=spill):
                pass
    except OSError as error:
        raise ConfigError(f"--spill {spill}: nothing can be written there: {error.strerror or error}") from None
    return spill


def check_places(inputs: list[Path], outputs: dict[str, Path | None]) -> None:
    """Refuse, before anything is read, to write over what is read, or where nothing can be written.

    Raises:
        ConfigError: names the option.
    """
    taken = {path.resolve(): "is read here" for path in inputs}
    for option, path in outputs.items():
        if path is None:
            continue
        why = taken.get(path.resolve())
        if why is None and path.is_dir():
            why = "is a folder"
        if why is None and not path.parent.is_dir():
            why = f"can't be written: there is no folder {path.parent}"
        if why:
            raise ConfigError(f"{option} {path}: {why}; name another file")
        taken[path.resolve()] = "is written twice"
