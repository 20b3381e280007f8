"""`harness check` on seeds with a past: real runs through a relay on loopback and through the sandbox made it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from typer.testing import CliRunner

from harness.cli.main import app
from harness.edge.ledger import Ledger
from harness.errors import ConfigError
from tests.integration.around.zones import free_port

SEEDS = [f"seed-{n}@seeds.test" for n in range(5)]
FULL = "452 4.2.2 The email account that you tried to reach is over quota"
UNKNOWN = "550 5.1.1 unknown or illegal alias"
UNREGISTERED = "550 5.1.1 <seed-4@seeds.test>: unauthorized sender"


class Handler:
    """Answers by recipient; says yes to all others."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.taken = 0

    async def handle_RCPT(self, server: object, session: object, envelope: Any, address: str, options: object) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:
        self.taken += 1
        return "250 2.0.0 Ok: queued as 4F1"


@pytest.fixture
def relay() -> Iterator[tuple[Handler, int]]:
    handler = Handler()
    server = Controller(handler, hostname="127.0.0.1", port=free_port())
    server.start()
    yield handler, server.port
    server.stop()


@pytest.fixture
def place(tmp_path: Path, relay: tuple[Handler, int]) -> Path:
    write_seeds(tmp_path)
    mx = {"kind": "smtp", "host": "127.0.0.1", "port": relay[1], "tls": "none", "timeout": "5s",
          "pace": {"gap": "0s", "per_hour": None, "avoid_top_of_hour": False, "backoff": "0s"}}  # fmt: skip
    esp = mx | {
        "answers": "bounces",
        "settle": "0s",
        "bounces": [{"kind": "events", "provider": "sendgrid", "path": "events"}],
    }
    relays = {"mx": mx, "esp": esp, "sandbox": {"kind": "sandbox", "policy": "sandbox.yaml"}}
    (tmp_path / "relay.yaml").write_text(json.dumps({"default": "mx", "relays": relays}))
    (tmp_path / "sandbox.yaml").write_text("rules: [{name: full, when: {recipient: seed-0@seeds.test}, reply: full}]\n")
    (tmp_path / "check.yaml").write_text("offline: true\n")
    (tmp_path / "events").mkdir()
    folder = tmp_path / "variants" / "sale"
    folder.mkdir(parents=True)
    (folder / "campaign.yaml").write_text(
        "from: Shop <news@good.test>\nenvelope_sender: bounces@good.test\nsubject: Forty off\ntext: body.txt\n"
        "transactional: true\n"
    )
    (folder / "body.txt").write_text("Our trail shoes are forty percent off until Sunday.\n")
    return tmp_path


def write_seeds(place: Path, cap: int = 100, seeds: list[dict[str, str]] | None = None) -> None:
    rows = seeds or [{"address": seed, "domain": "icloud.com"} for seed in SEEDS]
    segment = {"owner": "o@good.test", "daily_cap": cap, "seeds": rows}
    (place / "seeds.yaml").write_text(json.dumps({"segments": {"apple-small": segment}}))


def said(place: Path, relay: str = "mx") -> dict[tuple[str, str], str]:
    """Return (id, about) -> level of what is said of seeds."""
    options = ["check", "sale", "--workspace", str(place), "--relay", relay, "--all"]
    told = CliRunner().invoke(app, [*options, "--json"])
    assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
    assert CliRunner().invoke(app, options).exit_code == told.exit_code
    findings = json.loads(told.stdout)["findings"]
    return {(f["id"], f["about"]): f["level"] for f in findings if f["id"].startswith("seed")}


def sent(place: Path, relay: str = "mx", *more: str) -> int:
    """Send a run; returns its exit code."""
    options = [
        "run",
        "sale",
        "--workspace",
        str(place),
        "--relay",
        relay,
        "--strategy",
        "ladder",
        "--yes",
        "--json",
        "--max-wait",
        "0",
    ]
    ran = CliRunner().invoke(app, [*options, *more])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.exit_code


def test_seeds_on_a_reserved_domain_are_for_loopback_only(place: Path) -> None:
    about = "seed-0@seeds.test and 4 more"
    assert said(place) == {("seed-reserved", about): "note"}
    text = (place / "relay.yaml").read_text().replace("127.0.0.1", "smtp.esp.example").replace('"none"', '"starttls"')
    (place / "relay.yaml").write_text(text)
    assert said(place) == {("seed-reserved", about): "fail"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"address": "a@other.test"}, "'other.test' is not an Apple domain"),
        ({"address": "a@me.com", "domain": "icloud.com"}, "a@me.com is not at icloud.com; say me.com"),
        ({"address": "a b@icloud.com"}, "is no address"),
    ],
)
def test_a_mailbox_elsewhere_is_refused_with_its_line(row: dict[str, str], words: str, place: Path) -> None:
    write_seeds(place, seeds=[row])
    told = CliRunner().invoke(app, ["check", "sale", "--workspace", str(place)])
    assert isinstance(told.exception, ConfigError)
    assert "seeds.yaml:1" in str(told.exception)
    assert words in str(told.exception)


