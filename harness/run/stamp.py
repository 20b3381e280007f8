"""What a relay wants to see on every message: its own headers, the same on all variants."""

from __future__ import annotations

from dataclasses import replace

from harness.errors import ConfigError
from harness.model.relay import Relay
from harness.model.variant import Message


def stamp(message: Message, relay: Relay, token: str) -> Message:
    """Put the relay's headers on top; `{token}` in a value becomes the trial's token, of one length for all.

    Raises:
        ConfigError: a header line would be longer than a line may be (RFC 5322 section 2.1.1).
    """
    lines = []
    for name, value in relay.headers.items():
        line = f"{name}: {value.replace('{token}', token)}"
        if len(line.encode()) > 998:
            raise ConfigError(f"relay.yaml: relays.{relay.name}.headers.{name}: a line has at most 998 bytes")
        lines.append(line.encode("ascii", "xmlcharrefreplace") + b"\r\n")
    return replace(message, content=b"".join(lines) + message.content) if lines else message
