"""The program as people run it: a process of its own, in a workspace of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QUIET = {"HARNESS_NO_BROWSER": "1"}  # pictures have tests of their own; here they would only cost time


@dataclass(frozen=True)
class Ran:
    """What a call of the program came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The object on stdout."""
        return json.loads(self.out)


def harness(*arguments: str, cwd: Path, timeout: float = 240, **environment: str) -> Ran:
    """Call the program; its output is read whole."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "140"} | QUIET | environment
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", *arguments],
        cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def workspace(folder: Path) -> Path:
    """Make a workspace with `harness init`."""
    made = harness("init", str(folder), cwd=ROOT)
    assert made.code == 0, made.err
    return folder
