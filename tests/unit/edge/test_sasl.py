"""SASL conversations against the examples of their RFCs, and against servers that cheat."""

from __future__ import annotations

import base64

import pytest

from harness.edge.sasl import MECHANISMS, SaslError, choose, plain, saslprep, scram_sha_256, xoauth2

# RFC 7677 section 3.
NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_scram_is_that_of_the_rfc() -> None:
    talk = scram_sha_256("user", "pencil", NONCE)
    assert next(talk) == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert talk.send(SERVER_FIRST) == CLIENT_FINAL
    assert talk.send(SERVER_FINAL) == b""


def test_a_server_that_does_not_know_the_password_is_found_out() -> None:
    talk = scram_sha_256("user", "pencil", NONCE)
    next(talk)
    talk.send(SERVER_FIRST)
    with pytest.raises(SaslError, match="does not prove"):
        talk.send(b"v=" + base64.b64encode(bytes(32)))


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (b"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
        (b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
        (SERVER_FIRST.replace(b"i=4096", b"i=99999999999"), "iterations"),
        (SERVER_FIRST.replace(b"i=4096", b"i=0"), "iterations"),
        (SERVER_FIRST.replace(b"i=4096", b"i=many"), "no salt or count"),
        (SERVER_FIRST.replace(b"s=W22", b"s=%%%"), "no salt or count"),
        (b"", "nonce"),
        (b"\xff\xfe", "nonce"),
    ],
)
def test_a_server_that_cheats_gets_no_proof(first: bytes, words: str) -> None:
    talk = scram_sha_256("user", "pencil", NONCE)
    next(talk)
    with pytest.raises(SaslError, match=words):
        talk.send(first)


def test_names_are_escaped_and_nonces_are_new() -> None:
    assert next(scram_sha_256("a=b,c", "p", "N")) == b"n,,n=a=3Db=2Cc,r=N"
    assert next(scram_sha_256("u", "p")) != next(scram_sha_256("u", "p"))


def test_plain_and_xoauth2_are_as_their_servers_want_them() -> None:
    assert next(plain("tim", "tanstaaftanstaaf")) == b"\0tim\0tanstaaftanstaaf"  # RFC 4616 section 4
    talk = xoauth2("someuser@example.com", "ya29.vF9dft4")
    assert next(talk) == b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4\x01\x01"
    assert talk.send(b'{"status":"401"}') == b""


@pytest.mark.parametrize(
    ("text", "prepared"), [("I\u00adX", "IX"), ("user", "user"), ("\u00aa", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b")]
)
def test_saslprep_is_that_of_rfc_4013(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "a\x00b", "\ue000"])
def test_prohibited_characters_are_refused(text: str) -> None:
    with pytest.raises(SaslError, match="does not allow"):
        saslprep(text)


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        (None, ["PLAIN", "LOGIN", "SCRAM-SHA-256"], "scram-sha-256"),
        (None, ["cram-md5", "login", "plain"], "plain"),
        (None, ["LOGIN"], "login"),
        (None, ["XOAUTH2", "CRAM-MD5"], None),  # a password is no token
        ("xoauth2", ["plain", "xoauth2"], "xoauth2"),
        ("plain", ["login"], None),
        (None, [], None),
    ],
)
def test_the_best_mechanism_that_is_offered_is_chosen(
    wanted: str | None, offered: list[str], chosen: str | None
) -> None:
    assert choose(wanted, offered) == chosen
    assert chosen is None or chosen in MECHANISMS
