"""What the checks say is explained on their page."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_finding_is_explained_in_docs_check() -> None:
    said: set[str] = set()
    for file in (ROOT / "harness/check").glob("*.py"):
        text = file.read_text()
        said |= set(re.findall(r'(?:Notice|said)\(\s*"([a-z-]+)"', text))
        said |= {f"form-{name}" for name in re.findall(r'_notice\(\s*"([a-z-]+)"', text)}
    page = (ROOT / "docs/check.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    explained = {name.strip() for row in rows for name in row.split(",")} | set(re.findall(r"`([a-z-]+)`", page))
    assert said - explained == set()
    assert len(said) > 60
