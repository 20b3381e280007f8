"""How a run goes, on stderr: stage, rung, counts, and what it waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from harness.cli.common import clean
from harness.model.record import RunRecord, TrialRecord
from harness.model.reply import Reply
from harness.model.trial import Ask, Phase
from harness.run.conclude import Conclusion

PHASES = {
    Phase.CONTROL: "control: the plain note",
    Phase.REPRODUCE: "production: is it refused at all?",
    Phase.LADDER: "ladder",
    Phase.SEARCH: "search",
    Phase.PROOF: "proof: with and without",
    Phase.SCOPE: "scope: for whom?",
    Phase.RESTORE: "production without the suspects",
    Phase.CONTEXT: "suspect alone",
}


class Progress:
    """A live line where stderr is a terminal, plain lines where it is not."""

    def __init__(self, run: RunRecord, quiet: bool = False) -> None:
        self.run = run
        self.quiet = quiet
        self.console = Console(stderr=True, highlight=False)
        self.counts: Counter[str] = Counter()
        self.rungs = {rung.variant: number for number, rung in enumerate(run.ladder)}
        self.last = ""
        self.said: set[str] = set()
        self.bar: Bar | None = None
        self.task: TaskID | None = None

    def __enter__(self) -> Progress:
        run = self.run
        self._line(
            f"run {run.id}: {run.campaign} to {len(run.segment.seeds)} seeds of {run.segment.name} "
            f"through {run.relay}, strategy {run.strategy}, {len(run.factors)} factors"
        )
        if self.console.is_terminal and not self.quiet:
            self.bar = Bar(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[counts]}"),
                console=self.console,
                transient=True,
            )
            self.bar.start()
            self.task = self.bar.add_task("begin", total=len(run.ladder), counts="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def chosen(self, said: Conclusion, asks: Sequence[Ask]) -> None:
        """Show stage, rung and the sentence of the choice."""
        ask = asks[0]
        text = ask.why or PHASES[ask.phase]
        stage = PHASES[ask.phase]
        if self.bar is not None and self.task is not None:
            rung = max((n for v, n in self.rungs.items() if v == self._variant(ask)), default=0)
            self.bar.update(self.task, description=escape(clean(stage)), completed=rung, counts=self._counts())
        if text not in self.said:  # the control comes again and again among the others
            self.said.add(text)
            self._line(f"  {stage}: {text}")

    def answered(self, trial: TrialRecord, reply: Reply | None, error: str | None) -> None:
        """Count what was answered; refusals are worth a line."""
        if reply is None:
            self.counts["lost"] += 1
            self._line(f"    {trial.recipient}: {error}")
        elif reply.positive:
            self.counts["accepted"] += 1
        elif reply.transient:
            self.counts["deferred"] += 1
        else:
            self.counts["rejected"] += 1
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, counts=self._counts())

    def waits(self, what: str, until: datetime | None) -> None:
        """Say what is waited for, and until when."""
        when = f" until {until:%H:%M:%S} UTC" if until else ""
        text = f"waiting: {what}{when}"
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, description=escape(clean(text)))
        elif text != self.last:
            self.last = text
            self._line(f"  {text}")

    def _variant(self, ask: Ask) -> str:
        from harness.model.variant import variant_id

        return variant_id(ask.factors, frozenset(factor.id for factor in self.run.factors))

    def _counts(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in self.counts.items())

    def _line(self, text: str) -> None:
        if not self.quiet:
            self.console.print(escape(clean(text)), soft_wrap=True)
