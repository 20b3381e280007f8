"""What the sandbox makes of received bytes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.edge.policy import matches
from harness.edge.received import Received
from tests.shared import examples

VIEWS = ("subject", "parts", "attachments", "source", "texts", "links", "images", "link_hosts", "essence")
PIECES = st.sampled_from(
    [b"Subject: ", b"=?utf-8?b?", b"?=", b"\r\n", b"\r\n\r\n", b"Content-Type: text/html; charset=", b"\xff", b"<a href=",
     b'"', b"<style>", b"<!--", b">", b"http://[::", b"&#x110000;", b"--b", b"boundary=b", b"multipart/mixed; ", b"url("]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=5), max_size=40).map(b"".join))
@settings(max_examples=examples(2000))
def test_no_bytes_stop_the_filter(content: bytes) -> None:
    view = Received(content)
    for name in VIEWS:
        getattr(view, name)
    assert all(isinstance(host, str) and host for host in view.link_hosts)


@pytest.mark.parametrize(
    "piece", [b"<", b"<a", b"<style>", b"<a href='", b"http://", b"=?q?", b"url(", b"&", b"<a href=x "]
)
def test_time_grows_with_the_size_and_no_faster(piece: bytes) -> None:
    head = b"Content-Type: text/html\r\n\r\n"

    def seconds(count: int) -> float:
        view, begin = Received(head + piece * count), time.thread_time()
        for name in VIEWS:
            getattr(view, name)
        return time.thread_time() - begin

    seconds(1000)
    small, large = (min(seconds(count) for _ in range(3)) for count in (8_000, 128_000))
    assert large < 100 * small + 0.05  # 16 times the size; squares would take 256 times as long


def test_what_differs_from_trial_to_trial_is_no_part_of_the_essence() -> None:
    head = b"Message-ID: <%s@x>\r\nDate: %s\r\nSubject: Hi\r\n\r\nbody"
    assert Received(head % (b"a", b"b")).essence == Received(head % (b"c", b"d")).essence
    assert Received(b"Subject: Ho\r\n\r\nbody").essence != Received(b"Subject: Hi\r\n\r\nbody").essence


@pytest.mark.parametrize(
    ("wanted", "text", "found"),
    [("a*c", "abc", True), ("a*c", "abcd", False), ("*b*", "abc", True), ("a*b*a", "aba", True), ("a*a", "a", False),
     ("*", "", True), ("x*y*z", "x-y-z", True), ("x*y*z", "x-z-y", False), ("B", "abc", True), ("**", "x", True)],
)  # fmt: skip
def test_stars_match_anything_between_the_ends(wanted: str, text: str, found: bool) -> None:
    assert matches(wanted, text) is found
