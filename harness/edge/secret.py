"""Secrets: names in the files, values from the environment or a keyring, shown nowhere."""

from __future__ import annotations

import os
import re

from harness.errors import ConfigError

REFERENCE = re.compile(r"\$\{([^{}]{1,200})\}")


def is_reference(value: str) -> bool:
    """Tell whether a value is exactly one `${NAME}` or `${keyring:service/user}`."""
    return REFERENCE.fullmatch(value) is not None


def fill(text: str, where: str) -> str:
    """Return a text with the secret behind each `${NAME}` in it.

    Raises:
        ConfigError: nothing is behind a name.
    """
    return REFERENCE.sub(lambda found: resolve(found[0], where), text)


def resolve(value: str, where: str) -> str:
    """Return the secret that a reference names.

    Raises:
        ConfigError: the value is no reference (a secret has no place in a file), or nothing is behind it.
    """
    match = REFERENCE.fullmatch(value)
    if not match:
        raise ConfigError(
            f"{where}: a secret stands in the file; write ${{NAME}} there, and set NAME in the environment "
            "(or use ${keyring:service/user})"
        )
    name = match[1]
    if name.startswith("keyring:"):
        return _from_keyring(name.removeprefix("keyring:"), where)
    secret = os.environ.get(name)
    if not secret:
        raise ConfigError(f"{where}: the environment has no {name}; set it (export {name}=…) and try again")
    return secret


def _from_keyring(name: str, where: str) -> str:
    service, _, user = name.partition("/")
    try:
        import keyring
    except ImportError:
        raise ConfigError(f"{where}: a keyring needs the extra: pip install 'retest-harness[keyring]'") from None
    try:
        secret: str | None = keyring.get_password(service, user)
    except Exception as error:  # every backend has errors of its own
        raise ConfigError(f"{where}: the keyring can't be read: {type(error).__name__}") from None
    if not secret:
        raise ConfigError(f"{where}: the keyring holds nothing for {service}/{user}; `keyring set {service} {user}`")
    return secret
