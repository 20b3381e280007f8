"""The investigation, on exports with causes planted in them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import duckdb
import pytest

from harness.errors import ConfigError
from harness.triage.digest import as_json, headline
from harness.triage.veil import Veil
from tests.unit.triage.builders import (
    CS01,
    FORWARDED,
    UNKNOWN_USER,
    Row,
    ask,
    caused,
    causes,
    noise,
    plain,
    rows,
    write_csv,
    write_lines,
)  # fmt: skip
from tests.unit.triage.esp import EXPORTS


@pytest.fixture(scope="module")
def host_rows() -> list[Row]:
    return rows(4_000, caused(lambda r: r["host"] == "l7.example", 0.4))


@pytest.mark.parametrize("product", EXPORTS)
def test_a_planted_link_host_comes_first_in_every_products_own_columns(
    product: str, tmp_path: Path, host_rows: list[Row]
) -> None:
    result = ask(*EXPORTS[product](tmp_path, host_rows))
    refused = sum(r["refused"] for r in host_rows)
    assert result.product == product.split(",")[0]
    assert (result.total.sent, result.total.failed) == (4_000, refused)
    assert result.total.delivered == 4_000 - refused
    assert set(dict(result.total.reasons)) == {("content_policy", "CS01", "bounced")}
    assert causes(result)[0] == ("l7.example",)
    assert len(result.causes) == 1


def test_a_planted_pair_is_named_as_a_pair(tmp_path: Path) -> None:
    made = rows(20_000, caused(lambda r: r["host"] == "l3.example" and r["subject"] == "subject 1", 0.7, 0.002))
    result = ask(write_csv(tmp_path / "e.csv", plain(made)))
    assert [set(c) for c in causes(result)] == [{"l3.example", "subject 1"}]


@pytest.mark.parametrize("key", range(1, 5))
def test_a_pair_among_other_refusals_is_named_as_a_pair_and_not_by_one_half(tmp_path: Path, key: int) -> None:
    """Each half alone fails like the background, of which there are more rows than of the pair."""
    made = rows(6_000, caused(lambda r: r["host"] == "l3.example" and r["ip"] == "192.0.2.5", 0.9, 0.03), key)
    found = causes(ask(write_csv(tmp_path / "e.csv", plain(made))))
    assert set(found[0]) == {"l3.example", "192.0.2.5"}


def test_a_value_that_is_refused_alone_as_well_is_no_half_of_a_pair(tmp_path: Path) -> None:
    def refused(r: Row, draw: random.Random) -> bool:
        strength = 0.9 if r["ip"] == "192.0.2.5" else 0.3
        return draw.random() < (strength if r["host"] == "l3.example" else 0.01)

    assert causes(ask(write_csv(tmp_path / "e.csv", plain(rows(8_000, refused)))))[0] == ("l3.example",)


def test_a_pair_without_any_single_signal_is_found_among_all_pairs(tmp_path: Path) -> None:
    """Each value of both fields is refused alike; only their agreement is refused."""
    made = rows(
        12_000, lambda r, draw: draw.random() < (0.5 if (int(r["host"][1:-8]) + int(r["ip"][-1])) % 6 == 0 else 0.002)
    )
    result = ask(write_csv(tmp_path / "e.csv", plain(made)))
    found = [c for c in causes(result) if len(c) == 2]
    assert len(found) >= 6
    assert all((int(h[1:-8]) + int(ip[-1])) % 6 == 0 for h, ip in found)


def test_two_causes_are_told_apart_and_a_url_is_no_more_than_its_hosts_shadow(tmp_path: Path) -> None:
    made = rows(12_000, caused(lambda r: r["host"] == "l7.example" or r["product"] == "product 5", 0.4, 0.002))
    table = [{**r, "link": f"https://{r.pop('link_host')}/p{i % 3}?u={i}"} for i, r in enumerate(plain(made))]
    result = ask(write_csv(tmp_path / "e.csv", table))
    assert sorted(causes(result)) == [("l7.example",), ("product 5",)]
    host = next(c for c in result.causes if c.conditions[0].value == "l7.example")
    assert {c.value for c in host.shadows} >= {f"https://l7.example/p{n}" for n in range(3)}
    assert result.causes[-1].left_rate < 0.004


def test_values_of_the_same_rows_are_said_to_be_one(tmp_path: Path) -> None:
    made = rows(4_000, caused(lambda r: r["host"] == "l7.example", 0.4))
    table = [{**r, "template": "new" if r["link_host"] == "l7.example" else "old"} for r in plain(made)]
    result = ask(write_csv(tmp_path / "e.csv", table))
    assert [c.value for c in result.causes[0].same] == ["new"]


def test_relay_addresses_alone_are_a_forwarded_refusal(tmp_path: Path) -> None:
    made = rows(3_000, caused(lambda r: r["address"].endswith("privaterelay.appleid.com"), 0.3, 0.0))
    table = plain(made)
    for row in table:
        if row["event"] == "bounce":
            row["reason"] = FORWARDED
    result = ask(write_csv(tmp_path / "e.csv", table))
    assert result.total.failed == 0
    assert "relay addresses only" in [a.pattern for a in result.advice]
    content = ask(write_csv(tmp_path / "f.csv", plain(made)))
    assert causes(content) == [("privaterelay.appleid.com",)]
    assert "relay addresses only" in [a.pattern for a in content.advice]


def test_other_receivers_and_recipient_faults_are_not_in_the_rate(tmp_path: Path) -> None:
    made = rows(2_000, noise(0.05), domains=("icloud.com", "gmail.com"))
    table = plain(made)
    apple = [r for r in table if r["email"].endswith("icloud.com")]
    failed = [r for r in apple if r["event"] == "bounce"]
    for row in failed[::2]:
        row["reason"] = UNKNOWN_USER
    result = ask(write_csv(tmp_path / "e.csv", table))
    assert (result.total.sent, result.total.bounced, result.total.failed) == (len(apple), len(failed), len(failed) // 2)
    assert [d.domain for d in result.domains] == ["icloud.com"]


def test_what_was_merged_is_joined_by_recipient_once_though_it_is_there_twice(tmp_path: Path) -> None:
    made = rows(3_000, caused(lambda r: r["product"] == "product 7", 0.6))
    events = [{k: r[k] for k in ("email", "event", "reason")} for r in plain(made)]
    merged = [{"Email Address": r["address"].upper(), "product": r["product"], "city": "Ulm"} for r in made]
    result = ask(write_csv(tmp_path / "e.csv", events), merge=write_csv(tmp_path / "m.csv", merged + merged[:100]))
    assert result.total.sent == 3_000
    assert causes(result) == [("product 7",)]
    assert {p.merge["product"] for p in result.profiles} >= {"product 7"}


def test_several_rows_of_one_message_are_its_last_word(tmp_path: Path) -> None:
    table = []
    for i in range(200):
        base = {"message_id": f"m{i}", "email": f"u{i}@icloud.com", "reason": ""}
        table += [{**base, "event": "processed"}, {**base, "event": "deferred", "reason": "451 4.7.1 later"}]
        table.append({**base, "event": "bounce" if i < 20 else "delivered", "reason": CS01 if i < 20 else ""})
        table.append(table[-1])
    total = ask(write_csv(tmp_path / "e.csv", table)).total
    assert (total.sent, total.delivered, total.bounced, total.deferred) == (200, 180, 20, 0)


def test_repeats_among_more_rows_than_are_reduced_at_once_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.triage.sweep.EXACT", 10)
    made = rows(3_000, noise(0.02))
    table = plain(made)
    total = ask(write_csv(tmp_path / "e.csv", table + table[:1500])).total
    assert (total.sent, total.failed) == (3_000, sum(r["refused"] for r in made))


def test_the_sample_of_delivered_rows_changes_no_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_csv(tmp_path / "e.csv", plain(rows(20_000, caused(lambda r: r["host"] == "l7.example", 0.3))))
    whole = ask(path)
    monkeypatch.setattr("harness.triage.sweep.CONTROLS", 1_000)
    monkeypatch.setattr("harness.triage.sweep.EXACT", 10)
    sampled = ask(path)
    assert sampled.sampled == 20
    assert causes(sampled) == causes(whole) == [("l7.example",)]
    assert sampled.causes[0].contrast == whole.causes[0].contrast
    assert (sampled.total, sampled.domains) == (whole.total, whole.domains)


def test_parquet_and_csv_say_the_same(tmp_path: Path, host_rows: list[Row]) -> None:
    path = write_csv(tmp_path / "e.csv", plain(host_rows))
    duckdb.sql(f"COPY (SELECT * FROM read_csv('{path}')) TO '{tmp_path}/e.parquet'")
    first, second = as_json(ask(path)), as_json(ask(tmp_path / "e.parquet"))
    first["files"] = second["files"] = first["notes"] = second["notes"] = []
    assert [f["field"] for f in first["fields"]] == [f["field"] for f in second["fields"]]
    assert first["causes"] == second["causes"]
    assert first["domains"] == second["domains"]


def test_a_column_of_html_gives_its_link_hosts(tmp_path: Path, host_rows: list[Row]) -> None:
    table = [{**{k: v for k, v in r.items() if k != "link_host"},
              "body": f'<p>Dear "x",</p>\n<a href="https://shop.example/a">a</a> <a href="https://{r["link_host"]}/b?i={i}">b</a>' + "<b>x</b>" * 60}
             for i, r in enumerate(plain(host_rows))]  # fmt: skip
    result = ask(write_csv(tmp_path / "e.csv", table))
    assert causes(result)[0] == ("l7.example",)
    assert [one.pattern for one in result.advice][:1] == ["one link host"]


def test_shuffled_outcomes_say_nothing(tmp_path: Path) -> None:
    """At most the stated share of exports without a cause may name one; here 2 of 20 would be twice that."""
    named = 0
    for key in range(20):
        made = rows(2_500, noise(0.02), key=key)
        named += bool(ask(write_csv(tmp_path / "e.csv", plain(made))).causes)
    assert named <= 2


def test_a_field_that_says_nothing_is_said_to(tmp_path: Path, host_rows: list[Row]) -> None:
    result = ask(write_csv(tmp_path / "e.csv", plain(host_rows)))
    says = {f.name: f.says for f in result.fields}
    assert says["link_host"] == "cause"
    assert says["subject"] == says["sending_ip"] == "nothing"


def test_no_address_is_shown_unless_asked_and_no_hash_twice(tmp_path: Path) -> None:
    made = rows(2_000, caused(lambda r: r["host"] == "l7.example", 0.5))
    table = [
        {**r, "referrer": f"friend{i % 5}@shop.example", "reason": r["reason"] + f" <{r['email']}>"}
        for i, r in enumerate(plain(made))
    ]
    path = write_csv(tmp_path / "e.csv", table)
    first = json.dumps([as_json(ask(path, veil=Veil(b"1" * 32))), str(ask(path, veil=Veil(b"1" * 32)))])
    other = str(ask(path, veil=Veil(b"2" * 32)))
    open_ = ask(path, veil=Veil(None))
    assert "user" not in first.replace("unknown_user", "")
    assert "friend" not in first
    assert not {p.name for p in ask(path, veil=Veil(b"1" * 32)).profiles} & set(other.split("'"))
    assert any(p.name.startswith("user") for p in open_.profiles)


def test_nothing_for_apple_is_said_plainly(tmp_path: Path) -> None:
    result = ask(write_csv(tmp_path / "e.csv", plain(rows(50, noise(0.1), domains=("gmail.com",)))))
    assert result.total.sent == 0
    assert "No row" in headline(result)


def test_our_own_words_and_columns_can_be_named(tmp_path: Path) -> None:
    table = [
        {
            "wohin": f"u{i}@icloud.com",
            "ergebnis": "zu" if i < 30 else "ab",
            "antwort": CS01 if i < 30 else "",
            "ziel": "x.example",
        }
        for i in range(90)
    ]
    path = write_csv(tmp_path / "e.csv", table)
    with pytest.raises(ConfigError, match="recipient; name it: --map THEIRS=recipient"):
        ask(path)
    mapped = {"wohin": "recipient", "ergebnis": "event", "antwort": "reply", "ziel": "link"}
    with pytest.raises(
        ConfigError,
        match=r"column 'ergebnis': words that are not known, .*: 'ab' .60 rows.; name what they mean: --word ab=bounced",
    ):
        ask(path, mapped=mapped)
    total = ask(path, mapped=mapped, said={"zu": "bounced", "ab": "delivered"}).total
    assert (total.sent, total.failed) == (90, 30)
    with pytest.raises(ConfigError, match="did you mean 'wohin'"):
        ask(path, mapped={"wohn": "recipient"})


def test_the_same_export_is_told_the_same_way_twice(tmp_path: Path, host_rows: list[Row]) -> None:
    path = write_lines(tmp_path / "e.jsonl", plain(host_rows))
    assert as_json(ask(path)) == as_json(ask(path))


def test_a_field_of_nearly_as_many_values_as_rows_is_counted_where_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = rows(8_000, caused(lambda r: r["id"].endswith("77"), 0.9, 0.002))
    table = [
        {**r, "voucher": "the same for all" if r["message_id"].endswith("77") else f"v{i}"}
        for i, r in enumerate(plain(made))
    ]
    path = write_csv(tmp_path / "e.csv", table)
    whole = ask(path)
    monkeypatch.setattr("harness.triage.sweep.EXACT", 10)
    wide = ask(path)
    says = {f.name: f.values for f in wide.fields}
    assert causes(wide) == causes(whole) == [("the same for all",)]
    assert wide.causes[0].contrast == whole.causes[0].contrast
    assert abs(says["merge:voucher"] - 7_921) < 800


@pytest.mark.parametrize(("ending", "wordings"), [("(q{}xy)", 1), ("({})", 12)])
def test_replies_that_all_differ_are_all_read_though_they_are_more_than_are_read_at_once(
    tmp_path: Path, host_rows: list[Row], monkeypatch: pytest.MonkeyPatch, ending: str, wordings: int
) -> None:
    """Short ids are folded away; what differs in letters stays what it is, and is read piece by piece."""
    plainly = ask(write_csv(tmp_path / "plain.csv", plain(host_rows)))
    monkeypatch.setattr("harness.triage.sweep.WORDINGS", 7)
    table = plain(host_rows)
    for i, row in enumerate(row for row in table if row["event"] == "bounce"):
        word = f"{i:03}".translate(str.maketrans("0123456789", "bcdfghjklm")) if wordings > 1 else i
        row["reason"] += " " + ending.format(word)
    result = ask(write_csv(tmp_path / "ids.csv", table))
    assert result.total == plainly.total
    assert causes(result) == causes(plainly)
    assert len(result.replies) == wordings  # the page shows twelve at most


def test_a_column_that_tells_the_outcome_once_more_is_no_cause_unless_it_is_named(
    tmp_path: Path, host_rows: list[Row]
) -> None:
    def told(row: Row) -> dict[str, str]:
        bad = row["event"] == "bounce"
        return {
            "bounce_type": "hard" if bad else "",
            "is_blocked": str(bad),
            "closed on": row["timestamp"] if bad else "",
        }

    path = write_csv(tmp_path / "e.csv", [{**r, **told(r)} for r in plain(host_rows)])
    result = ask(path)
    assert causes(result)[0] == ("l7.example",)
    assert "merge:bounce_type" not in [f.name for f in result.fields]
    assert [note.split("'")[1] for note in result.notes if "was not compared" in note] == ["is_blocked", "closed on"]
    named = ask(path, mapped={"is_blocked": "merge:is_blocked"})
    assert causes(named)[0] == ("True",)


def test_a_merged_value_that_is_always_refused_is_a_cause_though_nothing_else_is(tmp_path: Path) -> None:
    made = rows(2_000, caused(lambda r: r["product"] == "product 7", 1.0, base=0.0))
    assert causes(ask(write_csv(tmp_path / "e.csv", plain(made))))[0] == ("product 7",)


def test_two_messages_say_that_they_are_too_few(tmp_path: Path, host_rows: list[Row]) -> None:
    made = plain(host_rows)
    pair = [next(r for r in made if r["event"] == what and "icloud" in r["email"]) for what in ("bounce", "delivered")]
    assert next(one.pattern for one in ask(write_csv(tmp_path / "e.csv", pair)).advice) == "too few messages"
