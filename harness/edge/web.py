"""The web: where a redirect chain leads, over HTTP, with limits and without touching private networks.

Only asked for by `check --follow`. Nothing of a page is read beyond its headers. A URL of a mail is a stranger's:
before each connection its host is resolved here, once, and an address that is not public is refused, so that no link
can make the harness speak to a machine inside (SSRF); the connection goes to the very address that was looked at.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from harness.edge.dns import Dns, Offline
from harness.edge.public import is_public
from harness.model.found import Found
from harness.model.hop import Fault, Hop

LONGEST_URL = 4_000
MOST_HEADERS = 32_768  # bytes of one answer's status line and headers
MOST_ADDRESSES = 2  # of each kind that are tried
NO_APPS = ("javascript", "vbscript", "data", "file", "about", "blob", "ftp", "gopher")  # browsers refuse them
PORTS = {"http": 80, "https": 443}
# X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH: wrong for everybody.
WRONG_FOR_ALL = (9, 10, 62, 64)
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: |\r?\n)")
_AGENT = "Mozilla/5.0 (retest-harness link check)"


class _Broken(Exception):
    """A chain goes no further."""

    def __init__(self, why: str, fault: Fault) -> None:
        super().__init__(why)
        self.why, self.fault = why, fault


class _Target(NamedTuple):
    """What a URL names, in the form in which it is asked for."""

    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Follower:
    """Follows redirects, at most `hops` of them, each within `timeout` seconds from connecting to the last header.

    `private` allows addresses that are not public (for tests). A redirect to a URL that `leave` names is not opened.
    """

    dns: Dns | Offline = field(default_factory=Offline)
    hops: int = 5
    timeout: float = 5.0
    private: bool = False
    leave: Callable[[str], bool] = lambda url: False

    def follow(self, url: str) -> tuple[Hop, ...]:
        """Follow a chain to its end; never raises."""
        chain: list[Hop] = []
        seen = set()
        for _ in range(self.hops + 1):
            if url in seen:
                return (*chain, Hop(url, 0, "the chain goes in a circle", Fault.LINK))
            seen.add(url)
            try:
                status, location = self._ask(_target(url))
            except _Broken as end:
                return (*chain, Hop(url[:200], 0, end.why, end.fault))
            chain.append(Hop(url, status))
            if location is None:
                return tuple(chain)
            if not location:
                return (*chain, Hop(url[:200], 0, "a redirect that says no place", Fault.LINK))
            try:
                url = urljoin(url, location)
            except ValueError:
                return (*chain, Hop(location[:200], 0, "not a URL", Fault.LINK))
            if self.leave(url):
                return (*chain, Hop(url[:200], 0, "not opened: it may end the subscription"))
        return (*chain, Hop(url[:200], 0, f"more than {self.hops} redirects", Fault.LENGTH))

    def _ask(self, target: _Target) -> tuple[int, str | None]:
        """Return the status, and where a redirect leads."""
        addresses = self._addresses(target.host)
        try:
            return asyncio.run(self._get(target, addresses))
        except ssl.SSLCertVerificationError as error:
            fault = Fault.CERTIFICATE if error.verify_code in WRONG_FOR_ALL else Fault.WAY
            raise _Broken(f"its certificate can't be verified ({error.verify_message.rstrip('.')})", fault) from None
        except ssl.SSLError as error:
            raise _Broken(f"TLS fails: {(error.reason or str(error)).replace('_', ' ').lower()}", Fault.WAY) from None
        except TimeoutError:
            raise _Broken(f"no answer within {self.timeout:g} s", Fault.WAY) from None
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else str(error)
            raise _Broken(f"no connection: {why}", Fault.WAY) from None

    def _addresses(self, host: str) -> Sequence[str]:
        """Resolve a host, once: what is looked at here is what is connected to (DNS rebinding)."""
        written = _literal(host)
        found = [self.dns.ask(host, kind) for kind in ("AAAA", "A")] if written is None else []
        known = [written] if written else [record for lookup in found for record in lookup.records]
        for address in known:
            if not self.private and not is_public(address):
                place = host if address == host else f"{host} ({address})"
                raise _Broken(f"it leads to {place}, which is no public address", Fault.LINK)
        if not known:
            failed = next((lookup for lookup in found if lookup.failed), None)
            if failed:
                raise _Broken(f"the host can't be looked up ({failed.why})", Fault.WAY)
            none = "does not exist" if found[0].state is Found.NO_NAME else "has no address"
            raise _Broken(f"the host {host} {none}", Fault.LINK)
        return [written] if written else [one for lookup in found for one in lookup.records[:MOST_ADDRESSES]]

    async def _get(self, target: _Target, addresses: Sequence[str]) -> tuple[int, str | None]:
        async with asyncio.timeout(self.timeout):
            reader, writer = await self._connect(target, addresses)
            try:
                writer.write(_request(target))
                return await _answer(reader)
            finally:
                writer.transport.abort()  # a page's body is not waited for

    async def _connect(
        self, target: _Target, addresses: Sequence[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the first address that answers; each has its share of the time."""
        context = ssl.create_default_context() if target.scheme == "https" else None
        name = target.host.rstrip(".") if context else None
        failure: OSError | None = None
        for address in addresses:
            try:
                async with asyncio.timeout(self.timeout / len(addresses)):
                    return await asyncio.open_connection(
                        address, target.port, limit=MOST_HEADERS, ssl=context, server_hostname=name
                    )
            except ssl.SSLError:
                raise
            except OSError as error:  # a timeout is one
                failure = error
        assert failure is not None
        raise failure


