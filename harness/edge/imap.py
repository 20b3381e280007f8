"""A mailbox over IMAP: opened with EXAMINE, read with BODY.PEEK, so that nothing in it changes.

Mails are known by host, user, folder, UIDVALIDITY and UID, which name one mail for ever (RFC 3501 section 2.3.1.1).
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import imap_tools
from imap_tools.utils import encode_folder

from harness.edge.inlet import MAX_MAIL, Found, Known, Piece, Skipped
from harness.errors import MailboxError

TIMEOUT = 30.0
POLL = 15.0  # seconds between looks where IDLE is not offered
IDLE_MOST = 25 * 60.0  # servers may log off a client that is idle for half an hour (RFC 2177)
GROUP_MAILS, GROUP_BYTES = 50, 4 * 2**20  # fetched at once: as fast as it gets, and bounded
_FAILURES = (imaplib.IMAP4.error, imap_tools.ImapToolsError, OSError, ValueError)
_LONGEST = MAX_MAIL + 2**20  # of one literal, whatever the server announces
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Login:
    """How to reach a mailbox; the password is a token where `auth` is xoauth2."""

    host: str
    username: str
    password: str = field(repr=False)
    port: int = 993
    tls: str = "implicit"  # implicit | starttls | none (loopback only)
    auth: str = "login"
    ca_file: str | None = None

    @property
    def where(self) -> str:
        """Host and port, as errors name them."""
        return f"{self.host}:{self.port}"


class LoginRefused(MailboxError):
    """User name, password or token are wrong; trying again makes it worse."""


@dataclass
class ImapInlet:
    """One folder. The connection is made at the first read and kept; a lost one is made anew at the next."""

    login: Login
    folder: str = "INBOX"
    since: datetime | None = None
    part: Literal["", "HEADER"] = ""  # HEADER: only the heads are fetched
    poll: float = POLL
    _box: Any = field(default=None, repr=False)
    _validity: str = ""
    _read: int = 0  # all mails up to this UID were read and taken
    _refused: MailboxError | None = None

    @property
    def name(self) -> str:
        """User, host and folder."""
        return f"imap {self.login.username}@{self.login.host}/{self.folder}"

    def read(self, known: Known) -> Iterator[Found]:
        """Yield mails that are not known yet, in the order in which they arrived.

        Raises:
            MailboxError: no connection, bad certificate, wrong password, no such folder, or the connection was lost.
        """
        try:
            self._open()
            there = self._uids()
            new = [uid for uid in there if not known(self._identity(uid))]
            for group in self._groups(new):
                if isinstance(group, Skipped):
                    yield group
                else:
                    yield from self._fetch(group)
            self._read = max(self._read, *map(int, there), 0)
        except MailboxError:
            self.close()
            raise
        except _FAILURES as error:
            self.close()
            raise failure(self.login, f"folder {self.folder} can't be read", error) from None

    def whole(self, identity: str) -> bytes | None:
        """Fetch one mail of this folder whole, by the identity that `read` gave; None if it is gone."""
        uid = identity.rpartition("/")[2]
        whole = ImapInlet(self.login, self.folder, _box=self._box, _validity=self._validity)
        try:
            for found in whole._fetch([uid]):
                return found.raw
        except _FAILURES as error:
            self.close()
            raise failure(self.login, f"folder {self.folder} can't be read", error) from None
        return None

    def wait(self, seconds: float) -> None:
        """Return when mail came (IDLE), or after a polling interval where the server offers no IDLE."""
        if self._box is None or not self.can_idle:
            time.sleep(min(seconds, self.poll))
            return
        try:
            self._box.idle.wait(timeout=min(seconds, IDLE_MOST))
        except _FAILURES:
            self.close()  # the next read connects anew, and says so if it can't
            time.sleep(min(seconds, 1.0))

    @property
    def can_idle(self) -> bool:
        """The server pushes news (RFC 2177)."""
        return self._box is not None and "IDLE" in self._box.client.capabilities

    def close(self) -> None:
        """Log out; an error while leaving tells nothing."""
        box, self._box = self._box, None
        if box is None:
            return
        try:
            box.client.logout()
        except _FAILURES:
            with contextlib.suppress(OSError):
                box.client.shutdown()

    def _open(self) -> None:
        if self._box is not None:
            try:
                self._box.client.noop()  # also makes the server tell of new mail
                return
            except _FAILURES:
                self.close()
        if self._refused is not None:
            raise self._refused  # asked again and again, one wrong password would lock the account
        try:
            self._box = connect(self.login)
        except LoginRefused as refused:
            self._refused = refused
            raise
        status, answer = self._box.client.select(_folder(self.folder), readonly=True)
        if status != "OK":
            raise MailboxError(
                f"{self.login.where}: there is no folder {self.folder!r} for {self.login.username} "
                f"({_words(answer)}); name one of: {', '.join(_folders(self._box)) or 'none is listed'}"
            )
        answer = self._box.client.response("UIDVALIDITY")[1]
        validity = answer[0].decode("ascii", "replace") if answer and answer[0] else "0"
        if validity != self._validity:
            self._validity, self._read = validity, 0

    def _identity(self, uid: str) -> str:
        login = self.login
        return f"imap:{login.host.lower()}/{login.username}/{self.folder}/{self._validity}/{uid}"

    def _uids(self) -> list[str]:
        criteria = "ALL"
        if self.since is not None:
            day = self.since - timedelta(days=1)  # SINCE knows days only, in the server's zone
            criteria = f"SINCE {day.day:02d}-{_MONTHS[day.month - 1]}-{day.year}"
        if self._read:
            criteria += f" UID {self._read + 1}:*"  # which names the last mail even where it is older
        found = [
            uid.decode("ascii") for uid in (self._ask("SEARCH", None, criteria) or [b""])[0].split() if uid.isdigit()
        ]
        return sorted((uid for uid in found if int(uid) > self._read), key=int)

    def _groups(self, uids: list[str]) -> Iterator[list[str] | Skipped]:
        """Cut the mails into groups that are bounded in number and bytes; a huge mail is skipped."""
        for i in range(0, len(uids), 500):
            sizes: dict[str, int] = {}
            for row in self._ask("FETCH", ",".join(uids[i : i + 500]), "(RFC822.SIZE)"):
                text = row if isinstance(row, bytes) else b"".join(row) if row else b""
                number, size = _UID.search(text), _SIZE.search(text)
                if number and size:
                    sizes[number[1].decode()] = 2000 if self.part else int(size[1])
            group: list[str] = []
            for uid in uids[i : i + 500]:
                if sizes.get(uid, 0) > MAX_MAIL:
                    yield Skipped(
                        f"{self.name} UID {uid}", f"{sizes[uid]} bytes are too many for a bounce: it was not read"
                    )
                elif uid in sizes:
                    group.append(uid)
                if len(group) == GROUP_MAILS or sum(sizes[member] for member in group) > GROUP_BYTES:
                    yield group
                    group = []
            if group:
                yield group

    def _fetch(self, uids: list[str]) -> Iterator[Piece]:
        rows = self._ask("FETCH", ",".join(uids), f"(BODY.PEEK[{self.part}])")
        for row, after in zip(rows, [*rows[1:], b""], strict=True):
            if not isinstance(row, tuple):
                continue
            # UID may stand before the literal or behind it
            uid = _UID.search(row[0]) or (_UID.search(after) if isinstance(after, bytes) else None)
            if uid:
                number = uid[1].decode()
                yield Piece(self._identity(number), row[1], f"{self.name} UID {number}")

    def _ask(self, *command: str | None) -> list[Any]:
        status, data = self._box.client.uid(*command)
        if status != "OK":
            raise MailboxError(
                f"{self.login.where}: {command[0]} in {self.folder} was answered {status} {_words(data)}"
            )
        return [row for row in data if row is not None]


def connect(login: Login) -> Any:
    """Connect and log in, once: one wrong password is one failed login.

    Raises:
        MailboxError: it says which of name, port, certificate or password was wrong.
    """
    box: Any
    try:
        if login.tls == "none":
            if not _is_loopback(login.host):
                raise MailboxError(f"{login.where}: no password goes over an open line; set tls: implicit or starttls")
            box = imap_tools.MailBoxUnencrypted(login.host, login.port, TIMEOUT)
        else:
            kind = imap_tools.MailBox if login.tls == "implicit" else imap_tools.MailBoxStartTls
            box = kind(login.host, login.port, timeout=TIMEOUT, ssl_context=_context(login))
    except _FAILURES as error:
        raise failure(login, "no connection", error) from None
    _bound(box.client)
    try:
        _authenticate(box.client, login)
    except _FAILURES as error:
        with contextlib.suppress(OSError):
            box.client.shutdown()
        if isinstance(error, (OSError, imaplib.IMAP4.abort)) or "[UNAVAILABLE]" in _words(error.args):
            raise failure(login, "no login", error) from None
        words = "the token" if login.auth == "xoauth2" else "user name and password"
        raise LoginRefused(
            f"{login.where}: {login.username} can't log in ({_clean(error, login.password)}); "
            f"put {words} right, it was tried once"
        ) from None
    return box


def _authenticate(client: imaplib.IMAP4, login: Login) -> None:
    """Log in by SASL where offered (it can hold any character), else by LOGIN."""
    if login.auth == "xoauth2":
        first = f"user={login.username}\1auth=Bearer {login.password}\1\1".encode()
        client.authenticate("XOAUTH2", _once(first))
    elif "AUTH=PLAIN" in client.capabilities:
        client.authenticate("PLAIN", _once(f"\0{login.username}\0{login.password}".encode()))
    elif "LOGINDISABLED" in client.capabilities:
        raise imaplib.IMAP4.error("the server forbids LOGIN here, and offers no AUTH=PLAIN")
    else:
        client.login(login.username, login.password)


def _once(secret: bytes) -> Callable[[bytes], bytes]:
    """Answer the first challenge; a second one is the server's error text, and wants an empty line (XOAUTH2)."""
    answers = iter([secret])
    return lambda challenge: next(answers, b"")


