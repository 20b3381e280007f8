"""spamd: one message's SpamAssassin score by rule, by a REPORT request (SPAMC protocol); nothing is learned or kept."""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

from harness.errors import RelayError

_LIMIT = 4_000_000  # bytes of an answer
_SPAM = re.compile(rb"^Spam: *\w+ *; *(-?[\d.]+) */ *(-?[\d.]+)", re.MULTILINE | re.IGNORECASE)
_RULE = re.compile(r"^ *(-?\d+\.\d+|-?\d+) +([A-Z][A-Z0-9_]{2,}) +(.*)$")


class Scored(NamedTuple):
    """A score: sum, limit, and (rule, points, what it says)."""

    total: float
    threshold: float
    rules: tuple[tuple[str, float, str], ...]


def score(message: bytes, host: str = "127.0.0.1", port: int = 783, timeout: float = 30.0) -> Scored:
    """Ask spamd for a message's report.

    Raises:
        RelayError: spamd can't be reached or does not answer as spamd.
    """
    request = b"REPORT SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(message) + message
    try:
        with socket.create_connection((host, port), timeout=timeout) as line:
            line.sendall(request)
            line.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := line.recv(65_536):
                answer += chunk
                if len(answer) > _LIMIT:
                    break
    except OSError as error:
        raise RelayError(f"spamd {host}:{port}: {error}; start it, or take spamd out of check.yaml") from error
    found = _SPAM.search(answer)
    if not answer.startswith(b"SPAMD/") or b" 0 EX_OK" not in answer[:40] or found is None:
        first = answer.split(b"\r\n")[0][:100].decode("ascii", "replace")
        raise RelayError(
            f"spamd {host}:{port}: answers {first!r}, which is no report; is another service on this port?"
        )
    body = answer.partition(b"\r\n\r\n")[2].decode("utf-8", errors="replace")
    return Scored(float(found[1]), float(found[2]), tuple(_rules(body)))


def _rules(body: str) -> list[tuple[str, float, str]]:
    rules: list[tuple[str, float, str]] = []
    for line in body.partition("---- ")[2].splitlines():
        match = _RULE.match(line)
        if match:
            rules.append((match[2], float(match[1]), match[3].strip()))
        elif rules and line.strip() and line.startswith(" " * 10):
            name, points, text = rules[-1]
            rules[-1] = (name, points, f"{text} {line.strip()}")
    return rules
