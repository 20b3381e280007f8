"""The sandbox over real SMTP: every condition of docs/sandbox.md decides, and the server holds its protocol."""

from __future__ import annotations

import re
import smtplib
import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from harness.edge.policy import WORDS
from harness.edge.policy_file import ConditionFile, load_policy, parse_policy
from harness.edge.sandbox import Decision, Sandbox
from harness.errors import ConfigError

SEED = "seed-01@seeds.example"
HTML = """<html><head><style>.off { color: red }</style></head><body background="https://img.shop.example/back.png">
<p>Hi Ana, a <b>limited</b> time only: 40% off T&uuml;ren</p>
<a href="https://shop.example/sale?a=1&amp;b=2">Sale</a> <a href='HTTPS://Click.GO.partner.example:8443/a1'>Partner</a>
<img src="https://img.shop.example/hero.png"><img src=https://open.esp.example/pixel.gif?u=7 width=1>
<!--[if mso]><v:fill src="https://img.shop.example/mso.png" /><![endif]-->
</body></html>"""


def mail(html: str = HTML, subject: str = "Ana, Grüße: 40% off", **headers: str) -> bytes:
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    message["From"], message["To"], message["Subject"] = "Shop <news@shop.example>", SEED, subject
    message["Date"], message["Message-ID"] = "Fri, 20 Nov 2026 12:00:00 +0000", "<t@shop.example>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("Hi Ana. See https://text.shop.example/plain for more.")
    message.add_alternative(html, subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Terms of sale.pdf")
    return message.as_bytes()


def send(port: int, content: bytes, to: str = SEED, sender: str = "bounces+t@mail.shop.example") -> tuple[int, str]:
    """Send by the standard library's client; returns the reply that ended it."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="test.example") as client:
        client.ehlo()
        for code, text in (client.mail(sender), client.rcpt(to)):
            if code != 250:
                return code, text.decode()
        code, text = client.data(content)
        return code, text.decode()


def refuses(policy: str, content: bytes | None = None, to: str = SEED, domains: dict[str, str] | None = None) -> bool:
    with Sandbox(parse_policy(policy), domains=domains) as sandbox:
        code, text = send(sandbox.port, content or mail(), to)
    assert code in (250, 554), text
    return code == 554


PARTNER = "rules: [{name: partner-link, when: {link_host: go.partner.example}}]"
CONDITIONS = [
    ("link_host: go.partner.example", "link_host: o.partner.example"),
    ("link_host: text.shop.example", "link_host: img.shop.example"),  # an image is no link
    ("link_host: 'click.*.example'", "link_host: 'click.*.test'"),
    ("url: /sale?a=1&b=2", "url: /sale?a=1&amp;b=2"),
    ("url: 'https://open.esp.example/*'", "url: 'http://open.esp.example/*'"),
    ("text: A LIMITED time", "text: color"),
    ("text: 40% off Türen", "text: hero.png"),
    ("value: Ana", "value: An"),
    ("value: Türen", "value: re"),
    ("subject: grüße", "subject: limited"),
    ("html: '<b>limited'", "html: '<i>limited'"),
    ("image: hero.png", "image: /sale"),
    ("image: 'https://img.shop.example/back*'", "image: a1"),
    ("image: mso.png", "image: 'mso'\n      subject: nothing of this"),
    ("attachment: '*.pdf'", "attachment: '*.doc'"),
    ("attachment: terms of SALE", "attachment: terms.pdf"),
    ("header: {name: List-Unsubscribe}", "header: {name: List-Id}"),
    ("header: {name: list-unsubscribe, contains: /u/7}", "header: {name: List-Unsubscribe, contains: /u/8}"),
    ("recipient_domain: seeds.example", "recipient_domain: example"),
    ("recipient: seed-01@", "recipient: seed-02@"),
    ("envelope_sender: '*@mail.shop.example'", "envelope_sender: '*@shop.example'"),
    ("all: [{image: hero}, {text: limited}]", "all: [{image: hero}, {text: unlimited}]"),
    ("any: [{image: none}, {text: limited}]", "any: [{image: none}, {text: unlimited}]"),
    ("unless: {image: none}", "unless: {image: hero}"),
    ("link_host: [a.example, shop.example]", "link_host: [a.example, b.example]"),
    ("subject: ana\n      text: limited", "subject: ana\n      text: unlimited"),
]


@pytest.mark.parametrize(("holds", "fails"), CONDITIONS, ids=[row[0] for row in CONDITIONS])
def test_every_condition_refuses_what_it_names_and_nothing_else(holds: str, fails: str) -> None:
    content = mail(List_Unsubscribe="<https://shop.example/u/7>")
    rule = "rules:\n  - name: r\n    when:\n      {}\n"
    assert refuses(rule.format(holds), content)
    assert not refuses(rule.format(fails), content)


def test_the_documentation_shows_every_condition_and_reply() -> None:
    text = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
    keys = set(re.findall(r"^\| `([a-z_]+)` \| .* \| `\{", text, re.M))
    examples = re.findall(r"^\| `[a-z_]+` \| .* \| `(\{.*\})` \|$", text, re.M)
    assert keys == set(ConditionFile.model_fields)
    for example in examples:
        parse_policy("rules:\n  - name: r\n    when: " + example)
    for block in re.findall(r"```yaml\n(.*?)```", text, re.S):
        parse_policy(block)
    assert set(re.findall(r"^\| `([a-z-]+)` \| `[45]\d\d", text, re.M)) == set(WORDS)


def test_the_domain_that_a_seed_counts_under_is_told_by_its_address() -> None:
    rule = "rules: [{name: r, when: {recipient_domain: icloud.com}}]"
    assert not refuses(rule)
    assert refuses(rule, domains={SEED.upper(): "icloud.com"})


def test_points_add_up_to_the_threshold() -> None:
    rule = """rules:
  - name: score
    threshold: 5
    scores:
      - {when: {subject: 40% off}, points: 2}
      - {when: {link_host: go.partner.example}, points: 3}
      - {when: {image: never}, points: 100}
"""
    assert refuses(rule)
    assert not refuses(rule, mail(subject="A note"))
    assert not refuses(rule, mail(html="<p>nothing</p>"))


def test_the_words_are_apples_and_the_tag_can_be_chosen() -> None:
    words = {name: text for name, text in WORDS.items() if text[0] == "5" and "{recipient}" not in text}
    for name, text in words.items():
        with Sandbox(parse_policy(f"rules: [{{name: r, when: {{}}, reply: {name}, tag: CS07}}]")) as sandbox:
            code, said = send(sandbox.port, mail())
        filled = text.replace("{tag}", "CS07").replace("{domain}", "mail.shop.example")
        filled = filled.replace("{sender}", "bounces+t@mail.shop.example")
        assert f"{code} {said}" == filled


def codes(policy: str, count: int, key: str = "k") -> list[int]:
    with Sandbox(parse_policy(f"key: {key}\n{policy}")) as sandbox:
        return [send(sandbox.port, mail(X_Number=str(i)))[0] for i in range(count)]


def test_chance_is_keyed_and_near_its_probability() -> None:
    policy = "noise: {probability: 0.3}"
    first = codes(policy, 60)
    assert first == codes(policy, 60)
    assert first != codes(policy, 60, key="other")
    assert 8 <= first.count(554) <= 30


def test_a_rule_may_fire_sometimes() -> None:
    fired = codes("rules: [{name: r, when: {subject: Ana}, fire: 0.5}]", 40)
    assert 8 <= fired.count(554) <= 32
    assert codes("rules: [{name: r, when: {subject: Ana}, fire: 0}]", 5) == [250] * 5


def test_a_block_refuses_everything_from_a_message_on() -> None:
    with Sandbox(parse_policy("block: {from_message: 3}")) as sandbox:
        said = [send(sandbox.port, mail()) for _ in range(4)]
    assert [code for code, _ in said] == [250, 250, 554, 554]
    assert "[HM08]" in said[3][1]


def test_what_comes_too_fast_is_deferred_and_the_connection_closed() -> None:
    with (
        Sandbox(parse_policy("rate: {messages: 2, per: 1s}")) as sandbox,
        smtplib.SMTP("127.0.0.1", sandbox.port, local_hostname="test.example") as client,
    ):
        client.ehlo()
        for _ in range(2):
            client.sendmail("a@shop.example", [SEED], mail())
        client.mail("a@shop.example")
        code, text = client.rcpt(SEED)
        assert code == 421
        assert SEED.encode() in text
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
        time.sleep(1.05)
        assert send(sandbox.port, mail())[0] == 250


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("unknown", "550 5.1.1 <seed-01@seeds.example>: user does not exist"),
        ("inactive", "550 5.1.6 recipient no longer on server: seed-01@seeds.example"),
        ("full", "552 5.2.2 <seed-01@seeds.example>: user is over quota"),
        ("full-for-now", "450 4.2.2 user is overquota"),
        ("refused", "550 5.1.1 <bounces+t@mail.shop.example>: unauthorized sender"),
    ],
)
def test_mailboxes_that_take_no_mail_say_why_at_rcpt(kind: str, reply: str) -> None:
    with Sandbox(parse_policy(f"recipients: [{{address: {SEED.upper()}, is: {kind}}}]")) as sandbox:
        assert "{} {}".format(*send(sandbox.port, mail())) == reply
        assert send(sandbox.port, mail(), to="seed-02@seeds.example")[0] == 250


def test_decisions_are_told() -> None:
    told: list[Decision] = []
    with Sandbox(parse_policy(PARTNER), tell=told.append, domains={SEED: "icloud.com"}) as sandbox:
        send(sandbox.port, mail())
        send(sandbox.port, mail(html="<p>plain</p>"))
    assert [(one.rule, one.domain, one.reply[:3]) for one in told] == [
        ("partner-link", "icloud.com", "554"),
        ("", "icloud.com", "250"),
    ]


# -- the protocol --------------------------------------------------------------


@pytest.fixture
def arrived(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    found: list[bytes] = []

    def keep(stand: object, sender: str, recipient: str, content: bytes) -> str:
        found.append(content)
        return "250 2.0.0 Ok"

    monkeypatch.setattr("harness.edge.sandbox.Stand.message", keep)
    return found


@pytest.fixture
def client(arrived: list[bytes]) -> Iterator[smtplib.SMTP]:
    with (
        Sandbox(parse_policy("key: x")) as sandbox,
        smtplib.SMTP("127.0.0.1", sandbox.port, local_hostname="test.example") as connected,
    ):
        connected.ehlo()
        yield connected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b".\r\n",
        b"..\r\n",
        b"a\r\n.b\r\n..c\r\n.\r\n",
        b"x" * 5000 + b"\r\n",
        b"\xff\x00\r\n",
        b"\r\n.\r\n",
    ],
)
def test_bytes_arrive_as_they_were_sent(client: smtplib.SMTP, arrived: list[bytes], content: bytes) -> None:
    for _ in range(2):
        client.mail("a@shop.example")
        client.rcpt(SEED)
        assert client.docmd("DATA")[0] == 354
        client.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
        assert client.getreply()[0] == 250
    assert arrived == [content] * 2


def test_a_message_may_come_in_pieces_and_the_next_command_with_its_end(
    client: smtplib.SMTP, arrived: list[bytes]
) -> None:
    client.mail("a@shop.example")
    client.rcpt(SEED)
    client.docmd("DATA")
    for piece in (b"Subject: x\r\n\r", b"\nbody\r", b"\n.\r", b"\nNOOP\r\n"):
        client.send(piece)
        time.sleep(0.02)
    assert [client.getreply()[0], client.getreply()[0]] == [250, 250]
    assert arrived == [b"Subject: x\r\n\r\nbody\r\n"]


def test_commands_out_of_order_and_second_recipients_are_refused(client: smtplib.SMTP) -> None:
    assert client.docmd("DATA")[0] == 503
    client.mail("a@shop.example")
    assert client.docmd("DATA")[0] == 503
    assert client.rcpt(SEED)[0] == 250
    assert client.rcpt("seed-02@seeds.example")[0] == 452


HOSTILE = [
    b"",
    b"\r\n",
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x\r\n",
    b"Content-Type: text/html; charset=nonsense\r\nSubject: =?utf-8?q?=ff=?= =?x?b?!!?=\r\n\r\n<a href=http://[>"
    + b"<" * 9,
    b"Content-Type: text/html\r\n\r\n" + b"<style>" * 20_000,
    b"Content-Type: text/html\r\n\r\n" + b"<a href=" * 20_000,
    b"Content-Type: text/html\r\n\r\n" + b'<a href="' * 20_000 + b"&" * 50_000,
    b"Subject: " + b"=?utf-8?q?" * 5_000 + b"\r\n\r\n" + b"http://" * 20_000,
    b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n",
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bytes_are_judged_quickly(content: bytes) -> None:
    conditions = ["link_host: x", "text: x", "value: x", "image: 'a*b*c'", "subject: x", "html: x", "attachment: x"]
    rules = "".join(f"  - name: r{i}\n    when: {{{one}}}\n" for i, one in enumerate(conditions))
    with Sandbox(parse_policy("rules:\n" + rules)) as sandbox:
        begin = time.monotonic()
        assert send(sandbox.port, content)[0] in (250, 554)
        assert time.monotonic() - begin < 3


# -- the file ------------------------------------------------------------------

WRONG = [
    ("rules:\n  - name: a\n    when: {link_hst: x}", r"p.yaml:3: unknown key 'link_hst'.*did you mean 'link_host'"),
    ("rules:\n  - name: a\n    when: {all: [{txt: x}]}", r"p.yaml:3: unknown key 'txt'.*did you mean 'text'"),
    ("rules:\n  - name: a", "p.yaml:2: rule 'a' has no condition"),
    ("rules:\n  - {name: a, when: {}}\n  - {name: a, when: {}}", "p.yaml:3: a rule is called 'a' already"),
    (
        "rules:\n  - name: a\n    when: {}\n    reply: contnt",
        "p.yaml:4: no reply is called 'contnt'; did you mean 'content'",
    ),
    ("rules:\n  - name: a\n    when: {}\n    reply: '250 fine'", "p.yaml:4: '250 fine' is no refusal"),
    ('rules:\n  - name: a\n    when: {}\n    reply: "554 a\\r\\n250 b"', "is no refusal"),
    ("rules:\n  - name: a\n    when: {}\n    fire: 2", "p.yaml:4: rules.0.fire"),
    ("rules:\n  - name: a\n    threshold: 3", "scores and threshold go together"),
    ("noise: {probability: often}", "p.yaml:1: noise.probability"),
    ("rate: {messages: 3, per: soon}", "no duration"),
    ("recipients:\n  - {address: a@b.example, is: gone}", "p.yaml:2: recipients.0.is"),
    ("rule: []", "p.yaml:1: unknown key 'rule'; did you mean 'rules'"),
    ("rules: [", "p.yaml:1: this is not YAML"),
    ("", "the file is empty"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_wrong_file_is_told_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_policy(text, "p.yaml")
    assert "\n" not in str(caught.value)


def test_the_example_workspace_has_a_policy_that_plants_one_cause() -> None:
    policy = load_policy(Path(__file__).parents[2] / "sandbox.yaml")
    with Sandbox(policy) as sandbox:
        assert send(sandbox.port, mail())[0] == 554
        assert send(sandbox.port, mail(html="<p>plain</p>"))[0] == 250


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sandbox\.yaml: there is no such file"):
        load_policy(tmp_path / "sandbox.yaml")


def test_only_loopback_is_served_and_a_taken_port_is_told() -> None:
    with pytest.raises(ConfigError, match="not a loopback address"):
        Sandbox(parse_policy("key: x"), host="0.0.0.0").start()
    with Sandbox(parse_policy("key: x")) as first, pytest.raises(ConfigError, match=f"can't listen on .*:{first.port}"):
        Sandbox(parse_policy("key: x"), port=first.port).start()


def test_ipv6_is_served() -> None:
    with Sandbox(parse_policy("key: x"), host="::1") as sandbox, smtplib.SMTP("::1", sandbox.port) as client:
        assert client.noop()[0] == 250
