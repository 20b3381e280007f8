"""The JSON object has the designed shape."""

import json

import pytest

from harness.model.verdict import Scope
from harness.report.jsonable import run_object, scope_object
from tests.stories import ALL, trigger

KEYS = {
    "run": {"id", "campaign", "segment", "relay", "strategy", "state", "started", "ended"},
    "verdict": {"kind", "summary", "next_step", "fix", "triggers"},
    "totals": {"sent", "accepted", "delivered", "rejected", "censored", "pending", "unknown", "not_sent"},
}


@pytest.mark.parametrize("story", ALL.values(), ids=ALL)
def test_every_run_has_every_designed_key(story) -> None:
    made = json.loads(json.dumps(run_object(story())))
    assert made["schema_version"] == 1
    for name, keys in KEYS.items():
        assert keys <= set(made[name])
    for domain in made["domains"]:
        assert {"domain", "sent", "rejected", "rate", "low", "high", "band"} <= set(domain)
    for variant in made["variants"]:
        assert {
            "id",
            "stage",
            "change",
            "parent",
            "factors",
            "sent",
            "accepted",
            "rejected",
            "censored",
            "tags",
        } <= set(variant)
        assert sum(variant["tags"].values()) == variant["rejected"]
    for factor in made["factors"]:
        assert set(factor) == {"id", "stage", "verdict", "upper_bound"}
        assert factor["verdict"] in ("trigger", "clear", "untested", "inconclusive")
        assert (factor["upper_bound"] is not None) == (factor["verdict"] == "clear")


def test_a_trigger_is_told_with_its_numbers() -> None:
    (told,) = run_object(trigger())["verdict"]["triggers"]
    assert told["factors"] == ["link:https://go.partner.example/a"]
    assert (told["tag"], told["class"], told["scope"]) == ("CS01", "content_policy", {"type": "all"})
    assert (told["with"], told["without"]) == ({"sent": 8, "rejected": 8}, {"sent": 8, "rejected": 0})
    assert told["confirmed_by_removal"] is True
    assert told["e_value"] >= 20 > 0.05 > told["p_value"]


@pytest.mark.parametrize(
    ("scope", "made"),
    [
        (Scope(), {"type": "all"}),
        (Scope("domain", domains=("me.com",)), {"type": "domain", "domains": ["me.com"]}),
        (Scope("value", field="merge:first_name", value="Bo"), {"type": "value", "field": "first_name", "value": "Bo"}),
        (Scope("recipients", seeds=("a@b.example",)), {"type": "recipients", "seeds": ["a@b.example"]}),
    ],
)
def test_scopes_have_the_keys_of_their_type(scope: Scope, made: dict[str, object]) -> None:
    assert scope_object(scope) == made


def test_times_are_utc() -> None:
    assert run_object(trigger())["run"]["started"] == "2026-11-20T09:00:00Z"
