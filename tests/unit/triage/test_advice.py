"""Advice: what is told fits what was refused, and no two pieces of it contradict each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.triage.digest import badge, domain_row, headline, quiet
from harness.triage.finding import Result
from harness.triage.sweep import Target
from tests.unit.triage.builders import CS01, UNKNOWN_USER, Row, ask, caused, noise, plain, rows, write_csv

CS02 = "554 5.7.1 [CS02] Message rejected due to local policy"
HM08 = "554 5.7.1 [HM08] Message rejected due to local policy."
HCM1 = "421 4.7.1 [HCM1] Messages from 192.0.2.1 deferred"


def replied(made: list[Row], *replies: str) -> list[Row]:
    """Give the bounces these replies in turn."""
    table = plain(made)
    for n, row in enumerate(row for row in table if row["event"] == "bounce"):
        row["reason"] = replies[n % len(replies)]
    return table


def told(result: Result) -> dict[str, str]:
    return {one.pattern: f"{one.why}. {one.do}" for one in result.advice}


def test_mail_that_is_all_deferred_is_postponed_and_not_nothing_to_look_for(tmp_path: Path) -> None:
    table = [{**r, "event": "deferred", "reason": HCM1} for r in plain(rows(2_000, noise(0.0)))]
    result = ask(write_csv(tmp_path / "e.csv", table))
    assert list(told(result)) == ["postponed"]
    assert "2,000 of 2,000 (100.0%) are deferred, 2,000 of them by HCM1" in told(result)["postponed"]
    assert "2,000 (100.0%) are deferred" in headline(result)
    assert not quiet(result)


def test_most_mail_refused_for_reputation_is_all_apple_mail_and_a_pause(tmp_path: Path) -> None:
    result = ask(write_csv(tmp_path / "e.csv", replied(rows(3_000, noise(0.7)), CS02)))
    refused = result.total.refused
    assert (result.total.failed, refused) == (0, result.total.bounced)
    assert list(told(result)) == ["sender, not content", "all Apple mail", "above 2 %"]
    assert f"In all, {refused:,}" in headline(result)
    assert domain_row(result.total)[-1] == "watch (pause for all refused)"
    assert "not all is well" in badge(result)
    assert not quiet(result)


def test_a_few_unknown_users_leave_a_quiet_export_quiet(tmp_path: Path) -> None:
    result = ask(write_csv(tmp_path / "e.csv", replied(rows(3_000, noise(0.03)), UNKNOWN_USER)))
    assert result.total.refused == 0
    assert quiet(result)
    assert domain_row(result.total)[-1] == "watch"


def test_no_retest_of_content_is_advised_while_the_sender_is_refused(tmp_path: Path) -> None:
    """One offer is refused for content, but half of all for the sender: a control would fail as well."""
    table = replied(rows(6_000, noise(0.5)), HM08)
    for row in table:
        if row["product"] == "product 5" and row["event"] == "bounce":
            row["reason"] = CS01
    result = ask(write_csv(tmp_path / "e.csv", table))
    assert [c.conditions[0].value for c in result.causes] == ["product 5"]
    assert "sender, not content" in told(result)
    assert "a merged value" not in told(result)
    assert "Test variants" not in str(result.advice)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [("HM08", "sender, not content"), ("unknown_user", "recipients")],
)
def test_words_follow_the_target(tmp_path: Path, asked: str, wanted: str) -> None:
    reply = HM08 if asked == "HM08" else UNKNOWN_USER
    made = rows(4_000, caused(lambda r: r["product"] == "product 5", 0.5, 0.03))
    result = ask(write_csv(tmp_path / "e.csv", replied(made, reply)), target=Target((asked,)))
    assert result.total.failed == result.total.bounced > 0
    assert wanted in told(result)
    assert "content, not" not in str(told(result))
    assert not {"a merged value", "small and scattered", "no field explains it"} & set(told(result))
    assert ("above 2 %" in told(result)) == (asked == "HM08")
    assert "for content" not in str(result.advice)


def test_one_link_of_a_host_that_is_delivered_otherwise_is_a_link_and_not_a_host(tmp_path: Path) -> None:
    made = rows(4_000, caused(lambda r: r["product"] == "product 5", 0.5))
    table = [
        {**{k: v for k, v in r.items() if k not in ("product", "link_host")},
         "link": f"https://www.shop.example/{r['product'].replace(' ', '-')}?u={i}"}
        for i, r in enumerate(plain(made))
    ]  # fmt: skip
    named = told(ask(write_csv(tmp_path / "e.csv", table)))
    assert "one link" in named
    assert "one link host" not in named
    merged = [{**{k: v for k, v in r.items() if k != "link"}, "cta": r["link"]} for r in table]
    named = told(ask(write_csv(tmp_path / "m.csv", merged)))
    assert "one link" in named
    assert "a merged value" not in named


def test_a_pair_is_not_called_one_bad_host_as_well(tmp_path: Path) -> None:
    made = rows(12_000, caused(lambda r: r["host"] == "l3.example" and r["product"] == "product 9", 1.0, 0.001))
    named = told(ask(write_csv(tmp_path / "e.csv", plain(made))))
    assert "a pair of values" in named
    assert "one link host" not in named


@pytest.mark.parametrize(("many", "wanted"), [(1_000, True), (8, False)])
def test_band_and_advice_tell_the_same(tmp_path: Path, many: int, wanted: bool) -> None:
    """2.4 % is above 2 % though its interval is not; of eight messages no band can be told."""
    table = plain(rows(many, noise(0.0)))
    for row in table[: max(1, 24 * many // 1_000)]:
        row["event"], row["reason"] = "bounce", CS01
    result = ask(write_csv(tmp_path / "e.csv", table))
    assert ("above 2 %" in told(result)) is wanted
    assert domain_row(result.total)[-1] == ("pause" if wanted else "too few")
