"""Suspects: what a triage hands to the next run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.triage.suspects import load_suspects, write_suspects
from tests.unit.triage.builders import ask, caused, plain, rows, write_csv


def test_causes_become_weighted_factors_and_failed_rows_profiles(tmp_path: Path) -> None:
    made = rows(12_000, caused(lambda r: r["host"] == "l7.example" or r["product"] == "product 5", 0.5, 0.001))
    result = ask(write_csv(tmp_path / "e.csv", plain(made)))
    text = write_suspects(result)
    suspects = load_suspects(text, "s.yaml")
    assert suspects.weights["host:l7.example"] > suspects.weights["merge:product"] > 5
    assert all("@" in p.name and p.name.startswith("h-") for p in suspects.profiles)
    assert any(p.merge["product"] == "product 5" for p in suspects.profiles)
    assert "user" not in text


def test_several_bad_values_of_one_field_weigh_together(tmp_path: Path) -> None:
    made = rows(12_000, caused(lambda r: r["product"] in ("product 5", "product 6", "product 7"), 0.6, 0.001))
    result = ask(write_csv(tmp_path / "e.csv", plain(made)))
    assert len(result.causes) == 3
    assert all(cause.contrast.explained < 0.5 for cause in result.causes)
    text = write_suspects(result)
    assert load_suspects(text, "s.yaml").weights["merge:product"] > 90
    assert "2 more like it" in text


def test_a_pair_is_written_as_together(tmp_path: Path) -> None:
    made = rows(20_000, caused(lambda r: r["host"] == "l3.example" and r["product"] == "product 9", 1.0, 0.001))
    suspects = load_suspects(write_suspects(ask(write_csv(tmp_path / "e.csv", plain(made)))), "s.yaml")
    assert {frozenset(t.factors) for t in suspects.together} == {frozenset(("host:l3.example", "merge:product"))}


def test_a_profile_is_the_merge_row_under_the_merge_files_own_names(tmp_path: Path) -> None:
    made = rows(3_000, caused(lambda r: r["product"] == "product 7", 0.6))
    events = [{k: r[k] for k in ("email", "event", "reason", "sending_ip", "timestamp")} for r in plain(made)]
    merged = [
        {
            "email": r["address"], "first_name": "Ana", "OfferID": r["product"], "url": f"https://{r['host']}/a?u={r['id']}#x",
            "Subject Line": r["subject"], "campaign": "spring", "version": "v1", "image": f"https://{r['host']}/a.png",
        }
        for r in made
    ]  # fmt: skip
    result = ask(write_csv(tmp_path / "e.csv", events), merge=write_csv(tmp_path / "m.csv", merged))
    assert set(result.profiles[0].merge) == set(merged[0]) - {"email"}
    theirs = [{**row, "url": row["url"].partition("?")[0]} for row in merged]
    assert all(any(p.merge.items() <= row.items() for row in theirs) for p in result.profiles)
    assert [note for note in result.notes if "profiles" in note] == [
        "profiles have image, url without query and fragment, which hold what is personal"
    ]


def test_one_long_text_in_a_column_leaves_the_others_as_they_are_and_is_never_sent_as_a_digest(tmp_path: Path) -> None:
    made = rows(4_000, caused(lambda r: r["product"] in ("product 7", "product 8"), 0.6))
    long = "product 8 " + "very long text " * 30
    table = [{**r, "product": long if r["product"] == "product 8" else r["product"]} for r in plain(made)]
    result = ask(write_csv(tmp_path / "e.csv", table))
    assert {c.conditions[0].value[:9] for c in result.causes} == {"product 7", "product 8"}
    products = {p.merge.get("product") for p in result.profiles}
    assert {"product 7", None} <= products
    assert not any("#" in product for product in products if product)
    assert [n for n in result.notes if n.startswith("profiles")] == [
        "profiles are without product: only a part of it is kept (a text over 300 characters, several links, a link "
        "without https://)"
    ]


@pytest.mark.parametrize("link", ["//{}/a", "{}/a", "https://{}/a https://shop.example/b"])
def test_a_column_of_which_only_hosts_are_known_is_said_to_be_left_out(tmp_path: Path, link: str) -> None:
    made = rows(3_000, caused(lambda r: r["product"] == "product 7", 0.6))
    table = [
        {**{k: v for k, v in r.items() if k != "link_host"}, "url": link.format(r["link_host"])} for r in plain(made)
    ]
    result = ask(write_csv(tmp_path / "e.csv", table))
    assert set(result.profiles[0].merge) == {"product", "subject"}
    assert any(note.startswith("profiles are without url: only a part") for note in result.notes)


def test_profiles_differ_in_fields_of_few_values_though_every_row_has_an_id_of_its_own(tmp_path: Path) -> None:
    made = rows(6_000, caused(lambda r: r["product"] == "product 7", 0.9, 0.0))
    table = [
        {**r, "uid": f"{i:06}", "size": "SML"[i % 3] if i % 50 else "XXL", "colour": "red" if i % 7 else "blue"}
        for i, r in enumerate(plain(made))
    ]
    worn = [p.merge for p in ask(write_csv(tmp_path / "e.csv", table)).profiles if p.merge["product"] == "product 7"]
    assert {w["size"] for w in worn} >= set("SML")
    assert {w["colour"] for w in worn} == {"red", "blue"}
    assert len({w["subject"] for w in worn}) == 3


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("- a", "s.yaml: expected the keys"),
        ("factor: []", "s.yaml: unknown key 'factor'"),
        ("factors: [{id: subject, weight: -1}]", r"s.yaml: factors\[0\]: weight -1"),
        ("factors: [{weight: 1}]", r"s.yaml: factors\[0\]: expected"),
        ("profiles: [{name: a}]", r"s.yaml: profiles\[0\]: expected"),
        ("together: [{ids: x}]", r"s.yaml: together\[0\]: expected"),
        ("together: [{ids: [a, b], weight: x}]", r"s.yaml: together\[0\]: weight 'x'"),
        ("a: [", r"s.yaml:1: not YAML|s.yaml:2: not YAML"),
    ],
)
def test_a_file_of_suspects_that_is_wrong_is_refused_with_its_place(text: str, wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        load_suspects(text, "s.yaml")
