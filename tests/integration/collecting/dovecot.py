"""A private Dovecot on loopback: real IMAP with TLS, with or without IDLE, and XOAUTH2 by locally checked tokens."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import imaplib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "bounce", 'bounce-sécret "x\\'
VMAIL = 5000
_CONFIG = """
instance_name = collecting-{imap}
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = {ssl}
ssl_cert = <{root}/tls/{certificate}.pem
ssl_key = <{root}/tls/{certificate}.key
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {root}/oauth2.conf
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login
  args = scheme=PLAIN {root}/users
}}
userdb {{
  driver = static
  args = uid={vmail} gid={vmail} home={root}/mail/%n
}}
first_valid_uid = 1
mail_location = maildir:{root}/mail/%n/Maildir
{extra}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
"""


def missing() -> str:
    """Say why a Dovecot can't be started here; "" if it can."""
    if os.geteuid() != 0:
        return "needs root: Dovecot's processes change user"
    if not shutil.which("dovecot", path=os.environ["PATH"] + ":/usr/sbin"):
        return "needs dovecot-imapd (apt-get install dovecot-imapd openssl)"
    return ""


@dataclass(frozen=True)
class Dovecot:
    root: Path
    imap: int
    imaps: int

    @property
    def ca(self) -> str:
        return str(self.root / "tls" / "ca.pem")

    def maildir(self, folder: str = "") -> Path:
        path = self.root / "mail" / USER / "Maildir"
        return path / f".{folder}" if folder else path

    def deliver(self, raw: bytes, folder: str = "") -> None:
        """Put a mail in as a delivery agent does: written in tmp, moved to new."""
        maildir = self.maildir(folder)
        for name in ("cur", "new", "tmp"):
            (maildir / name).mkdir(parents=True, exist_ok=True)
        for path in (self.root / "mail", self.root / "mail" / USER, self.maildir(), maildir, *maildir.iterdir()):
            os.chown(path, VMAIL, VMAIL)
        name = f"{time.time_ns()}.P1.test"
        path = maildir / "tmp" / name
        path.write_bytes(raw)
        os.chown(path, VMAIL, VMAIL)
        path.rename(maildir / "new" / name)

    def files(self) -> dict[str, str]:
        """Name and digest of every mail, by which a test sees whether anything was touched."""
        maildir = self.maildir()
        return {
            str(path.relative_to(maildir)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in maildir.rglob("*")
            if path.is_file() and path.parent.name in ("new", "cur")
        }

    def flags(self) -> list[bytes]:
        """Flags of every mail, asked by another client that changes none."""
        client = imaplib.IMAP4("127.0.0.1", self.imap)
        client.authenticate("PLAIN", lambda challenge: f"\0{USER}\0{PASSWORD}".encode())
        client.select("INBOX", readonly=True)
        rows = client.fetch("1:*", "(UID FLAGS)")[1]
        client.logout()
        return [row for row in rows if isinstance(row, bytes)]

    def logins(self) -> int:
        """How many logins failed, by Dovecot's own log."""
        return (self.root / "dovecot.log").read_text().count("auth failed")

    def token(self, user: str = USER, lasts: float = 600) -> str:
        """Make an access token that this server takes (a JWT signed with its key)."""
        head = {"alg": "HS256", "typ": "JWT", "kid": "default"}
        claims = {"sub": user, "iat": int(time.time()) - 1, "exp": int(time.time() + lasts), "aud": "imap"}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
        return signed + "." + _base64(hmac.new(b"k" * 32, signed.encode(), hashlib.sha256).digest())


@contextlib.contextmanager
def dovecot(*, idle: bool = True, ssl: bool = True, wrong_name: bool = False) -> Iterator[Dovecot]:
    """Run a Dovecot in a folder of its own until the block ends."""
    root = Path(tempfile.mkdtemp(prefix="dovecot-", dir="/tmp"))
    root.chmod(0o755)
    imap, imaps = _free_ports()
    server = Dovecot(root, imap, imaps)
    try:
        _prepare(root)
        extra = "" if idle else "protocol imap {\n  imap_capability = IMAP4rev1 UIDPLUS LITERAL+\n}"
        text = _CONFIG.format(
            root=root, imap=imap, imaps=imaps, vmail=VMAIL, extra=extra,
            certificate="wrong" if wrong_name else "server", ssl="yes" if ssl else "no",
        )  # fmt: skip
        (root / "dovecot.conf").write_text(text)
        with open(root / "start.log", "wb") as log:
            subprocess.run(
                ["dovecot", "-c", root / "dovecot.conf"], check=True, stdout=log, stderr=log, env=_environment()
            )
        _await(imaps if ssl else imap)
        yield server
    finally:
        _stop(root)
        shutil.rmtree(root, ignore_errors=True)


def _prepare(root: Path) -> None:
    for name in ("run", "state", "tls", "keys/default/HS256"):
        (root / name).mkdir(parents=True)
    (root / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    (root / "keys/default/HS256/default").write_bytes(base64.b64encode(b"k" * 32))
    (root / "oauth2.conf").write_text(
        f"introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={root}/keys/\n"
        "username_attribute = sub\ntokeninfo_url =\n"
    )
    for path in (root / "users", root / "oauth2.conf", root / "keys/default/HS256/default"):
        shutil.chown(path, "root", "dovecot")
        path.chmod(0o640)
    make_certificates(root / "tls")
    for name in ("cur", "new", "tmp"):
        (root / "mail" / USER / "Maildir" / name).mkdir(parents=True)
    for path in (root / "mail", *(root / "mail").rglob("*")):
        os.chown(path, VMAIL, VMAIL)


def make_certificates(folder: Path) -> None:
    """Make a CA, a certificate for localhost and one for another name."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    ca_key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    ca_name = named("collecting test CA")
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    for name in ("ca", "server", "wrong"):
        key = ca_key if name == "ca" else ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(ca_name if name == "ca" else named(name))
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(name == "ca", None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if name == "ca":
            usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        else:
            hosts: list[x509.GeneralName] = [x509.DNSName("elsewhere.test")]
            if name == "server":
                hosts = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
            builder = builder.add_extension(authority, critical=False)
        certificate = builder.sign(ca_key, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _await(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            raise TimeoutError("Dovecot did not start")
        time.sleep(0.02)


def _stop(root: Path) -> None:
    try:
        pid = int((root / "run" / "master.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        for _ in range(500):
            os.kill(pid, 0)
            if _is_zombie(pid):
                return
            time.sleep(0.02)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _environment() -> dict[str, str]:
    return dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
