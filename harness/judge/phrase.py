"""Phrases: a verdict in plain sentences with its numbers, and what to do next.

Numbers are never given bare: a count comes with its denominator, a clean count with the rate that it still allows.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.naming import Naming
from harness.judge.proof import Evidenced
from harness.model.factor import Factor
from harness.model.trial import Observation
from harness.model.verdict import Count, Finding, Scope, Trigger

CAP = "the cap of"  # how a search begins to say which cap ended it


@dataclass(frozen=True, slots=True)
class RunWords:
    """Names that commands need: the run, its campaign, segment and relay."""

    run: str = "RUN"
    campaign: str = "CAMPAIGN"
    segment: str = ""
    relay: str = ""

    @property
    def again(self) -> str:
        """The command that sends the campaign again."""
        options = {"segment": self.segment, "relay": self.relay}
        said = "".join(f" --{key} {shlex.quote(name)}" for key, name in options.items() if name)
        return f"harness run {shlex.quote(self.campaign)}{said}"


class Phrases:
    """Words for one campaign's factors and one run."""

    def __init__(self, factors: Sequence[Factor], words: RunWords) -> None:
        self._naming = Naming(factors)
        self._words = words

    def triggers(self, triggers: Sequence[Trigger], fix: Sequence[str], untested: Sequence[int] = ()) -> str:
        """Say which single changes trigger the refusal, with their numbers.

        Args:
            untested: for each trigger, how many seeds outside its scope never had it.
        """
        untested = untested or [0] * len(triggers)
        removed = "with " + self._naming.several(fix) + " put back to plain" if len(fix) > 1 else "without it"
        confirmed = all(trigger.confirmed_by_removal for trigger in triggers)
        end = f"Production {removed} is accepted." if confirmed else f"Production {removed} is not confirmed yet."
        merged = self._naming.whole_host(triggers)
        if merged and len(triggers) > 1:
            weakest = min(triggers, key=lambda trigger: trigger.e_value)
            links = f"each of its {len(triggers)} links by itself"
            return f"Adding the link host {merged} ({links}) triggers {_tag(weakest)}: {_numbers(weakest)}. {end}"
        return " ".join([*map(self._trigger, triggers, untested), end])

    def _trigger(self, trigger: Trigger, untested: int) -> str:
        what, verb = self._naming.change(trigger.factors, trigger.scope)
        alone = trigger.scope.type == "value" and len(trigger.factors) == 1  # then the value is in `what` already
        where = "" if alone else self.scope(trigger.scope, untested)
        return f"{verb} {what} triggers {_tag(trigger)}{where}: {_numbers(trigger)}."

    def scope(self, scope: Scope, untested: int = 0) -> str:
        """Say for whom a trigger holds; empty where it holds for all, and "only" of seeds that were all tested."""
        match scope.type:
            case "domain":
                return f" at {_list(scope.domains)} only"
            case "value" if scope.value is not None:
                field = (scope.field or "").removeprefix("merge:")
                return f" only where {field} is '{scope.value}'"
            case "recipients":
                rest = f" ({untested} other seed{'s' * (untested != 1)} not tested with it)" if untested else " only"
                return f" for {_list(scope.seeds)}{rest}"
        return ""

    def after_triggers(self, triggers: Sequence[Trigger], fix: Sequence[str]) -> str:
        """Say what to do about proved triggers."""
        what = self._naming.several(fix)
        sure = all(trigger.confirmed_by_removal for trigger in triggers)
        then = "production passes without it" if sure else "whether production passes without it is not shown yet"
        return (
            f"Put {what} back to plain or replace it ({then}), then run the test again: `{self._words.again}`. "
            f"To report it: `harness evidence {self._words.run} --for esp`."
        )

    def unproved(self, short: Sequence[Evidenced], more: int | None) -> str:
        """Say which suspicion lacks proof, and how many messages would give it."""
        said = [
            f"{self._naming.joined(one.factors)} is suspected but not proved: e-value {number(one.e_value)} of "
            f"{number(one.needed)} needed ({_of(one.with_)} refused with it, {_of(one.without)} without)"
            for one in short
        ]
        return "; ".join(said) + (f"; {_sends(more)} would decide" if more else "")

    def none(self, counts: Count, bound: float) -> str:
        """Say that production passes, and what that does not show."""
        accepted = counts.sent - counts.rejected
        were = "was" if counts.rejected == 1 else "were"
        stray = f"{_of(counts)} {were} refused, and no change explains it"
        refused = stray if counts.rejected else "nothing was refused"
        return (
            f"Production was accepted {accepted} of {counts.sent} times; {refused}. Not on these seeds: "
            f"a refusal rate up to {percent(bound)} is still possible."
        )

    def after_none(self) -> str:
        """Say what to do when nothing was refused."""
        return (
            "If customers are refused, the cause depends on the recipient or on time: send with their merge values "
            f"(profiles of the campaign), or find what they share: `harness triage EXPORT`, then `{self._words.again}`."
        )

    def production_open(self, counts: Count) -> str:
        """Say that production was not seen to pass."""
        if not counts.sent:
            return "production was not sent, or no answer about it counts"
        return f"production was refused {counts.rejected} of {counts.sent} times, and no cause is proved"

    def sender(self, refused: Sequence[Observation], stopped: str) -> str:
        """Say that content is not to blame."""
        if not refused:
            return f"The run was stopped: {stopped}. That is about the sender or the relay, not about content."
        tag = next((seen.tag for seen in refused if seen.tag), None) or refused[0].cause
        many = f"{len(refused)} of {len(refused)}" if len(refused) > 1 else "its one message"
        return (
            f"Content is not to blame: the control, a neutral note from the same sender, was refused too "
            f"({many} in a row, {tag}). The refusal is about the sender, its domain or its sending addresses."
        )

    def after_sender(self) -> str:
        """Say what to do about a refused sender."""
        return (
            "Change nothing in the content. Check SPF, DKIM, DMARC and reverse DNS (`harness check "
            f"{shlex.quote(self._words.campaign)}`), then write to the relay's support: "
            f"`harness evidence {self._words.run} --for esp`."
        )

    def control_open(self, refused: int) -> str:
        """Say that the sender is suspected, but not shown, to be refused."""
        return f"the control was refused {refused} time{'s' * (refused != 1)}; too few to blame the sender"

    def recipient(self, named: Sequence[str], theirs: Sequence[Observation], others: Count) -> str:
        """Say that the refusals follow recipients, not content."""
        refused = sum(seen.rejected for seen in theirs)
        counted = sum(seen.counted for seen in theirs)
        causes = sorted({seen.cause for seen in theirs if seen.cause and not seen.accepted})
        numbers = f"{refused} of {counted} refused there, {_of(others)} at the other seeds"
        if not counted:
            numbers = f"no message to them counts ({', '.join(causes)})"
        return f"The refusals follow the recipient, not the content: {_list(named)} ({numbers})."

    def after_recipient(self, named: Sequence[str]) -> str:
        """Say what to do about recipients that can't be used."""
        return (
            f"Check or replace {_list(named)} in seeds.yaml, lift suppressions at the relay, then: {self._words.again}"
        )

    def inconclusive(self, missing: str, finding: Finding, more: int | None) -> str:
        """Say what a run lacks for an answer, and what is likeliest so far."""
        reason = missing or finding.stopped or "the run ended before a cause was proved"
        said = f"Inconclusive: {reason}."
        suspects = [
            f"{self._naming.joined(names)} ({percent(share)})" for names, share in finding.suspects[:3] if share >= 0.05
        ]
        if suspects:
            said += f" Likeliest so far: {', '.join(suspects)}."
        if more and f"{more} more" not in said:
            said += f" Missing: {_sends(more)}."
        return said

    def after_inconclusive(self, finding: Finding, more: int | None, seen: Sequence[Observation] = ()) -> str:
        """Say how to go on; where a cap ended it, with the cap that it takes."""
        if finding.stopped:
            return f"Put right what stopped it ({finding.stopped}), then: `harness run --resume {self._words.run}`."
        if not more:  # it waits, or was left: nothing else is missing
            return f"Go on where it stopped, when what it waits for is over: `harness run --resume {self._words.run}`."
        cap = ""
        if CAP in finding.missing and "refusals" in finding.missing:
            cap = f" --max-refusals {sum(one.rejected for one in seen) + more}"
        elif CAP in finding.missing:
            cap = f" --max-sends {len(seen) + more}"
        return f"Allow {_sends(more)} and go on where it stopped: `harness run --resume {self._words.run}{cap}`."