def test_few_seeds_are_a_warning(place: Path) -> None:
    write_seeds(place, seeds=[{"address": seed, "domain": "icloud.com"} for seed in SEEDS[:3]])
    assert said(place)["seed-few", "segment apple-small"] == "warn"


def test_what_the_sandbox_said_is_no_past(place: Path) -> None:
    sent(place, "sandbox")
    assert set(said(place)) == {("seed-reserved", "seed-0@seeds.test and 4 more")}


def test_refusals_of_the_recipient_are_told_until_the_mailbox_takes_mail_again(
    place: Path, relay: tuple[Handler, int]
) -> None:
    relay[0].answers = {SEEDS[0]: UNKNOWN, SEEDS[1]: FULL, SEEDS[4]: UNREGISTERED}
    sent(place)
    found = said(place)
    assert found["seed-refused", SEEDS[0]] == "warn"
    assert found["seed-refused", SEEDS[1]] == "warn"
    assert found["seed-relay", SEEDS[4]] == "warn"
    assert ("seed-refused", SEEDS[2]) not in found
    relay[0].answers = {}
    sent(place)
    assert not {name for name, _ in said(place)} & {"seed-refused", "seed-relay"}


def test_old_replies_are_read_by_the_workspaces_own_rules(place: Path, relay: tuple[Handler, int]) -> None:
    relay[0].answers = {SEEDS[0]: "550 5.0.0 Postkasten verstopft"}
    sent(place)
    assert ("seed-refused", SEEDS[0]) not in said(place)
    rule = {
        "id": "german-full",
        "class": "mailbox_full",
        "says": ["postkasten verstopft"],
        "samples": ["550 5.0.0 Postkasten verstopft"],
    }
    (place / "rules.yaml").write_text(json.dumps({"version": 1, "rules": [rule]}))
    assert said(place)["seed-refused", SEEDS[0]] == "warn"


def test_the_cap_counts_what_a_run_counts(place: Path, relay: tuple[Handler, int]) -> None:
    """Every message that was handed over counts; one that was refused before its bytes reached nobody."""
    relay[0].answers = {SEEDS[0]: UNKNOWN}
    sent(place)
    with Ledger.open(place / "results" / "ledger.sqlite") as ledger:
        run = ledger.runs()[-1]
        begun = run.started.date()
        counts = {seed: ledger.sent_today(seed, begun) for seed in SEEDS}
    assert counts[SEEDS[0]] == 0
    assert sum(counts.values()) == relay[0].taken > 0
    cap = max(counts.values())
    write_seeds(place, cap)
    found = said(place)
    for seed, count in counts.items():
        assert (found.get(("seed-cap", seed)) == "fail") is (count == cap)


def test_a_suppression_is_that_of_one_relay_and_ends_with_an_acceptance(place: Path) -> None:
    sent(place, "esp")
    with Ledger.open(place / "results" / "ledger.sqlite") as ledger:
        trial = next(t for t in reversed(ledger.facts(ledger.runs()[-1].id).trials) if t.recipient == SEEDS[2])
    event = {"email": SEEDS[2], "timestamp": 1794992495, "event": "dropped", "reason": "Bounced Address",
             "sg_event_id": "e1", "retest_id": trial.token}  # fmt: skip
    (place / "events" / "one.json").write_text(json.dumps([event]))
    collected = CliRunner().invoke(app, ["collect", "latest", "--workspace", str(place)])
    assert collected.exit_code in (0, 3), collected.output
    assert said(place, "esp")["seed-suppressed", SEEDS[2]] == "fail"
    assert said(place, "mx")["seed-suppressed", SEEDS[2]] == "note"
    sent(place, "mx")
    assert said(place, "esp")["seed-suppressed", SEEDS[2]] == "fail"
    (place / "events" / "one.json").unlink()
    sent(place, "esp")
    assert ("seed-suppressed", SEEDS[2]) not in said(place, "esp")


def test_private_relay_is_told_to_register_at(place: Path) -> None:
    write_seeds(place, seeds=[{"address": f"x{n}@privaterelay.appleid.com"} for n in range(4)])
    text = (place / "relay.yaml").read_text().replace("127.0.0.1", "smtp.esp.example").replace('"none"', '"starttls"')
    (place / "relay.yaml").write_text(text)
    assert said(place) == {("seed-relay", "privaterelay.appleid.com"): "note"}
