"""`harness collect`: read bounces and events that came late, and say what they change."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import (
    JsonOption,
    WorkspaceOption,
    clean,
    echo,
    leave,
    note,
    open_workspace,
    print_json,
    reader,
    rules_of,
    table,
)

if TYPE_CHECKING:
    from harness.edge.config import Workspace
    from harness.edge.inlet import Piece
    from harness.edge.ledger import Ledger
    from harness.edge.webhook import Hook, Listener
    from harness.model.relay import Relay
    from harness.run.collect import Collector, Gathered, Heard
    from harness.run.readback import ReadBack


def collect(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Run whose relay is asked; default: the latest.")
    ] = None,
    relay: Annotated[str | None, typer.Option(help="Relay of relay.yaml, instead of a run's.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on reading until Ctrl-C.")] = False,
    every: Annotated[
        float, typer.Option(min=1, max=1500, help="--watch: seconds between looks where nothing pushes.")
    ] = 60.0,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Serve the relay's webhooks there, until Ctrl-C.")
    ] = None,
    confirm_sns: Annotated[
        bool, typer.Option("--confirm-sns", help="--listen: confirm Amazon SNS subscriptions of the expected topic.")
    ] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Read the relay's bounces and events, match them to trials, and say which verdicts they change.

    Mail is left where it is: nothing is moved, flagged or deleted, and what was read is known by its own identity.

    Example: harness collect latest, or: harness collect --listen 127.0.0.1:8025
    """
    from datetime import UTC, datetime

    from harness.edge.ledger import Ledger
    from harness.run.collect import Collector, reader_by

    place = open_workspace(workspace)
    with Ledger.open(place.ledger_path) as ledger:
        chosen = _relay(place, ledger, run_id, relay)
        collector = Collector(ledger, lambda: datetime.now(UTC), reader_by(rules_of(place)), chosen.name)
        desk = _Desk(place, ledger, chosen, collector, json)
        code = desk.once(run_id)
        if watch or listen:
            desk.stay(listen, watch, every, confirm_sns)
    leave(code)


def _relay(place: Workspace, ledger: Ledger, run_id: str | None, name: str | None) -> Relay:
    """Find the relay that is asked, and see that there is something to ask."""
    from harness.errors import ConfigError
    from harness.run.pick import pick_run

    if name is None and (run_id is not None or ledger.runs()):
        name = pick_run(ledger, run_id).relay
    relay = place.relay(name)
    if not relay.bounces and not _mailboxes(ledger):
        raise ConfigError(
            f"relay.yaml: relays.{relay.name} has no bounces:, so there is nothing to collect from; "
            "add a source, such as - {kind: maildir, path: ../Maildir}"
        )
    return relay


def _mailboxes(ledger: Ledger) -> bool:
    return any(seed.mailbox for run in ledger.runs() for seed in run.segment.seeds)


class _Desk:
    """Collects, watches verdicts, and tells."""

    def __init__(self, place: Workspace, ledger: Ledger, relay: Relay, collector: Collector, as_json: bool) -> None:
        self.place, self.ledger, self.relay, self.collector, self.as_json = place, ledger, relay, collector, as_json
        self.before: dict[str, tuple[str, str]] = {}
        self.posted: queue.SimpleQueue[list[Heard]] = queue.SimpleQueue()
        collector.before_change = self._remember

    def once(self, run_id: str | None) -> int:
        """Read every source and mailbox once; returns the exit code."""
        from datetime import UTC, datetime

        from harness.run.collect import begin_of, gather, inlets_of
        from harness.run.pick import pick_run
        from harness.run.readback import ReadBack, read_back

        runs = self.ledger.runs()
        inlets = inlets_of(self.place, self.relay, begin_of(runs, self.relay.name))
        gathered = gather(self.collector, inlets)
        for inlet in inlets:
            inlet.close()
        seen = ReadBack()
        if runs:
            run = pick_run(self.ledger, run_id)
            facts = self.ledger.facts(run.id)
            self._remember(run.id)
            seen = read_back(self.ledger, facts, self.place.unlock_mailbox, lambda: datetime.now(UTC))
        self.tell(gathered, seen, [inlet.name for inlet in inlets])
        return 5 if gathered.failed or seen.failed else 0

    def stay(self, listen: str | None, watch: bool, every: float, confirm: bool) -> None:
        """Go on reading, and serve webhooks, until Ctrl-C."""
        import contextlib

        from harness.run.collect import begin_of, inlets_of
        from harness.run.collect import watch as follow

        inlets = inlets_of(self.place, self.relay, begin_of(self.ledger.runs(), self.relay.name)) if watch else []
        stop = threading.Event()
        with contextlib.ExitStack() as stack:
            if listen:
                stack.enter_context(self._listener(listen, confirm))
            for run in self.ledger.runs()[-10:]:
                self._remember(run.id)
            note(f"collecting from {', '.join(inlet.name for inlet in inlets) or 'webhooks'}; Ctrl-C ends it")
            try:
                for name, gathered in follow(self.collector, inlets, stop, every, self.posted if listen else None):
                    self.tell(gathered, None, [name])
            except KeyboardInterrupt:
                note("stopped; everything that was read is in the ledger")
            finally:
                stop.set()

    def _listener(self, listen: str, confirm: bool) -> Listener:
        from harness.edge.webhook import Listener

        host, port = _address(listen)
        listener = Listener(host, port, self._hook(confirm))
        for source in self.relay.bounces:
            if source.kind == "webhook":
                note(f"webhook {source.provider}: http://{host}:{listener.port}/{source.provider}")
        return listener

    def _hook(self, confirm: bool) -> Hook:
        from harness.edge.webhook import Hook
        from harness.errors import ConfigError

        sources = {
            source.provider: self.place.unlock_source(self.relay, source)
            for source in self.relay.bounces
            if source.kind == "webhook" and source.provider
        }
        if not sources:
            raise ConfigError(
                f"relay.yaml: relays.{self.relay.name} has no webhook to serve; add to its bounces: "
                "- {kind: webhook, provider: sendgrid, secret: ${NAME}}"
            )
        for name, source in sources.items():
            if not source.secret:
                note(f"webhook {name}: no secret, so anyone who reaches the port can post; only signed tokens count")

        def take(piece: Piece) -> None:
            self.posted.put(self.collector.take(piece))

        return Hook(sources, take, lambda notice: note(clean(notice.text)), confirm)

    def _remember(self, run_id: str) -> None:
        """Note a run's verdict before something new is heard of it; no provider that posts is kept waiting for that."""
        if run_id not in self.before and threading.current_thread() is threading.main_thread():
            self.before[run_id] = self._verdict(run_id)

    def _verdict(self, run_id: str) -> tuple[str, str]:
        from datetime import UTC, datetime

        from harness.run.conclude import conclude

        said = conclude(self.ledger.facts(run_id), now=datetime.now(UTC), read=reader(self.place)).verdict
        return said.kind.value, said.summary

    def _changes(self, gathered: Gathered, seen: ReadBack | None) -> None:
        """Conclude anew what something new was heard of."""
        runs = {one.match.run for one in gathered.new if one.match.token is not None and one.match.run}
        if seen is not None and seen.arrivals:
            runs |= set(self.before)
        for run_id in sorted(runs):
            before, after = self.before.get(run_id), self._verdict(run_id)
            if before is not None and before != after:
                gathered.changed[run_id] = (f"{before[0]}: {before[1]}", f"{after[0]}: {after[1]}")
            self.before[run_id] = after

    def tell(self, gathered: Gathered, seen: ReadBack | None, sources: list[str]) -> None:
        """Print what was read: one JSON object, or words."""
        self._changes(gathered, seen)
        if self.as_json:
            print_json(_as_json(self.relay.name, gathered, seen, sources))
        else:
            _tell(gathered, seen, sources)


