"""Scores of a real spamd, with rules of our own and none that asks the network."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from harness.check.notice import Grade
from harness.check.spamscore import Score, score_notices, spam_notices
from harness.edge.spam import score
from harness.errors import RelayError
from tests.integration.around.servers import Talk, drip, talking

SPAMD = shutil.which("spamd") or ("/usr/sbin/spamd" if Path("/usr/sbin/spamd").is_file() else None)
RULES = """
util_rb_tld example test
report_safe 0
use_bayes 0
skip_rbl_checks 1
clear_report_template
report Spam detection software, running on the system
report Content analysis details:   (_SCORE_ points, _REQD_ required)
report
report " pts rule name              description"
report  ---- ---------------------- --------------------------------------------------
report _SUMMARY_
required_score 5
body     RETEST_WORD   /click here now/i
describe RETEST_WORD   Body says the words that the test's rule looks for
score    RETEST_WORD   2.5
header   RETEST_SUBJ   Subject =~ /FREE/
describe RETEST_SUBJ   Subject shouts
score    RETEST_SUBJ   3.0
"""
MAIL = b"From: a@shop.example\r\nTo: b@seeds.example\r\nSubject: %s\r\nDate: Wed, 18 Nov 2026 09:00:00 +0000\r\nMessage-ID: <1@shop.example>\r\n\r\n%s\r\n"


@pytest.fixture(scope="module")
def spamd() -> Iterator[int]:
    if SPAMD is None:
        pytest.skip("no spamd to ask: install Debian's spamd (and spamassassin)")
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # spamd gives up root before it reads its rules, and pytest's own folders are closed
        yield from _started(SPAMD, Path(name))


def _started(program: str, folder: Path) -> Iterator[int]:
    site, base = folder / "site", folder / "base"
    site.mkdir()
    base.mkdir()
    (base / "10_rules.cf").write_text(RULES)
    (site / "v320.pre").write_text("loadplugin Mail::SpamAssassin::Plugin::Check\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--local", "--nouser-config", f"--listen=127.0.0.1:{port}", "--max-children=1", "--syslog=stderr", f"--configpath={base}",
               f"--siteconfigpath={site}", "--allowed-ips=127.0.0.1", f"--pidfile={folder}/pid", f"--helper-home-dir={folder}"]  # fmt: skip
    log = (folder / "log").open("wb")
    server = subprocess.Popen(
        command, stdout=log, stderr=log, start_new_session=True, env={**os.environ, "HOME": str(folder)}
    )
    for _ in range(300):
        if server.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            break
        except OSError:
            time.sleep(0.1)
    else:
        server.kill()
    if server.poll() is not None:
        pytest.fail(f"spamd did not start: {(folder / 'log').read_text()[-800:]}")
    yield port
    os.killpg(server.pid, signal.SIGTERM)
    server.wait(20)


def test_every_rule_is_named_with_its_points(spamd: int) -> None:
    scored = score(MAIL % (b"FREE shoes", b"Click here now."), port=spamd)
    assert scored.total == 5.5
    assert scored.threshold == 5.0
    assert {(name, points) for name, points, _ in scored.rules} == {("RETEST_WORD", 2.5), ("RETEST_SUBJ", 3.0)}
    assert any("words that the test's rule looks for" in text for _, _, text in scored.rules)


def test_each_rung_says_which_rules_it_added(spamd: int) -> None:
    rungs = [
        ("control", b"A note", b"Hello."),
        ("+subject", b"FREE shoes", b"Hello."),
        ("+text:1", b"FREE shoes", b"Click here now."),
    ]
    notices = spam_notices(
        [(name, partial(MAIL.__mod__, (subject, body))) for name, subject, body in rungs],
        lambda raw: Score(*score(raw, port=spamd)),
    )
    assert [(n.about, n.grade.value) for n in notices] == [
        ("control", "ok"), ("+subject", "note"), ("+text:1", "note"), ("production", "fail")
    ]  # fmt: skip
    by_rung = {n.about: n for n in notices}
    assert "RETEST_SUBJ" in by_rung["+subject"].evidence
    assert "RETEST_SUBJ" not in by_rung["+text:1"].evidence
    assert "RETEST_WORD" in by_rung["+text:1"].evidence
    assert "RETEST_SUBJ" in by_rung["production"].evidence
    assert "RETEST_WORD" in by_rung["production"].evidence


def test_a_rung_says_which_rules_it_removes_and_one_that_changes_none_is_shown_too() -> None:
    short, shouts = ("SHORT", 1.5, "few words"), ("SHOUTS", 0.5, "")
    scores = [("control", Score(1.5, 5.0, (short,))), ("+text:1", Score(0.5, 5.0, (shouts,))), ("+link:a", Score(0.5, 5.0, (shouts,)))]  # fmt: skip
    _, text, link = score_notices(scores)
    assert (text.grade, text.evidence) == (Grade.NOTE, "+0.5 SHOUTS; no longer SHORT")
    assert (link.grade, link.evidence) == (Grade.OK, "no rule of 0.1 points more or less")


REPORT = b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: True ; %s / 5.0\r\n\r\n%s"


def after(answer: bytes, *, then_silent: bool = False, every: float = 0.0) -> Talk:
    """Read a request to its end, answer so, and close or say no more."""

    def talk(line: socket.socket) -> None:
        while line.recv(65_536):
            pass
        drip(line, answer, every) if every else line.sendall(answer)
        if then_silent:
            threading.Event().wait(20)

    return talk


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiospamc.requests", None)
    with pytest.raises(RelayError, match=r"pip install 'retest-harness\[spam\]'"):
        score(b"x")


def test_nobody_is_said() -> None:
    with pytest.raises(RelayError, match=r"spamd 127\.0\.0\.1:9: "):
        score(b"x", port=9)


@pytest.mark.parametrize(
    ("talk", "why"),
    [
        (after(b"", then_silent=True), "no report within 0.5 s"),
        (after(REPORT % (500, b"1.0", b"half"), then_silent=True), "no report within 0.5 s"),
        (after(REPORT % (500, b"1.0", b"half") * 50, every=0.05), "no report within 0.5 s"),
        (after(REPORT % (500, b"1.0", b"half")), "the report is not whole"),
        (after(b""), "answers ''"),
        (after(b"220 mail.example ESMTP\r\n"), "is another service on this port"),
        (after(b"SPAMD/1.1 75 EX_TEMPFAIL\r\n\r\n"), "EX_TEMPFAIL"),
        (after(REPORT % (0, b"1.2.3", b"")), "which is no report"),
        (after(REPORT % (0, b".", b"")), "which is no report"),
        (after(REPORT % (0, b"9" * 5_000, b"")), "which is no report"),
        (after(REPORT % (0, b"nan", b"")), "which is no report"),
        (after(b"SPAMD/1.1 0 EX_OK\r\n" + b"a\r\n" * 1_000_000), "which is no report"),
        (after(b"\xff\x00" * 3_000_000), "which is no report"),
        (lambda line: line.close(), ""),
    ],
    ids=["silent", "silent in mid answer", "dripping", "dead in mid answer", "closed", "another service", "failing",
         "no number", "a point", "a number without end", "not a number", "headers without end", "nonsense without end", "gone at once"],
)  # fmt: skip
def test_a_spamd_that_gives_no_report_is_told_in_time(talk: Talk, why: str) -> None:
    with talking(talk) as port:
        begun = time.monotonic()
        with pytest.raises(RelayError, match=re.escape(why)):
            score(MAIL % (b"A note", b"x" * 100_000), port=port, timeout=0.5)
        assert time.monotonic() - begun < 8


def test_after_the_first_silence_nobody_is_asked_and_one_finding_says_so() -> None:
    asked = []

    def silent(raw: bytes) -> Score:
        asked.append(raw)
        if len(asked) > 1:
            raise RelayError("spamd 127.0.0.1:783: no report within 30 s")
        return Score(0.0, 5.0, ())

    notices = spam_notices([(name, name.encode) for name in ("control", "+subject", "+text:1", "+text:2")], silent)
    assert [(n.about, n.grade.value) for n in notices] == [("control", "ok"), ("+subject and 2 more", "unknown")]
    assert asked == [b"control", b"+subject"]
