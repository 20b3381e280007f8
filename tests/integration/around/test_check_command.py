"""`harness check` on whole workspaces, with a real name server and a real SMTP server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from typer.testing import CliRunner

from harness.cli.main import app
from tests.integration.around.zones import free_port

SEEDS = """
segments:
  apple-small:
    owner: o@good.test
    seeds:
{seeds}
"""
CAMPAIGN = """
from: Shop <news@good.test>
envelope_sender: bounces@good.test
subject: "{{ first_name }}, forty off"
html: body.html.j2
headers: {List-Unsubscribe: "<https://www.good.test/u>", List-Unsubscribe-Post: "List-Unsubscribe=One-Click"}
"""
BODY = """<html><body><p>Dear {{ first_name }}, our trail shoes are forty percent off until Sunday, and tents as well.</p>
<a href="https://www.good.test/sale">See the range</a>%s</body></html>"""


@pytest.fixture
def workspace(tmp_path: Path, dns_port: int) -> Path:
    seeds = "".join(
        f"      - {{address: seed-{i}@seeds.test, domain: icloud.com, merge: {{first_name: Ana}}}}\n" for i in range(5)
    )
    (tmp_path / "seeds.yaml").write_text(SEEDS.format(seeds=seeds))
    (tmp_path / "relay.yaml").write_text(
        "default: mx\nrelays:\n  mx: {kind: smtp, host: 127.0.0.1, port: 1, tls: none, sending_ips: [192.0.2.1], helo: mx.good.test}\n"
        "  sandbox: {kind: sandbox, policy: sandbox.yaml}\n"
    )
    (tmp_path / "check.yaml").write_text(
        f"resolver: {{nameservers: [127.0.0.1], port: {dns_port}, timeout: 2s}}\ndkim: [{{domain: good.test, selector: k1}}]\n"
        "blocklists: [{zone: dbl.test}, {zone: ipbl.test, of: ip}]\n"
    )
    folder = tmp_path / "variants" / "sale"
    folder.mkdir(parents=True)
    (folder / "campaign.yaml").write_text(CAMPAIGN)
    (folder / "body.html.j2").write_text(BODY % "")
    return tmp_path


def run(workspace: Path, *more: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, ["check", "sale", "--workspace", str(workspace), "--json", *more])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


def test_a_campaign_in_order_exits_0_and_shows_what_was_asked(workspace: Path) -> None:
    code, told = run(workspace)
    grades = {f["id"]: f["level"] for f in told["findings"]}
    assert code == told["exit_code"] == 0
    assert {
        grades[i]
        for i in ("spf-ip", "dkim", "dmarc", "mail-from", "ptr", "helo", "blocklist", "form-one-click", "mta-sts")
    } == {"ok"}
    assert "unknown" not in grades.values()


def test_a_look_alike_link_exits_4_and_stands_on_top(workspace: Path) -> None:
    (workspace / "variants/sale/body.html.j2").write_text(
        BODY % '<a href="https://www.g00d.test/x">https://www.good.test/x</a>'
    )
    code, told = run(workspace)
    assert code == 4
    assert told["findings"][0]["level"] == "fail"
    assert {"host-lookalike", "link-text"} <= {f["id"] for f in told["findings"] if f["level"] == "fail"}


def test_the_table_is_for_people(workspace: Path) -> None:
    result = CliRunner().invoke(app, ["check", "sale", "--workspace", str(workspace), "--all"])
    assert result.exit_code == 0
    assert "what to do" in result.stdout
    assert "SPF says pass" in result.stdout
    assert "192.0.2.1" in result.stdout


def test_offline_everything_of_dns_could_not_be_checked_and_nothing_is_missing(workspace: Path) -> None:
    code, told = run(workspace, "--offline")
    assert code == 0
    assert not [f for f in told["findings"] if f["level"] in ("fail", "warn")]
    assert sum(f["level"] == "unknown" for f in told["findings"]) > 5


def test_a_wrong_key_of_check_yaml_is_refused_with_line_and_nearest(workspace: Path) -> None:
    (workspace / "check.yaml").write_text("ofline: true\n")
    result = CliRunner().invoke(app, ["check", "sale", "--workspace", str(workspace)])
    assert "check.yaml:1" in str(result.exception)
    assert "offline" in str(result.exception)


class _Counting(SMTP):
    said: list[str] = []  # noqa: RUF012 (one server a test)

    async def smtp_NOOP(self, arg: str) -> None:
        _Counting.said.append("NOOP")
        await super().smtp_NOOP(arg)

    async def smtp_MAIL(self, arg: str) -> None:
        _Counting.said.append("MAIL")
        await super().smtp_MAIL(arg)


class _Server(Controller):
    def factory(self) -> SMTP:
        return _Counting(self.handler, hostname="mx.good.test", data_size_limit=100)


def test_live_says_noop_and_no_more(workspace: Path) -> None:
    class Handler:
        async def handle_DATA(self, *args: object) -> str:
            raise AssertionError("a message was sent")

    port = free_port()
    server = _Server(Handler(), hostname="127.0.0.1", port=port)
    server.start()
    try:
        path = workspace / "relay.yaml"
        path.write_text(path.read_text().replace("port: 1,", f"port: {port},"))
        code, told = run(workspace, "--live")
    finally:
        server.stop()
    grades = {f["id"]: f["level"] for f in told["findings"]}
    assert _Counting.said == ["NOOP"]
    assert grades["relay"] == "ok"
    assert grades["relay-size"] == "fail"
    assert code == 4


def test_live_with_nobody_there_is_a_finding_not_a_crash(workspace: Path) -> None:
    code, told = run(workspace, "--live")
    assert code == 4
    assert "relay-down" in {f["id"] for f in told["findings"]}
