"""Every kind of mistake in a workspace's files has one message that names file, place and remedy."""

from pathlib import Path

import pytest

from harness.edge.config import Workspace, load_workspace
from harness.errors import ConfigError

SEEDS = """\
segments:
  small:
    owner: o@shop.example
    seeds:
      - {address: a@seeds.example, domain: icloud.com, merge: {first_name: Ana}}
      - {address: b@seeds.example, domain: me.com}
"""
RELAY = """\
default: mta
relays:
  mta: {kind: smtp, host: 127.0.0.1, port: 2525, tls: none}
"""
CAMPAIGN = """\
from: Shop <news@shop.example>
envelope_sender: bounces@shop.example
subject: Hello
text: body.txt
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "seeds.yaml").write_text(SEEDS)
    (tmp_path / "relay.yaml").write_text(RELAY)
    folder = tmp_path / "variants" / "sale"
    folder.mkdir(parents=True)
    (folder / "campaign.yaml").write_text(CAMPAIGN)
    (folder / "body.txt").write_text("Hello {{ first_name }}\n")
    return tmp_path


def test_a_workspace_is_found_from_a_folder_inside_it(place: Path) -> None:
    assert load_workspace(place / "variants" / "sale").root == place.resolve()


def test_no_workspace_is_an_error_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"harness init"):
        load_workspace(tmp_path)


SEED_MISTAKES = {
    "unknown key": (
        ("owner:", "onwer:"),
        r"seeds\.yaml:3: unknown key 'onwer' in segments\.small; did you mean 'owner'",
    ),
    "no owner": (("    owner: o@shop.example\n", ""), r"seeds\.yaml:2: key 'owner' is missing.*nothing is sent"),
    "empty owner": (("o@shop.example", '""'), r"seeds\.yaml:3: segment 'small' has no owner"),
    "duplicate": (
        ("b@seeds.example", "A@seeds.example"),
        r"seeds\.yaml:6: .*A@seeds\.example stands here again \(first in line 5\)",
    ),
    "not Apple": (("domain: me.com", "domain: gmail.com"), r"seeds\.yaml:6: 'gmail\.com' is not an Apple domain"),
    "no domain on a foreign host": (
        (", domain: me.com", ""),
        r"seeds\.yaml:6: 'seeds\.example' is not an Apple domain",
    ),
    "a stranger under an Apple name": (("b@seeds.example", "b@gmail.com"), r"b@gmail\.com is not at me\.com"),
    "no address": (("b@seeds.example", "b at seeds"), r"seeds\.yaml:6: 'b at seeds' is no address"),
    "two recipients": (("b@seeds.example", '"b@seeds.example,c@x.example"'), r"is no address"),
    "line break": (("b@seeds.example", r'"b@seeds.example\r\nRCPT TO:<c@x.example>"'), r"is no address"),
    "wrong type": (("owner: o@shop.example", "owner: [o]"), r"seeds\.yaml:3: segments\.small\.owner: .*string"),
    "cap": (("    owner:", "    daily_cap: many\n    owner:"), r"seeds\.yaml:3: segments\.small\.daily_cap: .*integer"),
    "key twice": (
        ("    owner:", "    owner: p@shop.example\n    owner:"),
        r"seeds\.yaml:4: key 'owner' stands here again",
    ),
    "no yaml": (("segments:", "segments: ["), r"seeds\.yaml:\d+: this is not YAML"),
}


@pytest.mark.parametrize("name", SEED_MISTAKES)
def test_a_mistake_in_seeds_names_line_and_remedy(place: Path, name: str) -> None:
    (old, new), message = SEED_MISTAKES[name]
    assert old in SEEDS
    (place / "seeds.yaml").write_text(SEEDS.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        Workspace(place).segment()


def test_more_than_fifty_seeds_are_refused(place: Path) -> None:
    lines = [f"      - {{address: s{i}@seeds.example, domain: icloud.com}}" for i in range(51)]
    head = SEEDS.split("    seeds:")[0]
    (place / "seeds.yaml").write_text(head + "    seeds:\n" + "\n".join(lines) + "\n")
    with pytest.raises(ConfigError, match=r"51 seeds, and 50 is the most"):
        Workspace(place).segment()


RELAY_MISTAKES = {
    "unknown relay": (("default: mta", "default: mtb"), r"relay\.yaml:1: no relay is called 'mtb'; did you mean 'mta'"),
    "open connection": (("127.0.0.1", "smtp.esp.example"), r"relay\.yaml:3: .*tls: none is for loopback only"),
    "password in the file": (
        ("tls: none", "tls: starttls, username: u, password: hunter2"),
        r"relay\.yaml:3: .*no place in a file",
    ),
    "password in the clear": (
        ("tls: none", "tls: none, username: u, password: '${X}'"),
        r"no password goes over an open",
    ),
    "header injection": (
        ("tls: none", r'tls: none, headers: {X-Id: "a\nBcc: c@x.example"}'),
        r"header X-Id: a line break",
    ),
    "duration": (
        ("tls: none", "tls: none, settle: soon"),
        r"relay\.yaml:3: relays\.mta\.settle: 'soon' is no duration",
    ),
    "unknown tls": (("tls: none", "tls: maybe"), r"relay\.yaml:3: relays\.mta\.tls: .*starttls"),
}


@pytest.mark.parametrize("name", RELAY_MISTAKES)
def test_a_mistake_in_relays_names_line_and_remedy_and_no_secret(place: Path, name: str) -> None:
    (old, new), message = RELAY_MISTAKES[name]
    assert old in RELAY
    (place / "relay.yaml").write_text(RELAY.replace(old, new))
    with pytest.raises(ConfigError, match=message) as error:
        Workspace(place).relay()
    assert "hunter2" not in str(error.value)


CAMPAIGN_MISTAKES = {
    "unknown key": (
        ("subject:", "subjekt:"),
        r"variants/sale/campaign\.yaml:3: unknown key 'subjekt'; did you mean 'subject'",
    ),
    "missing file": (("body.txt", "boddy.txt"), r"campaign\.yaml:4: there is no file variants/sale/boddy\.txt"),
    "file outside": (("body.txt", "../../seeds.yaml"), r"campaign\.yaml:4: .*own folder"),
    "from injects": (
        ("Shop <news@shop.example>", r'"Shop <n@shop.example>\nBcc: x@x.example"'),
        r"campaign\.yaml:1: from: a line break",
    ),
    "subject missing": (("subject: Hello\n", ""), r"key 'subject' is missing"),
}


@pytest.mark.parametrize("name", CAMPAIGN_MISTAKES)
def test_a_mistake_in_a_campaign_names_line_and_remedy(place: Path, name: str) -> None:
    (old, new), message = CAMPAIGN_MISTAKES[name]
    assert old in CAMPAIGN
    (place / "variants" / "sale" / "campaign.yaml").write_text(CAMPAIGN.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        Workspace(place).campaign("sale")


def test_an_unknown_campaign_names_the_nearest(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"no campaign is called 'sal'; did you mean 'sale'"):
        Workspace(place).campaign("sal")


def test_a_template_that_is_not_utf8_names_its_line(place: Path) -> None:
    (place / "variants" / "sale" / "body.txt").write_bytes(b"one\ntwo \xff\n")
    with pytest.raises(ConfigError, match=r"variants/sale/body\.txt:2: byte 0xff"):
        Workspace(place).campaign("sale")


def test_a_secret_comes_from_the_environment_and_is_never_shown(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "relay.yaml").write_text(
        RELAY.replace("tls: none", "tls: starttls, username: u, password: '${TEST_PASSWORD}'")
    )
    workspace = Workspace(place)
    with pytest.raises(ConfigError, match=r"the environment has no TEST_PASSWORD"):
        workspace.unlock(workspace.relay())
    monkeypatch.setenv("TEST_PASSWORD", "hunter2")
    relay = workspace.unlock(workspace.relay())
    assert relay.password == "hunter2"
    assert "hunter2" not in repr(relay)


def test_aliases_that_multiply_are_refused(place: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
    (place / "seeds.yaml").write_text(bomb)
    with pytest.raises(ConfigError, match=r"too many values"):
        Workspace(place).segment()


def test_a_bare_secret_reference_in_braces_is_read_as_if_it_were_quoted(place: Path) -> None:
    (place / "relay.yaml").write_text(
        RELAY.replace(
            "tls: none",
            "tls: starttls, username: u, password: ${P_W}, bounces: [{kind: imap, host: h.example, username: b, password: ${Q}}]",
        )
    )
    relay = Workspace(place).relay()
    assert relay.password == "${P_W}"
    assert relay.bounces[0].password == "${Q}"


@pytest.mark.parametrize("host", ["127.0.0.1.shop.example", "localhost.shop.example", "192.0.2.1", "127.shop.example"])
def test_a_name_that_looks_like_loopback_is_not_loopback(place: Path, host: str) -> None:
    (place / "relay.yaml").write_text(RELAY.replace("127.0.0.1", host))
    with pytest.raises(ConfigError, match="tls: none is for loopback only"):
        Workspace(place).relay()
