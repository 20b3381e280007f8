"""Real servers on loopback for what is checked before a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.check.lookup import PublicSuffixes
from harness.edge.dns import Dns
from tests.integration.around.servers import Authority
from tests.integration.around.zones import NSD, WITHOUT_NSD, name_server


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
