"""Real servers on loopback for what is checked before a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.check.lookup import PublicSuffixes
from harness.edge.dns import Dns
from tests.integration.around.servers import Authority
from tests.integration.around.zones import NSD, WITHOUT_NSD, name_server

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


@pytest.fixture(scope="session")
def dns_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if NSD is None:
        pytest.skip(WITHOUT_NSD)
    with name_server(tmp_path_factory.mktemp("nsd")) as port:
        yield port


@pytest.fixture(scope="session")
def resolver(dns_port: int) -> Dns:
    return Dns(["127.0.0.1"], dns_port, 2.0)


@pytest.fixture(scope="session")
def suffixes() -> PublicSuffixes:
    return PublicSuffixes()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


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
