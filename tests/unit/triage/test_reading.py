"""Reading: exports as they come, whose columns, words and shapes nobody promised."""

from __future__ import annotations

import json
import random
from pathlib import Path

import duckdb
import pytest

from harness.errors import ConfigError
from harness.triage.export import HEAD
from harness.triage.suspects import write_suspects
from harness.triage.sweep import without_rows
from tests.unit.triage.builders import ACCEPTED, CS01, Row, ask, caused, causes, plain, rows, write_csv, write_lines
from tests.unit.triage.esp import EXPORTS


@pytest.fixture(scope="module")
def made() -> list[Row]:
    return rows(3_000, caused(lambda r: r["product"] == "product 7", 0.6))


def reworded(made: list[Row], word: str) -> list[Row]:
    return [{**r, "event": word if r["event"] == "bounce" else r["event"]} for r in plain(made)]


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("Refused", "bounced"), ("Delivery failed", "bounced"), ("email.bounced", "bounced"), ("out_of_band", "bounced"),
        ("Temporary Failure", "deferred"), ("Not sent", "suppressed"), ("zurückgewiesen", "bounced"), ("Unsubscribed", None),
    ],
)  # fmt: skip
def test_an_event_word_that_nobody_listed_loses_no_row(
    tmp_path: Path, made: list[Row], word: str, outcome: str | None
) -> None:
    refused = sum(r["refused"] for r in made)
    total = ask(write_csv(tmp_path / "e.csv", reworded(made, word))).total
    found = {"bounced": total.bounced, "deferred": total.deferred, "suppressed": total.suppressed}
    assert {name: n for name, n in found.items() if n} == ({outcome: refused} if outcome else {})
    assert total.sent == 3_000 - refused * (outcome in (None, "suppressed"))


def test_an_unknown_word_beside_an_accepting_reply_is_a_delivery(tmp_path: Path, made: list[Row]) -> None:
    table = [{**r, "event": "klar" if r["event"] == "delivered" else "bounce"} for r in plain(made)]
    assert ask(write_csv(tmp_path / "e.csv", table)).total.delivered == sum(not r["refused"] for r in made)


def test_a_word_that_neither_a_list_nor_a_reply_explains_is_refused(tmp_path: Path, made: list[Row]) -> None:
    table = [{**r, "reason": ""} for r in reworded(made, "dead")]
    path = write_csv(tmp_path / "e.csv", table)
    with pytest.raises(ConfigError, match=r"e\.csv, column 'event': .*'dead' \(\d+ rows\).*--word dead=bounced"):
        ask(path)
    assert ask(path, said={"dead": "ignored"}).total.bounced == 0


@pytest.mark.parametrize(
    "name", ["code", "state", "date", "description", "reason", "time", "domain", "to", "os", "smtp_text"]
)
def test_whatever_a_merged_column_is_called_it_is_compared(tmp_path: Path, made: list[Row], name: str) -> None:
    export = write_csv(tmp_path / "e.csv", [{k: v for k, v in r.items() if k != "product"} for r in plain(made)])
    merged = write_csv(tmp_path / "m.csv", [{"Email": r["address"], name: r["product"]} for r in made])
    assert causes(ask(export, merge=merged))[0] == ("product 7",)


@pytest.mark.parametrize("name", ["code", "state", "description", "result"])
def test_a_column_of_a_common_name_that_holds_something_else_is_a_field(
    tmp_path: Path, made: list[Row], name: str
) -> None:
    table = [{name: r["product"], **{k: v for k, v in r.items() if k != "product"}} for r in plain(made)]
    result = ask(write_csv(tmp_path / "e.csv", table))
    assert causes(result)[0] == ("product 7",)
    assert result.total.failed == sum(r["refused"] for r in made)


