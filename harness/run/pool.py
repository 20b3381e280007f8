"""The connections of a run, kept between its steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.edge.ledger import Ledger
from harness.edge.relay import Connection, DeliveryError
from harness.edge.scribe import Scribe
from harness.model.relay import Relay


@dataclass
class Pool:
    """Connections that wait for their next message, and the one who writes the marks of those under way."""

    idle: list[Connection] = field(default_factory=list)
    lost: int = 0  # connections in a row that closed before the message bytes
    welcome: bool = False  # the relay has let us in once
    turned_down: DeliveryError | None = None
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _scribe: Scribe | None = None

    async def borrow(self, relay: Relay, tell: Callable[[str], None]) -> Connection:
        """Return an open connection. The first is opened alone, so that a wrong password is one failed login."""
        while self.idle:
            connection = self.idle.pop()
            if connection.carried < relay.pace.messages_per_connection:
                return connection
            await connection.close()
        connection = Connection(relay, tell)
        if not self.welcome:
            async with self.opening:
                if not self.welcome:
                    await self._open_first(connection)
                    return connection
        await connection.open()
        return connection

    async def _open_first(self, connection: Connection) -> None:
        """Find out whether the relay lets us in; who waited for that must not try the same password again."""
        if self.turned_down is not None:
            raise self.turned_down
        try:
            await connection.open()
        except DeliveryError as failure:
            self.turned_down = failure if failure.reply is None else None
            raise
        self.welcome = True

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
