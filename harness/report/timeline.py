"""The timeline: every message on one axis of time, one lane a seed, as static SVG with a mark for each outcome.

Shapes tell outcomes apart, not colours alone: ring accepted, cross refused, square censored, bar pending, question
mark unknown. svg.py writes text as it is given, so all text goes through `_escaped`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape

import svg

from harness.model.record import TrialRecord
from harness.model.trial import Outcome
from harness.report.clean import clean
from harness.report.told import Told

WIDTH, LEFT, RIGHT, LANE, TOP = 960, 150, 16, 18, 26
TICKS = 6
GAPS = {"pause": "pause", "wait": "pause", "stop": "halt", "resume": "halt", "reconnect": "halt"}
SHAPES: Mapping[Outcome, str] = {
    Outcome.ACCEPTED: "ok",
    Outcome.DELIVERED: "ok",
    Outcome.REJECTED: "no",
    Outcome.CENSORED: "out",
    Outcome.PENDING: "wait",
    Outcome.UNKNOWN: "lost",
}


def timeline(told: Told) -> str:
    """Draw the run's timeline; empty where nothing was sent."""
    trials = [trial for trial in told.facts.trials if told.settled[trial.token].outcome in SHAPES]
    if not trials:
        return ""
    lanes = {seed.address: place for place, seed in enumerate(told.facts.run.segment.seeds)}
    moments = [at for trial in trials for at in (_begun(trial), _last(trial))] + [
        event.at for event in told.facts.happenings
    ]
    axis = _Axis(min(moments), max(moments))
    height = TOP + LANE * len(lanes) + 30
    elements: list[svg.Element] = []
    for event in told.facts.happenings:
        if event.kind in GAPS:
            x = axis.x(event.at)
            elements.append(svg.Line(x1=x, x2=x, y1=TOP - 8, y2=height - 26, class_=[f"t-{GAPS[event.kind]}"]))
    for address, place in lanes.items():
        y = TOP + place * LANE
        elements.append(svg.Text(x=0, y=y + 4, class_=["t-lane"], text=_escaped(address.partition("@")[0], 20)))
        elements.append(svg.Line(x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_=["t-rail"]))
    for trial in trials:
        place = lanes.get(trial.ask.seed, 0)
        shape = SHAPES[told.settled[trial.token].outcome]
        for at in _deferred(trial):
            elements.append(_mark("late", axis.x(at), TOP + place * LANE, control=False))
        elements.append(_mark(shape, axis.x(_last(trial)), TOP + place * LANE, control=not trial.ask.factors))
    elements += axis.ticks(height)
    drawing = svg.SVG(
        viewBox=svg.ViewBoxSpec(0, 0, WIDTH, height),
        extra={"role": "img", "aria-labelledby": "timeline-title"},
        class_=["timeline"],
        elements=[svg.Title(id="timeline-title", text="Messages over time, one lane a seed"), *elements],
    )
    return str(drawing)


class _Axis:
    """Maps moments to places across."""

    def __init__(self, first: datetime, last: datetime) -> None:
        self._first, self._span = first, max((last - first).total_seconds(), 1.0)

    def x(self, at: datetime) -> float:
        share = (at - self._first).total_seconds() / self._span
        return round(LEFT + 8 + share * (WIDTH - LEFT - RIGHT - 16), 1)

    def ticks(self, height: int) -> list[svg.Element]:
        marks: list[svg.Element] = []
        for step in range(TICKS + 1):
            seconds = self._span * step / TICKS
            x = round(LEFT + 8 + step / TICKS * (WIDTH - LEFT - RIGHT - 16), 1)
            said = f"{seconds / 60:.0f} min" if self._span >= 600 else f"{seconds:.{0 if self._span >= 12 else 1}f} s"
            marks.append(svg.Text(x=x, y=height - 8, class_=["t-tick"], text_anchor="middle", text=said))
        return marks


def _mark(shape: str, x: float, y: int, *, control: bool) -> svg.Element:
    classes = [f"t-{shape}", *(["t-control"] if control else [])]
    match shape:
        case "no":
            cross = [svg.M(x - 4, y - 4), svg.L(x + 4, y + 4), svg.M(x - 4, y + 4), svg.L(x + 4, y - 4)]
            return svg.Path(d=cross, class_=classes)
        case "out":
            return svg.Rect(x=x - 4, y=y - 4, width=8, height=8, class_=classes)
        case "wait":
            return svg.Path(d=[svg.M(x - 4, y), svg.L(x + 4, y)], class_=classes)
        case "late":
            corner = [svg.M(x - 4, y + 4), svg.L(x + 4, y + 4), svg.L(x, y - 4), svg.Z()]
            return svg.Path(d=corner, class_=classes)
        case "lost":
            return svg.Text(x=x, y=y + 4, class_=classes, text_anchor="middle", text="?")
    return svg.Circle(cx=x, cy=y, r=4, class_=classes)


def _begun(trial: TrialRecord) -> datetime:
    begun = trial.attempts[0].begun if trial.attempts else None
    return begun or trial.planned


def _last(trial: TrialRecord) -> datetime:
    begun = trial.attempts[-1].begun if trial.attempts else None
    return begun or trial.planned


def _deferred(trial: TrialRecord) -> list[datetime]:
    """Return when this trial was put off; its last attempt has the mark of its outcome."""
    tries = trial.attempts[:-1]
    return [one.begun for one in tries if one.begun is not None and one.reply is not None and one.reply.transient]


def _escaped(text: str, limit: int) -> str:
    return escape(clean(text, limit))
