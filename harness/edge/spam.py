"""spamd: one message's SpamAssassin score by rule, by a REPORT request (SPAMC protocol); nothing is learned or kept."""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple

from harness.errors import RelayError

_LIMIT = 4_000_000  # bytes of an answer
_LENGTH = re.compile(rb"^Content-length: *(\d{1,9}) *\r?$", re.MULTILINE | re.IGNORECASE)
_NUMBER = r"-?\d{1,6}(?:\.\d{1,6})?"
_SPAM = re.compile(rf"^Spam: *\w+ *; *({_NUMBER}) */ *({_NUMBER}) *\r?$".encode(), re.MULTILINE | re.IGNORECASE)
_RULE = re.compile(rf"^ *({_NUMBER}) +([A-Z][A-Z0-9_]{{2,}}) +(.*)$")


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
        answer = asyncio.run(_ask(message, host, port, timeout))
    except TimeoutError:
        raise RelayError(f"{where}: no report within {timeout:g} s") from None
    except OSError as error:
        raise RelayError(f"{where}: {error}") from error
    head, _, body = answer.partition(b"\r\n\r\n")
    found, length = _SPAM.search(head), _LENGTH.search(head)
    if not head.startswith(b"SPAMD/") or b" 0 EX_OK" not in head[:40] or found is None:
        first = head.split(b"\r\n")[0][:100].decode("ascii", "replace")
        raise RelayError(f"{where}: answers {first!r}, which is no report; is another service on this port?")
    if len(answer) > _LIMIT or (length and len(body) < int(length[1])):
        raise RelayError(f"{where}: the report is not whole")
    return Scored(float(found[1]), float(found[2]), tuple(_rules(body.decode("utf-8", errors="replace"))))


async def _ask(message: bytes, host: str, port: int, timeout: float) -> bytes:
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(b"REPORT SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(message) + message)
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
