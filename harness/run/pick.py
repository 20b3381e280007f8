"""Which run is meant: by id, by the beginning of an id, or the latest."""

from __future__ import annotations

from harness.edge.ledger import Ledger
from harness.edge.yamlfile import nearest
from harness.errors import ConfigError
from harness.model.record import RunRecord


def pick_run(ledger: Ledger, name: str | None = None) -> RunRecord:
    """Return a run by id or its unmistakable beginning; without a name the latest.

    Raises:
        ConfigError: there is none, or the beginning fits several.
    """
    runs = sorted(ledger.runs(), key=lambda run: run.started)
    if not runs:
        raise ConfigError("results/ledger.sqlite: there are no runs yet; `harness run CAMPAIGN` begins one")
    if name is None or name == "latest":
        return runs[-1]
    found = [run for run in runs if run.id == name] or [run for run in runs if run.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    ids = [run.id for run in runs]
    if found:
        raise ConfigError(
            f"{name!r} is the beginning of several runs ({', '.join(run.id for run in found)}); write more of it"
        )
    raise ConfigError(
        f"results/ledger.sqlite: no run is called {name!r}{nearest(name, ids[-5:])}; `harness status` lists them"
    )
