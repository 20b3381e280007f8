"""Campaigns, segments and identities for the tests of this room."""

from __future__ import annotations

import random
from collections.abc import Iterable

from harness.campaign.expand import Expansion, expand
from harness.model.campaign import Attachment, Campaign, Plain
from harness.model.seed import Seed, Segment
from harness.model.variant import Identity

MERGES: tuple[dict[str, object], ...] = (
    {"first_name": "Ana", "product": "Trail Shoe", "uid": "u-1", "vip": True, "items": [{"n": "Sock", "p": "4.00"}]},
    {"first_name": "Bó", "product": "Tent", "uid": "u-22", "vip": False, "items": []},
)

PAGE = """<!DOCTYPE html><html><head><title>Sale</title>
<style>.hero{background-image:url("https://img.shop.example/bg.png")}</style></head>
<body background='https://img.shop.example/body.png'>
<h1>Hi {{ first_name }}, the sale is on</h1>
<p>The <b>{{ product }}</b> is 40% off until Sunday. <a href="https://shop.example/sale?u={{ uid }}">Shop the sale</a></p>
{% if vip %}<p>As a member you get <a href=https://vip.example/x>early access</a>.</p>{% endif %}
<h2>Your picks</h2><table>{% for i in items %}<tr><td>{{ i.n }}</td><td>{{ i.p }}</td></tr>{% endfor %}</table>
<p><a href="https://click.esp.example/t?url=https%3A%2F%2Fshop.example%2Forder&amp;x={{ uid }}"><img
src="https://img.shop.example/o.png" alt="Your order"></a> Ask <a href='mailto:help@shop.example'>our people</a>.</p>
<!--[if mso]><v:roundrect href="https://shop.example/sale?u={{ uid }}"><center>Shop</center></v:roundrect><![endif]-->
<img src="https://t.esp.example/o.gif?u={{ uid }}" width="1" height="1" alt="">
</body></html>"""


def shop(**changes: object) -> Campaign:
    """Make a campaign with something of every kind."""
    settings: dict[str, object] = {
        "name": "spring",
        "sender": "Shop <news@shop.example>",
        "envelope_sender": "bounces@mail.shop.example",
        "subject": "{{ first_name }}, 40% off {{ product }}",
        "preheader": "Ends Sunday, {{ first_name }}",
        "html": PAGE,
        "headers": {"List-Unsubscribe": "<https://shop.example/u/{{ uid }}>", "X-Campaign": "spring"},
        "attachments": (Attachment("terms.pdf", b"%PDF" * 50, "application/pdf"),),
        "plain": Plain(merge={"first_name": "there", "product": "order", "uid": "0"}),
    } | changes
    return Campaign(**settings)  # type: ignore[arg-type]


def segment(*merges: dict[str, object]) -> Segment:
    """Make a segment with one seed for every merge row."""
    rows = merges or MERGES
    seeds = tuple(Seed(f"seed-{n:02d}@seeds.example", "icloud.com", row) for n, row in enumerate(rows, 1))
    return Segment("apple-small", "deliverability@shop.example", seeds)


def identity(seed: Seed, number: int = 0) -> Identity:
    """Make a trial's identity."""
    return Identity(f"t{number:07d}", "Fri, 20 Nov 2026 12:00:00 +0000", seed.address)


def letter(markup: str, **changes: object) -> Expansion:
    """Expand a campaign whose HTML is this, for one seed with the merge values given as `row`."""
    row = changes.pop("row", {})
    assert isinstance(row, dict)
    return expand(
        shop(**({"html": markup, "subject": "Hello", "preheader": None, "headers": {}} | changes)), segment(row)
    )


def ids(expansion: Expansion, kind: str) -> list[str]:
    """List what a campaign's factors of a kind are called."""
    return [factor.id.partition(":")[2] for factor in expansion.factors if factor.kind == kind]


def render(expansion: Expansion, names: Iterable[str], seed: Seed) -> bytes:
    """Write a variant."""
    return expansion.message(frozenset(names), seed, identity(seed)).content


def closed(expansion: Expansion, names: Iterable[str]) -> frozenset[str]:
    """Add what factors need."""
    by_id = {factor.id: factor for factor in expansion.factors}
    whole = set(names)
    for name in names:
        whole |= by_id[name].needs
    return frozenset(whole)


def drawn(expansion: Expansion, chance: random.Random) -> frozenset[str]:
    """Draw a set of factors that is a variant."""
    names = [factor.id for factor in expansion.factors]
    return closed(expansion, chance.sample(names, chance.randint(0, len(names))))


def assert_one_change(expansion: Expansion, shown: frozenset[str], name: str, seed: Seed) -> None:
    """Hold byte honesty: with and without a factor, only the bytes of its own places differ."""
    without = expansion.trace(shown, seed, identity(seed))
    with_it = expansion.trace(shown | {name}, seed, identity(seed))
    assert b"".join(run for run, _ in without) == render(expansion, shown, seed)
    assert b"".join(run for run, _ in with_it) == render(expansion, shown | {name}, seed)
    assert _outside(without, name) == _outside(with_it, name)


def _outside(runs: Iterable[tuple[bytes, tuple[str, ...]]], name: str) -> list[tuple[bytes, tuple[str, ...]]]:
    """Put together what does not stand in a factor's places."""
    own: list[tuple[bytes, tuple[str, ...]]] = []
    for content, owners in runs:
        if name in owners:
            continue
        if own and own[-1][1] == owners:
            own[-1] = own[-1][0] + content, owners
        elif content:
            own.append((content, owners))
    return own


def assert_honest(expansion: Expansion, chance: random.Random, seed: Seed, most: int = 8) -> None:
    """Draw a variant and add factors to it, one at a time."""
    shown = drawn(expansion, chance)
    addable = [f.id for f in expansion.factors if f.id not in shown and f.needs <= shown]
    for name in chance.sample(addable, min(most, len(addable))):
        assert_one_change(expansion, shown, name, seed)
