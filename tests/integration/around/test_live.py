"""`harness check --live`: what goes over the wire, and what is said of a relay that can't be used."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from tests.integration.around.servers import Authority, drip, talking

SECRET = "geheim-4711-x"
VERBS = {b"EHLO", b"STARTTLS", b"AUTH", b"NOOP", b"QUIT"}
SIZES = b"250-SIZE 20000000\r\n"


@dataclass
class Script:
    """A relay: what it offers and answers; `seen` is all that it was told."""

    tls: ssl.SSLContext | None = None
    greeting: bytes = b"220 mx.good.test ESMTP\r\n"
    before: bytes = b"250-mx.good.test\r\n250-STARTTLS\r\n250 SIZE 20000000\r\n"  # TLS
    after: bytes = b"250-mx.good.test\r\n250-AUTH PLAIN LOGIN\r\n250-DSN\r\n250 SIZE 20000000\r\n"
    starttls: bytes = b"220 go ahead\r\n"
    auth: bytes = b"235 2.7.0 welcome\r\n"
    noop: bytes = b"250 2.0.0 ok\r\n"
    seen: list[bytes] = field(default_factory=list)
    slow: float = 0.0  # seconds a byte of the greeting

    def __call__(self, line: socket.socket) -> None:
        if self.slow:
            drip(line, self.greeting, self.slow)
        else:
            line.sendall(self.greeting)
        protected = False
        while command := _line(line):
            self.seen.append(command)
            verb = command.split()[0].upper()
            if verb == b"STARTTLS":
                line.sendall(self.starttls)
                if self.tls and self.starttls.startswith(b"220"):
                    line = self.tls.wrap_socket(line, server_side=True)
                    protected = True
            elif verb == b"EHLO":
                line.sendall(self.after if protected or not self.tls else self.before)
            else:
                line.sendall({b"AUTH": self.auth, b"NOOP": self.noop, b"QUIT": b"221 bye\r\n"}.get(verb, b"502 no\r\n"))
                if verb == b"QUIT":
                    line.close()
                    return


def _line(line: socket.socket) -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        byte = line.recv(1)
        if not byte:
            return b""
        text += byte
    return text.rstrip()


@pytest.fixture
def place(workspace: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RELAY_PASSWORD", SECRET)
    (workspace / "ca.pem").write_bytes(authority.file.read_bytes())
    return workspace


def live(place: Path, port: int, **settings: object) -> tuple[int, dict[str, dict[str, str]], str]:
    """Run the command over a relay; returns the exit code, the relay's findings, and all that was shown."""
    made = {"kind": "smtp", "host": "127.0.0.1", "port": port, "tls": "starttls", "ca_file": "ca.pem", "timeout": "1s",
            "username": "shop", "password": "${RELAY_PASSWORD}"} | settings  # fmt: skip
    made = {key: value for key, value in made.items() if value is not None}
    (place / "relay.yaml").write_text(json.dumps({"default": "esp", "relays": {"esp": made}}))
    options = ["check", "sale", "--workspace", str(place), "--live", "--all"]
    told = CliRunner().invoke(app, [*options, "--json"])
    assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
    table = CliRunner().invoke(app, options)
    findings = {f["id"]: f for f in json.loads(told.stdout)["findings"] if f["id"].startswith("relay")}
    return told.exit_code, findings, told.output + table.output


def only_said(script: Script) -> None:
    """No more was said than it takes to log in and to leave."""
    assert {command.split()[0].upper() for command in script.seen} <= VERBS


def test_a_relay_in_order_hears_five_commands_and_no_more(place: Path, authority: Authority) -> None:
    script = Script(authority.context("127.0.0.1"))
    with talking(script) as port:
        code, found, shown = live(place, port)
    assert code == 0
    assert found["relay"]["level"] == "ok"
    assert "protected, logged in" in found["relay"]["finding"]
    assert (found["relay-size"]["level"], found["relay-dsn"]["level"]) == ("ok", "ok")
    verbs = [command.split()[0] for command in script.seen]
    assert verbs == [b"EHLO", b"STARTTLS", b"EHLO", b"AUTH", b"NOOP", b"QUIT"] * 2  # the command was run twice
    secret(shown)


def secret(shown: str) -> None:
    assert SECRET not in shown
    for user in ("", "\0shop\0", "\0shops\0", "\0a\0"):
        assert base64.b64encode(f"{user}{SECRET}".encode()).decode() not in shown
    assert "Traceback" not in shown


ECHO = b" ".join(base64.b64encode(f"{before}{SECRET}".encode()) for before in ("", "\0shop\0", "\0shops\0", "\0a\0"))


