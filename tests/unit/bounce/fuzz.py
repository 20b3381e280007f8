"""Coverage-guided fuzzing of all that reads what comes back: `python -m tests.unit.bounce.fuzz [libFuzzer options]`.

Needs atheris (`pip install atheris`), which is no dependency of the tests: they fuzz with hypothesis.
"""

import contextlib
import sys

from harness.errors import EventError


def target(raw: bytes) -> None:
    """Read the bytes as everything that they may claim to be."""
    from harness.bounce.dsn import read_mail
    from harness.bounce.events import read_events
    from harness.bounce.reply import read_reply

    assert read_mail(raw)
    read_reply(raw.decode("utf-8", "replace"))
    with contextlib.suppress(EventError):
        read_events(raw)


def main() -> None:
    try:
        import atheris  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        sys.exit("fuzz: atheris is not installed; expected `pip install atheris`")
    with atheris.instrument_imports():
        import harness.bounce.dsn
        import harness.bounce.events  # noqa: F401
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