def test_a_file_that_says_nothing_of_outcomes_holds_what_was_sent(tmp_path: Path, made: list[Row]) -> None:
    """Salesforce's _Sent has no event; _Bounce has no address of its own there."""
    sent = [
        {"JobID": "1", "SubscriberKey": r["id"], "EmailAddress": r["address"], "Product": r["product"]} for r in made
    ]
    bounced = [
        {"JobID": "1", "SubscriberKey": r["id"], "Domain": r["address"].split("@")[1], "SMTPCode": "554", "SMTPBounceReason": CS01[4:]}
        for r in made
        if r["refused"]
    ]  # fmt: skip
    result = ask(write_csv(tmp_path / "s.csv", sent), write_csv(tmp_path / "b.csv", bounced))
    assert (result.total.sent, result.total.bounced) == (3_000, len(bounced))
    assert causes(result)[0] == ("product 7",)
    assert any("its rows count as sent" in note for note in result.notes)


def test_files_without_a_key_in_common_are_refused(tmp_path: Path, made: list[Row]) -> None:
    sent = write_csv(tmp_path / "s.csv", [{"email": r["address"], "product": r["product"]} for r in made])
    bounced = write_csv(
        tmp_path / "b.csv",
        [{"message_id": r["id"], "domain": "icloud.com", "reason": CS01} for r in made if r["refused"]],
    )
    with pytest.raises(ConfigError, match="nothing to put the rows of one message together by"):
        ask(sent, bounced)


@pytest.mark.parametrize(
    "product", [name for name in EXPORTS if name.startswith(("Amazon", "Mailgun", "Spark", "Azure", "Kumo"))]
)
@pytest.mark.parametrize("head", [HEAD, 20_000])
def test_bounces_that_a_json_file_shows_late_are_read_like_all_others(
    tmp_path: Path, made: list[Row], monkeypatch: pytest.MonkeyPatch, product: str, head: int
) -> None:
    """A bounce has keys that no delivery has; in a notification they stand in a text."""
    monkeypatch.setattr("harness.triage.export.HEAD", head)
    (path,) = EXPORTS[product](tmp_path, made)
    lines = sorted(path.read_text().splitlines(), key=lambda line: CS01[-40:] in line)
    path.write_text("\n".join(lines) + "\n")
    result = ask(path)
    assert result.total.failed == sum(r["refused"] for r in made)
    assert set(result.total.reasons) == {("content_policy", "CS01", "bounced")}


@pytest.mark.parametrize("late", [True, False])
def test_an_object_of_endless_keys_hides_none_that_matter(tmp_path: Path, made: list[Row], late: bool) -> None:
    table = [
        {"vars": {f"key {i}": "v", "product": r["product"]}, **{k: v for k, v in r.items() if k != "product"}, f"own {i}": 1}
        for i, r in enumerate(sorted(plain(made), key=lambda r: late and r["event"] == "bounce"))
    ]  # fmt: skip
    for row in table:
        if row["event"] == "delivered":
            del row["reason"]
    result = ask(write_lines(tmp_path / "e.jsonl", table))
    assert causes(result)[0] == ("product 7",)
    assert set(result.total.reasons) == {("content_policy", "CS01", "bounced")}
    assert any("vars, an object of 3,001 keys" in note for note in result.notes)
    assert len(result.fields) < 20


def test_a_member_that_is_null_in_some_rows_and_an_object_in_others_is_no_cause(
    tmp_path: Path, made: list[Row]
) -> None:
    (path,) = EXPORTS["KumoMTA"](tmp_path, made)
    table = [json.loads(line) for line in path.read_text().splitlines()]
    for row in table:
        row["response"].setdefault("enhanced_code", None)
    assert causes(ask(write_lines(path, table)))[0] == ("product 7",)


