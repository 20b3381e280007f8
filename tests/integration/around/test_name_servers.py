"""Name servers: that they answer, have nothing, fail, refuse or stay silent are told apart."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import pytest

from harness.check.blocklist import Blocklist, listing_notices
from harness.check.hosts import Site, site_notices
from harness.check.identity import find_dmarc
from harness.check.lookup import Found, PublicSuffixes, Resolver, could_not
from harness.check.notice import Grade, Notice
from harness.check.sendinghost import courtesy_notices, helo_notices, ip_notices, mail_from_notices
from harness.check.signing import Signer, find_key
from harness.check.spf import evaluate, spf_notices
from harness.edge.dns import MOST_SILENCES, Dns, Offline


@contextmanager
def picky(code: int = 3, silent: Callable[[bytes], bool] = lambda name: False, cut: bool = False) -> Iterator[int]:
    """A name server that answers every question alike (3: NXDOMAIN, 5: REFUSED), and some not at all or cut off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            with suppress(OSError):
                while True:
                    raw, client = server.recvfrom(4_096)
                    question = dns.message.from_wire(raw)
                    if not silent(question.question[0].name.to_text().rstrip(".").encode()):
                        answer = dns.message.make_response(question)
                        answer.set_rcode(dns.rcode.Rcode(code))
                        answer.flags |= dns.flags.TC if cut else 0
                        server.sendto(answer.to_wire(), client)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def asked_all(resolver: Resolver, suffixes: PublicSuffixes) -> list[Notice]:
    """Everything that is asked for a sender who has all of it."""
    return [
        *mail_from_notices("good.test", resolver), *spf_notices(evaluate("good.test", ("192.0.2.1",), resolver)),
        *find_key(Signer("good.test", "k1"), resolver).notices, *find_dmarc("good.test", resolver, suffixes)[1],
        *ip_notices("192.0.2.1", resolver), *helo_notices("mx.good.test", ("192.0.2.1",), resolver),
        *courtesy_notices("good.test", "good.test", "default", resolver, suffixes),
        *site_notices(Site("www.good.test", ("link",)), [], resolver, suffixes),
        *listing_notices("good.test", Blocklist("dbl.test"), resolver),
    ]  # fmt: skip


def test_records_no_records_no_name_and_no_answer_are_four_things(resolver: Resolver) -> None:
    assert resolver.ask("good.test", "MX").records == ("10 mx.good.test.",)
    assert resolver.ask("good.test", "A").state is Found.EMPTY
    assert resolver.ask("nowhere.test", "A").state is Found.NO_NAME
    assert resolver.ask("x.failing.test", "A").state is Found.FAILED
    assert resolver.ask("..bad..", "A").state is Found.FAILED
    assert resolver.ask("a" * 70 + ".test", "A").state is Found.FAILED


def test_a_long_record_is_whole(resolver: Resolver) -> None:
    (record,) = resolver.ask("k1._domainkey.good.test", "TXT").records
    assert record.startswith("v=DKIM1; k=rsa; p=MII")
    assert '"' not in record


def test_no_such_name_and_no_such_record_are_told_apart(resolver: Resolver) -> None:
    assert find_key(Signer("good.test", "none"), resolver).notices[0].evidence.endswith("no such name (NXDOMAIN)")
    assert find_key(Signer("good.test", "other"), resolver).notices[0].evidence.endswith("no TXT record")


def test_an_answer_that_is_cut_off_and_can_not_be_had_whole_is_no_answer(suffixes: PublicSuffixes) -> None:
    """A firewall that lets UDP through and no TCP makes long records vanish; they are not missing."""
    with picky(code=0, cut=True) as port:
        notices = asked_all(Dns(["127.0.0.1"], port, 0.3), suffixes)
    assert {n.grade for n in notices} == {Grade.UNKNOWN}


def test_a_silent_name_server_is_never_taken_for_no_record(suffixes: PublicSuffixes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        notices = asked_all(Dns(["127.0.0.1"], deaf.getsockname()[1], 0.1), suffixes)
    assert {n.grade for n in notices} == {Grade.UNKNOWN}
    assert "time limit" in notices[0].evidence


def test_offline_asks_nobody(suffixes: PublicSuffixes) -> None:
    offline = Offline()
    assert {n.grade for n in mail_from_notices("good.test", offline)} == {Grade.UNKNOWN}
    assert "offline" in mail_from_notices("good.test", offline)[0].evidence


def test_reserved_names_are_not_asked_of_the_systems_resolver() -> None:
    found = Dns(timeout=0.1).ask("www.shop.example", "A")
    assert found.failed
    assert "RFC 2606" in found.why


def test_silent_name_servers_are_not_asked_without_end(suffixes: PublicSuffixes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        silent = Dns(["127.0.0.1"], deaf.getsockname()[1], 0.2)
        begun = time.monotonic()
        found = [silent.ask(f"host-{n}.test", "A") for n in range(100)]
    assert time.monotonic() - begun < 8
    assert all(one.failed for one in found)
    assert could_not(found[0]) == "A host-0.test: no answer within the time limit"
    assert could_not(found[-1]) == "not asked: 127.0.0.1 stayed silent"


def test_the_silence_of_some_names_is_not_that_of_the_name_server() -> None:
    """A resolver may be silent for a domain whose own servers are dead, and still know all others."""
    with picky(silent=lambda name: name.endswith(b"dead")) as port:
        dns = Dns(["127.0.0.1"], port, 0.1)
        for n in range(5):
            assert dns.ask(f"host-{n}.dead", "A").why == "no answer within the time limit"
        assert dns.ask("www.good.test", "A").state is Found.NO_NAME


def test_no_number_of_silent_names_costs_time_without_end() -> None:
    with picky(silent=lambda name: name.endswith(b"dead")) as port:
        dns = Dns(["127.0.0.1"], port, 0.01)
        found = [dns.ask(f"host-{n}.dead", "A") for n in range(100)]
    assert sum(one.asked for one in found) == MOST_SILENCES


def test_a_refusal_is_never_taken_for_no_record(suffixes: PublicSuffixes) -> None:
    with picky(code=5) as port:
        notices = asked_all(Dns(["127.0.0.1"], port, 0.5), suffixes)
    assert {n.grade for n in notices} == {Grade.UNKNOWN}
    assert "REFUSED" in notices[0].evidence


def test_a_machine_without_name_servers_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: object, *args: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", none)
    assert "set resolver.nameservers in check.yaml" in Dns().ask("good.net", "A").why
