"""Dialogues that Postfix does not offer, against small servers that follow a script."""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.edge.relay import Connection, DeliveryError, Handover
from harness.errors import RelayError
from harness.model.relay import Relay, Tls
from harness.model.reply import Step
from harness.model.variant import Message

Script = Callable[[bytes, int], bytes | None]
EHLO = b"250-x\r\n250-AUTH XOAUTH2 PLAIN SCRAM-SHA-256\r\n250 8BITMIME\r\n"
MESSAGE = Message("b@shop.example", "a@seeds.example", "t@shop.example", b"Subject: x\r\n\r\n.hello\r\n")


class Marks:
    def begin(self) -> None: ...
    def announce(self) -> None: ...
    async def content(self) -> None: ...


@dataclass
class Server:
    """Answers each command by a script (None: closes), and remembers what it saw."""

    script: Script
    port: int = 0
    seen: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        answer: bytes | None = self.script(b"", number) or b"220 x ESMTP\r\n"
        try:
            while answer is not None:
                writer.write(answer)
                await writer.drain()
                inside = answer.startswith(b"354")
                line = await (reader.readuntil(b"\r\n.\r\n") if inside else reader.readline())
                if not line:
                    break
                self.seen.append(line)
                answer = self.script(b"." if inside else line.rstrip(), number) or (None if inside else usual(line))
                if answer == b"-":
                    answer = None
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def usual(line: bytes) -> bytes:
    verb = line[:4].upper()
    return {b"EHLO": EHLO, b"LHLO": EHLO, b"DATA": b"354 go\r\n", b"QUIT": b"221 bye\r\n"}.get(verb, b"250 ok\r\n")


@asynccontextmanager
async def serving(script: Script, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(script)
    listening = await asyncio.start_server(server.talk, host, 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


def relay(server: Server, **changes: Any) -> Relay:
    return Relay(
        "test",
        **({"kind": "smtp", "port": server.port, "tls": Tls.NONE, "timeout": 2.0, "content_timeout": 2.0} | changes),
    )


def go(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]


def accept(line: bytes, number: int) -> bytes | None:
    return b"250 2.0.0 Ok: queued as ABCD1234\r\n" if line == b"." else None


def test_lmtp_greets_by_its_own_verb_and_takes_one_answer() -> None:
    async def work() -> None:
        async with serving(accept) as server:
            connection = Connection(relay(server, kind="lmtp", helo="me.example"))
            taken = await connection.deliver(MESSAGE, journal=Marks())
            await connection.close()
        assert server.seen[0] == b"LHLO me.example\r\n"
        assert (taken.reply.code, taken.queue_id) == (250, "ABCD1234")
        assert server.seen[-1] == b"QUIT\r\n"

    go(work)


def test_ipv6_is_spoken_and_shown_in_brackets() -> None:
    async def work() -> None:
        async with serving(accept, "::1") as server:
            connection = Connection(relay(server, host="::1"))
            assert (await connection.deliver(MESSAGE, journal=Marks())).reply.code == 250
            await connection.close()
            assert connection.where == f"relay test ([::1]:{server.port})"

    go(work)


def test_bytes_are_stuffed_once_and_reach_the_server_whole() -> None:
    async def work() -> None:
        async with serving(accept) as server:
            connection = Connection(relay(server))
            await connection.deliver(Message("b@x", "a@y", "m", b".a\r\n\r\n..b\r\n.\r\n"), journal=Marks())
            await connection.close()
        assert b"..a\r\n\r\n...b\r\n..\r\n.\r\n" in server.seen

    go(work)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"250 2.0.0 no 354\r\n", "at data"),
        (b"nonsense\r\n", "at data"),
        (b"334 what?\r\n", "at data"),
        (b"354-go\r\n354", "no answer within|closed"),
        (b"5" * 9000 + b"\r\n", "at data"),
    ],
)
def test_an_answer_that_makes_no_sense_is_silence_before_the_bytes(answer: bytes, words: str) -> None:
    async def work() -> None:
        async with serving(lambda line, number: answer if line == b"DATA" else None) as server:
            with pytest.raises(DeliveryError, match=words) as caught:
                await Connection(relay(server, timeout=0.5)).deliver(MESSAGE, journal=Marks())
        assert not caught.value.after_content

    go(work)


