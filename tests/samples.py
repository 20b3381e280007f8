"""Write the sample pages: `python -m tests.samples [FOLDER]` (docs/samples by default).

With Chromium installed it also takes the picture that the README shows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.report.comparison_text import comparison_page
from harness.report.markdown import markdown
from harness.report.page import page
from harness.report.screen import screen
from tests.stories import PARTS, STORIES, comparison

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "samples"
SHOWN = "adaptive"  # the story that is shown as a picture, and in the other formats


def samples() -> dict[str, str]:
    """Return every sample by file name."""
    made = {f"{name}.html": page(story()) for name, story in STORIES.items() if name != "forty-variants"}
    made["comparison.html"] = comparison_page([comparison()], {part.id: part.title for part in PARTS})
    made[f"{SHOWN}.md"] = markdown(STORIES[SHOWN]())
    made[f"{SHOWN}.txt"] = screen(STORIES[SHOWN](), width=100)
    return made


def photograph(html: Path, picture: Path) -> None:
    """Take a picture of the top of a page, where Chromium is installed."""
    browser = shutil.which("chromium")
    if browser is None:
        return
    with tempfile.TemporaryDirectory() as profile:
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,1120"]
        subprocess.run(
            [browser, *flags, f"--user-data-dir={profile}", f"--screenshot={picture}", html.as_uri()],
            env={**os.environ, "LANG": "C.UTF-8"},
            check=True,
            timeout=60,
            stderr=subprocess.DEVNULL,
        )


def main() -> None:
    """Write the samples and say how large each is."""
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in samples().items():
        (folder / name).write_text(text, encoding="utf-8")
    photograph(folder / f"{SHOWN}.html", folder / f"{SHOWN}.png")
    for file in sorted(folder.iterdir()):
        print(f"{file.name}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
