"""An operator's mistake is one line with file, place and remedy; nothing is sent and nothing is lost."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from tests.e2e.cli import harness, workspace


@pytest.fixture
def example(tmp_path: Path) -> Path:
    return workspace(tmp_path / "shop")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


MISTAKES = {
    "unknown key": ("seeds.yaml", "owner:", "onwer:", 2, r"seeds\.yaml:\d+: unknown key 'onwer'.*did you mean 'owner'"),
    "not Apple": ("seeds.yaml", "domain: me.com,  ", "domain: web.de,  ", 2, r"seeds\.yaml:\d+: 'web\.de' is not an Apple domain"),
    "undefined field": (
        "variants/spring-sale/body.html.j2", "{{ product }}", "{{ prodcut }}", 2,
        r"body\.html\.j2.*prodcut.*product",
    ),
    "template syntax": ("variants/spring-sale/body.txt.j2", "{% endif %}", "{% endfi %}", 2, r"body\.txt\.j2:\d+.*endfi"),
    "missing attachment": ("variants/spring-sale/campaign.yaml", "size-guide.pdf", "size.pdf", 2, r"campaign\.yaml:\d+: there is no file"),
    "injection by merge value": ("seeds.yaml", "first_name: Ana,", r'first_name: "Ana\r\nBcc: x@x.example",', 2, r"first_name|subject"),
    "injection by campaign": (
        "variants/spring-sale/campaign.yaml", "X-Campaign: spring-sale-2026", r'X-Campaign: "a\r\nBcc: x@x.example"', 2,
        r"campaign\.yaml:\d+: .*line break",
    ),
    "sandbox policy": ("sandbox.yaml", "link_host", "link_hots", 2, r"sandbox\.yaml:\d+: .*link_hots.*link_host"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_file_is_one_line(example: Path, name: str) -> None:
    file, old, new, code, message = MISTAKES[name]
    edit(example / file, old, new)
    ran = harness("run", "spring-sale", "--strategy", "ladder", cwd=example)
    assert ran.code == code, ran.out + ran.err
    last = ran.err.strip().splitlines()[-1]
    assert last.startswith("harness: ")
    assert re.search(message, last), last
    assert "Traceback" not in ran.err
    assert harness("status", "--json", cwd=example).json["runs"] == []


def relay(example: Path, text: str) -> None:
    (example / "relay.yaml").write_text(f"default: mta\nrelays:\n  mta: {{kind: smtp, {text}}}\n")


def test_reserved_seeds_never_go_to_a_real_relay(example: Path) -> None:
    relay(example, "host: smtp.esp.example.net, port: 587, tls: starttls")
    ran = harness("run", "spring-sale", "--yes", cwd=example)
    assert ran.code == 2
    assert re.search(r"seeds\.yaml: seed-01@seeds\.example.*reserved domain", ran.err)


def test_a_relay_that_refuses_the_connection_is_named(example: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    relay(example, f"host: 127.0.0.1, port: {port}, tls: none")
    ran = harness("run", "spring-sale", "--yes", cwd=example)
    assert ran.code == 5, ran.err
    last = ran.err.strip().splitlines()[-1]
    assert f"127.0.0.1:{port}" in last
    assert "Traceback" not in ran.err
    runs = harness("status", "--json", cwd=example).json["runs"]
    assert [run["sent"] for run in runs] in ([], [0])


def test_a_real_relay_is_asked_for_before_anything_is_sent(example: Path) -> None:
    relay(example, "host: 127.0.0.1, port: 2599, tls: none")
    ran = harness("run", "spring-sale", cwd=example)
    assert ran.code == 2
    assert "127.0.0.1:2599" in ran.err
    assert "8 seeds" in ran.err
    assert "--yes" in ran.err


def test_an_unknown_campaign_names_the_nearest(example: Path) -> None:
    ran = harness("plan", "spring-sal", cwd=example)
    assert ran.code == 2
    assert "did you mean 'spring-sale'" in ran.err


def test_outside_a_workspace_the_way_to_make_one_is_said(tmp_path: Path) -> None:
    ran = harness("plan", "spring-sale", cwd=tmp_path)
    assert ran.code == 2
    assert "harness init" in ran.err


def test_init_overwrites_nothing(example: Path) -> None:
    before = (example / "seeds.yaml").read_bytes()
    ran = harness("init", str(example), cwd=example)
    assert ran.code == 2
    assert (example / "seeds.yaml").read_bytes() == before


@pytest.mark.parametrize("command", ["plan", "simulate", "diff", "check", "run", "import", "compare", "init"])
def test_a_command_without_what_it_is_about_is_a_wrong_call(example: Path, command: str) -> None:
    ran = harness(command, cwd=example)
    assert ran.code == 2, ran.out + ran.err
    assert "Traceback" not in ran.err
    assert len(ran.err.strip().splitlines()[-1]) > 20
