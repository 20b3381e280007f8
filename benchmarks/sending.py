"""Sending, measured: what the journal costs, what latency leaves, what ten connections give, what memory does, and
what the sandbox takes.

    python -m benchmarks.sending [--quick]

Every ratio compares two things that were measured by turns in the same run, on loopback, with Postfix's smtp-sink (or
a server that delays each reply by 50 ms) in a process of its own. The ledger lies on a real disk, and each of the three
marks of a trial is a durable commit.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import AnyStr

import aiosmtplib

from harness.bounce.reply import read_reply
from harness.edge.ledger import Ledger
from harness.edge.policy_file import parse_policy
from harness.edge.sandbox import Sandbox
from harness.model.record import RunRecord, TrialRecord
from harness.model.relay import Pace, Relay, Tls
from harness.model.reply import Reply
from harness.model.trial import Ask, Phase, State
from harness.model.variant import Message
from harness.run.conclude import Read
from harness.run.pool import Pool
from harness.run.sending import deliver_trials
from tests.integration.ledger_nouns import a_run

LATENCY = 0.050
SEED = "seed-01@seeds.example"
POLICY = """rules:
  - {name: link, when: {link_host: go.partner.example}}
  - {name: pair, when: {all: [{text: nothing of this}, {image: never}]}}
"""


class Silent:
    """A listener that shows nothing."""

    def answered(self, trial: TrialRecord, reply: Reply | None, error: str | None) -> None:
        """One message was handed over."""

    def waits(self, what: str, until: datetime | None) -> None:
        """Nothing happens for a while."""


@dataclass
class Bench:
    """A run in hand, as sending needs it."""

    run: RunRecord
    relay: Relay
    ledger: Ledger
    read: Read = lambda reply: read_reply(reply.text, code=reply.code)
    listener: Silent = field(default_factory=Silent)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    max_wait: float = 60.0
    pool: Pool = field(default_factory=Pool)


def message(token: str, size: int = 10240) -> Message:
    head = (
        f"From: Shop <news@shop.example>\r\nTo: {SEED}\r\nSubject: Retest\r\nMessage-ID: <{token}@shop.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
    ).encode()
    line = b"x" * 76 + b"\r\n"
    return Message(f"bounces+{token}@shop.example", SEED, f"{token}@shop.example", head + line * (size // len(line)))


class Runs:
    """Plans trials into one ledger and hands them over through one relay."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger.open(folder / "ledger.sqlite")
        self.run = a_run("bench", kind="sandbox", relay="bench")
        self.ledger.create_run(self.run)
        self.number = 0

    def plan(self, count: int) -> list[str]:
        """Write down so many trials; returns their tokens."""
        tokens = []
        for _ in range(count):
            token = f"bench-{self.number:06d}"
            ask = Ask(frozenset({f"link:{self.number % 500}"}), SEED, Phase.SEARCH)
            self.ledger.plan("bench", ask, "v", message(token), token, "icloud.com", datetime.now(UTC))
            self.number += 1
            tokens.append(token)
        return tokens

    def journalled(self, port: int, connections: int = 1) -> Callable[[int], float]:
        """Return what plans trials, sends them with the journal, and tells how many a second were sent."""
        pace = Pace(connections, 0.0, 0.0, None, None, 10**9, avoid_top_of_hour=False)
        relay = Relay("bench", "sandbox", port=port, tls=Tls.NONE, pace=pace)

        async def main(tokens: list[str]) -> float:
            session = Bench(self.run, relay, self.ledger)
            begin = time.perf_counter()
            await deliver_trials(session, tokens)
            spent = time.perf_counter() - begin
            await session.pool.close()
            return spent

        def measure(count: int) -> float:
            tokens = self.plan(count)
            spent = asyncio.run(main(tokens))
            states = {self.ledger.trial(token).state for token in (tokens[0], tokens[-1])}
            assert states == {State.ANSWERED}, states
            return count / spent

        return measure


def bare(port: int, given: Sequence[Message] = ()) -> Callable[[int], float]:
    """A loop of mail, rcpt and data on one connection, with no journal."""

    async def main(count: int) -> float:
        messages = given or [message(f"bare-{i:06d}") for i in range(count)]
        begin = time.perf_counter()
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, local_hostname="bench.example", start_tls=False)
        await client.connect()
        await client.ehlo()
        for one in messages:
            await client.mail(one.envelope_sender)
            await client.rcpt(one.recipient)
            await client.data(one.content)
        spent = time.perf_counter() - begin
        await client.quit()
        return spent

    return lambda count: count / asyncio.run(main(count))


def by_turns(cases: dict[str, tuple[int, Callable[[int], float]]], rounds: int) -> dict[str, float]:
    """Measure all cases once a round, so that noise hits all alike; returns medians of messages a second."""
    rates: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, (count, measure) in cases.items():
            rates[name].append(measure(count))
    return {name: statistics.median(values) for name, values in rates.items()}


