"""Search: what to send next. Pure: no connection, no clock; chance comes from the run's shuffle key.

`strategy(name)` is the door; `model.problem.Strategy` says what stands behind it.
"""

from __future__ import annotations

from harness.errors import ConfigError
from harness.search.adaptive import adaptive
from harness.search.ladder import ladder
from harness.search.replay import Replay, Story
from harness.search.split import split

_STORIES: dict[str, Story] = {"ladder": ladder, "split": split, "adaptive": adaptive}
STRATEGIES = tuple(_STORIES)


def strategy(name: str) -> Replay:
    """Return a fresh strategy by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in _STORIES:
        raise ConfigError(f"--strategy {name}: there is no such strategy; choose one of {', '.join(STRATEGIES)}")
    return Replay(_STORIES[name])
