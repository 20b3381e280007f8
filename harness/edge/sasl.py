"""SASL mechanisms as conversations: challenges in, responses out (RFC 4616, 5802, 7677; LOGIN and XOAUTH2 by custom).

Pure: no connection. A mechanism is a generator: it yields what the client says, is sent what the server answers, and
ends when it has nothing more to say. What a password is prepared by is SASLprep (RFC 4013).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import stringprep
import unicodedata
from collections.abc import Callable, Generator, Mapping, Sequence

Talk = Generator[bytes, bytes, None]
MAX_ITERATIONS = 1_000_000  # a hostile server could ask for hours of hashing


class SaslError(Exception):
    """The server's part of the conversation is wrong, or it does not know the password."""


def plain(username: str, password: str) -> Talk:
    """RFC 4616."""
    yield b"\0" + username.encode() + b"\0" + password.encode()


def login(username: str, password: str) -> Talk:
    """The old LOGIN: the server asks for the name, then for the password."""
    yield username.encode()
    yield password.encode()


def xoauth2(username: str, token: str) -> Talk:
    """Google's and Microsoft's bearer token; an error comes as a challenge, which an empty answer ends."""
    challenge = yield f"user={username}\x01auth=Bearer {token}\x01\x01".encode()
    if challenge:
        yield b""


def scram_sha_256(username: str, password: str, nonce: str | None = None) -> Talk:
    """RFC 5802 with SHA-256 (RFC 7677), without channel binding; proves that the server knows the password too."""
    nonce = nonce or base64.b64encode(secrets.token_bytes(18)).decode()
    name = saslprep(username).replace("=", "=3D").replace(",", "=2C")
    first = f"n={name},r={nonce}"
    server_first = (yield b"n,," + first.encode()).decode("utf-8", "replace")
    fields = _fields(server_first)
    if not fields.get("r", "").startswith(nonce) or fields["r"] == nonce:
        raise SaslError("the server's nonce does not continue ours")
    try:
        salt, iterations = base64.b64decode(fields["s"], validate=True), int(fields["i"])
    except (KeyError, ValueError):
        raise SaslError("the server's first message has no salt or count") from None
    if not 1 <= iterations <= MAX_ITERATIONS:
        raise SaslError(f"the server asks for {iterations} iterations")
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password).encode(), salt, iterations)
    bare = f"c=biws,r={fields['r']}"
    said = f"{first},{server_first},{bare}".encode()
    client_key = _hmac(salted, b"Client Key")
    signature = _hmac(hashlib.sha256(client_key).digest(), said)
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    server_final = yield f"{bare},p={base64.b64encode(proof).decode()}".encode()
    expected = base64.b64encode(_hmac(_hmac(salted, b"Server Key"), said)).decode()
    if not hmac.compare_digest(_fields(server_final.decode("utf-8", "replace")).get("v", ""), expected):
        raise SaslError("the server does not prove that it knows the password")
    yield b""


# The best first: what never shows the password to a server that does not know it already.
MECHANISMS: Mapping[str, Callable[[str, str], Talk]] = {
    "scram-sha-256": scram_sha_256,
    "plain": plain,
    "login": login,
    "xoauth2": xoauth2,
}
# The first response goes with the AUTH command, but for LOGIN, where some servers don't take it (RFC 4954 section 4).
WITH_INITIAL_RESPONSE = frozenset({"scram-sha-256", "plain", "xoauth2"})


def choose(wanted: str | None, offered: Sequence[str]) -> str | None:
    """Pick the mechanism: the configured one, or the best password mechanism that is offered; None if there is none."""
    known = [name for name in MECHANISMS if name in {word.lower() for word in offered}]
    if wanted is not None:
        return wanted if wanted in known else None
    return next((name for name in known if name != "xoauth2"), None)


def saslprep(text: str) -> str:
    """Prepare a name or password (RFC 4013): NFKC, odd spaces to spaces, what is mapped to nothing left out.

    Raises:
        SaslError: it holds a character that is prohibited.
    """
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c))
    normal = unicodedata.normalize("NFKC", mapped)
    prohibited = (stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4)
    if any(test(c) for c in normal for test in (*prohibited, stringprep.in_table_c5, stringprep.in_table_c8)):
        raise SaslError("the name or password holds a character that SASL does not allow")
    return normal


def _fields(message: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in message.split(",") if "=" in part)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, "sha256").digest()
