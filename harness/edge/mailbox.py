"""Mail on disk: Maildir, mbox, a folder of .eml. Read only, never moved, never flagged, never deleted."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from harness.edge.inlet import MAX_MAIL, Found, Glances, Known, Piece, Skipped, cannot_read, read_regular
from harness.errors import MailboxError

POLL = 1.0  # seconds between looks at a folder
LOCK_PATIENCE = 10.0  # a delivery holds the lock of an mbox for a moment only
MAX_LINE = 2**16  # a longer line of an mbox is read in parts
_TOO_LONG = f"larger than {MAX_MAIL // 2**20} MiB: no bounce is, so it was not read"


@dataclass(frozen=True)
class Maildir:
    """A Maildir (https://cr.yp.to/proto/maildir.html); `folder` names a Maildir++ subfolder."""

    path: Path
    folder: str = "INBOX"
    since: datetime | None = None
    _done: set[str] = field(default_factory=set, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The path, with the subfolder."""
        return f"maildir {self._root}"

    @property
    def _root(self) -> Path:
        return self.path if self.folder == "INBOX" else self.path / ("." + self.folder.replace("/", "."))

    def read(self, known: Known) -> Iterator[Found]:
        """Yield mails by their unique names, which stay when a mail is seen, flagged or moved to cur."""
        if not (self._root / "cur").is_dir() or not (self._root / "new").is_dir():
            raise MailboxError(f"{self._root}: no Maildir (a folder that holds cur, new and tmp); put the path right")
        seen: set[str] = set()
        # new before cur: a mail that is moved between the two looks is met twice rather than never
        for part in ("new", "cur"):
            for path in _files(self._root / part, self.since):
                unique = path.name.partition(":")[0]
                if unique in seen or unique in self._done or path.name.startswith("."):
                    continue
                identity = f"maildir:{unique}"
                if known(identity):
                    self._done.add(unique)
                    continue
                found = self._open(path, unique, identity)
                if found is not None:
                    seen.add(unique)
                    yield found

    def _open(self, path: Path, unique: str, identity: str) -> Found | None:
        try:
            raw = read_regular(path)
        except FileNotFoundError:
            return None  # moved to cur meanwhile, where the second look finds it
        except OSError as error:
            return Skipped(str(path), str(error.strerror or error))
        return Piece(identity, raw, unique) if raw is not None else Skipped(str(path), _TOO_LONG)

    def wait(self, seconds: float) -> None:
        """Return when new or cur changed."""
        folders = (self._root / "new", self._root / "cur")
        until_changed(folders, seconds)

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class EmlFolder:
    """A folder (or one file) of mails saved as .eml."""

    path: Path
    _glances: Glances = field(default_factory=Glances, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The path."""
        return f"eml {self.path}"

    def read(self, known: Known) -> Iterator[Found]:
        """Yield mails by path and content: a file that is written anew is a new mail."""
        if not self.path.exists():
            raise MailboxError(f"{self.path}: there is no such file or folder; save bounces there as .eml files")
        for path in [self.path] if self.path.is_file() else _eml_files(self.path):
            stamp = self._glances.look(path)
            if stamp is not None:
                found = self._open(path, known)
                if found is not None:
                    yield found
                self._glances.done(path, stamp)

    def _open(self, path: Path, known: Known) -> Found | None:
        try:
            raw = read_regular(path)
        except OSError as error:
            return Skipped(str(path), str(error.strerror or error))
        if raw is None:
            return Skipped(str(path), _TOO_LONG)
        place = path.name if path == self.path else str(path.relative_to(self.path))
        identity = f"eml:{place}:{hashlib.sha256(raw).hexdigest()}"
        return None if known(identity) else Piece(identity, raw, place)

    def wait(self, seconds: float) -> None:
        """Return when the folder changed."""
        until_changed((self.path,), seconds)

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Mbox:
    """One mbox file (RFC 4155); a mail is known by its content, for it has no name."""

    path: Path
    _glances: Glances = field(default_factory=Glances, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The path."""
        return f"mbox {self.path}"

    def read(self, known: Known) -> Iterator[Found]:
        """Yield the mails in file order, holding one in memory."""
        stamp = self._glances.look(self.path)
        if stamp is None:
            return
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise cannot_read(self.path, error, "an mbox file was expected") from None
        with file:
            _lock(file, self.path)
            for number, raw in enumerate(_split(file, self.path), start=1):
                place = f"{self.path.name} mail {number}"
                if raw is None:
                    yield Skipped(place, _TOO_LONG)
                    continue
                identity = f"mbox:{hashlib.sha256(raw).hexdigest()}"
                if not known(identity):
                    yield Piece(identity, raw, place)
        self._glances.done(self.path, stamp)

    def wait(self, seconds: float) -> None:
        """Return when the file changed."""
        until_changed((self.path,), seconds)

    def close(self) -> None:
        """Nothing is held."""


def _lock(file: BinaryIO, path: Path) -> None:
    """Wait until no delivery is writing: half a bounce would be taken for a whole one."""
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            busy = True
        else:
            busy = path.with_name(path.name + ".lock").exists()
        if not busy:
            return
        if time.monotonic() > deadline:
            raise MailboxError(f"{path}: another program holds its lock; try again when it is done")
        time.sleep(0.05)


def _split(file: BinaryIO, path: Path) -> Iterator[bytes | None]:
    """Cut an mbox at its From_ lines; None stands for a mail above the limit."""
    lines: list[bytes] = []
    size, blank, begun = 0, True, False
    while line := file.readline(MAX_LINE):
        if blank and line.startswith(b"From "):
            if begun:
                yield _joined(lines, size)
            lines, size, begun, blank = [], 0, True, False
            continue
        if not begun:
            if not line.strip():
                continue
            raise MailboxError(f"{path}: no mbox file (its first line must begin with 'From '); put the path right")
        blank = line in (b"\n", b"\r\n")
        size += len(line)
        if size <= MAX_MAIL:
            lines.append(_unquoted(line))
        else:
            lines.clear()
    if begun:
        yield _joined(lines, size)


def _unquoted(line: bytes) -> bytes:
    """Take one > off a quoted From_ line (mboxrd)."""
    return line[1:] if line.startswith(b">") and line.lstrip(b">").startswith(b"From ") else line


def _joined(lines: list[bytes], size: int) -> bytes | None:
    """Return the mail without the blank line that ends it in the file."""
    if size > MAX_MAIL:
        return None
    if lines and lines[-1] in (b"\n", b"\r\n"):
        lines = lines[:-1]
    return b"".join(lines)


def _files(folder: Path, since: datetime | None) -> Iterator[Path]:
    """Yield a folder's files, oldest first, but for those last written before `since`."""
    try:
        entries = [(entry.stat(follow_symlinks=False).st_mtime, entry.path) for entry in os.scandir(folder)]
    except FileNotFoundError:  # an entry went away between the listing and the look
        entries = [(path.lstat().st_mtime, str(path)) for path in folder.iterdir() if path.exists()]
    except OSError as error:
        raise cannot_read(folder, error, "let this user read the Maildir") from None
    earliest = since.timestamp() if since else 0.0
    yield from (Path(path) for when, path in sorted(entries) if when >= earliest)


def _eml_files(folder: Path) -> Iterator[Path]:
    """Yield the .eml files of a folder and those below it; links to other folders are not followed."""
    for where, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(where, name) for name in sorted(names) if name.lower().endswith(".eml"))


def until_changed(paths: tuple[Path, ...], seconds: float) -> None:
    """Return when one of the paths changed, at the latest after so many seconds."""
    before = _stamps(paths)
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(POLL, left))
        if _stamps(paths) != before:
            return


def _stamps(paths: tuple[Path, ...]) -> list[tuple[int, int] | None]:
    stamps: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            stamps.append(None)
        else:
            stamps.append((found.st_mtime_ns, found.st_size))
    return stamps
