"""TLS for a relay: the context that verifies it, and what a failed handshake means in words."""

from __future__ import annotations

import ssl

from harness.errors import ConfigError
from harness.model.relay import Relay


def tls_context(relay: Relay) -> ssl.SSLContext:
    """Build the context: certificate and host name are always verified.

    Raises:
        ConfigError: the CA file, client certificate or key can't be used.
    """
    where = f"relay.yaml: relays.{relay.name}"
    try:
        context = ssl.create_default_context(cafile=relay.ca_file)
    except (OSError, ssl.SSLError) as failure:
        raise ConfigError(
            f"{where}.ca_file: {relay.ca_file} can't be used: {_short(failure)}; give a PEM file"
        ) from None
    if relay.client_cert:
        try:
            context.load_cert_chain(relay.client_cert, relay.client_key, password=lambda: "")
        except (OSError, ssl.SSLError, ValueError) as failure:
            raise ConfigError(
                f"{where}.client_cert: {relay.client_cert} can't be used: {_short(failure)}; "
                "give PEM files of certificate and key (client_key), without a passphrase"
            ) from None
    return context


def explain_tls(relay: Relay, failure: BaseException) -> str:
    """Say what a TLS failure means and what to do; "" if it is none."""
    cause: BaseException | None = failure
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return ""
    if isinstance(cause, ssl.SSLCertVerificationError):
        if cause.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH
            return f"its certificate is not for {relay.host}; set host to a name that the certificate has"
        return (
            f"its certificate can't be verified ({cause.verify_message}); "
            "name the CA that signed it with ca_file, if it is the right server"
        )
    if cause.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return "it does not speak TLS from the first byte; tls: starttls may be right (port 587), or another port"
    return f"the TLS handshake failed ({_short(cause)}); check ca_file and client_cert"


def _short(failure: BaseException) -> str:
    if isinstance(failure, ssl.SSLError):
        return (failure.reason or str(failure)).replace("_", " ").lower()
    return getattr(failure, "strerror", None) or str(failure)
