"""The stack that all tests of a session share. In a test module: `from tests.mailstack.fixture import stack`."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil

import pytest

from tests.mailstack.stack import MailStack

_running: list[MailStack] = []


def missing() -> str | None:
    """Say what the stack lacks on this machine; None if nothing."""
    if os.geteuid() != 0:
        return "the mail stack needs root: Postfix and Dovecot change user"
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    for program in ("postfix", "dovecot", "doveadm", "openssl"):
        if not shutil.which(program, path=path):
            return f"the mail stack needs {program} (apt-get install postfix dovecot-imapd openssl)"
    return None if importlib.util.find_spec("aiosmtpd") else "the mail stack needs aiosmtpd"


def shared_stack() -> MailStack:
    """Start the session's stack at the first call; it is stopped when the process ends."""
    if not _running:
        stack = MailStack(mx_args=["--hang", "4", "--slow", "1", "--latency-ms", "20"])
        stack.start()
        _running.append(stack)
        atexit.register(stack.stop)
    return _running[0]


@pytest.fixture(scope="session", name="stack")
def _stack() -> MailStack:
    reason = missing()
    if reason:
        pytest.skip(reason)
    return shared_stack()


stack = _stack
