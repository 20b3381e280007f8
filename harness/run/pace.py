"""When the next message may leave, and why not now: arithmetic over what left before. Knows no clock and no ledger."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from harness.model.relay import Pace

HOUR = timedelta(hours=1)
# Apple answers 451 more often around the full hour, when everybody's scheduled mail goes out.
BEFORE_THE_HOUR = timedelta(minutes=1)
AFTER_THE_HOUR = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Left:
    """One message that left: when, and for which Apple domain."""

    at: datetime
    domain: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing may leave before a moment, for a reason that people read."""

    until: datetime
    why: str


def hold(pace: Pace, now: datetime, past: Sequence[Left], domain: str, key: str) -> Hold | None:
    """Return what holds the next message back, the longest wait of all; None if it may leave now.

    Args:
        pace: the relay's settings.
        now: the present moment.
        past: what left through this relay in the last hour at least, oldest first, over all runs.
        domain: the Apple domain of the next message.
        key: keys the jitter; the same key waits the same time.
    """
    holds = [_gap(pace, past, key), _per_hour(pace, now, past), _per_domain(pace, now, past, domain)]
    longest = _longest(found for found in holds if found is not None and found.until > now)
    # The full hour is looked at last: a wait for something else may end in the middle of it.
    crowded = _top_of_hour(pace, longest.until if longest else now, key)
    return crowded or longest


def seed_hold(now: datetime, sent_today: int, cap: int, address: str) -> Hold | None:
    """Return what holds a seed back: its share of a UTC day is used up."""
    if sent_today < cap:
        return None
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)
    return Hold(tomorrow, f"{address} has had {sent_today} of {cap} messages today")


def back_off(pace: Pace, attempt: int, answered: datetime) -> datetime:
    """Return when a deferred message may be tried again; the second time waits twice as long."""
    return answered + timedelta(seconds=pace.backoff * 2 ** (attempt - 1))


def lookback(pace: Pace) -> timedelta:
    """Return how much of the past `hold` needs to see."""
    if pace.per_hour or pace.per_domain_per_hour:
        return HOUR
    return timedelta(seconds=pace.gap * (1 + pace.jitter))


def fraction(key: str) -> float:
    """Return a number in [0, 1) that is the key's own."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


def _gap(pace: Pace, past: Sequence[Left], key: str) -> Hold | None:
    if not past or pace.gap <= 0:
        return None
    seconds = pace.gap * (1 + pace.jitter * (2 * fraction(key) - 1))
    return Hold(past[-1].at + timedelta(seconds=seconds), f"the gap of {pace.gap:g} s between two messages")


def _per_hour(pace: Pace, now: datetime, past: Sequence[Left]) -> Hold | None:
    if pace.per_hour is None:
        return None
    recent = past[bisect_left(past, now - HOUR, key=lambda left: left.at) :]
    return _window(recent, pace.per_hour, f"the cap of {pace.per_hour} messages an hour")


def _per_domain(pace: Pace, now: datetime, past: Sequence[Left], domain: str) -> Hold | None:
    cap = pace.per_domain_per_hour
    if cap is None:
        return None
    recent = [left for left in past if left.domain == domain and left.at >= now - HOUR]
    return _window(recent, cap, f"the cap of {cap} messages an hour to {domain}")


def _window(recent: Sequence[Left], cap: int, why: str) -> Hold | None:
    # Half a microsecond past the hour would do; a whole one is what the clock has.
    return Hold(recent[-cap].at + HOUR + timedelta(microseconds=1), why) if len(recent) >= cap else None


def _top_of_hour(pace: Pace, moment: datetime, key: str) -> Hold | None:
    if not pace.avoid_top_of_hour:
        return None
    full = (moment + BEFORE_THE_HOUR).replace(minute=0, second=0, microsecond=0)
    if not full - BEFORE_THE_HOUR <= moment < full + AFTER_THE_HOUR:
        return None
    spread = timedelta(seconds=30 * fraction("hour\0" + key))  # not all runs at the same second
    return Hold(full + AFTER_THE_HOUR + spread, f"the crowded minutes around {full:%H:%M} UTC")


def _longest(holds: Iterable[Hold]) -> Hold | None:
    return max(holds, key=lambda found: found.until, default=None)
