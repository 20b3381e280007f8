"""The connections of a run, kept between its steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.edge.ledger import Ledger
from harness.edge.relay import Connection
from harness.edge.scribe import Scribe
from harness.model.relay import Relay


@dataclass
class Pool:
    """Connections that wait for their next message, and the one who writes the marks of those under way."""

    idle: list[Connection] = field(default_factory=list)
    lost: int = 0  # connections in a row that closed before the message bytes
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _scribe: Scribe | None = None

    async def borrow(self, relay: Relay, tell: Callable[[str], None]) -> Connection:
        """Return an open connection. One is opened at a time, so that a wrong password is one failed login."""
        while self.idle:
            connection = self.idle.pop()
            if connection.carried < relay.pace.messages_per_connection:
                return connection
            await connection.close()
        connection = Connection(relay, tell)
        async with self.opening:
            await connection.open()
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next message."""
        self.idle.append(connection)

    def scribe(self, ledger: Ledger, connections: int) -> Scribe:
        """Return the one who writes this run's marks."""
        if self._scribe is None:
            self._scribe = Scribe(ledger, threaded=connections > 1)
        return self._scribe

    async def close(self) -> None:
        """Say goodbye on every connection, and write what is left to write."""
        idle, self.idle = self.idle, []
        await asyncio.gather(*(connection.close() for connection in idle))
        if self._scribe is not None:
            self._scribe.close()
            self._scribe = None
