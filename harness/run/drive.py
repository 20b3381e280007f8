"""Drive: give a prepared run its outside things (sandbox, secrets, signals) and let the story run."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from harness.bounce.rule import Rules
from harness.edge.config import Workspace
from harness.edge.ledger import Ledger
from harness.edge.policy_file import load_policy
from harness.edge.sandbox import Sandbox
from harness.model.relay import Relay
from harness.run.collect import Collector, gather, inlets_of, reader_by
from harness.run.conclude import Conclusion, Read
from harness.run.prepare import Prepared
from harness.run.readback import read_back
from harness.run.retest import Listener, Session, retest


def drive(
    workspace: Workspace,
    ledger: Ledger,
    prepared: Prepared,
    read: Read,
    rules: Rules,
    listener: Listener,
    max_wait: float,
) -> tuple[Conclusion, bool]:
    """Run to a verdict; returns it, and whether the operator interrupted.

    The first Ctrl-C finishes the transaction in hand, a second one closes the connection; both leave a run
    that `--resume` continues.
    """
    with _open(workspace, prepared) as relay:

        async def main() -> tuple[Conclusion, bool]:
            collector = Collector(ledger, _now, reader_by(rules), relay=prepared.relay.name)
            inlets = inlets_of(workspace, prepared.relay, prepared.run.started)

            async def collect() -> list[str]:
                if inlets:
                    return (await asyncio.to_thread(gather, collector, inlets)).failed
                # Webhooks alone: `harness collect --listen` writes what they bring into the same ledger.
                collector.end_pass(_now())
                return []

            session = Session(
                run=prepared.run,
                campaign=prepared.campaign,
                expansion=prepared.expansion,
                relay=relay,
                ledger=ledger,
                read=read,
                listener=listener,
                collect=collect,
                sign=_signer(prepared),
                max_wait=max_wait,
            )
            with _signals(session):
                try:
                    said = await retest(session)
                except asyncio.CancelledError:
                    ledger.set_state(prepared.run.id, "interrupted")
                    return session.conclude(), True
            if any(seed.mailbox for seed in prepared.segment.seeds):
                await asyncio.to_thread(read_back, ledger, said.facts, workspace.unlock_mailbox, _now)
                said = session.conclude()
            return said, session.stopping.is_set()

        return asyncio.run(main())


def _now() -> datetime:
    return datetime.now(UTC)


@contextlib.contextmanager
def _open(workspace: Workspace, prepared: Prepared) -> Iterator[Relay]:
    """Give the relay that messages go to: a sandbox of the run's own, or a real one with its password."""
    if prepared.relay.kind != "sandbox":
        yield workspace.unlock(prepared.relay)
        return
    domains = {seed.address: seed.domain for seed in prepared.segment.seeds}
    policy = load_policy(workspace.path(prepared.relay.policy), prepared.relay.policy)
    with Sandbox(policy, domains=domains) as sandbox:
        yield replace(prepared.relay, host="127.0.0.1", port=sandbox.port)


def _signer(prepared: Prepared) -> Callable[[bytes], bytes] | None:
    if prepared.campaign.dkim is None:
        return None
    from harness.edge.dkim_signer import signer

    return signer(prepared.campaign.dkim)


@contextlib.contextmanager
def _signals(session: Session) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def on_interrupt() -> None:
        if session.stopping.is_set() and task is not None:
            task.cancel()
            return
        session.stopping.set()
        session.listener.waits("finishing the message in hand; Ctrl-C again closes the connection", None)

    caught = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, on_interrupt)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
