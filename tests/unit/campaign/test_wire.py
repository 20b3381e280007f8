"""Bytes: pieces that know nothing of their neighbours, and mean what the text says."""

from __future__ import annotations

import email
import email.policy
import quopri

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.campaign.place import Branch
from harness.campaign.wire import Body, Span, header_mode, header_pieces, put, quoted, trace
from tests.shared import examples

TEXT = st.text(
    st.one_of(st.sampled_from("ab =\t\n.é=3DFrom "), st.characters(exclude_categories=("Cs",))), max_size=200
)
LINE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=80)


@settings(max_examples=examples(2000))
@given(TEXT)
def test_a_quoted_piece_decodes_to_its_text_and_ends_its_line(text: str) -> None:
    made = quoted(text)
    assert quopri.decodestring(made) == text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
    assert made.isascii()
    assert not made or made.endswith(b"\r\n")
    for line in made.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.endswith((b" ", b"\t"))
        assert not line.startswith(b"From ")


@given(st.lists(TEXT, max_size=6))
def test_pieces_side_by_side_decode_to_their_texts_side_by_side(texts: list[str]) -> None:
    made = b"".join(map(quoted, texts))
    assert quopri.decodestring(made) == b"".join(quopri.decodestring(quoted(text)) for text in texts)


@settings(max_examples=examples(1000))
@given(LINE, LINE, LINE, LINE)
def test_a_header_in_pieces_decodes_to_the_text_of_every_variant(start: str, inner: str, plain: str, end: str) -> None:
    mode = header_mode([start, inner, plain, end])
    pieces = header_pieces((start, Branch("f", (inner,), (plain,)), end), mode)
    for factors, want in ((frozenset[str](), start + plain + end), (frozenset(("f",)), start + inner + end)):
        out: list[bytes] = []
        put(pieces, factors, {}, out)
        raw = b"Subject:" + b"".join(out) + b"\r\n"
        assert all(len(line) < 998 for line in raw.split(b"\r\n"))
        assert raw.isascii()
        message = email.message_from_bytes(raw + b"\r\n", policy=email.policy.default)
        assert "".join(str(message["Subject"]).split()) == "".join(want.split())


def test_a_trace_is_what_is_put() -> None:
    nodes = ("a", Branch("x", ("b", Branch("y", ("c",))), ("d",)), "e")
    pieces = Body().pieces(nodes)
    assert isinstance(pieces[1], Span)
    for factors in (frozenset[str](), frozenset(("x",)), frozenset(("x", "y"))):
        out: list[bytes] = []
        put(pieces, factors, {}, out)
        assert b"".join(run for run, _ in trace(pieces, factors, {})) == b"".join(out)
