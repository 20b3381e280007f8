"""Scores of a real spamd, with rules of our own and none that asks the network."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.check.spamscore import Score, score_notices
from harness.edge.spam import score
from harness.errors import RelayError

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
    notices = score_notices(
        [(name, Score(*score(MAIL % (subject, body), port=spamd))) for name, subject, body in rungs]
    )
    assert [(n.about, n.grade.value) for n in notices] == [("control", "ok"), ("+subject", "warn"), ("+text:1", "fail")]
    by_rung = {n.about: n for n in notices}
    assert "RETEST_SUBJ" in by_rung["+subject"].evidence
    assert "RETEST_SUBJ" not in by_rung["+text:1"].evidence
    assert "RETEST_WORD" in by_rung["+text:1"].evidence


def test_nobody_or_somebody_else_is_said() -> None:
    with pytest.raises(RelayError, match=r"spamd 127\.0\.0\.1:9: .*start it, or take spamd out"):
        score(b"x", port=9)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        import threading

        def greet() -> None:
            line, _ = other.accept()
            line.recv(100_000)
            line.sendall(b"220 mail.example ESMTP\r\n")
            line.close()

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(RelayError, match="is another service on this port"):
            score(b"x", port=other.getsockname()[1])
