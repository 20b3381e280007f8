"""The token of one trial: it travels with the message, and whoever brings it back proves it by its signature.

It stands in the VERP envelope sender, as ENVID, in the Message-ID and in the provider's metadata (`retest_id`), so
its alphabet is the narrowest of these: lower-case letters, digits and `-` (Amazon's message tags allow no more, and
some mail systems fold case). All tokens of a run have one length. This module knows no ledger: a verified token
says which trial is meant, not whether there is such a trial.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

NUMBER_DIGITS = 5
MAX_NUMBER = 10**NUMBER_DIGITS - 1
MAX_RUN_ID = 32  # "bounces+" and the token stay under 64 octets of local part (RFC 5321 section 4.5.3.1.1)
METADATA_KEY = "retest_id"  # the name under which providers carry the token

_SIGNATURE_BYTES = 10  # 80 bits: a forger who posts a million guesses a second needs billions of years
_SIGNATURE_CHARS = 16
_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_RUN_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_TAIL = re.compile(rf"-([0-9]{{{NUMBER_DIGITS}}})-([a-z2-7]{{{_SIGNATURE_CHARS}}})(?![a-z0-9])")
_MAX_TEXT = 2000  # no address, ENVID or metadata value is longer


def make_token(key: bytes, run_id: str, number: int) -> str:
    """Make the token of trial `number` of a run, signed with the workspace's key.

    Raises:
        ValueError: the key is short, or run id or number don't fit the alphabet and length.
    """
    if len(key) < 16:
        raise ValueError("the key that signs tokens must have 16 bytes or more")
    if not _RUN_ID.fullmatch(run_id) or len(run_id) > MAX_RUN_ID:
        raise ValueError(f"run id {run_id!r}: lower-case letters and digits, parted by '-', at most {MAX_RUN_ID}")
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"trial number {number} is not within 0 to {MAX_NUMBER}")
    digits = f"{number:0{NUMBER_DIGITS}d}"
    return f"{run_id}-{digits}-{_sign(key, run_id, digits)}"


def verify(token: str, key: bytes) -> tuple[str, int] | None:
    """Return run id and trial number that a token names; None if its signature is not ours.

    Upper case is forgiven, for the way back may have folded it.
    """
    token = token.lower()
    match = _TAIL.search(token)
    if match is None or match.end() != len(token):
        return None
    run_id, digits, signature = token[: match.start()], match[1], match[2]
    if not _RUN_ID.fullmatch(run_id) or len(run_id) > MAX_RUN_ID:
        return None
    if not hmac.compare_digest(_sign(key, run_id, digits), signature):
        return None
    return run_id, int(digits)


def find_token(text: str, key: bytes) -> tuple[str | None, bool]:
    """Look for a token of ours in an address, ENVID or metadata value.

    What stands before it may be anything (`bounces+`, `bounces-`, a forwarder's SRS0=…=). Returns the token,
    or None, and whether something there has a token's shape: without a token that is a forged or foreign one.
    """
    text = text[:_MAX_TEXT].lower()
    shaped = False
    for match in _TAIL.finditer(text):
        shaped = True
        start = match.start()
        while (
            start > 0 and match.start() - start < MAX_RUN_ID and (text[start - 1].isalnum() or text[start - 1] == "-")
        ):
            start -= 1
        while start < match.start():
            token = text[start : match.end()]
            if verify(token, key):
                return token, True
            dash = text.find("-", start, match.start())  # "bounces-RUN…": the run id may begin after a dash
            start = dash + 1 if dash >= 0 else match.start()
    return None, shaped


def _sign(key: bytes, run_id: str, digits: str) -> str:
    secret = hashlib.sha256(key).digest()  # of one length: HMAC pads short keys, so k and k+NUL would sign alike
    whole = hmac.new(secret, f"retest-token-1\0{run_id}\0{digits}".encode(), hashlib.sha256).digest()
    return base64.b32encode(whole[:_SIGNATURE_BYTES]).decode().lower()
