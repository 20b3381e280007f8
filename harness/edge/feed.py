"""Provider events in files: JSON, NDJSON and CSV, cut into single events.

What an event says is the bounce room's business; here each event gets its own bytes and its own identity, so that a
file that grows, or an event that a provider repeats, is read once.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from harness.edge.inlet import Found, Glances, Known, Piece, Skipped
from harness.edge.mailbox import until_changed
from harness.errors import EventError, MailboxError

MAX_FILE = 64 * 2**20  # of one JSON document, which is read whole; lines and rows have no such limit
MAX_EVENT = 2**20
MAX_EVENTS = 100_000  # of one JSON document
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_ .:-]{0,200}")  # a name; what a binary file begins with is none
_HEADS = (b"{", b"[")


@dataclass(frozen=True)
class EventFolder:
    """A file or folder of provider events; .gz is read as well."""

    path: Path
    provider: str | None = None
    _glances: Glances = field(default_factory=Glances, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Provider and path."""
        return f"{self.provider or 'events'} {self.path}"

    def read(self, known: Known) -> Iterator[Found]:
        """Yield events that are not known yet, file by file in the order of their names."""
        if not self.path.exists():
            raise MailboxError(f"{self.path}: there is no such file or folder; save the provider's events there")
        for path in [self.path] if self.path.is_file() else _event_files(self.path):
            stamp = self._glances.look(path)
            if stamp is not None:
                place = path.name if path == self.path else str(path.relative_to(self.path))
                yield from self._read_file(path, place, known)
                self._glances.done(path, stamp)

    def _read_file(self, path: Path, place: str, known: Known) -> Iterator[Found]:
        try:
            with _opened(path) as file:
                for number, event in enumerate(split_events(file), start=1):
                    identity = identify(event)
                    if len(event) > MAX_EVENT:
                        yield Skipped(f"{place} event {number}", f"{len(event)} bytes are too many for one event")
                    elif not known(identity):
                        yield Piece(identity, event, f"{place} event {number}", self.provider or "")
        except (OSError, EOFError, EventError) as error:
            yield Skipped(place, str(getattr(error, "strerror", None) or error))

    def wait(self, seconds: float) -> None:
        """Return when the file or folder changed."""
        until_changed((self.path,), seconds)

    def close(self) -> None:
        """Nothing is held."""


def split_events(file: BinaryIO) -> Iterator[bytes]:
    """Cut JSON (one object or a list), NDJSON or CSV into single events, each readable by itself.

    Raises:
        EventError: it is none of these, or a document is too large.
    """
    first = _first_line(file)
    if not first.strip():
        return
    if not first.lstrip().startswith(_HEADS):
        yield from _rows(first, file)
    elif _is_json(first):
        yield from _lines(first, file)
    else:
        yield from _document(first + file.read(MAX_FILE + 1))


def identify(event: bytes) -> str:
    """Name one event by its content, without what changes when the provider sends it again.

    SNS signs each delivery of the same message anew, and Mailgun each call: only what they carry is taken.
    """
    try:
        value = json.loads(event)
    except (ValueError, RecursionError):
        return f"event:{hashlib.sha256(event).hexdigest()}"
    if isinstance(value, dict):
        if isinstance(value.get("Message"), str) and "TopicArn" in value:
            return identify(value["Message"].encode())
        value = value.get("event-data", value)
    return f"event:{hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()}"


def _first_line(file: BinaryIO) -> bytes:
    """Return the first line that says something, without a byte order mark."""
    line = file.readline(MAX_EVENT).removeprefix(b"\xef\xbb\xbf")
    while line and not line.strip():
        line = file.readline(MAX_EVENT)
    return line


def _lines(first: bytes, file: BinaryIO) -> Iterator[bytes]:
    """Yield the events of lines that are JSON each (NDJSON); a line of a list holds several."""
    line = first
    while line:
        if len(line) > MAX_FILE:
            raise EventError(f"a line is longer than {MAX_FILE // 2**20} MiB")
        if line.strip():
            yield from _document(line)
        line = file.readline(MAX_FILE + 1)


def _document(text: bytes) -> Iterator[bytes]:
    """Yield the events of one JSON text, or of several that follow each other."""
    if len(text) > MAX_FILE:
        raise EventError(f"a JSON document is larger than {MAX_FILE // 2**20} MiB; save events as one JSON a line")
    decoder, rest = json.JSONDecoder(), _decoded(text)
    place = 0
    while place < len(rest):
        try:
            value, place = decoder.raw_decode(rest, place)
        except (ValueError, RecursionError) as error:
            raise EventError(f"no JSON ({str(error)[:80]}); events are JSON, one JSON a line, or CSV") from None
        events = value if isinstance(value, list) else [value]
        if len(events) > MAX_EVENTS:
            raise EventError(f"{len(events)} events are too many for one document; save them as one JSON a line")
        for event in events:
            yield json.dumps(event).encode()
        while place < len(rest) and rest[place] in " \t\r\n,":
            place += 1


def _rows(first: bytes, file: BinaryIO) -> Iterator[bytes]:
    """Yield each CSV row with the header line before it."""
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    try:
        reader = csv.reader(_chain(first.decode("utf-8", "replace"), text))
        header = next(reader)
        if len(header) < 2 or not all(_COLUMN.fullmatch(name) for name in header):
            raise EventError("neither JSON nor CSV with a header line; events are JSON, one JSON a line, or CSV")
        for row in reader:
            if row:
                yield _row(header) + _row(row)
    except csv.Error as error:
        raise EventError(f"no CSV that can be read ({error})") from None
    finally:
        text.detach()


def _chain(first: str, rest: Iterator[str] | io.TextIOWrapper) -> Iterator[str]:
    yield first
    yield from rest


def _row(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EventError(f"byte {error.start} is not UTF-8") from None


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _event_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and those below it, hidden ones and links to other folders left out."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(where, name) for name in sorted(names) if not name.startswith("."))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file, unpacked where it is packed."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("no regular file")
        if path.suffix == ".gz":
            yield cast(BinaryIO, gzip.GzipFile(fileobj=file))
        else:
            yield file
