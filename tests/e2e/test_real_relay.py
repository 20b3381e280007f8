"""Real templates through a real Postfix, in front of an MX that refuses one link host: the verdict names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.cli import harness
from tests.mailstack.stack import MailStack
from tests.shared import SHARED, WITHOUT

pytestmark = pytest.mark.stack

BLOCKED = "go.refused.example"
RULES = [
    {
        "name": "link host",
        "where": "body",
        "pattern": re.escape(BLOCKED),
        "reply": "554 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137",
    }
]
SEEDS = """\
segments:
  small:
    owner: tests@shop.example
    daily_cap: 500
    seeds:
"""
HELLO = "from: Shop <news@shop.example>\nenvelope_sender: bounces@bounce.test\nsubject: Hello {{ first_name }}\ntext: body.txt\n"
DOMAINS = ("icloud.com", "me.com", "mac.com", "privaterelay.appleid.com")


def place(
    folder: Path, port: int, campaign: str, files: dict[str, str], merge: list[str], answers: str = "session"
) -> None:
    """Write a workspace around one real template."""
    seeds = [
        f"      - {{address: s{i}@seeds.example, domain: {DOMAINS[i % 4]}, merge: {row}}}\n"
        for i, row in enumerate(merge)
    ]
    (folder / "seeds.yaml").write_text(SEEDS + "".join(seeds))
    (folder / "relay.yaml").write_text(
        "default: mta\nrelays:\n"
        f"  mta: {{kind: smtp, host: 127.0.0.1, port: {port}, tls: none, answers: {answers}, "
        "pace: {gap: 0s, per_hour: 100000, avoid_top_of_hour: false}}\n"
    )
    inside = folder / "variants" / campaign
    inside.mkdir(parents=True)
    for name, text in files.items():
        (inside / name).write_text(text)


def airmail(folder: Path, port: int) -> str:
    """The welcome template with eight links of its own, one of them on the refused host."""
    assert SHARED is not None
    html = (SHARED / "data/campaigns/sendwithus-airmail-welcome/content.html").read_text()
    links = iter(
        [f"https://www.shop.example/p{i}" for i in range(5)]
        + [f"https://{BLOCKED}/w", "https://blog.shop.example/a", "https://blog.shop.example/b"]
    )
    html = re.sub(r'href="#"', lambda _: f'href="{next(links)}"', html)
    place(
        folder, port, "welcome",
        {
            "body.html": html,
            "campaign.yaml": "from: Shop <news@shop.example>\nenvelope_sender: bounces@bounce.test\nsubject: Welcome, {{ first_name }}\n"
            "html: body.html\nheaders: {List-Unsubscribe: <https://www.shop.example/u>}\n",
        },
        [f"{{first_name: {name}}}" for name in ("Ana", "Bo", "Chidi", "Dagny")],
    )  # fmt: skip
    return f"link:https://{BLOCKED}/w"


def receipt(folder: Path, port: int) -> str:
    """The receipt template, its merge tags as Jinja2; the support link is on the refused host."""
    assert SHARED is not None
    base = SHARED / "data/campaigns/postmark-receipt"
    files = {}
    for kind in ("html", "txt"):
        text = (base / f"content.{kind}").read_text()
        text = text.replace("{{#each receipt_details}}", "{% for line in receipt_details %}").replace(
            "{{/each}}", "{% endfor %}"
        )
        text = text.replace("{{description}}", "{{ line.description }}").replace("{{amount}}", "{{ line.amount }}")
        text = re.sub(r"\{\{ ?support_url ?\}\}", f"https://{BLOCKED}/help", text)
        files[f"body.{kind}"] = text
    files["campaign.yaml"] = (
        "from: Shop <receipts@shop.example>\nenvelope_sender: bounces@bounce.test\nsubject: Your receipt {{ receipt_id }}\n"
        "html: body.html\ntext: body.txt\n"
    )
    rows = [
        f"{{name: {name}, receipt_id: R-100{i}, date: 2026-11-0{i + 1}, purchase_date: 2026-11-0{i + 1}, expiration_date: 2026-12-24, "
        f"total: $4{i}.00, credit_card_brand: Visa, credit_card_last_four: '424{i}', action_url: https://www.shop.example/r/{i}, "
        f"billing_url: https://www.shop.example/b/{i}, receipt_details: [{{description: Shoe, amount: $4{i}.00}}]}}".replace(
            "date: 2026", "date: d2026"
        )
        for i, name in enumerate(("Ana", "Bo", "Chidi", "Dagny"))
    ]
    place(folder, port, "receipt", files, rows)
    return f"link:https://{BLOCKED}/help"


@pytest.mark.skipif(SHARED is None, reason=WITHOUT)
@pytest.mark.parametrize("strategy", ["ladder", "adaptive"])
@pytest.mark.parametrize("template", [airmail, receipt])
def test_a_real_template_through_a_real_relay_names_the_refused_host(
    tmp_path: Path, stack: MailStack, template: object, strategy: str
) -> None:
    stack.set_rules(RULES)
    expected = template(tmp_path, stack.info["ports"]["proxy"])  # type: ignore[operator]
    campaign = next((tmp_path / "variants").iterdir()).name
    ran = harness("run", campaign, "--strategy", strategy, "--yes", "--json", cwd=tmp_path)
    assert ran.code == 1, ran.err
    verdict = ran.json["verdict"]
    assert [trigger["factors"] for trigger in verdict["triggers"]] == [[expected]]
    assert f"link host {BLOCKED}" in verdict["summary"]
    assert verdict["triggers"][0]["confirmed_by_removal"]


FAULTS = {
    "wrong password": ("smtps", "implicit", "not the password", r"harness[^\n]*password|535"),
    "certificate for another name": ("badcert", "implicit", "smtp-secret", r"certificate"),
    "no TLS offered": ("clearauth", "starttls", "smtp-secret", r"STARTTLS"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_relay_that_will_not_have_us_is_one_line_and_exit_5(tmp_path: Path, stack: MailStack, fault: str) -> None:
    name, tls, password, words = FAULTS[fault]
    place(
        tmp_path,
        stack.info["ports"][name],
        "hello",
        {"campaign.yaml": HELLO, "body.txt": "Hello {{ first_name }}\n"},
        ["{first_name: Ana}"],
    )
    (tmp_path / "relay.yaml").write_text(
        f"default: mta\nrelays:\n  mta: {{kind: smtp, host: 127.0.0.1, port: {stack.info['ports'][name]}, tls: {tls}, "
        f"ca_file: {stack.info['ca']}, username: harness, password: '${{TEST_SMTP_PASSWORD}}'}}\n"
    )
    before = len(stack.mx_rows())
    ran = harness("run", "hello", "--yes", cwd=tmp_path, TEST_SMTP_PASSWORD=password)
    assert ran.code == 5, ran.err
    last = ran.err.strip().splitlines()[-1]
    assert last.startswith("harness: ")
    assert str(stack.info["ports"][name]) in last
    assert re.search(words, last, re.IGNORECASE), last
    assert "Traceback" not in ran.err
    assert password not in ran.out + ran.err
    assert len(stack.mx_rows()) == before
    for path in (tmp_path / "results").rglob("*"):
        assert not path.is_file() or password.encode() not in path.read_bytes()
