"""The victim: the real `harness` command in a forked process, which kills itself at a chosen place.

The harness is imported once, in the parent, so that a run costs no start-up. The places are put around methods of the
ledger and of the connection; what the client has received, and what is durable, goes to a side file as it happens.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import pkgutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
import harness.cli.main
from harness.edge.ledger import Ledger
from harness.edge.relay import Connection

# What the commands import when they need it is imported once, here, and not in every child.
for _module in pkgutil.walk_packages(harness.__path__, "harness."):
    with contextlib.suppress(ImportError):  # an optional extra
        importlib.import_module(_module.name)
for _name in ("scipy.stats", "tabulate", "rich.progress"):
    importlib.import_module(_name)

# Every journal mark, before and after; "commit" is around what several marks share.
MARKS = ("create_run", "plan", "begin", "content", "record", "set_state", "recover", "write_together")
POINTS = (
    *(f"{when} {mark}" for mark in MARKS for when in ("before", "after")),
    "after MAIL",
    "after RCPT",
    "after DATA",
    "after the bytes",
    "after the answer",
)


@dataclass(frozen=True)
class Death:
    """Die at the n-th passing of a point."""

    point: str
    count: int


def run(argv: list[str], folder: Path, death: Death | None) -> int:
    """Fork a process that runs the command line; returns its pid. Output goes to files of the folder."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        for number, name in ((1, "stdout"), (2, "stderr")):
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(descriptor, number)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        _arm(death, os.open(folder / "side", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))
        os.chdir(folder)
        sys.argv = ["harness", *argv]
        harness.cli.main.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as failure:
        os.write(2, f"{type(failure).__name__}: {failure}".encode())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _arm(death: Death | None, side: int) -> None:
    """Put the points into the code of this process."""
    passed: Counter[str] = Counter()
    answered: list[str] = []  # recorded, and durable when the commit is done

    def here(point: str) -> None:
        passed[point] += 1
        os.write(side, f"passed {point}\n".encode())
        if death is not None and death.point == point and death.count == passed[point]:
            os.kill(os.getpid(), signal.SIGKILL)

    def durable() -> None:
        for line in answered:
            os.write(side, line.encode())
        answered.clear()

    def around(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def wrapped(self: Ledger, *args: Any, **kwargs: Any) -> Any:
            here(f"before {name}")
            result = original(self, *args, **kwargs)
            if name == "record":
                answered.append(f"durable {args[0]} {args[1].code}\n")
            if name == "write_together":
                durable()
            here(f"after {name}")
            return result

        return wrapped

    for mark in MARKS:
        setattr(Ledger, mark, around(mark, getattr(Ledger, mark)))
    say, hand_over, deliver = Connection.say, Connection._hand_over, Connection.deliver

    async def said(self: Connection, command: bytes, *args: Any, **kwargs: Any) -> Any:
        answer = await say(self, command, *args, **kwargs)
        verb = command[:4].decode()
        if verb in ("MAIL", "RCPT", "DATA"):
            here(f"after {verb}")
        return answer

    async def handed(self: Connection, content: bytes) -> Any:
        assert self._client is not None
        protocol = self._client.protocol
        assert protocol is not None
        write = protocol.write

        def wrote(data: bytes) -> None:
            write(data)
            here("after the bytes")

        protocol.write = wrote  # type: ignore[method-assign]
        answer = await hand_over(self, content)
        protocol.write = write  # type: ignore[method-assign]
        os.write(side, f"received {self.token} {answer.code}\n".encode())  # type: ignore[attr-defined]
        here("after the answer")
        return answer

    async def delivered(self: Connection, message: Any, **kwargs: Any) -> Any:
        self.token = kwargs["envelope_id"]  # type: ignore[attr-defined]
        return await deliver(self, message, **kwargs)

    Connection.say = said  # type: ignore[method-assign, assignment]
    Connection._hand_over = handed  # type: ignore[method-assign]
    Connection.deliver = delivered  # type: ignore[method-assign]
