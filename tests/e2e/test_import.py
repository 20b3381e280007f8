"""`harness import`: what people have becomes a campaign that plans, and whose production is what they had."""

from __future__ import annotations

import email
import email.policy
import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.campaign.expand import expand
from harness.edge.config import load_workspace
from tests.e2e.cli import Ran, harness, workspace
from tests.shared import SHARED, WITHOUT

CRLF = "\r\n"
MESSAGE = CRLF.join([
    "Return-Path: <bounces+k3j2@mail.shop.example>",
    "Received: from out.shop.example by mx.example; Fri, 20 Nov 2026 09:00:00 +0000",
    "DKIM-Signature: v=1; a=rsa-sha256; d=shop.example; s=a; h=from; bh=x; b=y",
    "Authentication-Results: mx.example; dkim=pass",
    "Delivered-To: ana@customer.example",
    'From: "Shop, North" <news@shop.example>',
    "To: Ana <ana@customer.example>",
    "Subject: =?utf-8?q?Zelte_f=C3=BCr_Ana?=",
    "Date: Fri, 20 Nov 2026 09:00:00 +0000",
    "Message-ID: <1@shop.example>",
    "X-Campaign: spring",
    "MIME-Version: 1.0",
    'Content-Type: multipart/alternative; boundary="b=_1"',
    "",
    "preamble",
    "--b=_1",
    "Content-Type: text/plain; charset=iso-8859-1",
    "Content-Transfer-Encoding: 8bit",
    "",
    "Gr\u00fc\u00dfe, Ana. Look at https://shop.example/sale today.",
    "--b=_1",
    "Content-Type: text/html; charset=utf-8",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    '<p>Gr=C3=BC=C3=9Fe, Ana. <a href=3D"https://shop.example/sale">Look at th=',
    "e sale</a> today, it ends on Sunday.</p>",
    "--b=_1--",
    "epilogue",
    "",
]).encode("latin-1")  # fmt: skip
GONE = ("Return-Path", "Received", "DKIM-Signature", "Authentication-Results", "Delivered-To")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workspace(tmp_path_factory.mktemp("pristine") / "shop")


@pytest.fixture
def shop(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "shop"))


