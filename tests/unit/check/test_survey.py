"""Seeds, relay and the whole table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.check.copies import Copy
from harness.check.lookup import Found, Lookup, PublicSuffixes
from harness.check.notice import Grade, Notice, stops
from harness.check.route import Greeting, route_notices
from harness.check.seedling import SeedPast, seed_notices
from harness.check.signing import Signer, signers_of
from harness.check.survey import Subject, Tools, survey
from harness.model.hop import Hop
from harness.model.relay import Answers, BounceSource, Relay, Tls
from harness.model.seed import Seed, Segment
from tests.unit.check.builders import NOW, mail

ESP = Relay("esp", "smtp", host="smtp.esp-host.net", port=587)
SANDBOX = Relay("sandbox", "sandbox", policy="sandbox.yaml")
APPLE = Segment(
    "apple-small", "o@shop.example", tuple(Seed(f"shop-seed-{i}@icloud.com", "icloud.com") for i in range(5))
)
MADE_UP = Segment("made-up", "o@shop.example", tuple(Seed(f"seed-{i}@seeds.example", "icloud.com") for i in range(5)))


class Nowhere:
    """No name exists."""

    def ask(self, name: str, kind: str) -> Lookup:
        return Lookup(name, kind, Found.NO_NAME)


def ids(notices: list[Notice]) -> dict[str, str]:
    return {n.id: n.grade.value for n in notices}


def seeds(segment: Segment = APPLE, relay: Relay = ESP, **past: SeedPast) -> dict[str, str]:
    known = {seed.address: p for seed, p in zip(segment.seeds, past.values(), strict=False)}
    return ids(seed_notices(segment, relay, known, "shop.example", "mail.shop.example", Nowhere()))


def test_seeds_that_can_be_used_are_said_to_be() -> None:
    assert seeds() == {"seeds": "ok"}


def test_reserved_seeds_are_for_a_sandbox() -> None:
    assert seeds(MADE_UP) == {"seed-reserved": "fail"}
    assert seeds(MADE_UP, SANDBOX) == {"seed-reserved": "note"}


@pytest.mark.parametrize(
    ("state", "records", "wanted"),
    [
        (Found.RECORDS, ("10 mx01.mail.icloud.com.", "10 mx02.mail.icloud.com."), {"seeds": "ok"}),
        (Found.RECORDS, ("10 mx.other.example.",), {"seed-not-apple": "fail"}),
        (Found.NO_NAME, (), {"seed-not-apple": "fail"}),
        (Found.FAILED, (), {"seed-not-apple": "unknown"}),
    ],
)
def test_a_domain_of_ones_own_is_a_seeds_if_apple_hosts_it(
    state: Found, records: tuple[str, ...], wanted: dict[str, str]
) -> None:
    class Table:
        def ask(self, name: str, kind: str) -> Lookup:
            assert (name, kind) == ("our-own.net", "MX")
            return Lookup(name, kind, state, records)

    custom = replace(APPLE, seeds=(*APPLE.seeds, Seed("a@our-own.net", "custom"), Seed("b@our-own.net", "custom")))
    assert ids(seed_notices(custom, ESP, {}, "shop.example", "mail.shop.example", Table())) == wanted
    assert ids(seed_notices(custom, SANDBOX, {}, "shop.example", "mail.shop.example", Nowhere())) == {"seeds": "ok"}


@pytest.mark.parametrize(
    ("past", "wanted"),
    [
        (SeedPast(suppressed="run r1"), {"seed-suppressed": "fail"}),
        (SeedPast(elsewhere=("relay other, run r1",)), {"seed-suppressed": "note"}),
        (SeedPast(refused={"mailbox_full": 2}), {"seed-refused": "warn"}),
        (SeedPast(sent_today=10), {"seed-cap": "fail"}),
        (SeedPast(sent_today=7), {"seed-cap": "note"}),
        (SeedPast(sent_today=2), {"seeds": "ok"}),
    ],
)
def test_what_the_ledger_knows_of_a_seed_is_told(past: SeedPast, wanted: dict[str, str]) -> None:
    assert seeds(past=past) == wanted


def test_private_relay_asks_for_registered_senders() -> None:
    relayed = replace(APPLE, seeds=(*APPLE.seeds, Seed("x1@privaterelay.appleid.com", "privaterelay.appleid.com")))
    notices = seed_notices(relayed, ESP, {}, "shop.example", "mail.shop.example", Nowhere())
    (notice,) = [n for n in notices if n.id == "seed-relay"]
    assert "shop.example" in notice.evidence
    assert "mail.shop.example" in notice.evidence


def test_a_relay_says_where_answers_are_heard() -> None:
    bounces = replace(ESP, answers=Answers.BOUNCES)
    assert ids(route_notices(ESP, None, 0)) == {"relay-answers": "note"}
    assert ids(route_notices(bounces, None, 0)) == {"relay-bounces": "fail"}
    assert ids(route_notices(replace(bounces, bounces=(BounceSource("maildir", "x"),)), None, 0)) == {
        "relay-answers": "ok"
    }
    assert ids(route_notices(replace(ESP, tls=Tls.NONE), None, 0)) == {"relay-tls": "fail"}


def test_a_greeting_shows_size_and_dsn() -> None:
    greeting = Greeting({"size": "1000", "pipelining": ""}, True, True, "250 OK")
    relay = replace(ESP, answers=Answers.BOUNCES, bounces=(BounceSource("maildir", "x"),))
    assert ids(route_notices(relay, greeting, 2_000)) == {
        "relay-answers": "ok",
        "relay": "ok",
        "relay-size": "fail",
        "relay-dsn": "warn",
    }
    assert ids(route_notices(ESP, replace(greeting, error="535 no"), 1)) == {
        "relay-answers": "note",
        "relay-down": "fail",
    }
    assert ids(route_notices(ESP, replace(greeting, offered={"dsn": "", "size": ""}), 1))["relay-dsn"] == "ok"
    assert ids(route_notices(ESP, replace(greeting, offered={"size": "9" * 9_000}), 1)) == {
        "relay-answers": "note", "relay": "ok", "relay-size": "ok", "relay-dsn": "note",
    }  # fmt: skip
    assert ids(route_notices(ESP, replace(greeting, offered={}), 1))["relay-size"] == "note"


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("smtp.sendgrid.net", "warn"),
        ("email-smtp.eu-west-1.amazonaws.com", "warn"),
        ("SMTP.SendGrid.net.", "warn"),
        ("smtp.notsendgrid.net", "note"),
        ("mail.our-own.net", "note"),
    ],
)
def test_a_provider_that_queues_mail_gives_no_answer_in_session(host: str, wanted: str) -> None:
    assert ids(route_notices(replace(ESP, host=host), None, 0)) == {"relay-answers": wanted}


def test_signatures_of_a_received_copy_name_selectors() -> None:
    raw = mail(DKIM_Signature="v=1; a=rsa-sha256; d=Shop.example; s=k1; h=From:Subject; b=abc")
    assert signers_of(raw) == [Signer("shop.example", "k1", algorithm="rsa-sha256", covers=("from", "subject"))]


def whole(relay: Relay, segment: Segment, copies: tuple[Copy, ...] = (), **tools: object) -> list[Notice]:
    raw = mail()
    subject = Subject(
        "news@shop.example",
        "bounces@mail.shop.example",
        relay,
        segment,
        {s.address: raw for s in segment.seeds},
        [("control", lambda: raw)],
        copies=copies,
    )
    return survey(subject, Tools(Nowhere(), PublicSuffixes(), NOW, **tools))  # type: ignore[arg-type]


def test_what_stops_a_real_send_is_a_warning_on_the_sandbox() -> None:
    assert stops(whole(ESP, APPLE))
    assert not stops(whole(SANDBOX, MADE_UP))
    assert {"spf-missing", "dmarc-missing", "mail-from-missing", "host-missing"} <= set(ids(whole(SANDBOX, MADE_UP)))


def test_the_mail_from_that_a_receiver_saw_is_checked_else_what_relay_yaml_says() -> None:
    def checked(relay: Relay, *copies: Copy) -> tuple[str, list[str]]:
        notices = whole(relay, APPLE, copies)
        (domain,) = {
            n.about.removeprefix("MAIL FROM ") for n in notices if n.id in ("spf-missing", "mail-from-missing")
        }
        return domain, [n.evidence for n in notices if n.id == "mail-from-seen"]

    said = replace(ESP, mail_from="em1.shop.example")
    copy = Copy("control to a@icloud.com, run r1", mail_from="em2.shop.example")
    ours = "campaign.yaml says bounces@mail.shop.example"
    assert checked(ESP) == checked(replace(ESP, mail_from="mail.shop.example")) == ("mail.shop.example", [])
    assert checked(said) == ("em1.shop.example", [f"by mail_from in relay.yaml; {ours}"])
    seen = f"by the receiver of control to a@icloud.com, run r1; {ours}"
    assert checked(said, Copy("full"), copy) == ("em2.shop.example", [seen])


def test_the_table_begins_with_the_worst_and_says_nothing_twice() -> None:
    notices = whole(ESP, APPLE)
    order = list(Grade)
    assert [order.index(n.grade) for n in notices] == sorted(order.index(n.grade) for n in notices)
    assert len(set(notices)) == len(notices)
    assert [n.about for n in notices if n.id == "form-ok"] == ["production"]


def test_redirects_are_followed_only_where_asked_and_their_hosts_checked() -> None:
    asked = []

    def follow(url: str) -> list[Hop]:
        asked.append(url)
        return [Hop(url, 302), Hop("https://tracker.example/x", 302), Hop("https://bit.ly/x", 404)]

    plain = whole(ESP, APPLE)
    followed = whole(ESP, APPLE, follow=follow)
    assert "link-dead" not in ids(plain)
    assert asked == ["https://shop.example/sale"]
    assert ids(followed)["link-dead"] == "fail"
    assert "host-shortener" in ids(followed)
    assert any("tracker.example (redirect)" in n.about for n in followed)


def test_the_hosts_behind_tracking_are_looked_at_once_for_many_links() -> None:
    page = "".join(f'<a href="http://partner.example/{n}">Shoe {n}</a>' for n in range(30))
    subject = Subject(
        "news@shop.example",
        "b@shop.example",
        ESP,
        APPLE,
        {s.address: mail() for s in APPLE.seeds},
        direct=mail(html=page),
    )
    notices = survey(subject, Tools(Nowhere(), PublicSuffixes(), NOW))
    assert [n.about for n in notices if n.id == "host-missing"][-1] == "partner.example (link)"
    assert [n.about for n in notices if n.id == "link-http"] == ["link http://partner.example/0 and 29 more"]


def test_one_problem_of_many_personal_copies_is_one_row_whatever_its_numbers_are() -> None:
    seeds = tuple(Seed(f"shop-seed-{n}@icloud.com", "icloud.com") for n in range(12))
    pages = {
        seed.address: mail(
            html="<img src=https://shop.example/a.png>" * (20 + n) + f"<p>{'Ana ' * (n + 1)}</p>",
            text="other words\r\n" * (160_000 + n),
            Date=f"Wed, {n % 9 + 1} Nov 2023 11:00:00 +0000",
        )
        for n, seed in enumerate(seeds)
    }
    subject = Subject("news@shop.example", "b@shop.example", ESP, replace(APPLE, seeds=seeds), pages)
    found = survey(subject, Tools(Nowhere(), PublicSuffixes(), NOW))
    wanted = {"form-size", "form-unlike", "form-images", "form-date-off", "display-alt"}
    assert sorted(n.id for n in found if n.id.startswith(("form", "display")) and n.id in wanted) == sorted(wanted)
    assert {n.about for n in found if n.id in wanted} == {"production"}


def test_a_row_is_what_the_ledger_keeps_and_the_report_shows() -> None:
    row = Notice("spf-missing", Grade.FAIL, "MAIL FROM a.example", "no SPF record", "TXT", "Publish one").row()
    assert {k: row[k] for k in ("severity", "id", "what", "where", "advice")} == {
        "severity": "fail", "id": "spf-missing", "what": "no SPF record", "where": "MAIL FROM a.example", "advice": "Publish one",
    }  # fmt: skip
