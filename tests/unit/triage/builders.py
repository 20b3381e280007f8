"""Exports made up for the tests, in the products' own column names and ways to say what happened."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.bounce.reply import read_reply
from harness.triage.finding import Result
from harness.triage.investigate import Question, investigate
from harness.triage.veil import Veil

CS01 = "554 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137"
UNKNOWN_USER = "550 5.1.1 <user@icloud.com>: user lookup success but no user record found"
FORWARDED = "550 5.1.1 <bounce@mail.shop.example>: unauthorized sender"
ACCEPTED = "250 2.0.0 Ok: queued as 4bKx7Zq2vT"
APPLE = ("icloud.com", "me.com", "mac.com", "privaterelay.appleid.com")
Row = dict[str, Any]


def rows(
    many: int, refused: Callable[[Row, random.Random], bool], key: int = 1, domains: Sequence[str] = APPLE
) -> list[Row]:
    """Make plain rows: address, id, fields, and whether Apple refused the message."""
    draw = random.Random(key)
    out = []
    for i in range(many):
        row: Row = {
            "address": f"user{i}@{draw.choice(domains)}",
            "id": f"m{i}",
            "host": f"l{draw.randrange(12)}.example",
            "product": f"product {draw.randrange(60)}",
            "subject": f"subject {draw.randrange(3)}",
            "ip": f"192.0.2.{draw.randrange(6)}",
            "minute": draw.randrange(1440),
        }
        row["refused"] = refused(row, draw)
        out.append(row)
    return out


def noise(rate: float) -> Callable[[Row, random.Random], bool]:
    """Refuse a share of everything."""
    return lambda row, draw: draw.random() < rate


def caused(where: Callable[[Row], bool], strength: float, base: float = 0.003) -> Callable[[Row, random.Random], bool]:
    """Refuse what meets a condition with one rate, all else with another."""
    return lambda row, draw: draw.random() < (strength if where(row) else base)


def plain(made: Sequence[Row]) -> list[Row]:
    """Write rows in generic names."""
    return [
        {
            "message_id": r["id"], "email": r["address"], "event": "bounce" if r["refused"] else "delivered",
            "reason": CS01 if r["refused"] else ACCEPTED, "link_host": r["host"], "product": r["product"], "subject": r["subject"],
            "sending_ip": r["ip"], "timestamp": f"2026-11-18 {r['minute'] // 60:02}:{r['minute'] % 60:02}:00",
        }
        for r in made
    ]  # fmt: skip


def write_csv(
    path: Path, table: Sequence[Row], *, delimiter: str = ",", encoding: str = "utf-8", end: str = "\n"
) -> Path:
    """Write a table as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(table[0]), delimiter=delimiter, lineterminator=end)
    writer.writeheader()
    writer.writerows(table)
    path.write_bytes(out.getvalue().encode(encoding))
    return path


def write_lines(path: Path, table: Sequence[Any]) -> Path:
    """Write objects as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    return path


def ask(*files: Path, veil: Veil | None = None, **more: Any) -> Result:
    """Run a triage over files."""
    return investigate(Question(files=files, **more), read_reply, veil or Veil(b"0" * 32))


def causes(result: Result) -> list[tuple[str, ...]]:
    """Return each cause as its values."""
    return [tuple(c.value for c in cause.conditions) for cause in result.causes]
