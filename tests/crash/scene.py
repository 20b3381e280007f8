"""Where runs are crashed: a small workspace, and the scripted MX whose log is the truth."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLANTED = "go.partner.example"
RULES = [
    {
        "name": "planted",
        "where": "body",
        "pattern": r"https?://go\.partner\.example/",
        "reply": "554 5.7.1 [CS01] Message rejected due to local policy",
    }
]
SEEDS = """\
segments:
  small:
    owner: owner@shop.example
    daily_cap: 1000
    seeds:
      - {address: one@seeds.example, domain: icloud.com, merge: {first_name: Ana}}
      - {address: two@seeds.example, domain: me.com, merge: {first_name: Bo}}
      - {address: grey-3@seeds.example, domain: icloud.com, merge: {first_name: Chidi}}
"""
RELAY = """\
default: mx
relays:
  mx:
    kind: smtp
    host: 127.0.0.1
    port: %d
    tls: none
    timeout: 10s
    pace: {gap: 0s, jitter: 0, per_hour: null, avoid_top_of_hour: false, backoff: 20ms}
"""
CAMPAIGN = """\
from: Shop <news@shop.example>
envelope_sender: bounces@mail.shop.example
subject: "{{ first_name }}, new shoes"
html: body.html.j2
"""
BODY = """\
<html><body>
<p>Hello {{ first_name }}, the new shoes are here.</p>
<p><a href="https://shop.example/shoes">See them</a></p>
<p><a href="https://go.partner.example/fitting">Book a fitting</a></p>
<p><a href="https://shop.example/help">Help</a></p>
</body></html>
"""


@dataclass(frozen=True)
class Mx:
    """A running scripted MX."""

    port: int
    log: Path

    def rows(self) -> list[dict[str, Any]]:
        """Return all transactions that it saw."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@contextlib.contextmanager
def scripted_mx(folder: Path) -> Iterator[Mx]:
    """Run the scripted MX in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder.mkdir(parents=True)
    rules = folder / "rules.json"
    rules.write_text(json.dumps(RULES))
    program = Path(__file__).parents[1] / "mailstack" / "scripted_mx.py"
    command = [sys.executable, str(program), "--listen", f"mx={port}", "--out", str(folder), "--rules", str(rules)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Mx(port, folder / "mx.jsonl")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def make_workspace(folder: Path, port: int) -> Path:
    """Write a workspace whose relay is the MX."""
    campaign = folder / "variants" / "shoes"
    campaign.mkdir(parents=True)
    (folder / "results").mkdir()
    (folder / "seeds.yaml").write_text(SEEDS)
    (folder / "relay.yaml").write_text(RELAY % port)
    (campaign / "campaign.yaml").write_text(CAMPAIGN)
    (campaign / "body.html.j2").write_text(BODY)
    return folder


def wait_for(condition: Any, seconds: float) -> bool:
    """Wait until a condition holds; False if it never did."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return False
