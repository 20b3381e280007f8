"""The dossier: everything that goes into an evidence archive, as names and bytes; who writes the zip is no matter here.

What is in it: the letter, the replies as received, the proved pair with full headers, the exact rejected message and
the smallest one that is still refused with how to send it again, the dialogues, the run as JSON and CSV, checksums.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.model.record import TrialRecord
from harness.model.trial import Outcome
from harness.report.clean import clean, clean_lines
from harness.report.jsonable import moment, run_object
from harness.report.letter import AUDIENCES, letter
from harness.report.pairs import first_refused, proved_pairs, smallest_refused
from harness.report.redact import Redactor
from harness.report.sheet import trials_csv
from harness.report.told import Told
from harness.report.unsuppress import unsuppress_csv

LARGEST = 2_000_000  # bytes of one raw answer; a bounce that returns more is cut
MOST_RAW = 40


@dataclass(frozen=True, slots=True)
class Originals:
    """Where the bytes come from: messages by token, dialogues by token, raw bounces and events by token."""

    message: Callable[[str], bytes]
    transcripts: Callable[[str], Sequence[str]]
    answers: Callable[[str], Sequence[bytes]]


def dossier(
    told: Told, originals: Originals, *, audiences: Sequence[str] = AUDIENCES, hide: Redactor | None = None
) -> dict[str, bytes]:
    """Return the files of an evidence archive by name, in the order in which people read them.

    Args:
        hide: takes addresses, merge values and credentials out; None leaves everything as it was.
    """
    files: dict[str, bytes] = {}

    def put(name: str, text: str) -> None:
        files[name] = (hide.text(text) if hide else text).encode("utf-8", "replace")

    def put_message(name: str, trial: TrialRecord) -> None:
        raw = originals.message(trial.token)
        files[name] = hide.message(raw) if hide else raw

    put("README.txt", _readme(told, audiences, redacted=hide is not None))
    for audience in audiences:
        put(f"letter-{audience}.txt", letter(told, audience))
    put("replies.txt", _replies(told))
    for number, pair in enumerate(proved_pairs(told.facts, told.settled, told.verdict), 1):
        put_message(f"pair/{number}-accepted.eml", pair.parent)
        put_message(f"pair/{number}-refused.eml", pair.child)
    exact, smallest = (pick(told.facts, told.settled) for pick in (first_refused, smallest_refused))
    if exact is not None and smallest is not None:
        put_message("rejected/exact.eml", exact)
        put_message("rejected/smallest.eml", smallest)
        put("reproduce.txt", reproduce(told, smallest, redacted=hide is not None))
    for name, raw in _raw_answers(told, originals):
        if name.endswith(".eml"):
            files[name] = hide.message(raw) if hide else raw
        else:
            files[name] = hide.text(raw.decode("utf-8", "replace")).encode() if hide else raw
    put("transcript.txt", _transcript(told, originals))
    put("unsuppress.csv", unsuppress_csv(told))
    put("trials.csv", trials_csv(told))
    put("run.json", json.dumps(run_object(told), indent=1, ensure_ascii=False) + "\n")
    files["SHA256SUMS"] = checksums(files).encode()
    return files


def checksums(files: Mapping[str, bytes]) -> str:
    """Return a list that `sha256sum -c` reads."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())


