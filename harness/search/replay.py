"""Replay: a search written as a generator, run as a function of what was observed.

The generator asks; answers come from the observations as far as they hold them, matched by what was asked. So a run
resumes exactly, a fresh object fed with the same observations moves the same way, and when a late bounce changes an
earlier outcome, the search starts anew and uses every message of the old course that it would send again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.model.problem import Belief, Move, Pause, Problem, Send, Stop
from harness.model.trial import Ask, Observation, Phase
from harness.model.verdict import Finding
from harness.search.desk import Desk, Halt, Step

Story = Callable[[Desk], Step[Finding]]


class Replay:
    """A strategy made of a story; keeps its place between calls and starts anew where the past changed."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._seen: list[Observation] = []
        self._pauses = 0
        self._problem: Problem | None = None
        self._desk: Desk | None = None
        self._pool: dict[Ask, deque[Observation]] = {}
        self._answers: list[Observation | None] = []
        self._course: Step[Finding]
        self._move: Move

    def next(self, problem: Problem, observations: Sequence[Observation], pauses: Sequence[Pause]) -> Move:
        """Choose the next move."""
        if not self._continues(problem, observations, pauses):
            self._begin(problem)
        for seen in observations[len(self._seen) :]:
            self._pool.setdefault(_key(seen.ask), deque()).append(seen)
        self._seen = list(observations)
        return self._advance(len(pauses))

    def belief(self) -> Belief:
        """Say how things stood at the last call of `next`."""
        return self._desk.belief if self._desk else Belief()

    def conclude(self, reason: str) -> Finding:
        """End the search from outside (a stop rule, an interruption) and say what it has so far."""
        assert self._desk is not None, "nothing was asked yet"
        if isinstance(self._move, Stop):
            return self._move.finding
        try:
            self._course.throw(Halt(Halt.STOP, reason))
        except StopIteration as end:
            finding: Finding = end.value
            self._move = Stop(finding)
            return finding
        raise RuntimeError("a story must end when it is halted")

    def _continues(self, problem: Problem, observations: Sequence[Observation], pauses: Sequence[Pause]) -> bool:
        old = self._seen
        return (
            (problem is self._problem or problem == self._problem)
            and len(observations) >= len(old)
            and len(pauses) >= self._pauses
            and all(a is b or a == b for a, b in zip(old, observations, strict=False))
        )

    def _begin(self, problem: Problem) -> None:
        self._problem, self._desk = problem, Desk(problem)
        self._seen, self._pauses, self._pool, self._answers = [], 0, {}, []
        self._course = self._story(self._desk)
        self._tell(None)

    def _advance(self, pauses: int) -> Move:
        while True:
            match self._move:
                case Stop():
                    return self._move
                case Pause():
                    if pauses <= self._pauses:
                        return self._move
                    self._pauses += 1
                    self._tell(())
                case Send(asks):
                    open_asks = self._answer(asks)
                    if open_asks:
                        return Send(open_asks)
                    answers, self._answers = self._answers, []
                    self._tell(tuple(one for one in answers if one is not None))

    def _answer(self, asks: tuple[Ask, ...]) -> tuple[Ask, ...]:
        """Take answers out of the pool, and return the asks that have none."""
        self._answers = self._answers or [None] * len(asks)
        for place, ask in enumerate(asks):
            waiting = self._pool.get(_key(ask))
            if self._answers[place] is None and waiting:
                self._answers[place] = waiting.popleft()
        return tuple(ask for ask, answer in zip(asks, self._answers, strict=True) if answer is None)

    def _tell(self, answers: tuple[Observation, ...] | None) -> None:
        try:
            self._move = next(self._course) if answers is None else self._course.send(answers)
        except StopIteration as end:
            self._move = Stop(end.value)


def _key(ask: Ask) -> Ask:
    """Return what must match: not the sentence for people, and the block only where it ties a contrast together."""
    return replace(ask, why="", block=ask.block if ask.phase is Phase.PROOF else 0)
