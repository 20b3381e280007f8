"""The control comes first: where the plain copy is refused, content is not to blame."""

from __future__ import annotations

from harness.model.trial import Ask, Phase
from harness.search.desk import Desk, Factors, Halt, Step

START_ODDS = 0.05 / 0.95  # that the sender is refused already
REFUSED, ACCEPTED = 81.0, 0.03  # what a refused and an accepted control multiply them by
BLAMED, CLEARED = 2000.0, 0.02
MOST = 12  # controls; a sender that lets some through is named by then


def open_with_control(desk: Desk) -> Step[None]:
    """Send the plain copy to one seed per domain in turn until it is plain that the sender is heard, or is not.

    Raises:
        Halt: the control is refused; nothing else was sent.
    """
    plain: Factors = frozenset()
    odds, asked = START_ODDS, 0
    desk.watching = False
    while CLEARED <= odds <= BLAMED and asked < MOST:
        why = "The plain control goes first: were it refused, the content would not be to blame."
        seen = yield from desk.ask(Ask(plain, _next_seed(desk), Phase.CONTROL, why=why))
        asked += 1
        answer = desk.log[-1]
        if answer.counted:
            odds *= REFUSED if answer.rejected else ACCEPTED
        elif seen is None and asked == MOST:
            raise Halt(Halt.SEEDS, "no seed answers the plain control in a way that says anything")
    if odds >= CLEARED:
        raise Halt(Halt.SENDER, "the plain control is refused")
    desk.watching = True
    desk.blocked = odds / (1 + odds)


def _next_seed(desk: Desk) -> str:
    plain: Factors = frozenset()
    tried = {desk.seeds[seed].domain for seed, used in desk.used.items() if used and seed not in desk.dead}
    return desk.pick(plain, avoid=[seed for seed in desk.alive() if desk.seeds[seed].domain in tried])
