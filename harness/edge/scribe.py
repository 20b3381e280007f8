"""The scribe: writes a run's marks, several in one commit where they come at once.

A mark that nobody waits for may wait a millisecond for its neighbours: where the relay is as quick as the disk, the
answer to one message, the beginning of the next and its content mark are one commit instead of three. With several
connections the scribe has a thread, so that a slow disk that one connection waits for holds up no other.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue

from harness.edge.ledger import Ledger

COMPANY = 0.001  # seconds that a mark waits for others; a commit takes as long when the machine is busy
Mark = Callable[[], object]
_Entry = tuple[Mark, "asyncio.Future[None]"]


class Scribe:
    """Writes for one event loop; marks are written in the order in which they are given."""

    def __init__(self, ledger: Ledger, *, threaded: bool) -> None:
        self._ledger = ledger
        self._loop = asyncio.get_running_loop()
        self._given: list[_Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._queue: SimpleQueue[list[_Entry] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="scribe", daemon=True) if threaded else None
        if self._thread is not None:
            self._thread.start()

    def write(self, mark: Mark, *, now: bool = False) -> asyncio.Future[None]:
        """Give one mark to write; its future is done when it is on the disk.

        `now` writes it at once, with all that was given before.
        """
        done: asyncio.Future[None] = self._loop.create_future()
        self._given.append((mark, done))
        if now:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(COMPANY, self.flush)
        return done

    def flush(self) -> None:
        """Write what was given so far."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        given, self._given = self._given, []
        if not given:
            return
        if self._thread is None:
            _tell(given, self._ledger.write_together([mark for mark, _ in given]))
        else:
            self._queue.put(given)

    def close(self) -> None:
        """Write what was given and end the thread."""
        self.flush()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        ended = False
        while not ended:
            batches = [self._queue.get()]
            while not self._queue.empty():
                batches.append(self._queue.get())
            ended = None in batches
            given = [entry for batch in batches if batch is not None for entry in batch]
            if given:
                results = self._ledger.write_together([mark for mark, _ in given])
                self._loop.call_soon_threadsafe(_tell, given, results)


def _tell(given: list[_Entry], results: list[Exception | None]) -> None:
    for (_, done), failure in zip(given, results, strict=True):
        if done.cancelled():
            continue
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)
            done.exception()  # seen: whoever awaits it is told, and nobody else must be