@pytest.mark.parametrize("answer", [b"354 more?\r\n", b"-1 x\r\n", b"999 x\r\n", b"\r\n"])
def test_an_answer_that_makes_no_sense_after_the_bytes_is_unknown(answer: bytes) -> None:
    async def work() -> None:
        async with serving(lambda line, number: answer if line == b"." else None) as server:
            with pytest.raises(DeliveryError, match="unknown") as caught:
                await Connection(relay(server)).deliver(MESSAGE, journal=Marks())
        assert caught.value.after_content

    go(work)


@pytest.mark.parametrize("code", [200, 250, 251, 252, 299])
def test_every_2yz_is_an_acceptance(code: int) -> None:
    async def work() -> None:
        async with serving(lambda line, number: b"%d fine\r\n" % code if line == b"." else None) as server:
            taken = await Connection(relay(server)).deliver(MESSAGE, journal=Marks())
        assert (taken.reply.code, taken.reply.positive) == (code, True)

    go(work)


@pytest.mark.parametrize(("verb", "where"), [(b"MAIL", "mail_from"), (b"RCPT", "rcpt_to"), (b"DATA", "data")])
def test_a_used_connection_that_closes_before_the_bytes_is_replaced_and_a_new_one_is_not(
    verb: bytes, where: str
) -> None:
    def script(line: bytes, number: int) -> bytes | None:
        closes = line.startswith(verb) and ((number == 1 and len(taken) == 1) or number > 2)
        return b"-" if closes else accept(line, number)

    taken: list[Handover] = []

    async def work() -> None:
        async with serving(script) as server:
            connection = Connection(relay(server))
            taken.append(await connection.deliver(MESSAGE, journal=Marks()))
            taken.append(await connection.deliver(MESSAGE, journal=Marks()))
            assert [one.reply.code for one in taken] == [250, 250]
            assert server.connections == 2
            assert "a new connection" in taken[1].transcript
            connection.abort()
            with pytest.raises(DeliveryError, match=f"no answer at {where}.*it was not sent"):
                await connection.deliver(MESSAGE, journal=Marks())

    go(work)


@pytest.mark.parametrize("host", ["127.0.0.1.shop.example", "127.shop.example", "mail.shop.example", "10.0.0.1"])
def test_an_open_line_goes_to_this_machine_only(host: str) -> None:
    with pytest.raises(RelayError, match="loopback only"):
        asyncio.run(Connection(Relay("test", "smtp", host=host, port=25, tls=Tls.NONE)).open())


# -- logging in --------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, a server's certificate for 127.0.0.1, and a client's."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=test CA",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    for name in ("server", "client"):
        (folder / f"{name}.ext").write_text(
            "subjectAltName=IP:127.0.0.1,DNS:me.example\nauthorityKeyIdentifier=keyid\n"
        )
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.pem")  # fmt: skip
    return folder


