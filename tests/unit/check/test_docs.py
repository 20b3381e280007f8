"""docs/check.md explains every finding that `harness check` can show."""

from __future__ import annotations

import re
from pathlib import Path

import harness.check

ROOM = Path(harness.check.__file__).parent
PAGE = ROOM.parents[1] / "docs" / "check.md"
MADE = re.compile(r'\b(Notice|_notice|said)\(\s*"([a-z0-9-]+)"(?: if \w+ else "([a-z0-9-]+)")?')


def ids() -> set[str]:
    """Read the ids off the source; a form notice's begins with `form-`."""
    found = set()
    for path in ROOM.glob("*.py"):
        for maker, *names in MADE.findall(path.read_text()):
            found |= {f"form-{name}" if maker == "_notice" else name for name in names if name}
    return found


def explained() -> set[str]:
    """Read the first column of the tables; `-null` after `mail-from-missing` is `mail-from-null`."""
    out: set[str] = set()
    tables = PAGE.read_text().partition("## Authentication")[2]
    for row in re.findall(r"^\| ([a-z][a-z0-9, -]*) \|", tables, re.MULTILINE):
        whole = ""
        for name in row.split(", "):
            whole = whole.rpartition("-")[0] + name if name.startswith("-") else name
            out.add(whole)
    return out


def test_every_finding_is_explained() -> None:
    assert len(ids()) > 60
    assert ids() - explained() == set()


def test_nothing_is_explained_that_is_never_found() -> None:
    from_a_table = {"mta-sts", "tls-rpt", "bimi"}
    assert explained() - ids() - from_a_table - {"id"} == set()
