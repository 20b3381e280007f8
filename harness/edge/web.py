"""The web: where a redirect chain leads, over HTTP, with limits and without touching private networks.

Only asked for by `check --follow`. Nothing of a page is read beyond its headers. A URL of a mail is a stranger's:
before each connection its host is resolved here, and an address that is not public is refused, so that no link can
make the harness speak to a machine inside (SSRF); the connection goes to the very address that was looked at.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

LONGEST_URL = 4_000


@dataclass(frozen=True, slots=True)
class Hop:
    """One stop of a chain: the URL, what the server answered (0: nothing), and why it went no further."""

    url: str
    status: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Follower:
    """Follows redirects, at most `hops` of them; `private` allows addresses that are not public (for tests)."""

    hops: int = 5
    timeout: float = 5.0
    private: bool = False

    def follow(self, url: str) -> tuple[Hop, ...]:
        """Follow a chain to its end; never raises."""
        chain: list[Hop] = []
        seen = set()
        for _ in range(self.hops + 1):
            if url in seen:
                return (*chain, Hop(url, 0, "the chain goes in a circle"))
            seen.add(url)
            hop, location = self._ask(url)
            chain.append(hop)
            if location is None:
                return tuple(chain)
            try:
                url = urljoin(url, location)
            except ValueError:
                return (*chain, Hop(location[:200], 0, "not a URL"))
        return (*chain, Hop(url, 0, f"more than {self.hops} redirects"))

    def _ask(self, url: str) -> tuple[Hop, str | None]:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            return Hop(url[:200], 0, "not a URL"), None
        if parts.scheme not in ("http", "https") or not host or len(url) > LONGEST_URL:
            return Hop(url[:200], 0, f"not followed: {parts.scheme or 'no'} scheme" if host else "not a URL"), None
        try:
            address = self._address(host, port)
            status, location = self._head(parts.scheme, host, address, port, _path(parts.path, parts.query))
        except _Private as where:
            return Hop(url, 0, f"not followed: {where} is no public address"), None
        except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
            return Hop(url, 0, _why(error)), None
        return Hop(url, status), location if 300 <= status < 400 else None

    def _address(self, host: str, port: int) -> str:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        address = str(found[0][4][0])
        ip = ipaddress.ip_address(address.partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        if not self.private and (not ip.is_global or ip.is_multicast):
            raise _Private(f"{host} ({address})")
        return address

    def _head(self, scheme: str, host: str, address: str, port: int, path: str) -> tuple[int, str | None]:
        line = socket.create_connection((address, port), timeout=self.timeout)
        try:
            if scheme == "https":
                line = ssl.create_default_context().wrap_socket(line, server_hostname=host)
            name = f"[{host}]" if ":" in host else host
            connection = http.client.HTTPConnection(name, port, timeout=self.timeout)
            connection.sock = line
            connection.request(
                "GET", path, headers={"User-Agent": "Mozilla/5.0 (retest-harness link check)", "Accept": "text/html"}
            )
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Location")
        finally:
            line.close()


class _Private(Exception):
    """The host has an address that is not public."""


def _path(path: str, query: str) -> str:
    from urllib.parse import quote

    return quote(path or "/", safe="/%:@!$&'()*+,;=~-._") + (
        f"?{quote(query, safe='/%:@!$&()*+,;=~-._?[]')}" if query else ""
    )


def _why(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "the host can't be looked up"
    if isinstance(error, TimeoutError):
        return "no answer within the time limit"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {error.reason or error}"
    return str(error)[:200] or type(error).__name__
