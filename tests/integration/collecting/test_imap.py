"""Bounces over real IMAP: found once, left untouched, and every failure says what to do."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.edge.imap import ImapInlet, Login
from harness.edge.inlet import MAX_MAIL, Found, Piece, Skipped
from harness.errors import MailboxError
from tests.integration.collecting.dovecot import PASSWORD, USER, Dovecot, dovecot, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "runs")


def login(server: Dovecot, **changes: object) -> Login:
    made = Login("127.0.0.1", USER, PASSWORD, server.imaps, "implicit", "login", server.ca)
    return replace(made, **changes)  # type: ignore[arg-type]


def read(inlet: ImapInlet, known: set[str] | None = None) -> list[Found]:
    return list(inlet.read(lambda identity: identity in (known or set())))


def mail(number: int) -> bytes:
    return f"Subject: mail {number}\r\n\r\nbody {number}\r\n".encode()


@pytest.fixture(scope="module")
def filled(server: Dovecot) -> Dovecot:
    for number in range(120):
        server.deliver(mail(number))
    return server


@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
def test_all_mails_are_read_byte_for_byte_in_their_order(filled: Dovecot, tls: str) -> None:
    port = filled.imaps if tls == "implicit" else filled.imap
    inlet = ImapInlet(login(filled, port=port, tls=tls))
    found = read(inlet)
    inlet.close()
    assert [piece.raw for piece in found if isinstance(piece, Piece)] == [mail(number) for number in range(120)]
    assert len({piece.identity for piece in found if isinstance(piece, Piece)}) == 120


def test_reading_leaves_no_trace_in_the_mailbox(filled: Dovecot) -> None:
    flags, before = filled.flags(), filled.files()
    inlet = ImapInlet(login(filled))
    read(inlet)
    inlet.close()
    assert filled.files() == before
    assert filled.flags() == flags
    assert len(flags) >= 120
    assert b"Seen" not in b"".join(flags)


def test_what_is_known_is_not_fetched_again(filled: Dovecot) -> None:
    inlet = ImapInlet(login(filled))
    known = {piece.identity for piece in read(inlet) if isinstance(piece, Piece)}
    assert read(inlet, known) == []
    filled.deliver(b"Subject: one more\r\n\r\n")
    again = read(inlet, known)
    other = ImapInlet(login(filled, port=filled.imap, tls="starttls"))
    assert again == read(other, known)  # the identity does not hang on the connection
    assert [piece.raw for piece in again if isinstance(piece, Piece)] == [b"Subject: one more\r\n\r\n"]
    inlet.close()
    other.close()


def test_a_subfolder_is_read_and_a_missing_one_names_those_there_are(server: Dovecot) -> None:
    server.deliver(b"Subject: in a folder\r\n\r\n", folder="Bounces")
    (server.maildir() / "subscriptions").write_text("Bounces\n")
    inlet = ImapInlet(login(server), folder="Bounces")
    assert [piece.raw for piece in read(inlet) if isinstance(piece, Piece)] == [b"Subject: in a folder\r\n\r\n"]
    inlet.close()
    with pytest.raises(MailboxError, match=r"no folder 'Bouncez' .*Bounces"):
        read(ImapInlet(login(server), folder="Bouncez"))
    with pytest.raises(MailboxError, match="line break"):
        read(ImapInlet(login(server), folder="x\r\na DELETE INBOX"))


def test_a_huge_mail_is_skipped_and_said() -> None:
    with dovecot() as server:
        server.deliver(b"Subject: huge\r\n\r\n" + b"x" * 998 + b"\r\n" + (b"y" * 900 + b"\r\n") * (MAX_MAIL // 900))
        server.deliver(b"Subject: small\r\n\r\n")
        inlet = ImapInlet(login(server))
        huge, small = read(inlet)
        inlet.close()
    assert isinstance(huge, Skipped)
    assert "too many for a bounce" in huge.why
    assert isinstance(small, Piece)


def test_a_reading_that_was_broken_off_is_begun_again(filled: Dovecot) -> None:
    inlet = ImapInlet(login(filled))
    first = next(iter(inlet.read(lambda identity: False)))
    assert read(inlet)[0] == first  # nobody took the rest
    assert read(inlet) == []  # now it was taken
    inlet.close()


def test_idle_wakes_up_when_mail_comes(server: Dovecot) -> None:
    inlet = ImapInlet(login(server))
    known = {piece.identity for piece in read(inlet) if isinstance(piece, Piece)}
    assert inlet.can_idle
    threading.Timer(0.5, server.deliver, [b"Subject: pushed\r\n\r\n"]).start()
    begun = time.monotonic()
    inlet.wait(30)
    assert time.monotonic() - begun < 10
    assert [piece.raw for piece in read(inlet, known) if isinstance(piece, Piece)] == [b"Subject: pushed\r\n\r\n"]
    inlet.close()


def test_without_idle_the_folder_is_polled() -> None:
    with dovecot(idle=False) as server:
        inlet = ImapInlet(login(server), poll=0.3)
        assert read(inlet) == []
        assert not inlet.can_idle
        server.deliver(b"Subject: polled\r\n\r\n")
        begun = time.monotonic()
        inlet.wait(30)
        assert 0.2 < time.monotonic() - begun < 5
        assert len(read(inlet)) == 1
        inlet.close()


def test_a_lost_connection_is_made_anew(server: Dovecot) -> None:
    inlet = ImapInlet(login(server))
    read(inlet)
    inlet._box.client.sock.close()
    server.deliver(b"Subject: after the loss\r\n\r\n")
    assert [piece.raw for piece in read(inlet) if isinstance(piece, Piece)] == [b"Subject: after the loss\r\n\r\n"]
    inlet.close()


def test_a_wrong_password_is_one_failed_login_and_stays_hidden(server: Dovecot) -> None:
    before = server.logins()
    with pytest.raises(MailboxError, match="can't log in") as told:
        read(ImapInlet(login(server, password="wrong-s3cret")))
    assert "wrong-s3cret" not in str(told.value)
    assert "wrong-s3cret" not in repr(login(server, password="wrong-s3cret"))
    time.sleep(0.2)
    assert server.logins() == before + 1
    inlet = ImapInlet(login(server, password="wrong-s3cret"))
    for _ in range(3):  # a run asks every few seconds
        with pytest.raises(MailboxError, match="can't log in"):
            read(inlet)
    time.sleep(0.2)
    assert server.logins() == before + 2


def test_xoauth2_logs_in_with_a_token_and_tells_of_a_bad_one(filled: Dovecot) -> None:
    inlet = ImapInlet(login(filled, auth="xoauth2", password=filled.token()))
    assert len(read(inlet)) >= 120
    inlet.close()
    for token in (filled.token(lasts=-60), "no.token.at-all"):
        with pytest.raises(MailboxError, match="put the token right") as told:
            read(ImapInlet(login(filled, auth="xoauth2", password=token)))
        assert token not in str(told.value)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_certificate_of_an_unknown_ca_is_refused(server: Dovecot, tls: str) -> None:
    port = server.imaps if tls == "implicit" else server.imap
    with pytest.raises(MailboxError, match=r"certificate can't be trusted .*ca_file"):
        read(ImapInlet(login(server, ca_file=None, port=port, tls=tls)))


def test_a_certificate_for_another_name_is_refused() -> None:
    with dovecot(wrong_name=True) as server, pytest.raises(MailboxError, match="certificate can't be trusted"):
        read(ImapInlet(login(server)))


def test_a_server_without_starttls_gets_no_password() -> None:
    with dovecot(ssl=False) as server:
        with pytest.raises(MailboxError):
            read(ImapInlet(login(server, port=server.imap, tls="starttls")))
        assert "Login" not in (server.root / "dovecot.log").read_text()


def test_no_password_goes_over_an_open_line() -> None:
    with pytest.raises(MailboxError, match="open line"):
        read(ImapInlet(Login("imap.shop.example", USER, "secret", 143, "none")))


def test_wrong_addresses_and_files_are_told_apart(server: Dovecot, tmp_path: Path) -> None:
    with pytest.raises(MailboxError, match="check host and port"):
        read(ImapInlet(login(server, port=1)))
    with pytest.raises(MailboxError, match="check host"):
        read(ImapInlet(login(server, host="no-such-host.invalid")))
    with pytest.raises(MailboxError, match="PEM file"):
        read(ImapInlet(login(server, ca_file=str(tmp_path / "none.pem"))))
    with pytest.raises(MailboxError, match="check port and tls"):
        read(ImapInlet(login(server, port=server.imap)))
