"""Letters: what Apple's postmaster, an ESP's support or an engineer needs to be told, ready to send.

Apple asks for five things (support.apple.com/102322): company, email domain, IP addresses of the servers, the SMTP
errors, and a description with the start date. An ESP is asked about its shared pool, for a sender controls neither
IP nor PTR there. What the settings don't say is left as a marked gap in square brackets, never invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parseaddr

from harness.model.outcome import Settled
from harness.model.record import TrialRecord
from harness.model.trial import Outcome
from harness.report.clean import clean
from harness.report.screen import share
from harness.report.told import Told
from harness.report.typeset import typeset

AUDIENCES = ("apple", "esp", "engineer")
TO = {
    "apple": "Apple's postmaster",
    "esp": "the support of your email service provider",
    "engineer": "the engineer who owns the template or the sending code",
}
SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes: from relay.yaml and seeds.yaml; empty where they don't say."""

    company: str = ""
    contact: str = ""
    sending_ips: tuple[str, ...] = ()


def letterhead(told: Told) -> Letterhead:
    """Take the letterhead from the run's relay facts; the segment's owner is the contact of last resort."""
    facts = told.facts.run.relay_facts
    ips = facts.get("sending_ips") or ()
    return Letterhead(
        clean(str(facts.get("company") or "")),
        clean(str(facts.get("contact") or told.facts.run.segment.owner)),
        tuple(clean(str(ip)) for ip in ips) if isinstance(ips, list | tuple) else (),
    )


def letter(told: Told, audience: str, head: Letterhead | None = None) -> str:
    """Write the letter for one of `AUDIENCES`; its head is the run's own unless another is given."""
    head = head or letterhead(told)
    run, verdict = told.facts.run, told.verdict
    text = typeset(
        f"letter-{audience}.txt.j2",
        {
            "head": head,
            "campaign": clean(run.campaign),
            "domain": sender_domain(told),
            "tags": _tags(told),
            "ips": ", ".join(head.sending_ips) or "[IP addresses; your provider knows them]",
            "day": run.started.strftime("%Y-%m-%d"),
            "summary": clean(verdict.summary),
            "next_step": clean(verdict.next_step),
            "fix": ", ".join(clean(name) for name in verdict.fix) or "none is known yet",
            "domains": _domains(told),
            "samples": "\n".join(_samples(told)),
            "run": clean(run.id),
            "version": clean(run.version),
        },
    )
    return text.rstrip("\n") + "\n"


def refusals(told: Told) -> list[tuple[TrialRecord, Settled]]:
    """Return the refused trials, in sending order."""
    said = told.settled
    return [(one, said[one.token]) for one in told.facts.trials if said[one.token].outcome is Outcome.REJECTED]


def sender_domain(told: Told) -> str:
    """Return the domain of the From address."""
    return clean(parseaddr(told.facts.run.sender)[1].rpartition("@")[2]) or "[email domain]"


def _samples(told: Told) -> list[str]:
    found = refusals(told)
    lines = []
    for trial, said in found[:SAMPLES]:
        at = (said.since or trial.answered or trial.planned).strftime("%Y-%m-%d %H:%M:%S UTC")
        lines.append(f"   {at}, Message-ID <{clean(trial.message_id)}>, to {clean(trial.domain)}:")
        lines.append(f"     {clean(said.words or said.note, 600)}")
    if len(found) > SAMPLES:
        lines.append(f"   and {len(found) - SAMPLES} more, attached")
    return lines or ["   none in this run"]


def _domains(told: Told) -> str:
    said = [
        f"{clean(one.domain)} {one.tally.rejected} of {one.tally.counted} refused"
        + (f" ({share(one.rate)})" if one.rate is not None else "")
        for one in told.tallies.domains
    ]
    return "By domain: " + ("; ".join(said) or "nothing was sent") + "."


def _tags(told: Told) -> str:
    return " and ".join(clean(tag) for tag in told.tallies.totals.tags if tag != "no tag") or "554 5.7.1"