def test_the_later_word_on_a_message_counts(tmp_path: Path) -> None:
    def said(event: str, at: str, who: str, reason: str = "") -> Row:
        return {"email": who, "message_id": who, "event": event, "timestamp": f"2026-11-20 {at}:00", "reason": reason}

    table = [
        said("soft bounce", "10:00", "a@icloud.com", CS01), said("delivered", "12:00", "a@icloud.com"),
        said("delivered", "10:00", "b@icloud.com"), said("bounce", "11:00", "b@icloud.com", CS01),
        said("deferred", "09:00", "c@icloud.com", "421 4.7.0 try later"), said("delivered", "09:30", "c@icloud.com"),
        said("delivered", "09:00", "d@icloud.com"), said("processed", "09:01", "d@icloud.com"),
        said("bounce", "10:00", "e@icloud.com", CS01), {**said("delivered", "10:00", "e@icloud.com"), "timestamp": "2026-11-20 10:00:00.5"},
    ]  # fmt: skip
    total = ask(write_csv(tmp_path / "e.csv", table)).total
    assert (total.sent, total.delivered, total.bounced, total.deferred) == (5, 4, 1, 0)


def test_what_was_suppressed_was_not_sent_to_apple(tmp_path: Path, made: list[Row]) -> None:
    extra = [
        {**r, "message_id": f"s{i}", "email": f"s{i}@icloud.com", "event": "dropped", "reason": ""}
        for i, r in enumerate(plain(made)[:400])
    ]
    plainly, result = (
        ask(write_csv(tmp_path / "p.csv", plain(made))),
        ask(write_csv(tmp_path / "e.csv", [*plain(made), *extra])),
    )
    assert result.total.suppressed == 400
    assert (result.total.sent, result.total.delivered) == (plainly.total.sent, plainly.total.delivered)
    assert result.causes[0].contrast == plainly.causes[0].contrast


def test_every_entry_of_a_list_is_compared(tmp_path: Path, made: list[Row]) -> None:
    table = [
        {**{k: v for k, v in r.items() if k != "product"}, "tags": ["newsletter", r["product"]]} for r in plain(made)
    ]
    table[0]["tags"] = "newsletter"
    assert causes(ask(write_lines(tmp_path / "e.jsonl", table)))[0] == ("product_7",)


def test_three_hundred_columns_are_all_compared(tmp_path: Path) -> None:
    draw = random.Random(5)
    table = []
    for i in range(1_500):
        cells = {f"column {n}": f"v{draw.randrange(4)}" for n in range(300)}
        bad = draw.random() < (0.5 if cells["column 250"] == "v3" else 0.004)
        table.append(
            {
                "email": f"u{i}@icloud.com",
                "event": "bounce" if bad else "delivered",
                "reason": CS01 if bad else ACCEPTED,
                **cells,
            }
        )
    result = ask(write_csv(tmp_path / "e.csv", table))
    assert causes(result) == [("v3",)]
    assert result.causes[0].conditions[0].title == "column 250"


@pytest.mark.parametrize(
    ("name", "refused", "others"),
    [("delivery_end", "", "12:00"), ("last state", "bounced", "delivered"), ("opened", "no", "yes")],
)
def test_columns_that_are_filled_by_what_became_of_a_message_are_no_cause(
    tmp_path: Path, made: list[Row], name: str, refused: str, others: str
) -> None:
    draw = random.Random(name)
    table = [
        {**r, name: refused if r["event"] == "bounce" or (name == "opened" and draw.random() < 0.7) else others}
        for r in plain(made)
    ]
    found = causes(ask(write_csv(tmp_path / "e.csv", table)))
    assert found[0] == ("product 7",)
    assert not [one for one in found if refused in one or others in one]


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le"])
def test_both_orders_of_utf_16_are_read(tmp_path: Path, made: list[Row], encoding: str) -> None:
    text = write_csv(tmp_path / "e.csv", plain(made)).read_text()
    path = tmp_path / "wide.csv"
    path.write_bytes(("\ufeff" + text).encode(encoding))
    assert causes(ask(path))[0] == ("product 7",)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_header_may_hold_line_breaks(tmp_path: Path, made: list[Row], end: str) -> None:
    path = write_csv(tmp_path / "e.csv", plain(made), end=end)
    path.write_bytes(path.read_bytes().replace(b"product,", f'"pro{end}duct",'.encode(), 1))
    assert ask(path).total.sent == 3_000


