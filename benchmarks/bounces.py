"""How many bounces, replies and events are read right, and how fast.

`python -m benchmarks.bounces LABELS [--mails DIR] [--replies FILE] [--events DIR]`

LABELS is a file as tests/corpus/reports/labels.yaml: per mail its kind, and per recipient what is right. Without
--mails the mails are looked for in `mails/` beside the labels, or beside the labels themselves. Figures of a
corpus of one's own show what this reader does on one's own bounces.
"""

from __future__ import annotations

import argparse
import email
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.bounce.dsn import read_mail
from harness.bounce.events import read_events
from harness.bounce.reply import read_reply
from harness.model.answer import Answer, Kind

GOALS = {"recipient": 0.99, "status": 0.99, "code": 0.98, "action": 0.98, "class": 0.96, "tag": 1.0}
EVENTS = 10_000
HUGE = 50 << 20


@dataclass
class Score:
    """Right of all, by field, and what went wrong."""

    right: dict[str, int] = field(default_factory=dict)
    all: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def count(self, name: str, ok: bool, where: str, got: object, want: object) -> None:
        """Count one field of one case."""
        self.all[name] = self.all.get(name, 0) + 1
        self.right[name] = self.right.get(name, 0) + ok
        if not ok:
            self.wrong.append(f"{where}: {name} is {got!r}, labelled {want!r}")

    def lines(self, goals: dict[str, float]) -> Iterable[str]:
        """Write a line per field, with its goal if it has one."""
        for name, total in self.all.items():
            share = self.right[name] / total
            goal = goals.get(name)
            verdict = "" if goal is None else f"  (goal {goal:.0%}: {'reached' if share >= goal else 'MISSED'})"
            yield f"  {name:<20} {self.right[name]:>5} of {total:<5} {share:7.2%}{verdict}"


def score_mail(score: Score, label: dict[str, Any], answers: list[Answer]) -> None:
    name = label["file"]
    bounces = {answer.recipient: answer for answer in answers if answer.kind is Kind.BOUNCE}
    if label["kind"] != "bounce":
        score.count("not a bounce", not bounces, name, [answer.kind.value for answer in answers], label["kind"])
        return
    for want in label["recipients"]:
        got = bounces.pop(want["recipient"].lower(), None)
        where = f"{name} {want['recipient']}"
        score.count("recipient", got is not None, where, [answer.recipient for answer in answers], want["recipient"])
        reading = got.reading if got else None
        statuses = (want["status"], *want.get("status_also", ()))
        classes = (want["class"], *want.get("class_also", ()))
        read = (reading.enhanced, reading.code, reading.cause, reading.tag) if reading else ("missing",) * 4
        score.count("status", read[0] in statuses, where, read[0], want["status"])
        score.count("code", read[1] == want["code"], where, read[1], want["code"])
        score.count(
            "action", got is not None and got.action == want["action"], where, got and got.action, want["action"]
        )
        score.count("class", read[2] in classes, where, read[2], "/".join(classes))
        score.count("tag", read[3] == want["tag"], where, read[3], want["tag"])
        if label.get("original_message_id"):
            score.count(
                *("Message-ID", got is not None and got.message_id == label["original_message_id"], where),
                *(got and got.message_id, label["original_message_id"]),
            )
    score.count("no one else named", not bounces, name, list(bounces), [])


def score_replies(path: Path) -> Score:
    score = Score()
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))["replies"]:
        apart = case["code"] if case.get("form") == "esp_event" else None
        reading = read_reply(case["reply"], code=apart)
        classes = (case["class"], *case.get("class_also", ()))
        score.count("class", reading.cause in classes, case["id"], reading.cause, "/".join(classes))
        score.count("code", reading.code == case["code"], case["id"], reading.code, case["code"])
        score.count("status", reading.enhanced == case["status"], case["id"], reading.enhanced, case["status"])
        score.count("tag", reading.tag == case["tag"], case["id"], reading.tag, case["tag"])
    return score


def rate(work: Callable[[bytes], object], pieces: list[bytes], passes: int) -> float:
    """Pieces per second of processor time, the best of some passes."""
    best = 0.0
    for _ in range(passes + 1):
        start = time.process_time()
        for piece in pieces:
            work(piece)
        best = max(best, len(pieces) / max(time.process_time() - start, 1e-9))
    return best


def many(path: Path) -> bytes:
    """Repeat a file's events until there are enough of them."""
    raw = path.read_bytes()
    if path.suffix == ".csv":
        head, _, rows = raw.partition(b"\n")
        return head + b"\n" + rows * (EVENTS // max(1, rows.count(b"\n")))
    if path.suffix == ".jsonl":
        return raw * (EVENTS // max(1, raw.count(b"\n")))
    events = json.loads(raw)
    return json.dumps(events * (EVENTS // len(events))).encode()


def memory() -> float:
    """Peak memory in MiB of a process that reads one mail of 50 MB."""
    script = (
        "import resource, sys\n"
        "from harness.bounce.dsn import read_mail\n"
        "head = b'From: MAILER-DAEMON@mx.example\\nSubject: failure notice\\n\\n'\n"
        "head += b'<a@b.example>:\\n550 user unknown\\n\\n'\n"
        f"raw = head + b'x' * 70 + b'\\n' * 2; raw += bytes({HUGE} - len(raw))\n"
        "assert read_mail(raw)[0].recipient == 'a@b.example'\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--mails", type=Path)
    parser.add_argument("--replies", type=Path)
    parser.add_argument("--events", type=Path)
    parser.add_argument("--passes", type=int, default=8)
    parser.add_argument("--wrong", action="store_true", help="name what was read wrong")
    given = parser.parse_args()
    beside = given.labels.parent / "mails"
    folder = given.mails or (beside if beside.is_dir() else given.labels.parent)
    labels = yaml.safe_load(given.labels.read_text(encoding="utf-8"))["mails"]
    mails = {label["file"]: (folder / label["file"]).read_bytes() for label in labels}
    score = Score()
    for label in labels:
        score_mail(score, label, read_mail(mails[label["file"]]))
    print(f"mails of {given.labels} ({len(labels)})")
    print("\n".join(score.lines({**GOALS, "not a bounce": 1.0})))
    wrong = score.wrong
    if given.replies:
        score = score_replies(given.replies)
        wrong += score.wrong
        print(f"replies of {given.replies}")
        print("\n".join(score.lines({"class": 41 / 42, "code": 1.0, "tag": 1.0})))
    if given.wrong:
        print("\n".join(["wrong:", *wrong]) if wrong else "nothing was read wrong")
    raws = list(mails.values())
    library = rate(email.message_from_bytes, raws, given.passes)
    ours = rate(read_mail, raws, given.passes)
    print(
        f"speed: {ours:.0f} mails/s read and classed; the email parser alone {library:.0f}/s; "
        f"ratio {ours / library:.2f}"
    )
    print(f"memory: {memory():.0f} MiB at most for a mail of {HUGE >> 20} MB (goal: under 150)")
    for path in sorted(given.events.glob("*.*")) if given.events else ():
        if path.suffix in (".json", ".jsonl", ".csv"):
            raw = many(path)
            start = time.process_time()
            found = len(read_events(raw))
            print(f"events: {path.name:<16} {found} in {time.process_time() - start:.2f} s (goal: under 1 s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
