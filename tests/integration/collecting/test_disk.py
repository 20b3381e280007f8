"""Maildir, mbox, .eml and event files: each mail and event once, whatever happens around them."""

import fcntl
import gzip
import hashlib
import io
import json
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.edge import inlet as inlets
from harness.edge import mailbox
from harness.edge.feed import EventFolder, identify, split_events
from harness.edge.inlet import Found, Inlet, Piece, Skipped
from harness.edge.mailbox import EmlFolder, Maildir, Mbox
from harness.errors import EventError, MailboxError
from tests.integration.collecting.scene import now
from tests.shared import SHARED, WITHOUT, examples


def read(inlet: Inlet, known: set[str] | None = None) -> list[Found]:
    return list(inlet.read(lambda identity: identity in (known or set())))


def raws(found: list[Found]) -> list[bytes]:
    return [piece.raw for piece in found if isinstance(piece, Piece)]


def snapshot(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
    return tmp_path / "Maildir"


def test_a_maildir_is_read_and_left_as_it_is(maildir: Path) -> None:
    (maildir / "new" / "1.a.host").write_bytes(b"one")
    (maildir / "cur" / "2.b.host:2,S").write_bytes(b"two")
    (maildir / "tmp" / "3.c.host").write_bytes(b"half a mail")
    before = snapshot(maildir)
    assert sorted(raws(read(Maildir(maildir)))) == [b"one", b"two"]
    assert snapshot(maildir) == before


def test_a_mail_stays_known_when_it_is_seen_and_flagged(maildir: Path) -> None:
    (maildir / "new" / "1.a.host").write_bytes(b"one")
    (first,) = read(Maildir(maildir))
    assert isinstance(first, Piece)
    (maildir / "new" / "1.a.host").rename(maildir / "cur" / "1.a.host:2,FS")
    assert read(Maildir(maildir), {first.identity}) == []


def test_a_mail_that_moves_while_we_look_is_not_lost(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (maildir / "new" / "1.a.host").write_bytes(b"one")

    def moved(path: Path, limit: int = 0) -> bytes | None:
        if path.parent.name == "new":
            path.rename(maildir / "cur" / "1.a.host:2,S")
        return inlets.read_regular(path)

    monkeypatch.setattr(mailbox, "read_regular", moved)
    assert raws(read(Maildir(maildir))) == [b"one"]


def test_old_mail_and_subfolders_of_a_maildir(maildir: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (maildir / ".Bounces" / name).mkdir(parents=True)
    (maildir / ".Bounces" / "new" / "1.a.host").write_bytes(b"old")
    os.utime(maildir / ".Bounces" / "new" / "1.a.host", (1, 1))
    (maildir / ".Bounces" / "new" / "2.a.host").write_bytes(b"new")
    assert raws(read(Maildir(maildir, "Bounces"))) == [b"old", b"new"]
    assert raws(read(Maildir(maildir, "Bounces", since=now().replace(year=2020)))) == [b"new"]


def test_pipes_links_and_huge_files_are_not_read(maildir: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (maildir / "new" / "1.link").symlink_to(tmp_path / "secret")
    os.mkfifo(maildir / "new" / "2.pipe")
    with open(maildir / "new" / "3.huge", "wb") as huge:
        huge.truncate(inlets.MAX_MAIL + 1)
    found = read(Maildir(maildir))
    assert raws(found) == []
    assert [type(one) for one in found] == [Skipped] * 3


@pytest.mark.parametrize("make", [Maildir, Mbox, EmlFolder, EventFolder])
def test_a_place_that_is_not_there_is_an_error_that_says_what_was_expected(make: type, tmp_path: Path) -> None:
    with pytest.raises(MailboxError, match=str(tmp_path / "none")):
        read(make(tmp_path / "none"))


def test_a_folder_that_is_no_maildir_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MailboxError, match="no Maildir"):
        read(Maildir(tmp_path))


MBOX = (
    b"From MAILER-DAEMON Fri Nov 20 12:00:00 2026\nSubject: one\n\nHello\n>From the shop\n>>From quoted\n\n"
    b"From - Fri Nov 20 12:00:01 2026\nSubject: two\n\nno blank line before\nFrom here it goes on\n"
)


def test_an_mbox_is_cut_at_its_from_lines(tmp_path: Path) -> None:
    (tmp_path / "bounces.mbox").write_bytes(MBOX)
    assert raws(read(Mbox(tmp_path / "bounces.mbox"))) == [
        b"Subject: one\n\nHello\nFrom the shop\n>From quoted\n",
        b"Subject: two\n\nno blank line before\nFrom here it goes on\n",
    ]


def test_an_mbox_that_grows_yields_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "bounces.mbox"
    path.write_bytes(MBOX)
    known = {one.identity for one in read(Mbox(path)) if isinstance(one, Piece)}
    with path.open("ab") as file:
        file.write(b"\nFrom x Fri Nov 20 12:00:02 2026\nSubject: three\n\n\n")
    assert raws(read(Mbox(path), known)) == [b"Subject: three\n\n"]


def test_an_mbox_is_read_when_its_delivery_is_done(tmp_path: Path) -> None:
    path = tmp_path / "bounces.mbox"
    path.write_bytes(MBOX[:50])
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:  # locks belong to processes
        with path.open("ab") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            os.write(go, b"x")
            time.sleep(0.5)
            file.write(MBOX[50:])
        os._exit(0)
    os.read(ready, 1)
    found = raws(read(Mbox(path)))
    os.waitpid(child, 0)
    assert len(found) == 2


def test_an_mbox_that_stays_locked_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bounces.mbox"
    path.write_bytes(MBOX)
    (tmp_path / "bounces.mbox.lock").touch()
    monkeypatch.setattr(mailbox, "LOCK_PATIENCE", 0.2)
    with pytest.raises(MailboxError, match="lock"):
        read(Mbox(path))


def test_a_huge_mail_of_an_mbox_is_skipped_and_the_next_one_read(tmp_path: Path) -> None:
    with (tmp_path / "m").open("wb") as file:
        file.write(b"From a\nSubject: huge\n\n" + b"x" * (inlets.MAX_MAIL + 10) + b"\n\n" + MBOX)
    found = read(Mbox(tmp_path / "m"))
    assert isinstance(found[0], Skipped)
    assert len(raws(found)) == 2


def test_a_file_that_is_no_mbox_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"Subject: this is an eml\n\n")
    with pytest.raises(MailboxError, match="no mbox"):
        read(Mbox(tmp_path / "m"))


@settings(max_examples=examples(300))
@given(st.lists(st.lists(st.sampled_from(["From a", ">From b", "", "text", "Subject: x"]), min_size=1, max_size=6)))
def test_mails_come_out_of_an_mbox_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, mails: list[list[str]]
) -> None:
    path = tmp_path_factory.mktemp("mbox") / "m"
    bodies = ["\n".join(lines) + "\n" for lines in mails]
    with path.open("w") as file:
        for lines in mails:
            quoted = [">" + line if line.lstrip(">").startswith("From ") else line for line in lines]
            file.write("From x Fri Nov 20 12:00:00 2026\n" + "\n".join(quoted) + "\n\n")
    assert raws(read(Mbox(path))) == [body.encode() for body in bodies]


def test_eml_files_are_found_below_a_folder_and_read_anew_when_written_anew(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.eml").write_bytes(b"a")
    (tmp_path / "sub" / "b.EML").write_bytes(b"b")
    (tmp_path / "readme.txt").write_bytes(b"no mail")
    found = read(EmlFolder(tmp_path))
    assert sorted(raws(found)) == [b"a", b"b"]
    known = {one.identity for one in found if isinstance(one, Piece)}
    assert read(EmlFolder(tmp_path), known) == []
    (tmp_path / "a.eml").write_bytes(b"a anew")
    assert raws(read(EmlFolder(tmp_path), known)) == [b"a anew"]
    assert raws(read(EmlFolder(tmp_path / "a.eml"))) == [b"a anew"]


@pytest.mark.parametrize("make", [Mbox, EmlFolder, EventFolder])
def test_a_file_that_did_not_change_is_not_read_again_and_one_that_did_is(make: type, tmp_path: Path) -> None:
    texts = {Mbox: MBOX, EmlFolder: b"Subject: one\n\n", EventFolder: b'{"event": "bounce"}\n'}
    path = tmp_path / "file.eml"
    path.write_bytes(texts[make])
    os.utime(path, (time.time() - 60, time.time() - 60))
    inlet = make(path)
    first = next(iter(inlet.read(lambda identity: False)))  # broken off: nobody took the rest
    assert read(inlet)[0] == first
    assert read(inlet) == []
    path.write_bytes(texts[make].replace(b"one", b"two").replace(b"bounce", b"defer!"))
    assert read(inlet) != []
    assert read(inlet) != []  # written a moment ago: looked at again


def test_waiting_ends_when_a_file_comes(maildir: Path) -> None:
    threading.Timer(0.3, (maildir / "new" / "1").write_bytes, [b"x"]).start()
    begun = time.monotonic()
    Maildir(maildir).wait(20)
    assert time.monotonic() - begun < 5


EVENTS = [{"event": "bounce", "email": f"s{i}@seeds.example", "reason": "554 [CS01]"} for i in range(3)]
SHAPES = {
    "list": json.dumps(EVENTS),
    "pretty": json.dumps(EVENTS, indent=2),
    "lines": "\n".join(json.dumps(event) for event in EVENTS) + "\n",
    "dos": "\r\n\r\n".join(json.dumps(event) for event in EVENTS),
    "batches": json.dumps(EVENTS[:2]) + "\n" + json.dumps(EVENTS[2:]) + "\n",
    "concatenated": "\n".join(json.dumps(event, indent=1) for event in EVENTS),
    "marked": "\ufeff" + json.dumps(EVENTS),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("packed", [False, True])
def test_events_of_every_layout_are_the_same_events(shape: str, packed: bool, tmp_path: Path) -> None:
    raw = SHAPES[shape].encode()
    path = tmp_path / ("events.json" + ".gz" * packed)
    path.write_bytes(gzip.compress(raw) if packed else raw)
    found = read(EventFolder(tmp_path, "sendgrid"))
    assert [json.loads(raw) for raw in raws(found)] == EVENTS
    assert {one.identity for one in found if isinstance(one, Piece)} == {
        identify(json.dumps(event).encode()) for event in EVENTS
    }


def test_a_growing_file_yields_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(EVENTS[0]) + "\n")
    known = {one.identity for one in read(EventFolder(path)) if isinstance(one, Piece)}
    with path.open("a") as file:
        file.write(json.dumps(EVENTS[1]) + "\n")
    assert [json.loads(raw) for raw in raws(read(EventFolder(path), known))] == [EVENTS[1]]


def test_rows_of_a_csv_keep_their_header(tmp_path: Path) -> None:
    (tmp_path / "acct.csv").write_text(
        'type,rcpt,dsnDiag\nb,a@x.example,"smtp;554 5.7.1, [CS01]\nmore"\nd,b@x.example,ok\n'
    )
    assert raws(read(EventFolder(tmp_path, "powermta"))) == [
        b'type,rcpt,dsnDiag\nb,a@x.example,"smtp;554 5.7.1, [CS01]\nmore"\n',
        b"type,rcpt,dsnDiag\nd,b@x.example,ok\n",
    ]


def test_what_a_provider_signs_anew_is_the_same_event() -> None:
    def sns(signature: str) -> bytes:
        return json.dumps({"Type": "Notification", "TopicArn": "arn:x", "Message": '{"eventType": "Bounce"}',
                           "Signature": signature, "Timestamp": signature}).encode()  # fmt: skip

    def mailgun(token: str) -> bytes:
        return json.dumps({"signature": {"token": token}, "event-data": {"event": "failed", "id": "x"}}).encode()

    assert identify(sns("a")) == identify(sns("b"))
    assert identify(mailgun("a")) == identify(mailgun("b"))
    assert identify(b'{"a": 1, "b": 2}') == identify(b'{"b": 2, "a": 1}') != identify(b'{"a": 1, "b": 3}')


@pytest.mark.parametrize(
    "raw",
    [b"\x00\x01\x02", b"just words", b"SQLite,\x00\x01,\n\x00,\n", b"{broken", b"[1, 2", b"\xff\xfe{", b"[" * 100_000],
)
def test_what_is_no_event_file_is_skipped_and_said(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(raw)
    (tmp_path / "good.json").write_text(json.dumps(EVENTS))
    found = read(EventFolder(tmp_path))
    assert [one.place for one in found if isinstance(one, Skipped)] == ["bad.json"]
    assert len(raws(found)) == 3


def test_a_packed_bomb_is_not_unpacked_into_memory(tmp_path: Path) -> None:
    (tmp_path / "bomb.json.gz").write_bytes(gzip.compress(b"[" + b" " * (80 * 2**20) + b"]", 9))
    (found,) = read(EventFolder(tmp_path))
    assert isinstance(found, Skipped)
    assert "larger than" in found.why


@settings(max_examples=examples(1000))
@given(st.binary(max_size=200))
def test_any_bytes_are_cut_or_refused(raw: bytes) -> None:
    try:
        for event in split_events(io.BytesIO(raw)):
            identify(event)
    except EventError:
        pass


@pytest.mark.skipif(SHARED is None, reason=WITHOUT)
def test_every_sample_of_the_providers_is_cut_into_its_two_events() -> None:
    assert SHARED is not None
    for path in sorted((SHARED / "data" / "esp_events").glob("*.*")):
        if path.suffix != ".md":
            assert len(read(EventFolder(path))) == 2, path