@pytest.mark.parametrize(
    "url", ["https://{}#top", "https://user:secret@{}/x", "//{}/a", "{}/a/b", "HTTPS://{}:8443/x?y", "https://{}"]
)
def test_the_host_is_the_host_however_a_link_is_written(tmp_path: Path, url: str) -> None:
    table = rows(2_000, caused(lambda r: r["host"] == "l7.example", 0.5))
    path = write_csv(
        tmp_path / "e.csv",
        [
            {**{k: v for k, v in r.items() if k != "link_host"}, "link": url.format(r["link_host"])}
            for r in plain(table)
        ],
    )
    assert causes(ask(path))[0] == ("l7.example",)


def test_an_export_without_replies_says_that_it_cannot_tell_why(tmp_path: Path, made: list[Row]) -> None:
    result = ask(write_csv(tmp_path / "e.csv", [{k: v for k, v in r.items() if k != "reason"} for r in plain(made)]))
    assert "does not say why" in result.target
    assert result.missing[0] == "reply"


def test_merged_rows_are_joined_by_message_where_ids_meet(tmp_path: Path, made: list[Row]) -> None:
    twice = [{**r, "message_id": f"x{i}"} for i, r in enumerate(plain(made))]
    for row in twice:
        row.update(event="delivered", reason=ACCEPTED)
    export = [{k: v for k, v in r.items() if k != "product"} for r in [*plain(made), *twice]]
    merged = [
        {
            "message_id": r["message_id"],
            "email": r["email"],
            "offered": r["product"] if r["message_id"][0] == "m" else "other",
        }
        for r in [*plain(made), *twice]
    ]
    result = ask(write_csv(tmp_path / "e.csv", export), merge=write_csv(tmp_path / "m.csv", merged))
    assert causes(result)[0] == ("product 7",)
    assert result.causes[0].contrast.sent == sum(r["product"] == "product 7" for r in made)


def test_what_duckdb_says_is_told_without_what_it_quotes() -> None:
    for said in (
        "Conversion Error: Could not convert string 'ana@icloud.com' to INT32",
        'Error: Object {"email": 1}',
        "''",
    ):
        assert "ana@" not in without_rows(duckdb.Error(said))
        assert "{" not in without_rows(duckdb.Error(said))
        assert without_rows(duckdb.Error(said))


def test_no_error_quotes_a_row(tmp_path: Path) -> None:
    for name, text in (
        ("bare.csv", "ana@icloud.com,delivered,250 ok\nbob@icloud.com,bounce,554\n"),
        ("twice.jsonl", '{"email":"ana@icloud.com","event":"bounce","event":"x","reason":"554"}\n'),
        ("named.csv", '{"email":"ana@icloud.com","event":"bounce"}\n{"email":"bob@icloud.com"}\n'),
    ):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(ConfigError) as failed:
            ask(path)
        assert "ana@" not in str(failed.value)


def test_refused_recipients_that_the_merge_file_lacks_are_no_cause_to_test(tmp_path: Path, made: list[Row]) -> None:
    export = write_csv(tmp_path / "e.csv", [{k: v for k, v in r.items() if k != "product"} for r in plain(made)])
    merged = write_csv(
        tmp_path / "m.csv", [{"email": r["address"], "product": r["product"]} for r in made if not r["refused"]]
    )
    result = ask(export, merge=merged)
    assert causes(result)[0] == ("(not in the merge file)",)
    assert [one.pattern for one in result.advice][:1] == ["not in the merge file"]
    assert "not in the merge file" not in write_suspects(result).split("why:")[0]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        (
            "page.json",
            '{"items": [{"recipient": "a@icloud.com", "event": "failed"}], "paging": {}}',
            r"jq -c '\.items\[\]'",
        ),
        (
            "lists.json",
            '[{"email": "a@icloud.com", "event": "bounce"}]\n[{"email": "b@icloud.com"}]\n',
            r"jq -c '\.\[\]'",
        ),
    ],
)
def test_json_of_another_shape_is_told_how_to_be_lines(tmp_path: Path, name: str, text: str, wanted: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigError, match=wanted):
        ask(path)