def put(shop: Path, name: str, content: str | bytes) -> str:
    (shop / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def seeds(shop: Path, **merge: Any) -> None:
    """Give two seeds these merge values."""
    rows = [{"address": f"seed-0{n}@seeds.example", "domain": "icloud.com", "merge": merge} for n in (1, 2)]
    segment = {"owner": "owner@shop.example", "seeds": rows}
    (shop / "seeds.yaml").write_text(yaml.safe_dump({"segments": {"apple-small": segment}}, allow_unicode=True))


def production(shop: Path, name: str) -> bytes:
    """Return the last rung of the plan."""
    out = shop / f"out-{name}"
    ran = harness("plan", name, "--write", str(out), cwd=shop)
    assert ran.code == 0, ran.err
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest[-1]["variant"] == "production"
    return (out / manifest[-1]["file"]).read_bytes()


def part(message: bytes, kind: str) -> str:
    """Return a text part with plain line ends."""
    for one in email.message_from_bytes(message).walk():
        if one.get_content_type() == kind:
            payload = one.get_payload(decode=True)
            assert isinstance(payload, bytes)
            return payload.decode(one.get_content_charset() or "utf-8").replace("\r\n", "\n")
    raise AssertionError(f"no {kind}")


def imported(shop: Path, *arguments: str) -> Ran:
    ran = harness("import", *arguments, cwd=shop)
    assert ran.code == 0, ran.err
    return ran


def refused(shop: Path, message: str, *arguments: str) -> None:
    before = sorted((shop / "variants").rglob("*"))
    ran = harness("import", *arguments, cwd=shop)
    assert ran.code == 2, ran.out + ran.err
    last = ran.err.strip().splitlines()
    assert len(last) == 1, ran.err
    assert re.search(message, last[0]), last[0]
    assert sorted((shop / "variants").rglob("*")) == before


# Messages


def test_production_of_a_message_is_its_bytes_but_for_its_identity(shop: Path) -> None:
    ran = imported(shop, put(shop, "rejected.eml", MESSAGE), "--json")
    made = ran.json
    assert made["campaign"] == "rejected"
    assert made["files"] == ["campaign.yaml", "message.eml"]
    assert all(any(name in note for note in made["notes"]) for name in GONE)
    settings = yaml.safe_load((shop / "variants" / "rejected" / "campaign.yaml").read_text())
    assert settings["envelope_sender"] == "bounces@mail.shop.example"
    assert settings["from"] == '"Shop, North" <news@shop.example>'
    sent = production(shop, "rejected")

    def anonymous(raw: bytes) -> bytes:
        return re.sub(rb"(?m)^(To|Date|Message-ID):[^\r\n]*", rb"\1:", raw)

    kept = b"".join(line for line in MESSAGE.splitlines(keepends=True) if not line.decode("latin-1").startswith(GONE))
    assert anonymous(sent) == anonymous(kept)
    assert b"ana@customer.example" not in sent


def test_a_bounce_gives_the_message_that_it_returns(shop: Path) -> None:
    returned = MESSAGE.partition(b"\r\n")[2]
    bounce = CRLF.join([
        "Return-Path: <>", "From: MAILER-DAEMON@mx.example", "To: bounces+abcd@mail.shop.example",
        "Subject: Undelivered Mail Returned to Sender", "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="r"', "",
        "--r", "Content-Type: text/plain", "", "Your message could not be delivered.", "",
        "--r", "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.example", "",
        "Final-Recipient: rfc822; ana@icloud.com", "Action: failed", "Status: 5.7.1",
        "Diagnostic-Code: smtp; 554 5.7.1 [CS01] Message rejected due to local policy.", "",
        "--r", "Content-Type: message/rfc822", "", "",
    ]).encode() + returned + b"\r\n--r--\r\n"  # fmt: skip
    imported(shop, put(shop, "bounce.eml", bounce), "--name", "back")
    imported(shop, put(shop, "rejected.eml", MESSAGE), "--name", "straight")
    folder = shop / "variants"
    assert (folder / "back" / "message.eml").read_bytes() == (folder / "straight" / "message.eml").read_bytes()
    settings = yaml.safe_load((folder / "back" / "campaign.yaml").read_text())
    assert settings["envelope_sender"] == "bounces@mail.shop.example"


def test_headers_alone_are_no_campaign(shop: Path) -> None:
    head = MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    bounce = (
        b"From: MAILER-DAEMON@mx.example\r\nTo: b@shop.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="r"\r\n\r\n--r\r\n'
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        b"Final-Recipient: rfc822; ana@icloud.com\r\nAction: failed\r\nStatus: 5.7.1\r\n\r\n--r\r\n"
        b"Content-Type: text/rfc822-headers\r\n\r\n" + head + b"--r--\r\n"
    )
    refused(shop, r"^harness: bounce\.eml: .*only the headers.*Zelte für Ana.*missing", put(shop, "bounce.eml", bounce))
    refused(shop, r"^harness: head\.eml: .*no body", put(shop, "head.eml", head))


def test_the_recipient_s_row_turns_words_of_a_message_into_fields(shop: Path) -> None:
    put(shop, "rows.csv", "email,first_name\nana@customer.example,Ana\n")
    imported(shop, put(shop, "rejected.eml", MESSAGE), "--data", "rows.csv")
    assert "ana@customer" not in (shop / "variants" / "rejected" / "profiles.yaml").read_text()
    place = load_workspace(exactly=shop)
    expansion = expand(place.campaign("rejected"), place.segment())
    assert "merge:first_name" in [factor.id for factor in expansion.factors]


# Pages


def test_a_page_with_merge_tags_renders_as_its_provider_would(shop: Path) -> None:
    put(shop, "welcome.html", "<html><head><title>Hi *|FNAME|*</title><style>@media x{#a{b:c}}</style></head>"
        "<body><p>Dear *|FNAME|*, *|IF:VIP|*welcome back*|ELSE:|*welcome to the shop*|END:IF|*.</p></body></html>")  # fmt: skip
    put(shop, "welcome.txt", "Dear *|FNAME|*, welcome.\n")
    ran = imported(shop, "welcome.html", "--text", "welcome.txt")
    assert "mailchimp" in ran.out
    assert re.search(r"note: every seed's .*: FNAME$", ran.out, re.MULTILINE), ran.out
    seeds(shop, FNAME="Tom & Jo", VIP="")
    sent = production(shop, "welcome")
    expected = (shop / "welcome.html").read_text().replace("*|FNAME|*", "Tom & Jo")
    expected = re.sub(r"\*\|IF.*?ELSE:\|\*(.*?)\*\|END:IF\|\*", r"\1", expected)
    assert part(sent, "text/html") == expected
    assert part(sent, "text/plain").rstrip("\n") == "Dear Tom & Jo, welcome."
    assert email.message_from_bytes(sent, policy=email.policy.default)["Subject"] == "Hi Tom & Jo"


def test_rows_become_profiles_without_anybody_s_address(shop: Path) -> None:
    put(
        shop,
        "page.html",
        "<p>Dear {{name}}, {{#each items}}{{title}} {{/each}}</p><a href='{{link}}'>Stop these mails</a>",
    )
    rows = [
        {"email": f"{who}@customer.example", "name": who, "support": "help@shop.example", "items": [{"title": "Tent"}],
         "link": f"https://shop.example/u?e={who}%40customer.example"}
        for who in ("ana", "bo")
    ]  # fmt: skip
    put(shop, "rows.json", json.dumps(rows))
    ran = imported(shop, "page.html", "--data", "rows.json")
    assert "email" in ran.out
    text = (shop / "variants" / "page" / "profiles.yaml").read_text()
    assert "@customer.example" not in text
    assert "customer" not in text
    assert "help@shop.example" in text
    assert "seeds.yaml needs" not in ran.out
    assert harness("plan", "page", cwd=shop).code == 0  # profiles fill what seeds lack
    profiles = load_workspace(exactly=shop).campaign("page").profiles
    assert [profile.name for profile in profiles] == ["profile-1", "profile-2"]
    assert profiles[1].merge["name"] == "bo"


def test_names_that_jinja2_can_not_take_work_under_their_own(shop: Path) -> None:
    put(shop, "odd.html", "<p>Your order is {{Client-ID}} and {{Ìmage-Name}}, nothing else.</p>")
    imported(shop, "odd.html")
    seeds(shop, **{"Client-ID": "c-17", "Ìmage-Name": "im"})
    assert "c-17 and im," in part(production(shop, "odd"), "text/html")
    ran = harness("plan", "odd", "--json", cwd=shop)
    assert "merge:Client-ID" in [factor["id"] for factor in ran.json["factors"]]


def test_a_declared_charset_is_read_and_noted(shop: Path) -> None:
    page = '<meta charset="windows-1252"><p>Gr\u00fc\u00dfe \u2013 bald</p>'.encode("windows-1252")
    ran = imported(shop, put(shop, "west.html", page))
    assert "windows-1252" in ran.out
    assert "Grüße – bald" in part(production(shop, "west"), "text/html")


def test_mjml_is_compiled(shop: Path) -> None:
    pytest.importorskip("mjml", reason="the optional extra mjml is not installed")
    put(shop, "mail.mjml", "<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{ first_name }}, here we are</mj-text>"
        "</mj-column></mj-section></mj-body></mjml>")  # fmt: skip
    imported(shop, "mail.mjml")
    seeds(shop, first_name="Ana")
    sent = part(production(shop, "mail"), "text/html")
    assert "Hello Ana, here we are" in sent
    assert "mj-text" not in sent
    refused(shop, r"broken\.mjml: MJML can't be compiled", put(shop, "broken.mjml", "<mjml><mj-body>"))


# Mistakes

MISTAKES: dict[str, tuple[dict[str, str | bytes], list[str], str]] = {
    "no such file": ({}, ["gone.eml"], r"gone\.eml: can't be read: No such file"),
    "empty": ({"a.html": "\n"}, ["a.html"], r"a\.html: is empty"),
    "no kind": ({"a.bin": "hello"}, ["a.bin"], r"a\.bin: is neither a message"),
    "outlook": ({"a.msg": b"\xd0\xcf\x11\xe0abc"}, ["a.msg"], r"a\.msg: .*Outlook.*\.eml"),
    "no author": ({"a.eml": "Subject: x\r\n\r\nbody\r\n"}, ["a.eml"], r"a\.eml: .*From"),
    "undecodable": ({"a.html": b"<p>one\n<p>caf\xe9"}, ["a.html"], r"a\.html:2: byte 0xe9 is not utf-8; declare"),
    "nul": ({"a.html": "<p>one\n\0"}, ["a.html"], r"a\.html:2: .*NUL"),
    "a tag that is not known": ({"a.html": "<p>\n*|RSSITEMS:|*"}, ["a.html"], r"a\.html:2: \*\|RSSITEMS:\|\*.*--keep-unknown"),
    "two syntaxes": ({"a.html": "<p>*|A|*{{#each b}}"}, ["a.html"], r"--syntax"),
    "a syntax that is none": ({"a.html": "<p>x"}, ["a.html", "--syntax", "wordpress"], r"--syntax wordpress: .*mailchimp"),
    "a name that leads outside": ({"a.html": "<p>x"}, ["a.html", "--name", "../../x"], r"--name '\.\./\.\./x'"),
    "a name that is taken": ({"a.html": "<p>x"}, ["a.html", "--name", "spring-sale"], r"variants/spring-sale: .*already"),
    "text for a message": ({"a.eml": MESSAGE, "t.txt": "x"}, ["a.eml", "--text", "t.txt"], r"--text t\.txt"),
    "rows without a header": ({"a.html": "<p>x", "r.csv": "a,a\n1,2\n"}, ["a.html", "--data", "r.csv"], r"r\.csv:1: .*'a'"),
    "rows that are too wide": ({"a.html": "<p>x", "r.csv": "a,b\n1,2\n1,2,3\n"}, ["a.html", "--data", "r.csv"], r"r\.csv:3: "),
    "rows that are no json": ({"a.html": "<p>x", "r.json": "[1,\n"}, ["a.html", "--data", "r.json"], r"r\.json:2: .*JSON"),
    "rows that are none": ({"a.html": "<p>x", "r.json": "[]"}, ["a.html", "--data", "r.json"], r"r\.json: holds no rows"),
    "yaml": ({"a.html": "<p>x", "r.yaml": "a: [b\n"}, ["a.html", "--data", "r.yaml"], r"r\.yaml:\d: .*YAML"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(shop: Path, name: str) -> None:
    files, arguments, message = MISTAKES[name]
    for file, content in files.items():
        put(shop, file, content)
    refused(shop, message, *arguments)


def test_keep_unknown_leaves_the_tag_as_text_and_says_so(shop: Path) -> None:
    put(shop, "a.html", "<p>Here is the feed\n*|RSSITEMS:|* of today</p>")
    ran = imported(shop, "a.html", "--keep-unknown")
    assert "a.html:2: *|RSSITEMS:|* stays as literal text" in ran.out
    assert "*|RSSITEMS:|*" in part(production(shop, "a"), "text/html")


def test_a_missing_field_is_said_by_plan(shop: Path) -> None:
    imported(shop, put(shop, "a.html", "<p>Dear {{nick_name}}, this is it</p>"))
    ran = harness("plan", "a", cwd=shop)
    assert ran.code == 2
    assert re.search(r"body\.html\.j2:1: .*nick_name.*not defined", ran.err)


# Real templates

RECEIPT = [{"description": "Tent & pegs", "amount": "$3"}, {"description": "Rope", "amount": "$4"}]


@pytest.mark.skipif(SHARED is None, reason=WITHOUT)
@pytest.mark.parametrize(
    "name",
    [
        "cerberus-hybrid", "konsav-promotional", "leemunroe-responsive", "mailchimp-fancy-1-2-3", "postmark-password-reset",
        "postmark-receipt", "sendwithus-airmail-welcome",
    ],
)  # fmt: skip
def test_a_real_template_is_imported_planned_and_renders_as_its_syntax_says(shop: Path, name: str) -> None:
    assert SHARED is not None
    folder = SHARED / "data" / "campaigns" / name
    text = ["--text", str(folder / "content.txt")] if (folder / "content.txt").exists() else []
    imported(shop, str(folder / "content.html"), "--name", name, *text)
    source = (folder / "content.html").read_text(encoding="utf-8-sig")
    names = {tag.strip() for tag in re.findall(r"\{\{\s*([^{}#/]+?)\s*\}\}", source)}
    names |= {tag.removeprefix("HTML:") for tag in re.findall(r"\*\|((?!IF|END|ELSE)[^|]+)\|\*", source)}
    merge: dict[str, Any] = {tag: f"<{number}>" for number, tag in enumerate(sorted(names - {"description", "amount"}))}
    seeds(shop, **merge, receipt_details=RECEIPT)
    sent = part(production(shop, name), "text/html")
    escaped = "mailchimp" not in name and "sendwithus" not in name

    def value(text: object) -> str:
        return html.escape(str(text)) if escaped else str(text)

    expected = source
    loop = re.search(r"[ \t]*\{\{#each receipt_details\}\}\n(.*?)[ \t]*\{\{/each\}\}\n", expected, re.DOTALL)
    if loop:
        rows = [
            loop[1].replace("{{description}}", value(row["description"])).replace("{{amount}}", value(row["amount"]))
            for row in RECEIPT
        ]
        expected = expected[: loop.start()] + "".join(rows) + expected[loop.end() :]
    expected = re.sub(r"\*\|(?:IF|IFNOT|END|ELSE):[^|]*\|\*", "", expected)  # all of its conditions hold
    for tag, given in merge.items():
        expected = re.sub(r"\{\{\s*" + re.escape(tag) + r"\s*\}\}", value(given), expected)
        expected = re.sub(r"\*\|(?:HTML:)?" + re.escape(tag) + r"\|\*", given, expected)
    assert sent.rstrip("\n") == expected.rstrip("\n")
