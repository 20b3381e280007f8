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
    assert any(p.merge == {"product": "product 5"} for p in suspects.profiles)
    assert "user" not in text


def test_a_pair_is_written_as_together(tmp_path: Path) -> None:
    made = rows(20_000, caused(lambda r: r["host"] == "l3.example" and r["product"] == "product 9", 1.0, 0.001))
    suspects = load_suspects(write_suspects(ask(write_csv(tmp_path / "e.csv", plain(made)))), "s.yaml")
    assert {frozenset(t.factors) for t in suspects.together} == {frozenset(("host:l3.example", "merge:product"))}


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