def number(value: float) -> str:
    """Write an e-value as people read it: 31.4, 1,270, 3.2e+12."""
    if value >= 1e9:
        return f"{value:.1e}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def percent(share: float) -> str:
    """Write a share in percent, with a decimal only where it is small."""
    return f"{share * 100:.0f} %" if share >= 0.095 else f"{share * 100:.2g} %"


def probability(value: float) -> str:
    """Write a p-value: `= 0.0002`, `< 0.0001`."""
    return f"= {value:.4f}" if value >= 0.0001 else "< 0.0001"


def _numbers(trigger: Trigger) -> str:
    several = "one of them missing" if len(trigger.factors) > 1 else ""
    with_ = "with all of it" if several else "with it"
    return (
        f"{_of(trigger.with_)} refused {with_}, {_of(trigger.without)} {'with ' + several if several else 'without'} "
        f"(e-value {number(trigger.e_value)}; exact p {probability(trigger.p_value)})"
    )


def _of(counts: Count) -> str:
    return f"{counts.rejected} of {counts.sent}"


def _tag(trigger: Trigger) -> str:
    return trigger.tag or f"a refusal ({trigger.cause or 'no tag'})"


def _sends(more: int | None) -> str:
    return f"{more} more send{'s' * (more != 1)}"


def _list(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)
