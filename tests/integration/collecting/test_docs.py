"""Every settings file that docs/relays.md shows is one that loads."""

import json
import re
from pathlib import Path

import pytest

from harness.edge.config import load_workspace
from harness.model.variant import Message
from harness.run.collect import inlets_of
from harness.run.stamp import stamp
from harness.run.token import make_token
from tests.integration.collecting.scene import CONTENT

DOCS = Path(__file__).resolve().parents[3] / "docs" / "relays.md"
TEXT = DOCS.read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```yaml\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)
RELAYS = [text for text in SNIPPETS if "relays:" in text]
SEEDS = "segments:\n  s:\n    owner: o@shop.example\n    seeds:\n      - {address: seed-01@seeds.example, domain: icloud.com}\n"


def test_there_is_a_snippet_for_every_provider() -> None:
    assert len(SNIPPETS) == len(RELAYS) + 1 == 14
    named = {name for text in RELAYS for name in re.findall(r"provider: (\w+)", text)}
    assert named == {
        "acs",
        "ses",
        "sendgrid",
        "mailgun",
        "postmark",
        "sparkpost",
        "mailjet",
        "brevo",
        "kumomta",
        "powermta",
    }


@pytest.mark.parametrize("text", SNIPPETS, ids=lambda text: text.split("\n")[0])
def test_a_snippet_loads_with_its_secrets_from_the_environment(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in re.findall(r"\$\{(\w+)\}", TEXT):
        monkeypatch.setenv(name, "a-secret")
    (tmp_path / "seeds.yaml").write_text(SEEDS if "relays:" in text else text)
    (tmp_path / "relay.yaml").write_text(text if "relays:" in text else RELAYS[0])
    workspace = load_workspace(exactly=tmp_path)
    assert workspace.segments
    relay = workspace.relay()
    sources = inlets_of(workspace, relay, None)
    assert len(sources) == sum(source.kind != "webhook" for source in relay.bounces)
    workspace.unlock(relay)
    for seed in next(iter(workspace.segments.values())).seeds:
        if seed.mailbox:
            workspace.unlock_mailbox(seed.mailbox)


@pytest.mark.parametrize("text", RELAYS, ids=lambda text: text.split("\n")[0])
def test_the_headers_of_a_snippet_carry_the_token_on_lines_that_may_be_sent(text: str, tmp_path: Path) -> None:
    (tmp_path / "seeds.yaml").write_text(SEEDS)
    (tmp_path / "relay.yaml").write_text(text)
    relay = load_workspace(exactly=tmp_path).relay()
    token = make_token(b"k" * 32, "261120-1150-k3f9", 17)
    message = stamp(Message("b@shop.example", "s@seeds.example", "<x>", CONTENT % (b"a", b"b")), relay, token)
    added = message.content.removesuffix(CONTENT % (b"a", b"b")).decode()
    assert len(added.splitlines()) == len(relay.headers)
    assert added.count(token) == text.count("{token}")
    assert "{token}" not in added
    for line in added.splitlines():
        if "{" in line:
            json.loads(line.partition(": ")[2])


def test_the_links_within_the_page_lead_somewhere() -> None:
    titles = {
        re.sub(r"[^a-z0-9 -]", "", line[3:].lower()).replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("## ")
    }
    assert set(re.findall(r"\]\(#([a-z0-9-]+)\)", TEXT)) <= titles
