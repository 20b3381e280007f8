"""Redirect chains, followed to a real web server on loopback."""

from __future__ import annotations

import asyncio
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.check.chain import chain_notices
from harness.edge.dns import Dns
from harness.edge.public import is_public
from harness.edge.web import Follower, _answer, _Broken, _request, _target
from harness.model.found import Found, Lookup
from harness.model.hop import Fault, Hop
from tests.integration.around.servers import Authority, Talk, drip, over_tls, talking

MOVES = {"/a": "/b", "/b": "/c?x=1", "/circle": "/circle2", "/circle2": "/circle", "/file": "file:///etc/passwd", "/inside": "http://10.0.0.1/",
         "/odd": "http://[::1", "/space": "/c d?e=f g", "/js": "javascript:alert(1)"}  # fmt: skip


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path
        self.server.asked.append(path)  # type: ignore[attr-defined]
        if path.startswith("/long"):
            number = int(path[5:])
            self._move(f"/long{number + 1}")
        elif path in MOVES:
            self._move(MOVES[path])
        elif path == "/gone":
            self.send_error(410)
        elif path == "/slow":
            threading.Event().wait(1.0)
        elif path == "/huge":
            self.send_response(302)
            self.send_header("Location", "/" + "a" * 5000)
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 100)

    def _move(self, to: str) -> None:
        self.send_response(302)
        self.send_header("Location", to)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def base(site: http.server.ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{site.server_port}"


FOLLOWER = Follower(hops=5, timeout=0.4, private=True)


def test_a_chain_is_followed_to_its_end(base: str) -> None:
    chain = FOLLOWER.follow(base + "/a")
    assert [(hop.url.removeprefix(base), hop.status) for hop in chain] == [("/a", 302), ("/b", 302), ("/c?x=1", 200)]


def test_a_redirect_that_may_unsubscribe_is_not_opened(base: str, site: http.server.ThreadingHTTPServer) -> None:
    wary = replace(FOLLOWER, leave=lambda url: url.endswith("/c?x=1"))
    before = list(site.asked)
    chain = wary.follow(base + "/a")
    assert [hop.url.removeprefix(base) for hop in chain] == ["/a", "/b", "/c?x=1"]
    assert "may end the subscription" in chain[-1].error
    assert site.asked[len(before) :] == ["/a", "/b"]  # type: ignore[attr-defined]


def test_a_dead_link_says_its_status(base: str) -> None:
    assert FOLLOWER.follow(base + "/gone")[-1].status == 410


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/circle", "circle"),
        ("/long1", "more than 5 redirects"),
        ("/slow", "no answer within 0.4 s"),
        ("/file", "a file: address"),
        ("/js", "a javascript: address"),
        ("/odd", "not a URL"),
        ("/huge", "a URL of 5,0"),
    ],
)
def test_a_chain_ends_with_the_reason(path: str, why: str, base: str) -> None:
    chain = FOLLOWER.follow(base + path)
    assert chain[-1].status == 0
    assert why in chain[-1].error
    assert len(chain) <= 7


def test_blanks_in_a_location_are_no_second_header(base: str, site: http.server.ThreadingHTTPServer) -> None:
    assert FOLLOWER.follow(base + "/space")[-1].status == 200
    assert site.asked[-1] == "/c%20d?e=f%20g"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "0.0.0.0",
    ],
)
def test_no_link_makes_us_speak_to_a_machine_inside(host: str, site: http.server.ThreadingHTTPServer) -> None:
    before = len(site.asked)  # type: ignore[attr-defined]
    chain = Follower(timeout=0.3).follow(f"http://{host}:{site.server_port}/secret")
    assert "no public address" in chain[-1].error or "looked up" in chain[-1].error
    assert len(site.asked) == before  # type: ignore[attr-defined]


def test_nobody_answering_is_said(base: str) -> None:
    assert "connection refused" in FOLLOWER.follow("http://127.0.0.1:9/")[-1].error
    assert "looked up" in FOLLOWER.follow("http://nowhere.invalid/")[-1].error


# -- servers that mean no good ------------------------------------------------


def saying(answer: bytes) -> Talk:
    def talk(line: socket.socket) -> None:
        line.recv(65_536)
        line.sendall(answer)

    return talk


def ends(talk: Talk, follower: Follower = FOLLOWER, path: str = "/") -> tuple[Hop, float]:
    """Follow one URL of a server; returns the last stop and the seconds that it took."""
    with talking(talk) as port:
        begun = time.monotonic()
        return follower.follow(f"http://127.0.0.1:{port}{path}")[-1], time.monotonic() - begun