def server_tls(folder: Path, *, ask: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    if ask:
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_a_client_certificate_is_shown(certificates: Path) -> None:
    async def work() -> None:
        given = {"tls": Tls.IMPLICIT, "ca_file": str(certificates / "ca.pem")}
        shown = {"client_cert": str(certificates / "client.pem"), "client_key": str(certificates / "client.key")}
        async with serving(accept, tls=server_tls(certificates, ask=True)) as server:
            connection = Connection(relay(server, **given, **shown))
            assert (await connection.deliver(MESSAGE, journal=Marks())).reply.code == 250
            await connection.close()
            with pytest.raises(RelayError):
                await Connection(relay(server, **given)).deliver(MESSAGE, journal=Marks())

    go(work)


def logged_in(certificates: Path, server: Server, auth: str, secret: str) -> Relay:
    login = {"username": "me@shop.example", "password": secret, "auth": auth}
    return relay(server, tls=Tls.IMPLICIT, ca_file=str(certificates / "ca.pem"), **login)


def test_a_token_logs_in_by_xoauth2_and_is_never_shown(certificates: Path) -> None:
    def script(line: bytes, number: int) -> bytes | None:
        return b"235 welcome\r\n" if line.startswith(b"AUTH XOAUTH2 ") else accept(line, number)

    async def work() -> None:
        async with serving(script, tls=server_tls(certificates)) as server:
            connection = Connection(logged_in(certificates, server, "xoauth2", "ya29.t0ken"))
            taken = await connection.deliver(MESSAGE, journal=Marks())
            await connection.close()
        (said,) = [line for line in server.seen if line.startswith(b"AUTH")]
        assert base64.b64decode(said.split()[2]) == b"user=me@shop.example\x01auth=Bearer ya29.t0ken\x01\x01"
        assert "AUTH XOAUTH2 ***" in taken.transcript
        assert said.split()[2].decode() not in taken.transcript

    go(work)


def test_a_refused_token_is_told_once_with_the_servers_words(certificates: Path) -> None:
    def script(line: bytes, number: int) -> bytes | None:
        if line.startswith(b"AUTH"):
            return b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n"
        return b"535 5.7.8 bad token ya29.t0ken\r\n" if line == b"" and number and len(server.seen) > 1 else None

    async def work() -> None:
        nonlocal server
        async with serving(lambda line, number: script(line, number), tls=server_tls(certificates)) as server:
            with pytest.raises(RelayError, match=r"refused \(XOAUTH2, tried once\): 535 5.7.8 bad token \*\*\*"):
                await Connection(logged_in(certificates, server, "xoauth2", "ya29.t0ken")).open()
        assert sum(line.startswith(b"AUTH") for line in server.seen) == 1

    server = Server(accept)
    go(work)


def test_a_server_that_skips_its_proof_is_not_trusted(certificates: Path) -> None:
    def script(line: bytes, number: int) -> bytes | None:
        return b"235 welcome\r\n" if line.startswith(b"AUTH") else None

    async def work() -> None:
        async with serving(script, tls=server_tls(certificates)) as server:
            with pytest.raises(RelayError, match="does not prove that it knows the password"):
                await Connection(logged_in(certificates, server, "scram-sha-256", "pencil")).open()

    go(work)


@pytest.mark.parametrize(
    ("script", "code", "step"),
    [
        (lambda line, number: b"554 no service\r\n" if line == b"" else None, 554, Step.CONNECT),
        (lambda line, number: b"550 5.7.0 Blocked\r\n" if line.startswith(b"EHLO") else None, 550, Step.HELO),
    ],
    ids=["greeting", "hello"],
)
def test_a_relay_that_will_not_talk_gives_its_words(script: Script, code: int, step: Step) -> None:
    async def work() -> None:
        async with serving(script) as server:
            with pytest.raises(DeliveryError, match=str(code)) as caught:
                await Connection(relay(server)).deliver(MESSAGE, journal=Marks())
        assert caught.value.reply is not None
        assert (caught.value.reply.code, caught.value.reply.step) == (code, step)

    go(work)


def test_a_server_that_talks_without_end_fills_no_memory() -> None:
    async def work() -> None:
        endless = b"250-" + b"x" * 500 + b"\r\n"
        async with serving(lambda line, number: endless * 5000 if line.startswith(b"EHLO") else None) as server:
            with pytest.raises(RelayError):
                await Connection(relay(server, timeout=1.0)).open()

    go(work)


def test_a_signed_message_verifies() -> None:
    dkim = pytest.importorskip("dkim")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    from harness.edge.dkim_signer import signer
    from harness.errors import ConfigError
    from harness.model.campaign import Dkim

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    content = b"From: Shop <news@shop.example>\r\nTo: a@seeds.example\r\nSubject: x\r\n\r\nHello\r\n"
    signed = signer(Dkim("shop.example", "s1", pem))(content)
    assert signed.endswith(content)
    assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: record)
    assert not dkim.verify(signed.replace(b"Hello", b"Hallo"), dnsfunc=lambda name, timeout=5: record)
    assert b"list-unsubscribe" not in signed.partition(content)[0]
    listed = (
        b"List-Unsubscribe: <https://shop.example/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" + content
    )
    signed = signer(Dkim("shop.example", "s1", pem))(listed)
    assert b"list-unsubscribe : list-unsubscribe-post" in b" ".join(signed.partition(listed)[0].split())
    assert not dkim.verify(signed.replace(b"e/u>", b"e/v>"), dnsfunc=lambda name, timeout=5: record)
    with pytest.raises(ConfigError, match="can't sign with this key"):
        signer(Dkim("shop.example", "s1", "no key"))
    with pytest.raises(ConfigError, match="From must be signed"):
        signer(Dkim("shop.example", "s1", pem, headers=("subject",)))
