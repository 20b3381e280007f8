"""What a stack's folder holds: settings of Postfix and Dovecot, certificates, users, ports."""

import contextlib
import os
import pathlib
import pwd
import random
import shutil
import socket
import string
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
PORTS = [
    "relay",
    "submission",
    "smtps",
    "proxy",
    "limited",
    "clearauth",
    "badcert",
    "imap",
    "imaps",
    "mx",
    "mx_tls",
    "mx_latency",
    "mx_limited",
    "mx_busy",
]
VMAIL = 5000


class StackError(RuntimeError):
    """The stack can't do what was asked."""


def free_base_port(count):
    """A port number with `count` free ports from it on.

    Below the kernel's usual range for outgoing connections, so that a client
    socket cannot take one of them before its server starts.
    """
    for base in random.sample(range(15000, 32000 - count), 200):
        with contextlib.ExitStack() as held:
            try:
                for port in range(base, base + count):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return base
    raise StackError("no free run of ports on 127.0.0.1")


def listening(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def write_files(stack):
    """Lay out the folder of a stack; returns what it tells its users."""
    base = stack.base_port or free_base_port(len(PORTS))
    ports = {name: base + i for i, name in enumerate(PORTS)}
    busy = [name for name, port in ports.items() if listening(port)]
    if busy:
        raise StackError(f"ports already in use on 127.0.0.1: {busy}")
    for path in (stack.etc, stack.tls, stack.log, stack.spool, stack.mx_out):
        path.mkdir(parents=True)
    (stack.root / "dovecot" / "run").mkdir(parents=True)
    (stack.root / "dovecot" / "state").mkdir()
    maildir = stack.mail / "bounce" / "Maildir"
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True)
    for path in (stack.mail / "bounce", maildir, *maildir.iterdir()):
        os.chown(path, VMAIL, VMAIL)
    data = stack.root / "data"
    data.mkdir()
    owner = pwd.getpwnam("postfix")
    os.chown(data, owner.pw_uid, owner.pw_gid)
    make_certificates(stack.tls)

    names = {f"port_{name}": port for name, port in ports.items()}
    names.update(
        root=stack.root,
        etc=stack.etc,
        tls=stack.tls,
        mail=stack.mail,
        log=stack.log,
        spool=stack.spool,
        data=data,
        queue_lifetime=stack.queue_lifetime,
        rate_limit=stack.rate_limit,
        rate_unit=stack.rate_unit,
    )
    for name in ("main.cf", "master.cf", "dovecot.conf"):
        text = (HERE / "conf" / f"{name}.in").read_text()
        # main.cf may use $name of its own: only our ${name} is replaced.
        text = string.Template(text).safe_substitute(names)
        (stack.etc / name).write_text(text)
    (stack.etc / "transport").write_text(
        "".join(
            f"{domain} smtp:[127.0.0.1]:{ports[name]}\n"
            for domain, name in (
                ("tls.test", "mx_tls"),
                ("latency.test", "mx_latency"),
                ("limited.test", "mx_limited"),
                ("busy.test", "mx_busy"),
            )
        )
        + "bounce.test virtual:\n"
    )
    (stack.etc / "mailboxes").write_text("@bounce.test bounce/Maildir/\n")
    users = stack.etc / "users"
    users.write_text("bounce:{PLAIN}bounce-secret\nharness:{PLAIN}smtp-secret\n")
    shutil.chown(users, "root", "dovecot")
    users.chmod(0o640)
    shutil.copy(HERE / "conf" / "rules.json", stack.etc / "rules.json")

    return {
        "dir": str(stack.root),
        "host": "127.0.0.1",
        "ports": ports,
        "smtp_user": "harness",
        "smtp_password": "smtp-secret",
        "imap_user": "bounce",
        "imap_password": "bounce-secret",
        "bounce_domain": "bounce.test",
        "bounce_maildir": str(maildir),
        "ca": str(stack.tls / "ca.pem"),
        "rules": str(stack.etc / "rules.json"),
        "mx_log": str(stack.mx_out / "mx.jsonl"),
        "mx_dir": str(stack.mx_out),
        "postfix_log": str(stack.log / "postfix.log"),
        "postfix_etc": str(stack.etc),
    }


def make_certificates(folder):
    """Make a CA, a server certificate, and one for another host name."""

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem",
        "-days", "3650", "-subj", "/CN=mailstack test CA",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    for name, alt in (
        ("server", "DNS:localhost,DNS:relay.test,DNS:mx.test,IP:127.0.0.1"),
        ("wrong", "DNS:elsewhere.test"),
    ):
        (folder / f"{name}.ext").write_text(
            f"subjectAltName={alt}\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n"
        )
        openssl(
            "req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={alt.partition(':')[2].partition(',')[0]}",
        )  # fmt: skip
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey",
            "ca.key", "-CAcreateserial", "-days", "3650", "-extfile",
            f"{name}.ext", "-out", f"{name}.pem",
        )  # fmt: skip