def reproduce(told: Told, trial: TrialRecord, *, redacted: bool) -> str:
    """Say how to send the smallest refused message again, to a seed of one's own."""
    run = told.facts.run
    facts = run.relay_facts
    host, port = str(facts.get("host", "RELAY")), str(facts.get("port") or 25)
    tls = {"starttls": ["--tls"], "implicit": ["--tls-on-connect"]}.get(str(facts.get("tls")), [])
    swaks = ["swaks", "--server", host, "--port", port, *tls, "--from", trial.envelope_sender, "--to", trial.recipient]
    kept = ", ".join(clean(name, 160) for name in sorted(trial.ask.factors)) or "nothing: it is the control"
    lines = [
        "The smallest message of this run that is still refused: rejected/smallest.eml",
        f"What is in production in it: {kept}",
        "Everything else is plain.",
        "",
        "With swaks (add --auth-user and --auth-password as your relay needs):",
        "  " + shlex.join([clean(part, 300) for part in [*swaks, "--data", "@rejected/smallest.eml"]]),
        "",
        "With the harness, which keeps a record of it:",
        "  harness import rejected/smallest.eml --name smallest",
        f"  harness run smallest --exact --segment {shlex.quote(clean(run.segment.name))} "
        f"--relay {shlex.quote(clean(run.relay))}",
        "",
        "Send it to mailboxes of your own only.",
    ]
    if redacted:
        lines.append(
            "This copy is redacted, so its bytes differ from what was refused. The original: "
            f"sha256 {trial.sha256}; write this archive with --no-redact to have it."
        )
    return "\n".join(lines) + "\n"


def _readme(told: Told, audiences: Sequence[str], *, redacted: bool) -> str:
    run = told.facts.run
    state = (
        "Redacted: seed addresses, merge values and credentials are taken out, message ids are kept. Redacted messages "
        "differ in their bytes from what was sent; trials.csv has the SHA-256 of what was sent. unsuppress.csv is "
        "redacted too: `harness evidence --unsuppress FILE` writes it in clear for the provider who must lift it."
        if redacted
        else "Not redacted: it holds addresses and merge values of your seeds. Think before you pass it on."
    )
    return "\n".join(
        [
            f"Evidence of run {clean(run.id)}: {clean(run.campaign)} through {clean(run.relay)}, {moment(run.started)}",
            "",
            clean(told.verdict.summary),
            "",
            *(f"letter-{audience}.txt is ready to send; fill in what stands in [brackets]." for audience in audiences),
            state,
            "Check the files with: sha256sum -c SHA256SUMS",
            "",
        ]
    )


def _replies(told: Told) -> str:
    """Write each refusal and each other answer as received, with time and message id."""
    lines = []
    for trial in told.facts.trials:
        said = told.settled[trial.token]
        if said.words is None or said.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED):
            continue
        at = moment(said.since or trial.answered or trial.planned)
        lines.append(f"{at}  {said.outcome.value}  <{clean(trial.message_id)}>  to {clean(trial.recipient)}")
        lines += [f"    {line}" for line in clean_lines(said.words, 20, 1000)]
    return "\n".join(lines or ["Nothing was refused."]) + "\n"


def _raw_answers(told: Told, originals: Originals) -> list[tuple[str, bytes]]:
    """Collect raw bounces and events of trials that were not accepted."""
    found: list[tuple[str, bytes]] = []
    for trial in told.facts.trials:
        if told.settled[trial.token].outcome in (Outcome.ACCEPTED, Outcome.DELIVERED):
            continue
        for raw in originals.answers(trial.token):
            if len(found) < MOST_RAW:
                kind = "json" if raw.lstrip()[:1] in (b"{", b"[") else "eml"
                found.append((f"replies/{trial.number + 1:03}-{len(found) + 1}.{kind}", raw[:LARGEST]))
    return found


def _transcript(told: Told, originals: Originals) -> str:
    """Write the dialogues of all refused messages and of their accepted partners."""
    pairs = proved_pairs(told.facts, told.settled, told.verdict)
    partners = {pair.parent.token for pair in pairs}
    parts = []
    for trial in told.facts.trials:
        said = told.settled[trial.token].outcome
        if said is Outcome.REJECTED or trial.token in partners:
            parts.append(f"== message {trial.number + 1}, {trial.variant}, {said.value}")
            parts += ["\n".join(clean_lines(text, 200, 1000)) for text in originals.transcripts(trial.token)]
    return "\n".join(parts or ["No dialogue of a refused message is on record."]) + "\n"
