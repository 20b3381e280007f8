"""Who posted a webhook: the check that each provider documents, over the bytes as they came.

| provider | what is checked | documented at |
|---|---|---|
| sendgrid | ECDSA over timestamp and body, public key | twilio.com/docs/sendgrid "Event Webhook Security Features" |
| mailgun | HMAC-SHA256 over timestamp and token | documentation.mailgun.com "Securing Webhooks" |
| ses | SNS signature by Amazon's certificate, and the topic | docs.aws.amazon.com/sns "Verifying the signatures" |
| all others | basic credentials, bearer token, X-Webhook-Secret header or ?token= | their webhook pages |
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

MAILGUN_AGE = 24 * 3600.0  # Mailgun tries again for eight hours
MANY = 10_000
_SNS_HOST = re.compile(r"sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?")
_SNS_FIELDS = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
Certificate = Callable[[str], bytes]  # URL -> PEM


class BadSignature(Exception):
    """The request does not prove that it comes from the provider; the text says why, without the secret."""


@dataclass(frozen=True)
class Posted:
    """A request as it came; header names are in lower case."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = field(repr=False)


class Checker:
    """Checks the requests of one provider against one secret."""

    def __init__(
        self, provider: str, secret: str, certificate: Certificate, clock: Callable[[], float] = time.time
    ) -> None:
        self._provider = provider
        self._secret = secret
        self._certificate = certificate
        self._clock = clock
        self._tokens: OrderedDict[str, bytes] = OrderedDict()

    def check(self, posted: Posted) -> None:
        """Return if the request is genuine; without a secret everything is taken as it is.

        Raises:
            BadSignature: it is not.
        """
        if not self._secret:
            return
        # Neither a verification key nor a topic's name is secret: whoever shows them shows nothing.
        if self._provider == "sendgrid" and is_public_key(self._secret):
            check_sendgrid(posted, self._secret)
        elif self._provider == "mailgun":
            self._check_mailgun(posted)
        elif self._provider == "ses" and self._secret.startswith("arn:"):
            check_sns(posted, self._secret, self._certificate)
        else:
            check_credentials(posted, self._secret)

    def _check_mailgun(self, posted: Posted) -> None:
        """Check the HMAC; as it does not cover the body, a token may come with one body only."""
        signed = _mapping(_parsed(posted.body).get("signature"))
        stamp, token = str(signed.get("timestamp", "")), str(signed.get("token", ""))
        expected = hmac.new(_bytes(self._secret), _bytes(stamp + token), hashlib.sha256).hexdigest()
        given = [str(signed.get(name, "")) for name in ("signature", "parent-signature")]
        if not token or not any(_same(expected, text) for text in given):
            raise BadSignature("its Mailgun signature is not by this signing key")
        if not (stamp.isascii() and stamp.isdigit()) or abs(self._clock() - int(stamp[:12])) > MAILGUN_AGE:
            raise BadSignature("its Mailgun signature is more than a day old")
        event = hashlib.sha256(json.dumps(_parsed(posted.body).get("event-data"), sort_keys=True).encode()).digest()
        if self._tokens.setdefault(token, event) != event:
            raise BadSignature("its Mailgun token was used before, for another event")
        while len(self._tokens) > MANY:
            self._tokens.popitem(last=False)


def check_sendgrid(posted: Posted, public_key: str) -> None:
    """Check SendGrid's ECDSA signature; the key is base64 of its DER form, as the mail settings show it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    stamp = posted.headers.get("x-twilio-email-event-webhook-timestamp", "")
    signature = posted.headers.get("x-twilio-email-event-webhook-signature", "")
    if not stamp or not signature:
        raise BadSignature("it bears no SendGrid signature; switch on the Signed Event Webhook")
    try:
        key = _public_key(public_key)
        key.verify(base64.b64decode(signature, validate=True), stamp.encode() + posted.body, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise BadSignature("its SendGrid signature is not by this verification key") from None
    except (ValueError, binascii.Error):
        raise BadSignature("its SendGrid signature, or the verification key, can't be read") from None


def is_public_key(secret: str) -> bool:
    """Tell whether a secret is SendGrid's verification key rather than a password of the operator's."""
    try:
        _public_key(secret)
    except (ValueError, binascii.Error):
        return False
    return True


def check_sns(posted: Posted, topic: str, certificate: Certificate) -> None:
    """Check an SNS message: signed by Amazon's certificate, and of our topic, for anyone can have a topic."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    message = _parsed(posted.body)
    fields = _SNS_FIELDS.get(str(message.get("Type")))
    if fields is None:
        raise BadSignature("it is no SNS message; switch off raw message delivery, or use basic credentials")
    if not _same(str(message.get("TopicArn")), topic):
        raise BadSignature("its SNS topic is not the one that was expected")
    text = "".join(f"{name}\n{message[name]}\n" for name in fields if message.get(name) is not None)
    version = str(message.get("SignatureVersion"))
    digest = {"1": hashes.SHA1(), "2": hashes.SHA256()}.get(version)  # what SNS signs with by default is 1
    if digest is None:
        raise BadSignature(f"its SNS signature has version {version[:10]!r}; 1 or 2 was expected")
    try:
        pem = certificate(str(message.get("SigningCertURL") or message.get("SigningCertUrl")))
        key = x509.load_pem_x509_certificate(pem).public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise BadSignature("the SNS certificate holds no RSA key")
        signature = base64.b64decode(str(message.get("Signature")), validate=True)
        key.verify(signature, text.encode(), padding.PKCS1v15(), digest)
    except InvalidSignature:
        raise BadSignature("its SNS signature is not by Amazon's certificate") from None
    except (ValueError, binascii.Error):
        raise BadSignature("its SNS signature or certificate can't be read") from None


def is_sns_url(url: str) -> bool:
    """Tell whether a URL leads to Amazon's SNS itself; nothing else is ever fetched."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.netloc == parts.hostname and bool(_SNS_HOST.fullmatch(parts.netloc))
    except ValueError:
        return False


def check_credentials(posted: Posted, secret: str) -> None:
    """Check what the operator told the provider to send: credentials in the URL, a bearer token, a header."""
    if not any(_same(text, secret) for text in _credentials(posted)):
        raise BadSignature(
            "it bears no secret, or a wrong one (basic credentials, Authorization: Bearer, X-Webhook-Secret or ?token=)"
        )


def _public_key(text: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    lines = [line for line in text.splitlines() if not line.startswith("-----")]
    key = load_der_public_key(base64.b64decode("".join("".join(lines).split()), validate=True))
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("an elliptic curve key was expected")
    return key


def _credentials(posted: Posted) -> list[str]:
    found = [posted.headers.get("x-webhook-secret", ""), posted.query.get("token", "")]
    scheme, _, value = posted.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found.append(value.strip())
    if scheme.lower() == "basic":
        try:
            plain = base64.b64decode(value.strip(), validate=True).decode("utf-8", "replace")
        except (ValueError, binascii.Error):
            plain = ""
        found += [plain, plain.partition(":")[2]]  # user:password, or a password with any user
    return [text for text in found if text]


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise BadSignature("its body is no JSON, so it bears no signature") from None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return _mapping(value)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _bytes(text: str) -> bytes:
    """Encode any text that JSON can hold, lone surrogates too."""
    return text.encode("utf-8", "surrogatepass")
