"""spamd: one message's SpamAssassin score by rule, by a REPORT request (SPAMC protocol); nothing is learned or kept.

aiospamc gives the protocol: requests and what the lines of an answer mean. Its client is not used, for it reads an
answer without end.
"""

from __future__ import annotations

import asyncio
import math
import re
from typing import Any, NamedTuple

from harness.errors import RelayError

_LIMIT = 4_000_000  # bytes of an answer
_LONGEST_HEAD = 8_192
_RULE = re.compile(r"^ *(-?\d{1,6}(?:\.\d{1,6})?) +([A-Z][A-Z0-9_]{2,}) +(.*)$")


class Scored(NamedTuple):
    """A score: sum, limit, and (rule, points, what it says)."""

    total: float
    threshold: float
    rules: tuple[tuple[str, float, str], ...]


def score(message: bytes, host: str = "127.0.0.1", port: int = 783, timeout: float = 30.0) -> Scored:
    """Ask spamd for a message's report, within `timeout` seconds in all.

    Raises:
        RelayError: spamd can't be reached, is silent, or does not answer as spamd.
    """
    where = f"spamd {host}:{port}"
    try:
        from aiospamc.requests import Request
    except ImportError:
        raise RelayError(f"{where}: a score needs the extra: pip install 'retest-harness[spam]'") from None
    try:
        answer = asyncio.run(_ask(bytes(Request("REPORT", body=message)), host, port, timeout))
    except TimeoutError:
        raise RelayError(f"{where}: no report within {timeout:g} s") from None
    except OSError as error:
        raise RelayError(f"{where}: {error.strerror or error}") from error
    head, _, body = answer.partition(b"\r\n\r\n")
    fields = _head(head)
    spam = fields.get("Spam")
    if spam is None:
        first = head.split(b"\r\n")[0][:100].decode("ascii", "replace")
        raise RelayError(f"{where}: answers {first!r}, which is no report; is another service on this port?")
    if len(answer) > _LIMIT or len(body) < getattr(fields.get("Content-length"), "length", 0):
        raise RelayError(f"{where}: the report is not whole")
    return Scored(spam.score, spam.threshold, tuple(_rules(body.decode("utf-8", errors="replace"))))


def _head(head: bytes) -> dict[str, Any]:
    """Read an answer's status and headers; nothing where it is no success, or not spamd's."""
    from aiospamc.exceptions import ParseError
    from aiospamc.incremental_parser import parse_header, parse_response_status

    status, *lines = head[:_LONGEST_HEAD].split(b"\r\n")
    try:
        if parse_response_status(status)["status_code"] != 0:
            return {}
        fields = dict(map(parse_header, lines))
    except (ParseError, ValueError):
        return {}
    spam = fields.get("Spam")
    return fields if spam and math.isfinite(spam.score) and math.isfinite(spam.threshold) else {}


async def _ask(request: bytes, host: str, port: int, timeout: float) -> bytes:
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(request)
            writer.write_eof()
            answer = b""
            while len(answer) <= _LIMIT and (chunk := await reader.read(65_536)):
                answer += chunk
            return answer
        finally:
            writer.transport.abort()


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
