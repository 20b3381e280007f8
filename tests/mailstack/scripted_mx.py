"""A scripted destination MX on loopback, the ground truth of tests that send.

One process, several listeners (see LISTENERS).  Two things decide the reply:

1. The content policy: a JSON list of rules, read again for every message, so a
   test may rewrite the file while the server runs.  The first rule that
   matches gives the reply to the end of DATA.  "where" is one of headers,
   body, subject, raw; body is decoded text of all text parts.  A header
   ``X-Fake-Reply: 554 5.7.1 text`` overrides the rules.
2. The local part of the first recipient (before any + or -), see TRIGGERS.

Every transaction is written to <out>/mx.jsonl with the sha256 of the bytes
received: the ground truth for "was it sent twice?".  Accepted messages are
kept in <out>/accepted, rejected ones in <out>/rejected.

Needs aiosmtpd (pip install aiosmtpd).  The replies are modelled on public bounce
reports; they make no claim about how Apple decides.
"""

import argparse
import asyncio
import contextlib
import email
import email.policy
import hashlib
import json
import pathlib
import re
import ssl
import time

from aiosmtpd.smtp import SMTP

TRIGGERS = {
    "nouser": "550 5.1.1 to RCPT",
    "full": "552 5.2.2 to RCPT",
    "grey": "451 4.7.1 to RCPT, the first time for this sender and recipient; then 250",
    "rcpt421": "421 to RCPT, then closes",
    "data421": "421 to the end of DATA, then closes; nothing accepted",
    "data451": "451 to the end of DATA",
    "data554": "554 [CS01] to the end of DATA, whatever the content",
    "multiline": "a three line 554 reply to the end of DATA",
    "rset": "554 [CS01] to the end of DATA, then silent to every later command",
    "drop354": "closes right after 354; nothing accepted",
    "dropmid": "closes after some of the message; nothing accepted",
    "early554": "sends 554 before the message is complete, then closes",
    "dropdot": "ACCEPTS the message, then closes without a reply",
    "hangdot": "ACCEPTS the message, replies only after --hang seconds",
    "slow": "replies to the end of DATA after --slow seconds",
}
CS01 = "554 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137"
LISTENERS = {
    "mx": "the policy",
    "mx_tls": "the same, with STARTTLS",
    "mx_latency": "the same, each reply delayed by --latency-ms",
    "mx_limited": "421 to MAIL after --per-conn messages on a connection, "
    "451 to the end of DATA above --per-window messages in --window seconds",
    "mx_busy": "greets with 421 and closes",
}


class Recorder:
    def __init__(self, out):
        self.out = out
        for name in ("accepted", "rejected"):
            (out / name).mkdir(parents=True, exist_ok=True)
        self.log = (out / "mx.jsonl").open("a+", buffering=1)
        self.log.seek(0)
        self.serial = len(self.log.readlines())

    def write(self, listener, session, envelope, reply, verdict, rule=""):
        self.serial += 1
        content = envelope.original_content or b""
        path = ""
        if content:
            kind = "accepted" if verdict.startswith("accepted") else "rejected"
            path = f"{kind}/{self.serial:06d}.eml"
            (self.out / path).write_bytes(content)
        headers = email.message_from_bytes(content, policy=email.policy.compat32)
        row = {
            "n": self.serial,
            "time": time.time(),
            "listener": listener,
            "peer": session.peer,
            "helo": session.host_name,
            "tls": session.ssl is not None,
            "mail_from": envelope.mail_from,
            "rcpt_to": envelope.rcpt_tos,
            "message_id": headers["Message-ID"],
            "sha256": hashlib.sha256(content).hexdigest() if content else None,
            "size": len(content),
            "verdict": verdict,
            "rule": rule,
            "reply": reply,
            "file": path,
        }
        self.log.write(json.dumps(row) + "\n")


def judge(content, rules_path):
    """Return (reply, rule name) or (None, '')."""
    head, _, _ = content.partition(b"\r\n\r\n")
    message = email.message_from_bytes(content, policy=email.policy.default)
    forced = message["X-Fake-Reply"]
    if forced:
        return str(forced), "x-fake-reply"
    texts = {"headers": head.decode("utf-8", "replace")}
    for rule in json.loads(rules_path.read_text()):
        where = rule["where"]
        if where not in texts:
            texts[where] = extract(message, content, where)
        if re.search(rule["pattern"], texts[where]):
            return rule["reply"], rule["name"]
    return None, ""


def extract(message, content, where):
    if where == "raw":
        return content.decode("utf-8", "replace")
    if where == "subject":
        return str(message["Subject"] or "")
    if where == "body":
        parts = []
        for part in message.walk():
            if part.get_content_maintype() == "text":
                payload = part.get_payload(decode=True) or b""
                parts.append(payload.decode("utf-8", "replace"))
        return "\n".join(parts)
    raise ValueError(f"unknown 'where' in rule: {where}")


