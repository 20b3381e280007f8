"""DKIM for campaigns whose relay does not sign (RFC 6376): the final bytes get one header more, on top."""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import ConfigError
from harness.model.campaign import Dkim


def signer(dkim: Dkim) -> Callable[[bytes], bytes]:
    """Return the function that signs final bytes; it runs before they are journalled, so what is stored is sent.

    Raises:
        ConfigError: dkimpy is missing, or the key can't sign.
    """
    try:
        import dkim as dkimpy
    except ImportError:
        raise ConfigError("campaign.yaml: dkim needs the extra: pip install 'retest-harness[dkim]'") from None
    names = [name.lower().encode() for name in dkim.headers]
    if b"from" not in names:
        raise ConfigError("campaign.yaml: dkim.headers: From must be signed (RFC 6376 section 5.4)")
    key = dkim.private_key.strip().encode()

    def sign(content: bytes) -> bytes:
        try:
            header = dkimpy.sign(
                content,
                dkim.selector.encode(),
                dkim.domain.encode(),
                key,
                identity=None,
                canonicalize=(b"relaxed", b"relaxed"),
                include_headers=[name for name in names if _has(content, name)],
                linesep=b"\r\n",
            )
        except (dkimpy.DKIMException, ValueError) as failure:
            raise _unfit(failure) from None
        return bytes(header) + content

    sign(b"From: probe@" + dkim.domain.encode() + b"\r\n\r\n\r\n")  # a bad key is told before anything is sent
    return sign


def public_key(dkim: Dkim) -> bytes:
    """Return what has to be published for the key that signs (DER), read as the signer reads it.

    Raises:
        ConfigError: as `signer`.
    """
    signer(dkim)
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from dkim.crypto import parse_pem_private_key

    read = parse_pem_private_key(dkim.private_key.strip().encode())
    try:
        key = RSAPublicNumbers(read["publicExponent"], read["modulus"]).public_key()
    except ValueError as failure:
        raise _unfit(failure) from None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _unfit(failure: Exception) -> ConfigError:
    return ConfigError(
        f"campaign.yaml: dkim: can't sign with this key: {' '.join(str(failure).split())}; give an RSA key in PEM"
    )


def _has(content: bytes, name: bytes) -> bool:
    head = b"\r\n" + content.partition(b"\r\n\r\n")[0].lower()
    return b"\r\n" + name + b":" in head
