"""Real servers that several tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.edge.ledger import Ledger
from tests.integration.collecting.dovecot import Dovecot, dovecot, missing
from tests.mailstack.fixture import stack

__all__ = ["ledger", "server", "stack"]


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    """A Dovecot with everything."""
    if missing():
        pytest.skip(missing())
    with dovecot() as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened
