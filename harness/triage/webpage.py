"""The page of a triage: one self-contained file without script or request; the reports' style sheet is handed in."""

from __future__ import annotations

import re
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from harness.triage import digest
from harness.triage.finding import Result

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_LONGEST = 300


def clean(text: str) -> str:
    """Take out what could steer a reader's eye (controls, directions) and cut what is endless."""
    plain = _CONTROL.sub("\ufffd", text)
    return plain if len(plain) <= _LONGEST else plain[:_LONGEST] + "…"


def webpage(result: Result, *, style: str, policy: str, made: str) -> str:
    """Return the page; `style` stands in it, `policy` admits it and nothing else."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True, finalize=_finish)
    source = resources.files("harness.triage").joinpath("templates/triage.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        style=Markup(style), policy=policy, made=made, r=result, d=digest,
        names=[name.rsplit("/", 1)[-1] for name in result.files],
        kind="trigger" if result.causes else "none" if digest.quiet(result) else "inconclusive",
    )  # fmt: skip


def _finish(value: object) -> object:
    return clean(value) if type(value) is str else value