@pytest.mark.parametrize(
    ("changes", "names", "said"),
    [
        ({"before": b"250-mx.good.test\r\n250 SIZE 1\r\n"}, "127.0.0.1", "STARTTLS is not offered"),
        ({"starttls": b"454 4.7.0 TLS not available\r\n"}, "127.0.0.1", "454 4.7.0 TLS not available"),
        ({}, "mx.good.test", "its certificate is not for 127.0.0.1"),
        ({}, "127.0.0.1 expired", "certificate has expired"),
        ({"auth": b"535 5.7.8 authentication failed\r\n"}, "127.0.0.1", "login as shop was refused (PLAIN, tried once): 535"),
        ({"auth": b"454 4.7.0 temporary failure\r\n"}, "127.0.0.1", "454 4.7.0 temporary failure; try again later"),
        ({"auth": b"535 5.7.8 no: " + SECRET.encode() + b" " + ECHO + b"\r\n"}, "127.0.0.1", "login as shop was refused"),
        ({"auth": b"334 " + b"=" * 7 + b"\r\n"}, "127.0.0.1", "login as shop failed"),
        ({"after": b"250-mx.good.test\r\n250 SIZE 1\r\n"}, "127.0.0.1", "AUTH with a mechanism that the harness knows is not offered"),
        ({"after": b"250-mx.good.test\r\n250 AUTH GSSAPI NTLM\r\n"}, "127.0.0.1", "it has GSSAPI, NTLM"),
        ({"greeting": b"421 4.3.2 too many connections\r\n"}, "127.0.0.1", "refuses to talk: 421 4.3.2"),
        ({"greeting": b"554 no service\r\n"}, "127.0.0.1", "refuses to talk: 554"),
        ({"greeting": b""}, "127.0.0.1", "no answer within 1 s"),
        ({"greeting": b"220-" + b"a" * 50 + b"\r\n", "slow": 0.1}, "127.0.0.1", "no answer within 1 s"),
        ({"greeting": b"220-x\r\n" * 200_000}, "127.0.0.1", ""),
        ({"greeting": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, "127.0.0.1", ""),
        ({"noop": b""}, "127.0.0.1", "after login: no answer within 1 s"),
        ({"after": b"500 what?\r\n"}, "127.0.0.1", "refuses EHLO: 500"),
    ],
    ids=["no STARTTLS", "STARTTLS fails", "another name", "expired", "AUTH refused", "AUTH later", "AUTH refused with the secret", "a challenge that is none",
         "no AUTH", "no AUTH that we know", "421", "554", "silent", "dripping", "greeting without end", "HTTP", "NOOP silent", "EHLO refused"],
)  # fmt: skip
def test_a_relay_that_can_not_be_used_is_one_finding(
    changes: dict[str, object], names: str, said: str, place: Path, authority: Authority
) -> None:
    name, _, expired = names.partition(" ")
    script = Script(authority.context(name, days=-1 if expired else 30), **changes)  # type: ignore[arg-type]
    with talking(script) as port:
        begun = time.monotonic()
        code, found, shown = live(place, port)
        assert time.monotonic() - begun < 15
    assert code == 4
    assert said in found["relay-down"]["evidence"]
    assert ("temporary" in found["relay-down"]["do"]) is ("421" in said or "later" in said)
    assert "relay" not in found
    only_said(script)
    if "AUTH" not in said and "login" not in said and "later" not in said and "NOOP" not in said:
        assert not [command for command in script.seen if command.startswith(b"AUTH")]
    secret(shown)


@pytest.mark.parametrize("noop", [b"421 4.4.2 idle\r\n", b"502 what is " + SECRET.encode() + b"?\r\n"])
def test_a_relay_that_refuses_noop_is_a_warning(noop: bytes, place: Path, authority: Authority) -> None:
    with talking(Script(authority.context("127.0.0.1"), noop=noop)) as port:
        code, found, shown = live(place, port)
    assert code == 0
    assert found["relay"]["level"] == "warn"
    assert noop[:3].decode() in found["relay"]["evidence"]
    secret(shown)


def test_a_port_where_nobody_listens_or_answers_is_said(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, found, _ = live(place, server.getsockname()[1])
        assert "no answer within 1 s" in found["relay-down"]["evidence"]
    _, found, _ = live(place, 9)
    assert "connection was refused" in found["relay-down"]["evidence"]


def test_an_implicit_tls_port_that_speaks_in_clear_is_said(place: Path) -> None:
    with talking(Script()) as port:
        _, found, _ = live(place, port, tls="implicit")
    assert "does not speak TLS from the first byte" in found["relay-down"]["evidence"]


def test_a_message_above_size_and_no_dsn_are_findings(place: Path) -> None:
    script = Script(after=b"250-mx.good.test\r\n250 SIZE 100\r\n")
    bounces = [{"kind": "maildir", "path": "Maildir"}]
    with talking(script) as port:
        code, found, _ = live(
            place, port, tls="none", username=None, password=None, ca_file=None, answers="bounces", bounces=bounces
        )
    assert code == 4
    assert found["relay"]["level"] == "ok"
    assert "takes 100 bytes" in found["relay-size"]["finding"]
    assert found["relay-dsn"]["level"] == "warn"
    only_said(script)


def test_credentials_that_are_not_set_are_told_before_anybody_is_connected_to(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RELAY_PASSWORD")
    script = Script()
    with talking(script) as port:
        code, found, _ = live(place, port)
    assert code == 4
    assert "RELAY_PASSWORD" in found["relay-down"]["evidence"]
    assert script.seen == []


def test_a_reply_without_end_fills_no_memory(place: Path) -> None:
    ended = threading.Event()

    def pour(line: socket.socket) -> None:
        try:
            while True:
                line.sendall(b"220-" + b"x" * 60_000)
        except OSError:
            ended.set()

    with talking(pour) as port:
        _, found, _ = live(place, port)
    assert found["relay-down"]
    assert ended.wait(5)
