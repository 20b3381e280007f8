"""Write the sample pages: `python -m tests.samples [FOLDER]` (docs/samples by default)."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.report.comparison_text import comparison_page
from harness.report.page import page
from tests.stories import PARTS, STORIES, comparison

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "samples"


def samples() -> dict[str, str]:
    """Return every sample page by file name."""
    pages = {f"{name}.html": page(story()) for name, story in STORIES.items() if name != "forty-variants"}
    pages["comparison.html"] = comparison_page([comparison()], {part.id: part.title for part in PARTS})
    return pages


def main() -> None:
    """Write the samples and say how large each is."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in samples().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(f"{folder / name}: {len(text.encode()):,} bytes")


if __name__ == "__main__":
    main()