def _address(text: str) -> tuple[str, int]:
    from harness.errors import ConfigError

    host, colon, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ConfigError(f"--listen {text}: an address such as 127.0.0.1:8025 was expected")
    return (host.strip("[]") if colon else "") or "127.0.0.1", int(port)


def _tell(gathered: Gathered, seen: ReadBack | None, sources: list[str]) -> None:
    from harness.run.collect import forged, unmatched

    new = gathered.new
    ways = ", ".join(f"{count} by {way.replace('_', ' ')}" for way, count in sorted(gathered.by.items()))
    echo(
        clean(
            f"{', '.join(sources) or 'no source'}: {len(gathered.heard)} read, {len(new)} new"
            + (f" ({ways})" if ways else "")
        )
    )
    if new:
        rows = [[one.match.run or "-", one.match.by.value, one.answer.kind.value, one.answer.recipient or "-",
                 one.answer.reading.text[:80] or "-"] for one in new[:50]]  # fmt: skip
        echo(table(rows, ["run", "matched by", "kind", "recipient", "words"]))
        if len(new) > 50:
            echo(f"and {len(new) - 50} more")
    if lost := unmatched(gathered):
        echo(f"{len(lost)} belong to no trial here; they are kept, and `harness report` shows them")
    if bad := forged(gathered):
        echo(
            f"{len(bad)} bear a token that this workspace never signed (forged, or another workspace's): "
            "they count for nothing"
        )
    for skipped in gathered.skipped:
        note(clean(f"skipped {skipped.place}: {skipped.why}"))
    for trial, copy in seen.arrivals if seen else []:
        what = "; ".join(copy.differences) or "as it was sent"
        echo(clean(f"trial {trial.number} of {trial.variant} is in {copy.folder} of {trial.recipient}: {what}"))
        if copy.changed_factors:
            echo(clean(f"  the relay rewrote {', '.join(copy.changed_factors)}: untestable on this relay"))
    for failure in [*gathered.failed, *(seen.failed if seen else [])]:
        note(clean(f"not read: {failure}"))
    for run_id, (before, after) in gathered.changed.items():
        echo(clean(f"the verdict of run {run_id} changed from {before}\n  to {after}"))


def _as_json(relay: str, gathered: Gathered, seen: ReadBack | None, sources: list[str]) -> dict[str, Any]:
    from harness.run.collect import forged, unmatched

    return {
        "schema_version": 1,
        "relay": relay,
        "sources": sources,
        "read": len(gathered.heard),
        "new": len(gathered.new),
        "by": dict(gathered.by),
        "unmatched": len(unmatched(gathered)),
        "forged": len(forged(gathered)),
        "answers": [
            {
                "run": one.match.run,
                "token": one.match.token,
                "by": one.match.by.value,
                "kind": one.answer.kind.value,
                "recipient": one.answer.recipient,
                "class": one.answer.reading.cause,
                "tag": one.answer.reading.tag,
                "text": one.answer.reading.text,
                "place": one.place,
            }
            for one in gathered.new
        ],
        "skipped": [{"place": one.place, "why": one.why} for one in gathered.skipped],
        "failed": [*gathered.failed, *(seen.failed if seen else [])],
        "arrivals": [
            {
                "token": trial.token,
                "variant": trial.variant,
                "folder": copy.folder,
                "differences": list(copy.differences),
                "changed_factors": list(copy.changed_factors),
            }
            for trial, copy in (seen.arrivals if seen else [])
        ],
        "changed": [
            {"run": run, "before": before, "after": after} for run, (before, after) in gathered.changed.items()
        ],
    }