def told(name: str, ratio: float, wanted: float, detail: str) -> bool:
    good = ratio >= wanted
    print(f"{name:58} {ratio:6.3f}  (wanted >= {wanted:g}) {'ok ' if good else 'LOW'}  {detail}", flush=True)
    return good


def loopback(folder: Path, rounds: int, count: int) -> bool:
    with sink() as port:
        runs = Runs(folder / "a")
        cases = {"bare": (count, bare(port)), "journalled": (count, runs.journalled(port))}
        by_turns({name: (50, measure) for name, (_, measure) in cases.items()}, 1)
        rates = by_turns(cases, rounds)
    detail = f"{rates['journalled']:.0f}/s of {rates['bare']:.0f}/s"
    return told("journalled / bare, one connection, loopback", rates["journalled"] / rates["bare"], 0.6, detail)


def late(folder: Path, rounds: int, count: int) -> bool:
    with slow_server() as port:
        runs = Runs(folder / "b")
        cases = {
            "bare": (count, bare(port)),
            "one": (count, runs.journalled(port)),
            "ten": (10 * count, runs.journalled(port, 10)),
        }
        rates = by_turns(cases, rounds)
    detail = f"{rates['one']:.2f}/s of {rates['bare']:.2f}/s"
    first = told("journalled / bare, 50 ms a command", rates["one"] / rates["bare"], 0.95, detail)
    detail = f"{rates['ten']:.1f}/s of 10 x {rates['one']:.2f}/s"
    return told("10 connections / ten times 1, 50 ms", rates["ten"] / (10 * rates["one"]), 0.9, detail) and first


def memory(folder: Path, trials: int) -> bool:
    """Send many trials and compare the peak after a fifth of them with the peak at the end."""
    with sink() as port:
        runs = Runs(folder / "c")
        measure = runs.journalled(port)
        step = trials // 10
        peaks = []
        for _ in range(10):
            measure(step)
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    grown = peaks[-1] - peaks[1]
    detail = f"peak {peaks[1]:.1f} MB after {2 * step}, {peaks[-1]:.1f} MB after {trials} trials"
    return told("memory: peak at a fifth / peak at the end", peaks[1] / peaks[-1], 0.95, f"{detail} (+{grown:.1f} MB)")


def rehearsal(rounds: int, count: int) -> bool:
    """Send a campaign-like message to the sandbox, whose policy looks at links, text and images."""
    blocks = "".join(
        f'<p>Block {i} of the copy. <a href="https://shop.example/p/{i}?a=1&amp;b=2">Read on</a> '
        f'<img src="https://img.shop.example/{i}.png"></p>\r\n'
        for i in range(60)
    )
    head = (
        f"From: Shop <news@shop.example>\r\nTo: {SEED}\r\nSubject: 40% off\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/html; charset=us-ascii\r\n\r\n"
    )
    one = Message("bounces@shop.example", SEED, "m@shop.example", (head + blocks).encode())
    context = multiprocessing.get_context("spawn")
    with Sandbox(parse_policy(POLICY)) as sandbox, context.Pool(1) as pool:
        rates = [pool.apply(rehearse, (sandbox.port, one, count)) for _ in range(rounds)]
    rate = statistics.median(rates)
    detail = f"{rate:.0f}/s of {len(one.content) / 1024:.0f} KB on one connection"
    return told("sandbox: messages a second / 500", rate / 500, 1.0, detail)


def rehearse(port: int, one: Message, count: int) -> float:
    return bare(port, [one] * count)(count)


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """Run Postfix's smtp-sink on a free port."""
    program = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin")
    if program is None:
        raise SystemExit("smtp-sink is not installed (apt-get install postfix)")
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []  # as root it wants to be somebody else
    process = subprocess.Popen(
        [program, *user, f"127.0.0.1:{port}", "1000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def slow_server() -> Iterator[int]:
    """Run a server that delays every reply."""
    port = free_port()
    child = multiprocessing.get_context("spawn").Process(target=serve_slowly, args=(port,), daemon=True)
    child.start()
    try:
        wait_port(port)
        yield port
    finally:
        child.terminate()
        child.join()


def serve_slowly(port: int) -> None:
    from aiosmtpd.smtp import SMTP

    class Slow(SMTP):
        async def push(self, status: AnyStr) -> None:
            await asyncio.sleep(LATENCY)
            await super().push(status)

    class Accept:
        async def handle_DATA(self, *_: object) -> str:
            return "250 2.0.0 Ok: queued as 1"

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Slow(Accept(), hostname="x", loop=loop), "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(main())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_port(port: int) -> None:
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"nothing listens on {port}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure sending.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(dir="results" if Path("results").is_dir() else None) as name:
        folder = Path(name)
        good = [
            loopback(folder, 3 if quick else 9, 200 if quick else 500),
            late(folder, 1 if quick else 3, 8 if quick else 20),
            memory(folder, 1000 if quick else 10_000),
            rehearsal(3 if quick else 5, 500),
        ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
