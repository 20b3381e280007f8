"""What `harness check` gathers of a campaign: which messages it makes, and whose links it looks at."""

from __future__ import annotations

import time
from pathlib import Path

from harness.cli.check import prepare_check
from harness.edge.config import Workspace, load_workspace

SEEDS = """
segments:
  small:
    owner: o@shop.example
    seeds: [{address: seed-01@seeds.example, domain: icloud.com}]
"""
CAMPAIGN = """
from: Shop <news@shop.example>
envelope_sender: bounces@shop.example
subject: Forty off
html: body.html.j2
"""
TRACKED = '<p>Our shoes</p><a href="https://click.esp.example/t?url=https%3A%2F%2Fpartner.example%2Fa">See</a>'


def workspace(folder: Path, page: str, check: str = "offline: true\n") -> Workspace:
    (folder / "seeds.yaml").write_text(SEEDS)
    (folder / "relay.yaml").write_text("default: sandbox\nrelays:\n  sandbox: {kind: sandbox, policy: sandbox.yaml}\n")
    (folder / "check.yaml").write_text(check)
    (folder / "variants" / "sale").mkdir(parents=True)
    (folder / "variants" / "sale" / "campaign.yaml").write_text(CAMPAIGN)
    (folder / "variants" / "sale" / "body.html.j2").write_text(f"<html><body>{page}</body></html>")
    return load_workspace(exactly=folder)


def test_rungs_are_made_only_where_they_are_scored(tmp_path: Path) -> None:
    place = workspace(tmp_path, TRACKED)
    plain, _ = prepare_check(place, "sale", None, None, live=False, follow=False, offline=True)
    (tmp_path / "check.yaml").write_text("spamd: {}")
    scored, _ = prepare_check(
        load_workspace(exactly=tmp_path), "sale", None, None, live=False, follow=False, offline=True
    )
    assert list(plain.rungs) == []
    made = {name: make() for name, make in scored.rungs}
    assert b"click.esp.example" in made["+redirect:click.esp.example"]
    assert b"click.esp.example" not in made["control"]


def test_the_untracked_links_of_a_tracked_campaign_are_looked_at(tmp_path: Path) -> None:
    subject, _ = prepare_check(workspace(tmp_path, TRACKED), "sale", None, None, live=False, follow=False, offline=True)
    assert b"https://partner.example/a" in subject.direct
    assert b"click.esp.example" not in subject.direct


def test_thousands_of_links_take_seconds(tmp_path: Path) -> None:
    page = "".join(f'<p><a href="https://shop.example/{n}">Shoe {n}</a></p>' for n in range(3_000))
    place = workspace(tmp_path, page)
    start = time.process_time()
    prepare_check(place, "sale", None, None, live=False, follow=False, offline=True)
    assert time.process_time() - start < 5