def _target(url: str) -> _Target:
    """Read a URL as a browser would; a name and password in it are not sent."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode("ascii")
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]")
    except ValueError:  # UnicodeError is one
        raise _Broken("not a URL", Fault.LINK) from None
    if parts.scheme not in PORTS:
        if parts.scheme and parts.scheme not in NO_APPS:
            raise _Broken(f"it leads into an app ({parts.scheme}:)", Fault.APP)
        what = f"a {parts.scheme}: address" if parts.scheme else "what is no web address"
        raise _Broken(f"it leads to {what}", Fault.LINK)
    if len(url) > LONGEST_URL:
        raise _Broken(f"it leads to a URL of {len(url):,} characters", Fault.LINK)
    if not _is_host(host) or "\\" in parts.netloc or port == 0:
        raise _Broken("not a URL", Fault.LINK)
    return _Target(parts.scheme, host, port or PORTS[parts.scheme], f"{path}?{query}" if query else path)


def _is_host(text: str) -> bool:
    try:
        return bool(_HOST.fullmatch(text)) or ipaddress.IPv6Address(text) is not None
    except ValueError:
        return False


def _literal(host: str) -> str | None:
    """Return the address that a host is, in any spelling that browsers take; None for a name."""
    if ":" in host:
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def _request(target: _Target) -> bytes:
    host = f"[{target.host}]" if ":" in target.host else target.host
    port = "" if target.port == PORTS[target.scheme] else f":{target.port}"
    lines = (
        f"GET {target.path} HTTP/1.1",
        f"Host: {host}{port}",
        f"User-Agent: {_AGENT}",
        "Accept: text/html",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii")


async def _answer(reader: asyncio.StreamReader) -> tuple[int, str | None]:
    """Read one answer's headers, past those that only announce it (1xx)."""
    left = MOST_HEADERS
    while True:
        head = await _head(reader, left)
        left -= len(head)
        status = _STATUS.match(head)
        if status is None:
            raise _Broken("the server does not speak HTTP", Fault.WAY)
        if status[1][:1] != b"1":
            location = re.search(rb"(?im)^Location:[ \t]*([^\r\n]*)", head) if status[1][:1] == b"3" else None
            return int(status[1]), _text(location[1]) if location else None


async def _head(reader: asyncio.StreamReader, most: int) -> bytes:
    """Read lines up to the empty one."""
    head = b""
    try:
        while (line := await reader.readline()).strip():
            head += line
            if len(head) > most:
                raise ValueError
    except ValueError:  # raised by the reader, too, for one line beyond its limit
        raise _Broken(f"the server sends more than {MOST_HEADERS:,} bytes of headers", Fault.LINK) from None
    if not line:
        raise _Broken("the server closes the connection before the end of its headers", Fault.WAY)
    return head


def _text(raw: bytes) -> str:
    """Read a Location: as UTF-8, which is what browsers take beyond ASCII, else as it always was."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.strip()
