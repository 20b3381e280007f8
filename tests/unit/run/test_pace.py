"""When the next message may leave: gaps, caps, crowded minutes, back-off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.relay import Pace
from harness.run.pace import Hold, Left, back_off, fraction, hold, lookback, seed_hold
from tests.shared import examples

NOON = datetime(2026, 11, 20, 12, 20, tzinfo=UTC)
FREE = Pace(gap=0.0, jitter=0.0, per_hour=None, avoid_top_of_hour=False)


def ago(seconds: float, domain: str = "icloud.com") -> Left:
    return Left(NOON - timedelta(seconds=seconds), domain)


def wait(found: Hold | None) -> float:
    return 0.0 if found is None else (found.until - NOON).total_seconds()


def test_without_settings_nothing_waits() -> None:
    assert hold(FREE, NOON, [ago(0)], "icloud.com", "k") is None


def test_the_gap_counts_from_the_last_message() -> None:
    pace = replace(FREE, gap=10.0)
    assert wait(hold(pace, NOON, [ago(4)], "icloud.com", "k")) == 6.0
    assert hold(pace, NOON, [ago(10)], "icloud.com", "k") is None
    assert hold(pace, NOON, [], "icloud.com", "k") is None


@given(st.text(max_size=20), st.floats(0, 1), st.floats(0.1, 1000))
@settings(max_examples=examples(500))
def test_jitter_stays_within_its_share_and_is_the_keys_own(key: str, jitter: float, gap: float) -> None:
    pace = replace(FREE, gap=gap, jitter=jitter)
    first, again = (hold(pace, NOON, [ago(0)], "icloud.com", key) for _ in range(2))
    assert first == again
    assert gap * (1 - jitter) - 1e-5 <= wait(first) <= gap * (1 + jitter) + 1e-5


def test_jitter_differs_from_trial_to_trial() -> None:
    pace = replace(FREE, gap=10.0, jitter=0.5)
    waits = {wait(hold(pace, NOON, [ago(0)], "icloud.com", f"k\0{i}")) for i in range(50)}
    assert len(waits) == 50
    assert max(waits) - min(waits) > 8


def test_the_cap_of_an_hour_waits_for_the_oldest_message_to_pass() -> None:
    pace = replace(FREE, per_hour=3)
    past = [ago(3000), ago(2000), ago(1000)]
    found = hold(pace, NOON, past, "icloud.com", "k")
    assert found is not None
    assert 600 <= wait(found) < 600.01
    assert "3 messages an hour" in found.why
    assert hold(pace, NOON, [ago(3601), *past[1:]], "icloud.com", "k") is None
    assert hold(pace, found.until, past, "icloud.com", "k") is None


@given(st.lists(st.integers(0, 5000), max_size=60), st.integers(1, 20))
@settings(max_examples=examples(500))
def test_no_hour_ever_holds_more_than_the_cap(gaps: list[int], cap: int) -> None:
    """Send whenever it is allowed, with idle times between: every window of an hour keeps to the cap."""
    pace, now, past = replace(FREE, per_hour=cap), NOON, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        found = hold(pace, now, past, "icloud.com", "k")
        now = found.until if found else now
        past.append(Left(now, "icloud.com"))
    times = [left.at for left in past]
    assert all(sum(t <= u <= t + timedelta(hours=1) for u in times) <= cap for t in times)


def test_the_cap_of_a_domain_holds_that_domain_only() -> None:
    pace = replace(FREE, per_domain_per_hour=2)
    past = [ago(100), ago(50), ago(20, "me.com")]
    found = hold(pace, NOON, past, "icloud.com", "k")
    assert found is not None
    assert "icloud.com" in found.why
    assert hold(pace, NOON, past, "me.com", "k") is None


def test_the_longest_wait_decides() -> None:
    pace = replace(FREE, gap=10.0, per_hour=1)
    found = hold(pace, NOON, [ago(1)], "icloud.com", "k")
    assert found is not None
    assert "an hour" in found.why
    assert hold(replace(FREE, gap=10.0), NOON, [ago(1)], "icloud.com", "k") != found


def test_nothing_leaves_in_the_crowded_minutes_around_the_hour() -> None:
    pace = replace(FREE, avoid_top_of_hour=True)
    for minute, second, held in ((58, 59, False), (59, 0, True), (59, 59, True)):
        found = hold(pace, NOON.replace(minute=minute, second=second), [], "icloud.com", "k")
        assert (found is not None) == held
        if found is not None:
            assert datetime(2026, 11, 20, 13, 3, tzinfo=UTC) <= found.until <= datetime(2026, 11, 20, 13, 4, tzinfo=UTC)
            assert "13:00" in found.why
    for minute, held in ((0, True), (2, True), (3, False), (30, False)):
        assert (hold(pace, NOON.replace(minute=minute), [], "icloud.com", "k") is not None) == held


def test_a_gap_that_ends_in_the_crowded_minutes_waits_on() -> None:
    pace = replace(FREE, gap=600.0, avoid_top_of_hour=True)
    now = NOON.replace(minute=55)
    found = hold(pace, now, [Left(now - timedelta(seconds=300), "icloud.com")], "icloud.com", "k")
    assert found is not None
    assert found.until >= datetime(2026, 11, 20, 13, 3, tzinfo=UTC)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)), st.floats(0, 4000), st.text())
@settings(max_examples=examples(500))
def test_after_its_own_wait_a_message_may_leave(now: datetime, before: float, key: str) -> None:
    """A hold that is followed is never followed by another: a run does not wait for ever."""
    pace = Pace(gap=30.0, per_hour=2, per_domain_per_hour=2)
    past = [Left(now - timedelta(seconds=before + i), "icloud.com") for i in (5, 0)]
    found = hold(pace, now, past, "icloud.com", key)
    for _ in range(3):
        if found is None:
            break
        now, found = found.until, hold(pace, found.until, past, "icloud.com", key)
    assert found is None


def test_a_seed_that_had_its_share_waits_for_the_next_utc_day() -> None:
    assert seed_hold(NOON, 9, 10, "a@seeds.example") is None
    found = seed_hold(NOON, 10, 10, "a@seeds.example")
    assert found == Hold(datetime(2026, 11, 21, tzinfo=UTC), "a@seeds.example has had 10 of 10 messages today")


def test_a_deferral_is_tried_again_later_and_the_next_time_later_still() -> None:
    pace = replace(FREE, backoff=300.0)
    assert (back_off(pace, 1, NOON) - NOON).total_seconds() == 300
    assert (back_off(pace, 2, NOON) - NOON).total_seconds() == 600


def test_as_much_of_the_past_is_looked_at_as_the_pace_needs() -> None:
    assert lookback(Pace()) == timedelta(hours=1)
    assert lookback(replace(FREE, gap=10.0, jitter=0.5)) == timedelta(seconds=15)
    assert lookback(FREE) == timedelta(0)


@given(st.text())
def test_a_fraction_is_below_one(key: str) -> None:
    assert 0 <= fraction(key) < 1
