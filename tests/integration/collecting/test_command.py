"""`harness collect` as people call it: what was read, what it changed, and what to do when something is wrong."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from harness.bounce.reply import read_reply
from harness.cli.collect import collect
from harness.edge.ledger import Ledger
from harness.errors import ConfigError, HarnessError
from harness.model.problem import Send, Stop
from harness.model.record import Happening, RunRecord, TrialRecord
from harness.model.trial import Ask
from harness.run.conclude import conclude
from harness.run.heard import KIND
from harness.run.token import make_token
from tests.integration.collecting.scene import LINK, a_run, bounce, sent

app = typer.Typer()
app.command()(collect)

SEEDS = """segments:
  apple-small:
    owner: deliverability@shop.example
    seeds:
      - {address: seed-01@seeds.example, domain: icloud.com}
"""
RELAY = """default: esp
relays:
  esp:
    kind: smtp
    host: 127.0.0.1
    port: 2525
    tls: none
    answers: bounces
    bounces:
%s
  silent: {kind: smtp, host: 127.0.0.1, port: 2525, tls: none}
"""


class Shop:
    """A workspace with a run that was sent through a relay which bounces into a Maildir."""

    def __init__(self, root: Path, sources: str = "      - {kind: maildir, path: Maildir}") -> None:
        self.root = root
        (root / "seeds.yaml").write_text(SEEDS)
        (root / "relay.yaml").write_text(RELAY % sources)
        (root / "results").mkdir()
        for name in ("cur", "new", "tmp"):
            (root / "Maildir" / name).mkdir(parents=True)
        self.ledger = Ledger.open(root / "results" / "ledger.sqlite")

    def put(self, raw: bytes) -> None:
        (self.root / "Maildir" / "new" / f"{time.time_ns()}.test").write_bytes(raw)

    def call(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["--workspace", str(self.root), *arguments])


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.ledger.close()


def test_it_says_what_was_read_and_by_what_it_was_matched(shop: Shop) -> None:
    run = a_run(shop.ledger)
    trial = sent(shop.ledger, run)
    shop.put(bounce(trial.token))
    shop.put(bounce(make_token(b"another key of 20 by", run.id, 0)))
    shop.put(b"Subject: holiday \x1b[2J\r\n\r\nI am away")
    result = shop.call()
    assert result.exit_code == 0, result.output
    assert "3 read, 3 new (1 by forged, 1 by nothing, 1 by verp)" in result.output
    assert "[CS01] Message rejected" in result.output
    assert "2 belong to no trial here" in result.output
    assert "1 bear a token that this workspace never signed" in result.output
    assert "\x1b" not in result.output
    assert "0 read, 0 new" in shop.call().output  # what is known is not even opened


def test_json_is_one_object_with_the_same(shop: Shop) -> None:
    run = a_run(shop.ledger)
    trial = sent(shop.ledger, run)
    shop.put(bounce(trial.token))
    told = json.loads(shop.call(run.id, "--json").stdout)
    assert (told["schema_version"], told["new"], told["by"], told["forged"]) == (1, 1, {"verp": 1}, 0)
    (answer,) = told["answers"]
    assert (answer["run"], answer["token"], answer["tag"]) == (run.id, trial.token, "CS01")


def _play(ledger: Ledger, run: RunRecord) -> list[TrialRecord]:
    """Send what the strategy asks for until it stops; silence is taken for acceptance at once."""
    for _ in range(100):
        ledger.happen(run.id, Happening(datetime.now(UTC), KIND, "every source of bounces was read"))
        said = conclude(ledger.facts(run.id), now=datetime.now(UTC), read=lambda r: read_reply(r.text, code=r.code))
        if isinstance(said.move, Stop):
            return list(said.facts.trials)
        asks: tuple[Ask, ...] = said.move.asks if isinstance(said.move, Send) else ()
        for ask in asks:
            addresses = [seed.address for seed in run.segment.seeds]
            sent(ledger, run, seed=addresses.index(ask.seed), held=ask.factors, ask=ask)
        time.sleep(0.001)
    raise AssertionError("the strategy did not stop")


def test_a_bounce_after_the_verdict_changes_it_and_this_is_said(shop: Shop) -> None:
    run = a_run(shop.ledger, settle=0.0)
    trials = _play(shop.ledger, run)
    assert "changed" not in shop.call().output
    for trial in trials:
        if trial.ask.factors == frozenset({LINK}):
            shop.put(bounce(trial.token, (trial.recipient,)))
    result = shop.call()
    assert f"the verdict of run {run.id} changed from none:" in result.output
    assert "changed" not in shop.call().output


def test_a_relay_without_sources_is_an_error_with_an_example(shop: Shop) -> None:
    result = shop.call("--relay", "silent")
    assert isinstance(result.exception, ConfigError)
    assert "add a source" in str(result.exception)


def test_a_mailbox_that_can_not_be_read_is_told_and_ends_with_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOUNCE_PASSWORD", "s3cret-of-mine")
    shop = Shop(tmp_path, "      - {kind: imap, host: 127.0.0.1, port: 1, username: b, password: '${BOUNCE_PASSWORD}'}\n"
                          "      - {kind: maildir, path: Maildir}")  # fmt: skip
    run = a_run(shop.ledger)
    shop.put(bounce(sent(shop.ledger, run).token))
    result = shop.call()
    assert result.exit_code == 5
    assert "not read: 127.0.0.1:1: no connection" in result.output
    assert "1 new" in result.output
    assert "s3cret" not in result.output
    monkeypatch.delenv("BOUNCE_PASSWORD")
    assert "set it" in str(shop.call().exception)


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:http", "127.0.0.1:99999"])
def test_a_bad_address_to_listen_on_is_an_error(tmp_path: Path, address: str) -> None:
    shop = Shop(tmp_path, "      - {kind: webhook, provider: sendgrid}")
    assert isinstance(shop.call("--listen", address).exception, HarnessError)


def test_listening_takes_posts_until_interrupted(tmp_path: Path) -> None:
    shop = Shop(
        tmp_path,
        "      - {kind: webhook, provider: sendgrid, secret: '${HOOK}'}\n      - {kind: maildir, path: Maildir}",
    )
    run = a_run(shop.ledger)
    posted, mailed = sent(shop.ledger, run), sent(shop.ledger, run, seed=1)
    code = "import typer; from harness.cli.collect import collect; typer.run(collect)"
    command = [sys.executable, "-c", code, "-w", str(tmp_path), "--listen", "127.0.0.1:0", "--watch", "--every", "1"]
    with open(tmp_path / "out", "w") as out, open(tmp_path / "err", "w") as err:
        # A suite that was started in the background ignores Ctrl-C, and what it starts would inherit that.
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=err,
            env=os.environ | {"HOOK": "user:s3cret"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            port = int(_await(tmp_path / "err", "http://127.0.0.1:").partition("/sendgrid")[0])
            _await(tmp_path / "err", "collecting from")
            event = {"event": "bounce", "type": "blocked", "email": posted.recipient, "timestamp": 1794992495,
                     "sg_event_id": "a", "retest_id": posted.token, "reason": "554 5.7.1 [CS01] Message rejected"}  # fmt: skip
            for secret, status in (("wrong", 401), ("user:s3cret", 200)):
                client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                headers = {"Content-Type": "application/json", "X-Webhook-Secret": secret}
                client.request("POST", "/sendgrid", json.dumps([event]), headers)
                assert client.getresponse().status == status
            shop.put(bounce(mailed.token))
            _await(tmp_path / "out", "1 by metadata")
            _await(tmp_path / "out", "1 by verp")
        finally:
            process.send_signal(signal.SIGINT)
            try:
                assert process.wait(20) == 0
            finally:
                process.kill()  # no harm if it has ended
    assert all(len(trial.answers) == 1 for trial in shop.ledger.facts(run.id).trials)
    told = (tmp_path / "err").read_text() + (tmp_path / "out").read_text()
    assert "was refused" in told
    assert "s3cret" not in told


def _await(path: Path, words: str) -> str:
    """Wait until a file holds some words; returns what follows them."""
    deadline = time.monotonic() + 30
    while words not in path.read_text():
        assert time.monotonic() < deadline, path.read_text()
        time.sleep(0.05)
    return path.read_text().partition(words)[2]