def test_a_server_that_drips_has_no_more_time_than_one_that_is_silent() -> None:
    hop, took = ends(lambda line: drip(line, b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000))
    assert "no answer within 0.4 s" in hop.error
    assert took < 5


@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + b"a" * 3_000_000,
        b"".join(b"X-%d: a\r\n" % n for n in range(300_000)),
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100_000,
    ],
    ids=["a long line", "many lines", "many announcements"],
)
def test_headers_without_end_are_not_read(headers: bytes) -> None:
    hop, took = ends(saying(b"HTTP/1.1 200 OK\r\n" + headers if headers[:1] == b"X" else headers))
    assert hop.error
    assert took < 5


def test_what_announces_an_answer_is_not_the_answer() -> None:
    hop, _ = ends(saying(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 410 Gone\r\n\r\n"))
    assert hop.status == 410


def test_a_page_is_never_read() -> None:
    sent = []

    def pour(line: socket.socket) -> None:
        line.recv(65_536)
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
        for _ in range(1_000):
            sent.append(line.send(b"x" * 1_000_000))

    hop, took = ends(pour)
    assert (hop.status, hop.error) == (200, "")
    assert took < 5
    assert sum(sent) < 100_000_000


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/1.1 302 Fou",
        b"HTTP/1.1 302 Found\r\nLocation: http",
        b"\x16\x03\x01" * 50,
    ],
)
def test_what_is_no_whole_answer_is_told_as_such(answer: bytes) -> None:
    hop, _ = ends(saying(answer))
    assert (hop.status, hop.fault) == (0, Fault.WAY)
    assert hop.error


def test_three_hundred_redirects_end_at_the_limit(base: str) -> None:
    chain = Follower(hops=20, timeout=0.4, private=True).follow(base + "/long1")
    assert len(chain) == 22
    assert "more than 20 redirects" in chain[-1].error


@pytest.mark.parametrize(
    ("location", "url", "error"),
    [
        ("/sälé".encode(), "http://127.0.0.1:{port}/sälé", ""),
        ("/sälé".encode("latin-1"), "http://127.0.0.1:{port}/sälé", ""),
        (b"b?x=1#part", "http://127.0.0.1:{port}/a/b?x=1#part", ""),
        (b"/x%0d%0aSet-Cookie:%20a", "http://127.0.0.1:{port}/x%0d%0aSet-Cookie:%20a", ""),
        (b"/x\rHost: evil.example", "http://127.0.0.1:{port}/x", ""),
        (b"//shop:secret@127.0.0.1:{port}/in", "http://shop:secret@127.0.0.1:{port}/in", ""),
        (b"file:///etc/passwd", "file:///etc/passwd", "a file: address"),
        (b"javascript:alert(1)", "javascript:alert(1)", "a javascript: address"),
        (b"gopher://127.0.0.1/", "gopher://127.0.0.1/", "a gopher: address"),
        (b"http://127.0.0.1:0/", "http://127.0.0.1:0/", "not a URL"),
        (b"http://127.0.0.1:99999/", "http://127.0.0.1:99999/", "not a URL"),
        (b"http://good.example\\@127.0.0.1/", "http://good.example\\@127.0.0.1/", "not a URL"),
        (b"http://a b.example/", "http://a b.example/", "not a URL"),
        (b"http://%31%32%37.0.0.1/", "http://%31%32%37.0.0.1/", "not a URL"),
    ],
)  # fmt: skip
def test_a_location_is_taken_as_browsers_take_it(location: bytes, url: str, error: str) -> None:
    asked: list[bytes] = []

    def talk(line: socket.socket) -> None:
        asked.append(line.recv(65_536))
        here = b"%d" % line.getsockname()[1]
        moved = b"HTTP/1.1 302 Found\r\nLocation: " + location.replace(b"{port}", here) + b"\r\n\r\n"
        line.sendall(moved if len(asked) == 1 else b"HTTP/1.1 200 OK\r\n\r\n")

    with talking(talk) as port:
        chain = FOLLOWER.follow(f"http://127.0.0.1:{port}/a/a")
    assert chain[-1].url == url.format(port=port)
    assert error in chain[-1].error
    assert chain[-1].status == (0 if error else 200)
    for request in asked:
        lines = request.split(b"\r\n")
        assert lines[0].startswith(b"GET /")
        assert lines[1] == b"Host: 127.0.0.1:%d" % port
        assert len(lines) == 7
        assert b"secret" not in request


# -- which address is spoken to -----------------------------------------------


