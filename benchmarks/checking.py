"""How the time of a check grows with its message: four times as much should take about four times as long.

    python -m benchmarks.checking [--runs N]

Pages that are made to be slow to read, and a mail of many links; processor time, the best of some runs, in one process.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

from harness.check.anatomy import dissect
from harness.check.display import display_notices
from harness.check.form import form_notices
from harness.check.walk import plan_walk

GROWTH = 4
PAGES: dict[str, Callable[[int], str]] = {
    "links without an end": lambda n: "<a href=https://a.example/1>" * n,
    "pictures": lambda n: "<img alt=x src=x>" * n,
    "words of the mailing": lambda n: "mail " * 5 * n,
    "headings without an end": lambda n: "<h1>" * n,
    "beginnings of a farewell": lambda n: "stop a_a_" * n,
    "paragraphs of bare URLs": lambda n: "<p>https://a.example/1" * n,
    "links to other pages": lambda n: "".join(f'<p><a href="https://a.example/{i}">See {i}</a></p>' for i in range(n)),
}


def message(page: str) -> bytes:
    """Put a page into a mail, its words as the text part."""
    text = re.sub("<.*?>", "\n", page)
    return (
        "From: a@shop.example\r\nTo: b@shop.example\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/alternative; boundary=b\r\n\r\n"
        f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
        f"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{page}\r\n--b--\r\n"
    ).encode()


def seconds(raw: bytes, runs: int) -> float:
    """Read a mail as a check does, asking nobody."""
    best = float("inf")
    for _ in range(runs):
        begun = time.process_time()
        anatomy = dissect(raw)
        plan_walk(anatomy)
        form_notices(anatomy, "production", now=datetime(2026, 11, 1, tzinfo=UTC))
        display_notices(anatomy, "production")
        best = min(best, time.process_time() - begun)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    for name, make in PAGES.items():
        small, large = message(make(given.size)), message(make(given.size * GROWTH))
        before, after = seconds(small, given.runs), seconds(large, given.runs)
        print(
            f"{name:26} {len(small) / 1e6:5.2f} MB {before:6.3f} s   {len(large) / 1e6:5.2f} MB {after:6.3f} s   "
            f"{GROWTH} times as much takes {after / before:5.2f} times as long",
            flush=True,
        )


if __name__ == "__main__":
    main()
