"""What all places have in common from which bounces and events are read."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.errors import MailboxError

MAX_MAIL = 10 * 2**20  # a bounce quotes at most the message that it is about
SETTLED = 2_000_000_000  # nanoseconds
Known = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Piece:
    """One mail or one event as it was found. `identity` is its own for ever: reading it again changes nothing."""

    identity: str
    raw: bytes = field(repr=False)
    place: str = ""  # for people: file, or folder and number
    provider: str | None = None  # of an event; None for mail


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was not read, and why."""

    place: str
    why: str


Found = Piece | Skipped


class Inlet(Protocol):
    """A place that can be read again and again, and is left as it is."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def read(self, known: Known) -> Iterator[Found]:
        """Yield what is there and not known yet.

        Raises:
            MailboxError: the place can't be read.
        """
        ...

    def wait(self, seconds: float) -> None:
        """Return when there may be something new, at the latest after so many seconds."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class Glances:
    """Which files were read to their end, and how they looked then: one that looks the same holds nothing new.

    A file that was written in the last moments is looked at again, for its clock may be coarse.
    """

    def __init__(self) -> None:
        self._stamps: dict[Path, tuple[int, int, int]] = {}

    def look(self, path: Path) -> tuple[int, int, int] | None:
        """Return how a file looks now; None if it looks as it did when it was read."""
        try:
            found = path.stat()
        except OSError:
            return (0, 0, 0)  # reading it will tell
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        return None if self._stamps.get(path) == stamp else stamp

    def done(self, path: Path, stamp: tuple[int, int, int]) -> None:
        """Note that all of a file was read, and taken by whoever asked for it."""
        if time.time_ns() - stamp[0] > SETTLED:
            self._stamps[path] = stamp


def read_regular(path: Path, limit: int = MAX_MAIL) -> bytes | None:
    """Read a regular file up to a limit; None if it is longer.

    Pipes, devices and symbolic links are not followed: a mail folder holds files, and a pipe would wait for ever.

    Raises:
        OSError: it is gone, closed to us, or no regular file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path}: no regular file")
        raw = file.read(limit + 1)
    return None if len(raw) > limit else raw


def cannot_read(path: Path, error: OSError, expected: str) -> MailboxError:
    """Say that a path can't be read, and what was expected there."""
    return MailboxError(f"{path}: can't be read ({error.strerror or error}); {expected}")