class Table:
    """A name server of a test's, that counts."""

    def __init__(self, *rows: tuple[str, str, str]) -> None:
        self.rows, self.asked = rows, list[tuple[str, str]]()

    def ask(self, name: str, kind: str) -> Lookup:
        self.asked.append((name, kind))
        found = tuple(value for host, of, value in self.rows if (host, of) == (name, kind))
        return Lookup(name, kind, Found.RECORDS if found else Found.EMPTY, found)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("127.0.0.1", False),
        ("100.64.0.1", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("::", False),
        ("::1", False),
        ("::127.0.0.1", False),  # IPv4-compatible
        ("::93.184.215.14", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::169.254.169.254", False),
        ("64:ff9b::93.184.215.14", True),
        ("64:ff9b:1::a00:1", False),
        ("2002:7f00:1::1", False),
        ("2002:a9fe:a9fe::1", False),
        ("2002:5db8:d70e::1", True),
        ("2001:0:1:2:3:4:5:6", False),
        ("2001:db8::1", False),
        ("fc00::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("100::1", False),
        ("5f00::1", False),
    ],
)
def test_public_is_what_is_routed_and_embeds_nothing_else(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "address", ["64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:127.0.0.1", "10.0.0.1", "2001:0:5db8:d70e::1"]
)
def test_no_name_leads_to_a_machine_inside(address: str) -> None:
    table = Table(("a.test", "AAAA" if ":" in address else "A", address), ("a.test", "A", "93.184.215.14"))
    (hop,) = Follower(table, timeout=0.3).follow("http://a.test/")  # type: ignore[arg-type]
    assert hop.error == f"it leads to a.test ({address}), which is no public address"
    literal = f"[{address}]" if ":" in address else address
    (hop,) = Follower(timeout=0.3).follow(f"http://{literal}/")
    assert "which is no public address" in hop.error


def test_a_host_is_resolved_once_and_that_address_is_connected_to(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    asked: list[bytes] = []

    def page(line: socket.socket) -> None:
        asked.append(line.recv(65_536))
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    table = Table(("www.good.test", "A", "127.0.0.1"))
    with talking(over_tls(authority.context("www.good.test"), page)) as port:
        (hop,) = Follower(table, timeout=2.0, private=True).follow(f"https://www.good.test:{port}/")  # type: ignore[arg-type]
    assert hop == Hop(f"https://www.good.test:{port}/", 200)
    assert table.asked == [("www.good.test", "AAAA"), ("www.good.test", "A")]
    assert b"Host: www.good.test:%d\r\n" % port in asked[0]


def test_the_next_address_is_tried_where_one_does_not_connect() -> None:
    rows = [("www.good.test", "AAAA", "::1"), ("www.good.test", "A", "127.0.0.1")]
    with talking(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        (hop,) = Follower(Table(*rows), timeout=1.0, private=True).follow(f"http://www.good.test:{port}/")  # type: ignore[arg-type]
    assert hop.status == 200


def test_a_host_of_many_addresses_has_some_of_each_kind_tried() -> None:
    rows = [("www.good.test", "AAAA", f"::{n + 2}") for n in range(8)] + [("www.good.test", "A", "127.0.0.1")]
    with talking(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        (hop,) = Follower(Table(*rows), timeout=1.0, private=True).follow(f"http://www.good.test:{port}/")  # type: ignore[arg-type]
    assert hop.status == 200


@given(st.text() | st.text().map(lambda text: f"http://a.test/{text}") | st.text().map(lambda text: f"https://{text}/"))
def test_no_url_breaks_a_request_or_the_check(url: str) -> None:
    try:
        target = _target(url)
    except _Broken:
        return
    request = _request(target)
    assert request.count(b"\r\n") == request.count(b"\n") == request.count(b"\r") == 6
    assert [line.count(b" ") for line in request.split(b"\r\n")[:2]] == [2, 1]


@given(st.binary() | st.binary().map(lambda raw: b"HTTP/1.1 302 Found\r\nLocation: " + raw + b"\r\n\r\n"))
def test_no_answer_breaks_the_check(raw: bytes) -> None:
    async def read() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(raw)
        reader.feed_eof()
        with suppress(_Broken):
            await _answer(reader)

    asyncio.run(read())


def test_an_address_that_swallows_connections_leaves_time_for_the_next() -> None:
    rows = [("www.good.test", "AAAA", "::1"), ("www.good.test", "A", "127.0.0.1")]
    with talking(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as port, socket.socket(socket.AF_INET6) as full:
        full.bind(("::1", port))
        full.listen(0)  # a queue of one, which is full: what else comes is dropped
        with socket.create_connection(("::1", port)):
            begun = time.monotonic()
            (hop,) = Follower(Table(*rows), timeout=1.0, private=True).follow(f"http://www.good.test:{port}/")  # type: ignore[arg-type]
            took = time.monotonic() - begun
    assert hop.status == 200
    assert 0.4 < took < 5  # the first address had its share of the limit


def test_a_tls_handshake_without_end_is_no_answer() -> None:
    with talking(lambda line: time.sleep(20)) as port:
        begun = time.monotonic()
        (hop,) = FOLLOWER.follow(f"https://127.0.0.1:{port}/")
    assert "no answer within 0.4 s" in hop.error
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("names", "days", "error", "fault"),
    [
        (("www.good.test",), 30, "", Fault.NONE),
        (("www.other.test",), 30, "Hostname mismatch", Fault.CERTIFICATE),
        (("www.good.test",), -1, "certificate has expired", Fault.CERTIFICATE),
    ],
)
def test_a_certificate_that_is_wrong_for_all_is_the_links_fault(
    names: tuple[str, ...], days: int, error: str, fault: Fault, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    table = Table(("www.good.test", "A", "127.0.0.1"))
    with talking(over_tls(authority.context(*names, days=days), saying(b"HTTP/1.1 200 OK\r\n\r\n"))) as port:
        chain = Follower(table, timeout=2.0, private=True).follow(f"https://www.good.test:{port}/")  # type: ignore[arg-type]
    assert error in chain[-1].error
    assert chain[-1].fault is fault
    assert [n.id for n in chain_notices("https://www.good.test/", chain)] == (["link-tls"] if error else [])


def test_an_issuer_that_only_this_machine_may_not_know_could_not_be_checked(authority: Authority) -> None:
    table = Table(("www.good.test", "A", "127.0.0.1"))
    with talking(over_tls(authority.context("www.good.test"), saying(b""))) as port:
        (hop,) = Follower(table, timeout=2.0, private=True).follow(f"https://www.good.test:{port}/")  # type: ignore[arg-type]
    assert hop.fault is Fault.WAY
    assert "unable to get local issuer certificate" in hop.error


def test_no_tls_where_it_was_expected_is_said(base: str) -> None:
    hop = FOLLOWER.follow(base.replace("http:", "https:"))[-1]
    assert hop.error == "TLS fails: wrong version number"


def test_the_resolver_that_was_named_is_asked(dns_port: int) -> None:
    follower = Follower(Dns(["127.0.0.1"], dns_port, 2.0), timeout=0.5, private=True)
    assert follower.follow("http://nowhere.test/")[-1].error == "the host nowhere.test does not exist"
    assert follower.follow("http://good.test/")[-1].error == "the host good.test has no address"
    assert "can't be looked up" in follower.follow("http://x.failing.test/")[-1].error
    with talking(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        assert follower.follow(f"http://here.test:{port}/")[-1].status == 200


# -- how it reads ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("hops", "wanted"),
    [
        ([Hop("https://a.test/", 200)], []),
        ([Hop("https://a.test/", 404)], [("link-dead", "fail")]),
        ([Hop("https://a.test/", 500)], [("link-dead", "warn")]),
        ([Hop("https://a.test/", 403)], [("link-chain", "unknown")]),
        ([Hop("https://a.test/", 999)], [("link-chain", "unknown")]),
        ([Hop("https://a.test/", 302), Hop("https://b.test/", 200)], [("link-chain", "note")]),
        ([Hop(f"https://a.test/{n}", 302) for n in range(3)] + [Hop("https://b.test/", 200)], [("link-chain", "warn")]),
        ([Hop("https://a.test/", 302), Hop("javascript:x", 0, "not followed", Fault.LINK)], [("link-chain", "warn")]),
        ([Hop("https://a.test/", 302), Hop("https://a.test/", 0, "a redirect that says no place", Fault.LINK)], [("link-chain", "warn")]),
        ([Hop("https://a.test/", 302), Hop("shop-app://x", 0, "it leads into an app", Fault.APP)], [("link-chain", "note")]),
        ([Hop("https://a.test/", 302), Hop("https://a.test/9", 0, "more than 5", Fault.LENGTH)], [("link-chain", "warn")]),
        ([Hop("https://a.test/", 0, "no answer within 5 s", Fault.WAY)], [("link-chain", "unknown")]),
    ],
)  # fmt: skip
def test_a_chain_is_told_by_its_end(hops: list[Hop], wanted: list[tuple[str, str]]) -> None:
    assert [(n.id, n.grade.value) for n in chain_notices(hops[0].url, hops)] == wanted
