"""`harness check` on whole workspaces, with a real name server and a real SMTP server."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import ConfigError
from tests.integration.around.conftest import BODY, CAMPAIGN
from tests.integration.around.servers import talking
from tests.integration.around.zones import free_port, own_pem


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
    grades = {f["id"]: f["level"] for f in told["findings"]}
    assert (grades["host-lookalike"], grades["link-text"]) == ("fail", "warn")


@pytest.mark.parametrize(
    ("link", "redirects"),
    [
        ("https://www.good.test/c?url=https%3A%2F%2Fwww.here.test%2Fsale", ""),
        (
            "https://www.good.test/c/17",
            'plain: {redirects: {"https://www.good.test/c/17": "https://www.here.test/sale"}}',
        ),
    ],
)
def test_a_text_that_says_where_a_tracked_link_is_known_to_lead_is_in_order(
    link: str, redirects: str, workspace: Path
) -> None:
    (workspace / "variants/sale/campaign.yaml").write_text(f"{CAMPAIGN}{redirects}\n")
    (workspace / "variants/sale/body.html.j2").write_text(BODY % f'<p><a href="{link}">www.here.test/sale</a></p>')
    assert "link-text" not in {f["id"] for f in run(workspace)[1]["findings"]}


def test_the_table_is_for_people(workspace: Path) -> None:
    result = CliRunner().invoke(app, ["check", "sale", "--workspace", str(workspace), "--all"])
    assert result.exit_code == 0
    assert "what to do" in result.stdout
    assert "SPF says pass" in result.stdout
    assert "192.0.2.1" in result.stdout


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_table_fits_the_terminal(columns: int, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    (workspace / "variants/sale/body.html.j2").write_text(BODY % f'<a href="http://{"a" * 60}.test/{"b" * 99}">a</a>')
    result = CliRunner().invoke(app, ["check", "sale", "--workspace", str(workspace), "--all"])
    assert max(map(len, result.stdout.splitlines()[:-1])) <= columns


def test_the_registered_domains_of_the_message_are_always_listed(workspace: Path) -> None:
    (workspace / "variants/sale/body.html.j2").write_text(BODY % '<a href="https://www.nowhere.test/x">See</a>')
    (hosts,) = [f for f in run(workspace)[1]["findings"] if f["id"] == "hosts"]
    assert hosts["evidence"] == "good.test, nowhere.test"


def test_offline_everything_of_dns_could_not_be_checked_and_nothing_is_missing(workspace: Path) -> None:
    code, told = run(workspace, "--offline")
    assert code == 0
    assert not [f for f in told["findings"] if f["level"] in ("fail", "warn")]
    (unasked,) = [f for f in told["findings"] if "offline" in f["evidence"]]
    assert unasked["id"] == "dns"
    assert "MAIL FROM good.test" in unasked["about"]
    assert "--offline" in unasked["do"]
    assert "Ask again later." not in {f["do"] for f in told["findings"]}


def test_a_wrong_key_of_check_yaml_is_refused_with_line_and_nearest(workspace: Path) -> None:
    (workspace / "check.yaml").write_text("ofline: true\n")
    result = CliRunner().invoke(app, ["check", "sale", "--workspace", str(workspace)])
    assert "check.yaml:1" in str(result.exception)
    assert "offline" in str(result.exception)


@pytest.mark.parametrize(
    ("domain", "selector", "ips", "wanted"),
    [
        ("good.test", "k1", "192.0.2.1", {}),
        ("good.test", "esp", "192.0.2.3", {"ptr-missing": "fail"}),
        ("good.test", "none", "203.0.113.5", {"dkim-missing": "fail", "spf-ip": "fail", "dmarc-fail": "fail", "ptr-missing": "fail"}),
        ("good.test", "big", "192.0.2.2", {"ptr-forward": "fail"}),
        ("good.test", "ed", "192.0.2.4", {"ptr-generic": "warn"}),
        ("good.test", "dead", "192.0.2.5", {"dkim": "unknown"}),
        ("bad.test", "weak", "192.0.2.1", {"dkim-weak": "fail", "spf-missing": "fail", "dmarc-missing": "fail", "mail-from-missing": "fail"}),
        ("empty.test", "k1", "192.0.2.1", {"dkim-missing": "fail", "spf-missing": "fail", "dmarc-missing": "fail", "mail-from-missing": "fail"}),
        ("two.test", "k1", "192.0.2.1", {"dkim-missing": "fail", "spf-invalid": "fail", "dmarc-invalid": "fail", "mail-from-missing": "fail"}),
        ("many.test", "k1", "203.0.113.11", {"dkim-missing": "fail", "spf-invalid": "fail", "spf-ip": "fail", "dmarc-missing": "fail", "mail-from-missing": "fail", "ptr-missing": "fail"}),
        ("nowhere.test", "k1", "192.0.2.1", {"dkim-missing": "fail", "spf-missing": "fail", "dmarc-missing": "fail", "mail-from-missing": "fail"}),
        ("failing.test", "k1", "192.0.2.1", {"dkim": "unknown", "spf": "unknown", "dmarc": "unknown", "mail-from": "unknown", "mta-sts": "unknown", "tls-rpt": "unknown", "bimi": "unknown"}),
    ],
)  # fmt: skip
def test_authentication_is_told_by_what_the_zone_holds(
    domain: str, selector: str, ips: str, wanted: dict[str, str], workspace: Path
) -> None:
    campaign = workspace / "variants/sale/campaign.yaml"
    campaign.write_text(CAMPAIGN.replace("news@good.test", f"news@{domain}").replace("@good.test", f"@{domain}"))
    for name, old, new in (
        ("relay.yaml", "[192.0.2.1]", f"[{ips}]"),
        ("check.yaml", "good.test, selector: k1", f"{domain}, selector: {selector}"),
    ):
        (workspace / name).write_text((workspace / name).read_text().replace(old, new))
    _, told = run(workspace)
    sections = ("spf", "dkim", "dmarc", "mail-from", "ptr", "helo", "mta-sts", "tls-rpt", "bimi")
    wrong = {
        f["id"]: f["level"]
        for f in told["findings"]
        if f["id"].startswith(sections) and f["level"] not in ("ok", "note")
    }
    elsewhere = {"helo": "warn"} if ips != "192.0.2.1" else {}  # relay.yaml's helo has this address
    assert wrong == wanted | elsewhere


def test_a_private_sending_ip_is_told_to_be_one_and_nothing_is_asked_of_it(workspace: Path) -> None:
    relay = workspace / "relay.yaml"
    relay.write_text(relay.read_text().replace("[192.0.2.1]", "[10.0.0.1, 'fd00::1', 192.0.2.1]"))
    code, told = run(workspace)
    assert code == 0
    private = {f["about"]: f["level"] for f in told["findings"] if f["id"] == "ip-private"}
    assert private == {"sending IP 10.0.0.1": "warn", "sending IP fd00::1": "warn"}
    assert [f["about"] for f in told["findings"] if f["id"] == "spf-ip"] == ["MAIL FROM good.test, IP 192.0.2.1"]


def signing(workspace: Path, selector: str, key: str, more: str = "") -> None:
    """Have the harness itself sign the campaign."""
    folder = workspace / "variants/sale"
    (folder / "key.pem").write_text(key)
    dkim = f"dkim: {{domain: good.test, selector: {selector}, key: key.pem{more}}}\n"
    (folder / "campaign.yaml").write_text(CAMPAIGN + dkim)


def test_the_key_that_signs_is_held_against_the_one_that_is_published(workspace: Path) -> None:
    signing(workspace, "own", own_pem())
    code, told = run(workspace)
    assert code == 0
    assert not [f for f in told["findings"] if f["id"].startswith("one-click")]
    assert ("DKIM own, d=good.test", "ok") in {(f["about"], f["level"]) for f in told["findings"]}
    signing(workspace, "k1", own_pem())
    (workspace / "check.yaml").write_text(
        (workspace / "check.yaml").read_text().replace("selector: k1", "selector: ed")
    )
    code, told = run(workspace)
    (mismatch,) = [f for f in told["findings"] if f["id"] == "dkim-mismatch"]
    assert (code, mismatch["level"]) == (4, "fail")
    assert own_pem().splitlines()[5] not in json.dumps(told)


def test_a_signature_that_leaves_one_click_out_is_told(workspace: Path) -> None:
    signing(workspace, "own", own_pem(), ", headers: [from, subject, list-unsubscribe]")
    _, told = run(workspace)
    (unsigned,) = [f for f in told["findings"] if f["id"] == "one-click-unsigned"]
    assert unsigned["level"] == "warn"
    assert "d=good.test: h=from:subject:list-unsubscribe" in unsigned["evidence"]


@pytest.mark.parametrize(
    ("key", "more", "said"),
    [("nonsense", "", "can't sign with this key"), (own_pem(), ", headers: [subject]", "From must be signed")],
)
def test_a_key_that_can_not_sign_is_told_in_the_words_of_a_run(key: str, more: str, said: str, workspace: Path) -> None:
    signing(workspace, "own", key, more)
    for command in (["check", "sale"], ["run", "sale", "--yes"]):
        result = CliRunner().invoke(app, [*command, "--workspace", str(workspace)])
        assert isinstance(result.exception, ConfigError)
        assert said in str(result.exception)
        assert "\n" not in str(result.exception)


@pytest.mark.parametrize("wish", [["--follow"], ["--live"], ["--follow", "--live"]])
def test_offline_and_connecting_exclude_each_other(wish: list[str], workspace: Path) -> None:
    for offline in (["--offline"], []):
        result = CliRunner().invoke(app, ["check", "sale", "--workspace", str(workspace), *offline, *wish])
        assert isinstance(result.exception, ConfigError)
        assert f"asks nobody, and {' and '.join(wish)} would connect" in str(result.exception)
        (workspace / "check.yaml").write_text("offline: true\n")
    assert "check.yaml: offline: true asks nobody" in str(result.exception)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "check.yaml",
            "offline: false\nresolver:\n  nameservers: [192.0.2.1, ns.example]\n",
            "check.yaml:3: resolver.nameservers.1: 'ns.example' is no IP address; write one such as 192.0.2.53",
        ),
        (
            "check.yaml",
            "offline: true\ndkim:\n  - {domain: good.test, selector: ''}\n",
            "check.yaml:3: dkim.0.selector: '' is no domain name",
        ),
        (
            "check.yaml",
            "blocklists: [{zone: 'https://dbl.test/'}]\n",
            "blocklists.0.zone: 'https://dbl.test/' is no domain name; write it as it stands in DNS",
        ),
        ("check.yaml", "blocklists: [{zone: dbl.test, codes: {300.0.0.1: x}}]\n", "'300.0.0.1' is no answer of a list"),
        ("check.yaml", "blocklists: [{zone: dbl.test, codes: {3: x}}]\n", "'3' is no answer of a list"),
        ("check.yaml", "dkim: good.test\n", "check.yaml:1: dkim: input should be a valid list"),
        ("check.yaml", "resolver: {nameservers: ['192.0.2.1:53']}\n", "is no IP address"),
        (
            "relay.yaml",
            "default: mx\nrelays:\n  mx: {kind: smtp, host: 127.0.0.1, tls: none, sending_ips: [mx.good.test]}\n",
            "relay.yaml:3: relays.mx.sending_ips.0: 'mx.good.test' is no IP address",
        ),
    ],
)
def test_a_value_of_another_kind_is_refused_with_its_place(file: str, text: str, said: str, workspace: Path) -> None:
    (workspace / file).write_text(text)
    result = CliRunner().invoke(app, ["check", "sale", "--workspace", str(workspace)])
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        (b"Message-ID: 12345\r\nDate: 30/11/2026 04:00\r\n", {"form-message-id", "form-date"}),
        (b"", {"form-message-id", "form-missing"}),
        (b"Message-ID: <a@localhost>\r\nDate: Mon, 2 Nov 2020 04:00:00 +0000\r\n", {"form-message-id-domain"}),
        (b"Message-ID: <a@good.test>\r\nDate: Mon, 2 Nov 2020 04:00:00 +0000\r\n", set()),
    ],
)
def test_the_message_id_and_date_of_an_imported_original_are_judged(
    fields: bytes, wanted: set[str], workspace: Path
) -> None:
    eml = workspace / "old.eml"
    eml.write_bytes(
        b"From: news@good.test\r\nTo: a@icloud.com\r\nSubject: Forty off\r\nReturn-Path: <b@good.test>\r\n"
        + fields + b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nOur shoes are forty off\r\n"
    )  # fmt: skip
    made = CliRunner().invoke(app, ["import", str(eml), "--name", "old", "--workspace", str(workspace)])
    assert made.exit_code == 0, made.exception
    result = CliRunner().invoke(app, ["check", "old", "--workspace", str(workspace), "--json"])
    found = [f for f in json.loads(result.stdout)["findings"] if f["about"] == "the imported original"]
    assert {f["id"] for f in found} == wanted
    assert {f["level"] for f in found} <= {"warn"}
    assert result.exit_code == 0


def blocklists(workspace: Path, lists: str) -> None:
    path = workspace / "check.yaml"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("blocklists")]
    path.write_text("\n".join([*kept, f"blocklists: {lists}", ""]))


def test_every_host_is_looked_up_in_lists_not_only_what_was_registered(workspace: Path) -> None:
    (workspace / "variants/sale/body.html.j2").write_text(BODY % '<a href="https://click.good.test/x">See</a>')
    code, told = run(workspace)
    assert code == 4
    assert [f["about"] for f in told["findings"] if f["id"] == "blocklist-listed"] == ["click.good.test on dbl.test"]


def test_a_key_in_a_lists_zone_comes_from_the_environment_and_is_never_printed(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocklists(workspace, '[{zone: "${LIST_KEY}.dbl.test", codes: {127.0.1.2: spam, 8: phishing}}]')
    result = CliRunner().invoke(app, ["check", "sale", "--workspace", str(workspace), "--json"])
    assert "blocklists.0.zone: the environment has no LIST_KEY" in str(result.exception)
    monkeypatch.setenv("LIST_KEY", "s3cret key")
    result = CliRunner().invoke(app, ["check", "sale", "--workspace", str(workspace), "--json"])
    assert "is no domain name" in str(result.exception)
    assert "s3cret" not in str(result.exception)
    monkeypatch.setenv("LIST_KEY", "s3cretkey")
    for more in (["--json"], ["--all"]):
        result = CliRunner().invoke(app, ["check", "sale", "--workspace", str(workspace), *more])
        assert "s3cret" not in result.output
    assert "LIST_KEY" in result.output


def test_a_list_that_cannot_be_asked_or_does_not_answer_clears_nobody(workspace: Path) -> None:
    blocklists(workspace, "[{zone: nosuch.test}, {zone: ipbl.test, of: ip}]")
    relay = workspace / "relay.yaml"
    relay.write_text(relay.read_text().replace("sending_ips: [192.0.2.1], ", ""))
    told = [f for f in run(workspace)[1]["findings"] if f["id"].startswith("blocklist")]
    assert [(f["id"], f["level"]) for f in told] == [("blocklist", "unknown"), ("blocklist-silent", "unknown")]
    assert "no sending IP is known" in told[0]["finding"]
    assert told[1]["evidence"] == "A test.nosuch.test: no such name (NXDOMAIN)"


def test_a_check_yaml_of_comments_only_is_all_defaults(workspace: Path) -> None:
    (workspace / "check.yaml").write_text("# offline: true\n")
    code, _ = run(workspace, "--offline")
    assert code == 0


def test_silent_name_servers_cost_little_time_and_are_told_once(workspace: Path) -> None:
    links = "".join(f'<a href="https://host-{n}.test/">See {n}</a>' for n in range(60))
    (workspace / "variants/sale/body.html.j2").write_text(BODY % links)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        (workspace / "check.yaml").write_text(
            f"resolver: {{nameservers: [127.0.0.1], port: {deaf.getsockname()[1]}, timeout: 300ms}}\n"
        )
        begun = time.monotonic()
        code, told = run(workspace, "--follow")
    assert code == 0
    assert time.monotonic() - begun < 40
    unknown = [f for f in told["findings"] if f["level"] == "unknown" and "127.0.0.1 stayed silent" in f["evidence"]]
    (silence,) = [f for f in unknown if f["id"] == "dns"]
    assert "for which no name server was asked" in silence["finding"]
    assert len([f for f in told["findings"] if f["level"] == "unknown"]) < 12
    assert "missing" not in {f["id"].rpartition("-")[2] for f in told["findings"]}


def test_names_that_no_public_name_server_knows_are_told_once(workspace: Path) -> None:
    (workspace / "check.yaml").unlink()
    code, told = run(workspace, "--relay", "sandbox")
    assert code == 0
    (unasked,) = [f for f in told["findings"] if f["id"] == "dns"]
    assert "reserved names (RFC 2606)" in unasked["evidence"]
    assert "MAIL FROM good.test" in unasked["about"]


def test_links_are_followed_by_the_name_servers_of_check_yaml(workspace: Path) -> None:
    def page(line: socket.socket) -> None:
        request = line.recv(65_536)
        move = b"HTTP/1.1 302 Found\r\nLocation: http://shop:x@here.test:%d/c\r\n\r\n" % line.getsockname()[1]
        line.sendall(move if b"GET /autumn" in request else b"HTTP/1.1 200 OK\r\n\r\n")

    with talking(page) as port:
        links = f'<a href="http://here.test:{port}/autumn">a</a><a href="http://inside.test:{port}/">b</a>'
        (workspace / "variants/sale/body.html.j2").write_text(BODY % links)
        with (workspace / "check.yaml").open("a") as file:
            file.write("follow: {private: true, timeout: 1s}\n")
        _, told = run(workspace, "--follow")
    chains = [f["finding"] for f in told["findings"] if f["id"] == "link-chain"]
    assert "leads to here.test over 1 redirect" in chains
    assert any("the host inside.test does not exist" in finding for finding in chains)
    about = {f["about"] for f in told["findings"] if f["id"] == "link-userinfo"}
    assert about == {f"redirect http://shop:x@here.test:{port}/c"}


def test_follow_asks_a_server_for_content_and_for_no_farewell(workspace: Path) -> None:
    asked = set()

    def page(line: socket.socket) -> None:
        asked.add(line.recv(65_536).split(b" ")[1].decode())
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    said = ("Leave this list", "Opt me out", "klikkaa t\u00e4st\u00e4", "Sagul sinut", "Unsubscribe")
    with talking(page) as port:
        base = f"http://here.test:{port}"
        body = f'<h1><a href="{base}/c/1">Tents</a></h1><p><a href="{base}/c/2">Shop now</a></p>'
        body += "".join(f'<p>Enough? <a href="{base}/q/{n}">{words}</a></p>' for n, words in enumerate(said))
        (workspace / "variants/sale/body.html.j2").write_text(BODY % body)
        with (workspace / "check.yaml").open("a") as file:
            file.write("follow: {private: true, timeout: 1s}\n")
        _, told = run(workspace, "--follow")
    assert asked == {"/c/1", "/c/2"}
    (left,) = [f for f in told["findings"] if f["id"] == "link-unsubscribe"]
    assert left["about"].endswith("and 4 more")


def test_a_silent_spamd_is_one_finding_and_stops_no_run(workspace: Path) -> None:
    with talking(lambda line: time.sleep(20)) as port:
        with (workspace / "check.yaml").open("a") as file:
            file.write(f"spamd: {{port: {port}, timeout: 500ms}}\n")
        begun = time.monotonic()
        code, told = run(workspace)
        (silence,) = [f for f in told["findings"] if f["id"] == "spam-score"]
        assert (code, silence["level"]) == (0, "unknown")
        assert "no report within 0.5 s" in silence["evidence"]
        assert time.monotonic() - begun < 15
        (workspace / "sandbox.yaml").write_text("rules: []\n")
        sent = CliRunner().invoke(app, ["run", "sale", "--relay", "sandbox", "--workspace", str(workspace), "--json"])
    assert sent.exit_code == 0, (sent.exception, sent.stderr)


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