def _bound(client: imaplib.IMAP4) -> None:
    """Refuse to read a literal of any length that the server announces."""
    read = client.read

    def bounded(size: int) -> bytes:
        if size > _LONGEST:
            raise imaplib.IMAP4.abort(f"the server announced {size} bytes, more than was asked for")
        return read(size)

    client.read = bounded  # type: ignore[method-assign]


def _context(login: Login) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=login.ca_file)
    except (OSError, ssl.SSLError):
        raise MailboxError(
            f"{login.where}: ca_file {login.ca_file} holds no certificates that can be read; a PEM file was expected"
        ) from None


def failure(login: Login, what: str, error: BaseException) -> MailboxError:
    """Say what failed and what to do, without the secret."""
    advice = "try again later"
    if isinstance(error, ssl.SSLCertVerificationError):
        return MailboxError(
            f"{login.where}: its certificate can't be trusted ({error.verify_message}); use the host name that it was "
            "made for, or name its CA with ca_file"
        )
    if isinstance(error, ssl.SSLError):
        advice = "check port and tls (993 is implicit, 143 starttls)"
    elif isinstance(error, socket.gaierror):
        advice = "check host"
    elif isinstance(error, (ConnectionRefusedError, TimeoutError)):
        advice = "check host and port, and that a firewall lets IMAP through"
    return MailboxError(f"{login.where}: {what} ({_clean(error, login.password)}); {advice}")


def _clean(error: BaseException, secret: str) -> str:
    """Return the words of an error on one line; whatever the server echoes, no secret is in it."""
    words = _words(error.args) or type(error).__name__
    return words.replace(secret, "***") if secret else words


def _words(answer: Any) -> str:
    if isinstance(answer, (list, tuple)):
        return " ".join(filter(None, (_words(part) for part in answer)))[:300]
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    return "".join(c if c.isprintable() else " " for c in text).strip()[:300]


def _folder(name: str) -> Any:
    if re.search(r"[\r\n\0]", name):
        raise MailboxError(f"folder {name!r}: a line break is in its name")
    return encode_folder(name)


def _folders(box: Any) -> list[str]:
    try:
        return [_words(info.name) for info in box.folder.list()][:20]
    except _FAILURES:
        return []


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
