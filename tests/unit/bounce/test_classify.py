import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import ConfigError, EventError
from tests.unit.bounce.corpora import CORPUS

KEYS = [
    *("file", "kind", "recipient", "action", "code", "status", "tag", "class", "level", "evidence", "rule", "text"),
    *("original_message_id", "provider", "trial", "time", "from_receiver"),
]
CS01 = "554 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137"


def classify(*arguments: str, stdin: str | bytes = "") -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, ["classify", "--json", *arguments], input=stdin, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_reply_as_argument() -> None:
    (answer,) = classify(CS01)
    assert list(answer) == KEYS
    assert answer == {
        **dict.fromkeys(KEYS),
        **{"kind": "bounce", "code": 554, "status": "5.7.1", "tag": "CS01", "class": "content_policy", "text": CS01},
        **{"level": "message", "evidence": "strong", "rule": "tag-CS01"},
    }


def test_a_code_that_comes_apart() -> None:
    (answer,) = classify("--code", "550", "5.1.1 <b+1@shop.example>: unauthorized sender")
    assert (answer["code"], answer["class"]) == (550, "relay_rejected")


def test_replies_line_by_line_on_stdin() -> None:
    answers = classify(stdin=f"{CS01}\n\n250 2.0.0 Ok\n421 4.7.0 Too many connections\n")
    assert [answer["kind"] for answer in answers] == ["bounce", "delivered", "deferred"]
    assert [answer["file"] for answer in answers] == [None] * 3


def test_a_mail_and_events_on_stdin() -> None:
    assert classify(stdin=(CORPUS / "reports/courier.eml").read_bytes())[0]["recipient"] == "ana@dest.example"
    assert [answer["tag"] for answer in classify("-", stdin=(CORPUS / "events/ses.json").read_bytes())] == [
        "CS01",
        None,
    ]


def test_a_folder_gives_an_object_per_recipient_and_names_files() -> None:
    answers = classify(str(CORPUS / "apple"))
    of = {Path(answer["file"]).name: answer for answer in answers}
    assert of["nb-synth-06.eml"] == {
        **dict.fromkeys(KEYS),
        **{"file": str(CORPUS / "apple/nb-synth-06.eml"), "kind": "auto_reply", "class": "auto_reply", "level": "none"},
        **{"evidence": "none", "rule": "none", "time": "2026-06-09T11:05:00Z", "trial": "t0004"},
    }
    assert of["nb-synth-04.eml"]["kind"] == "mdn"
    assert of["nb-synth-04.eml"]["class"] is None
    assert sum(Path(answer["file"]).name == "apple-synth-10.eml" for answer in answers) == 3


def test_event_files_are_recognised_by_content(tmp_path: Path) -> None:
    for path in (CORPUS / "events").iterdir():
        if path.suffix != ".md":
            (tmp_path / path.stem).write_bytes(path.read_bytes())
    answers = classify(str(tmp_path))
    assert len(answers) == 20
    assert {answer["provider"] for answer in answers} == {path.stem for path in tmp_path.iterdir()}
    assert {(answer["trial"], answer["kind"]) for answer in answers} == {
        ("r7q2-03link1-s014", "bounce"),
        ("r7q2-01plain-s014", "delivered"),
    }


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_an_mbox_is_read_mail_by_mail(tmp_path: Path, ends: bytes) -> None:
    box = tmp_path / "bounces.mbox"
    mails = [(CORPUS / f"apple/apple-synth-{number:02}.eml").read_bytes() for number in (1, 2, 4)]
    box.write_bytes(
        b"".join(b"From x Thu Nov 12 09:00:00 2026\n" + mail + b"\n\n" for mail in mails).replace(b"\n", ends)
    )
    assert [answer["tag"] for answer in classify(str(box))] == ["CS01", "CS01", "HM08"]


def test_a_workspace_s_own_rules_go_first(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("rules:\n- {id: ours, class: rate_limited, says: tired, samples: [550 tired]}\n")
    (answer,) = classify("--rules", str(tmp_path / "own.yaml"), "554 tired of spam")
    assert (answer["class"], answer["rule"]) == ("rate_limited", "ours")


def test_people_get_a_table_with_meaning_advice_and_dispute() -> None:
    done = CliRunner().invoke(app, ["classify", "554 5.7.1 [CS02] Message rejected due to local policy"])
    assert done.exit_code == 0
    for words in (
        "CS02",
        "reputation",
        "For an Apple sender:",
        "What to do:",
        "Disputed",
        "phishing_policy",
        "Sources:",
    ):
        assert words in done.stdout


def test_a_reply_can_t_steer_the_terminal() -> None:
    done = CliRunner().invoke(app, ["classify", "--code", "550", "\x1b[31mred\x07 <a@b.example>"])
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["missing.eml"], ConfigError, "no such file"),
        (["--provider", "nobody", "-"], EventError, "unknown provider"),
        (["--rules", "missing.yaml", "x"], ConfigError, "can't be read"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        CliRunner().invoke(app, ["classify", *arguments], input="[]", catch_exceptions=False)
    assert "\n" not in str(caught.value)


def test_the_command_ends_well_and_prints_only_its_result(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "classify", "--json", CS01],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)[0]["tag"] == "CS01"
    assert done.stderr == ""
