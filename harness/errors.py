"""What can go wrong in a way that the operator can put right.

Every error says what was wrong, where (file, line or field), what was expected and what to
do. `harness.cli.main` prints it on one line and exits with the code of its class.
"""


class HarnessError(Exception):
    """Base of all errors that are shown without a traceback; exit code 2."""

    exit_code = 2


class ConfigError(HarnessError):
    """A file of the workspace, an option or a template is wrong; nothing was sent."""


class RelayError(HarnessError):
    """The relay or a mailbox failed: no connection, TLS, authentication; exit code 5."""

    exit_code = 5


class MailboxError(RelayError):
    """A place where bounces are collected can't be read; exit code 5."""


class DsnError(HarnessError):
    """Bytes that claim to be a delivery report can't be read as one."""


class EventError(HarnessError):
    """Bytes that claim to be provider events can't be read as such."""
