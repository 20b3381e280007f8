"""Stop rules: replies after which no more may be sent, whatever the search would like (DESIGN section 6)."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.answer import Reading
from harness.model.record import TrialRecord
from harness.model.reply import Reply, Step
from harness.model.trial import State

REPEATED = 3  # this many 421 in a row, over different trials or attempts
UNHEARD = 3  # this many lost answers in a row: the relay is not well

# What a reply of this class means for the sender; each of them ends the run at once.
STOPPING = {
    "ip_blocklist": "the sending IP is on a blocklist",
    "reverse_dns": "the sending host's reverse DNS is refused",
    "auth_failure": "SPF and DKIM failed",
    "dmarc_failure": "the message fails the sender's own DMARC policy",
    "auth_required": "the server wants authentication",
    "relay_denied": "the server does not relay for this recipient",
    "sending_behaviour": "the receiver objects to the sender's behaviour",
}


def stop_reason(trials: Sequence[TrialRecord], readings: Sequence[Sequence[Reading]]) -> str | None:
    """Return why the run must stop now, in words, or None.

    Args:
        trials: in sending order.
        readings: for each trial what its replies and answers say, in the order in which they came.
    """
    run_of_421 = lost = 0
    for trial, heard in zip(trials, readings, strict=True):
        for reading in heard:
            if reading.permanent and reading.cause in STOPPING:
                return f"{STOPPING[reading.cause]}: {reading.text[:200]}"
        for attempt in trial.attempts:
            if attempt.reply is not None:
                run_of_421 = run_of_421 + 1 if _too_much(attempt.reply) else 0
                lost = 0
            elif attempt.state is State.UNKNOWN:
                lost += 1
            if run_of_421 >= REPEATED:
                return f"{run_of_421} times 421 in a row: {_line(attempt.reply)}"
            if lost >= UNHEARD:
                return f"{lost} answers in a row were lost after the message was handed over"
    return None


def _too_much(reply: Reply) -> bool:
    return reply.code == 421 and reply.step is not Step.CONNECT


def _line(reply: Reply | None) -> str:
    return f"{reply.code} {reply.text}"[:200] if reply else ""