class ScriptedMX(SMTP):
    """One connection."""

    def __init__(self, handler, listener, options, recorder, state, **kwargs):
        super().__init__(handler, **kwargs)
        self.name = listener
        self.options = options
        self.recorder = recorder
        self.state = state
        self.messages = 0
        self.last_words = False  # the next reply is the last one
        self.silent = False

    async def push(self, status):
        if self.silent:
            await asyncio.sleep(3600)
        if self.name == "mx_latency":
            await asyncio.sleep(self.options.latency_ms / 1000)
        self.silent = self.last_words
        await super().push(status)

    def trigger(self):
        if not self.envelope.rcpt_tos:
            return ""
        local = self.envelope.rcpt_tos[0].partition("@")[0]
        word = re.split(r"[+\-]", local, maxsplit=1)[0].lower()
        return word if word in TRIGGERS else ""

    async def reply_and_close(self, status):
        await self.push(status)
        self.transport.close()

    def record(self, reply, verdict, rule=""):
        self.recorder.write(self.name, self.session, self.envelope, reply, verdict, rule)

    async def smtp_MAIL(self, arg):
        if self.name == "mx_limited" and self.messages >= self.options.per_conn:
            await self.reply_and_close("421 4.7.0 Too many messages on this connection, try again later")
            return
        await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg):
        match = re.match(r"(?i)to:\s*<([^>]*)>", arg or "")
        address = match.group(1) if match else ""
        word = re.split(r"[+\-@]", address, maxsplit=1)[0].lower()
        reply = {
            "nouser": f"550 5.1.1 <{address}>: user does not exist",
            "full": f"552 5.2.2 <{address}>: user is over quota",
            "rcpt421": "421 4.7.1 Service unavailable, try again later",
        }.get(word)
        if word == "grey":
            key = (self.envelope.mail_from, address)
            if key not in self.state["grey"]:
                self.state["grey"].add(key)
                reply = "451 4.7.1 Greylisted, try again later"
        if reply and self.envelope.mail_from is not None:
            self.record(reply, f"rcpt-refused:{address}", word)
            await self.push(reply)
            if word == "rcpt421":
                self.transport.close()
            return
        await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg):
        word = self.trigger()
        if word in ("drop354", "dropmid", "early554"):
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            if word == "dropmid":
                await self._reader.read(512)
            if word == "early554":
                await self._reader.read(512)
                self.record(CS01, "rejected", word)
                await self.push(CS01)
                self.transport.close()
                return
            self.record("", "dropped", word)
            self.transport.abort()
            return
        await super().smtp_DATA(arg)

    async def finish(self):
        """Decide on a complete message; returns the reply."""
        self.messages += 1
        word = self.trigger()
        options = self.options
        if word == "data421":
            reply = "421 4.7.0 Try again later, closing connection"
            self.record(reply, "deferred", word)
            asyncio.get_running_loop().call_later(0.05, self.transport.close)
            return reply
        if word == "data451":
            reply = "451 4.7.1 Temporary failure, try again later"
            self.record(reply, "deferred", word)
            return reply
        if word == "multiline":
            reply = (
                "554-5.7.1 Your message was refused.\r\n"
                "554-5.7.1 [CS01] Message rejected due to local policy.\r\n"
                "554 5.7.1 Please visit https://support.apple.com/en-us/HT204137"
            )
            self.record(reply, "rejected", word)
            return reply
        if word in ("data554", "rset"):
            self.record(CS01, "rejected", word)
            self.last_words = word == "rset"
            return CS01
        if self.name == "mx_limited":
            now = time.monotonic()
            times = self.state["times"]
            times[:] = [t for t in times if now - t < options.window]
            if len(times) >= options.per_window:
                reply = "451 4.7.0 Message rate exceeded, try again later"
                self.record(reply, "deferred", "rate")
                return reply
            times.append(now)
        if word == "dropdot":
            self.record("", "accepted-then-dropped", word)
            self.transport.abort()
            return "250 2.0.0 never seen"
        if word == "slow":
            await asyncio.sleep(options.slow)
        reply, rule = judge(self.envelope.original_content, options.rules)
        if reply:
            self.record(reply, "rejected" if reply[0] == "5" else "deferred", rule)
            return reply
        reply = f"250 2.0.0 Ok: queued as FAKE{self.recorder.serial + 1:08d}"
        self.record(reply, "accepted", word)
        if word == "hangdot":
            await asyncio.sleep(options.hang)
        return reply


class Handler:
    async def handle_DATA(self, server, session, envelope):
        return await server.finish()

    async def handle_exception(self, error):
        return f"451 4.3.0 scripted MX failed: {type(error).__name__}: {error}"


async def busy(reader, writer):
    writer.write(b"421 4.7.0 fake.icloud.test Connection refused, try again later\r\n")
    await writer.drain()
    writer.close()


async def serve(options):
    loop = asyncio.get_running_loop()
    recorder = Recorder(options.out)
    servers = []
    for name, port in options.listen.items():
        if name == "mx_busy":
            servers.append(await asyncio.start_server(busy, "127.0.0.1", port))
            continue
        context = None
        if name == "mx_tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.cert, options.key)
        state = {"grey": set(), "times": []}

        def factory(name=name, context=context, state=state):
            return ScriptedMX(
                Handler(),
                name,
                options,
                recorder,
                state,
                hostname="fake.icloud.test",
                ident="ESMTP fake",
                enable_SMTPUTF8=True,
                tls_context=context,
                loop=loop,
            )

        servers.append(await loop.create_server(factory, "127.0.0.1", port))
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def listen_map(text):
    result = {}
    for item in text.split(","):
        name, _, port = item.partition("=")
        if name not in LISTENERS:
            raise argparse.ArgumentTypeError(f"unknown listener {name}")
        result[name] = int(port)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--listen", type=listen_map, required=True, help="mx=PORT,...")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--rules", type=pathlib.Path, required=True)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--slow", type=float, default=3)
    parser.add_argument("--hang", type=float, default=30)
    parser.add_argument("--per-conn", type=int, default=5)
    parser.add_argument("--per-window", type=int, default=10)
    parser.add_argument("--window", type=float, default=10)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
