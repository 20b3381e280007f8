"""A rehearsal on the sandbox: the verdict follows the planted cause."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.cli import harness, workspace

RULE = "rules:\n  - {{name: planted, when: {when}, reply: content, tag: CS01}}\n"
CAUSES = {
    "link host": ("{link_host: go.partner.example}", {"link:https://go.partner.example/fitting"}),
    "merge value": ("{value: Camp Stove}", {"merge:product"}),
    "tracking redirect": ("{link_host: click.mailhub.example, html: '/c/7Hq2Vd'}", {"redirect:click.mailhub.example"}),
    "subject": ("{subject: '40% off'}", {"subject"}),
    "pair": (
        "{all: [{link_host: go.partner.example}, {subject: '40% off'}]}",
        {"link:https://go.partner.example/fitting", "subject"},
    ),
}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workspace(tmp_path_factory.mktemp("rehearsal") / "shop")


@pytest.mark.parametrize("strategy", ["ladder", "split", "adaptive"])
@pytest.mark.parametrize("cause", CAUSES)
def test_the_planted_cause_is_named_and_proved(example: Path, cause: str, strategy: str) -> None:
    when, factors = CAUSES[cause]
    (example / "sandbox.yaml").write_text(RULE.format(when=when))
    ran = harness("run", "spring-sale", "--strategy", strategy, "--json", "--shuffle-key", "k", cwd=example)
    assert ran.code == 1, ran.err
    verdict = ran.json["verdict"]
    assert verdict["kind"] == "trigger", verdict
    assert set().union(*(trigger["factors"] for trigger in verdict["triggers"])) == factors, verdict["summary"]
    for trigger in verdict["triggers"]:
        assert trigger["e_value"] >= 20
        assert trigger["confirmed_by_removal"]
        assert trigger["tag"] == "CS01"
        assert trigger["without"]["rejected"] == 0 < trigger["with"]["rejected"]


def test_the_screen_names_the_link_host_as_the_cause(example: Path) -> None:
    (example / "sandbox.yaml").write_text(RULE.format(when="{link_host: go.partner.example}"))
    ran = harness("run", "spring-sale", "--strategy", "ladder", cwd=example)
    assert ran.code == 1, ran.err
    assert "link host go.partner.example" in ran.out
    assert "Next step" in ran.out
    assert "\x1b" not in ran.out


@pytest.mark.parametrize("strategy", ["ladder", "split", "adaptive"])
def test_a_sender_that_is_refused_altogether_is_no_content_problem(example: Path, strategy: str) -> None:
    (example / "sandbox.yaml").write_text(RULE.format(when="{header: {name: Subject}}"))
    ran = harness("run", "spring-sale", "--strategy", strategy, "--json", cwd=example)
    assert ran.code == 4, ran.err
    assert ran.json["verdict"]["kind"] == "sender"
    assert ran.json["totals"]["sent"] <= 8
    assert not any(variant["id"] == "production" for variant in ran.json["variants"])


@pytest.mark.parametrize("strategy", ["ladder", "split", "adaptive"])
def test_nothing_refused_is_said_with_its_bound(example: Path, strategy: str) -> None:
    (example / "sandbox.yaml").write_text("rules: []\n")
    ran = harness("run", "spring-sale", "--strategy", strategy, "--json", cwd=example)
    assert ran.code == 0, ran.err
    assert ran.json["verdict"]["kind"] == "none"
    assert ran.json["totals"]["rejected"] == 0
    assert any(factor["upper_bound"] for factor in ran.json["factors"])


def test_a_report_says_again_what_the_run_said_from_the_ledger_alone(example: Path) -> None:
    (example / "sandbox.yaml").write_text(RULE.format(when="{subject: '40% off'}"))
    ran = harness("run", "spring-sale", "--strategy", "ladder", "--json", cwd=example)
    for name in ("body.html.j2", "campaign.yaml"):
        (example / "variants" / "spring-sale" / name).rename(example / name)
    try:
        again = harness("report", ran.json["run"]["id"], "--json", cwd=example)
    finally:
        for name in ("body.html.j2", "campaign.yaml"):
            (example / name).rename(example / "variants" / "spring-sale" / name)
    assert again.code == 0, again.err
    assert again.json == ran.json


def test_a_transactional_campaign_sends_no_variant_twice_to_a_seed(example: Path) -> None:
    (example / "sandbox.yaml").write_text(RULE.format(when="{link_host: pay.payhouse.example}"))
    ran = harness("run", "order-confirmation", "--strategy", "adaptive", "--json", cwd=example)
    assert ran.code in (1, 3), ran.err
    if ran.code == 1:
        assert ran.json["verdict"]["triggers"][0]["factors"] == ["link:https://pay.payhouse.example/r/{uid}"]
    assert all(variant["sent"] <= 8 for variant in ran.json["variants"])


def test_plan_writes_the_ladder_and_neighbours_differ(example: Path, tmp_path: Path) -> None:
    ran = harness("plan", "spring-sale", "--write", str(tmp_path), cwd=example)
    assert ran.code == 0, ran.err
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest[0]["variant"] == "control"
    assert manifest[0]["factors"] == []
    assert manifest[-1]["variant"] == "production"
    for before, after in pairwise(manifest):
        added = set(after["factors"]) - set(before["factors"])
        assert after["change"] == "+" + added.pop()
        assert not added
        assert set(before["factors"]) < set(after["factors"])
        assert (tmp_path / before["file"]).read_bytes() != (tmp_path / after["file"]).read_bytes()
