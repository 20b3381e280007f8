"""Redirect chains, followed to a real web server on loopback."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from harness.edge.web import Follower

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


def test_a_dead_link_says_its_status(base: str) -> None:
    assert FOLLOWER.follow(base + "/gone")[-1].status == 410


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/circle", "circle"),
        ("/long1", "more than 5 redirects"),
        ("/slow", "time limit"),
        ("/file", "not a URL"),
        ("/js", "not a URL"),
        ("/odd", "not a URL"),
        ("/huge", "not followed"),
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
    assert FOLLOWER.follow("http://127.0.0.1:9/")[-1].error
    assert "looked up" in FOLLOWER.follow("http://nowhere.invalid/")[-1].error
