"""How fast a campaign is planned and its messages are built: `python -m benchmarks.building`.

Prints the time to plan a large template (300 KB, 400 links, 60 merge fields), how that time grows with size, and
messages built per second for variants of a 30 KB campaign, against plain Jinja2 rendering and against Jinja2 with
`email.message`, all in one run.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from email.message import EmailMessage

from jinja2 import Environment

from harness.campaign.expand import expand
from harness.model.campaign import Campaign
from harness.model.seed import Seed, Segment
from harness.model.variant import Identity

WORDS = "season trail river letter order winter market summer garden member early price little paper yellow"


def template(size: int, links: int, fields: int) -> str:
    """Write a page of about `size` bytes."""
    chance = random.Random(7)
    style = "padding:8px 12px;font-family:Arial,sans-serif;font-size:15px;line-height:22px;color:#333"
    rows = []
    for number in range(links):
        words = " ".join(chance.choices(WORDS.split(), k=max(4, size // links // 16)))
        field = f"{{{{ field_{number % fields} }}}}"
        head = "" if number % 40 else "<h2>News of the week</h2>"
        link = f'<a href="https://shop{number % 5}.example/p/{number}?f={field}" style="color:#06c">{words[:20]}</a>'
        image = "" if number % 8 else f'<img src="https://img.example/{number}.png" alt="Picture {number}" width="120">'
        row = f'<tr><td style="{style}">{head}<p>{words} {field}. {link}</p>{image}</td></tr>'
        rows.append(row + " " * max(0, size // links - len(row) - 1))
    return "<html><body><table>\n" + "\n".join(rows) + "\n</table></body></html>"


def campaign(size: int, links: int, fields: int) -> Campaign:
    return Campaign(
        "bench", "Shop <news@shop.example>", "bounces@shop.example", subject="{{ field_0 }}, a letter",
        html=template(size, links, fields), headers={"List-Unsubscribe": "<https://shop.example/u/{{ field_1 }}>"},
    )  # fmt: skip


def segment(fields: int, seeds: int = 8) -> Segment:
    rows = [{f"field_{n}": f"value {n} of {seed}" for n in range(fields)} for seed in range(seeds)]
    made = (Seed(f"s{number}@seeds.example", "icloud.com", row) for number, row in enumerate(rows))
    return Segment("s", "o@shop.example", tuple(made))


def per_second(build: Callable[[int], object], seconds: float = 2.0) -> float:
    build(0)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        build(count)
        count += 1
    return count / (time.perf_counter() - start)


def main() -> None:
    for size, links in ((75_000, 100), (150_000, 200), (300_000, 400)):
        made = campaign(size, links, 60)
        wall, own = time.perf_counter(), time.process_time()
        expansion = expand(made, segment(60))
        count = len(expansion.ladder())
        wall, own = time.perf_counter() - wall, time.process_time() - own
        print(
            f"plan {len(made.html or ''):>7,} bytes, {links} links, 60 fields, 8 seeds, {count} variants:"
            f" {wall:.2f} s ({own:.2f} s of processor time)"
        )
    small, seeds = campaign(30_000, 40, 12), segment(12)
    expansion = expand(small, seeds)
    rungs = expansion.ladder()
    page = Environment().from_string(small.html or "")
    text = "\n".join([WORDS] * 40)

    def ours(number: int) -> bytes:
        seed = seeds.seeds[number % 8]
        identity = Identity(f"t{number:07d}", "Fri, 20 Nov 2026 12:00:00 +0000", seed.address)
        return expansion.message(rungs[number % len(rungs)].factors, seed, identity).content

    def plain(number: int) -> str:
        return page.render(seeds.seeds[number % 8].merge)

    def library(number: int) -> bytes:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "Shop <news@shop.example>", "s1@seeds.example", "A letter"
        mail["Date"], mail["Message-ID"] = "Fri, 20 Nov 2026 12:00:00 +0000", f"<{number}@shop.example>"
        mail.set_content(text)
        mail.add_alternative(plain(number), subtype="html")
        return mail.as_bytes()

    ways = (("harness", ours), ("jinja2 alone", plain), ("jinja2 + email.message", library))
    rates = {name: per_second(build) for name, build in ways}
    for name, rate in rates.items():
        print(f"build {len(small.html or ''):,} bytes, {name}: {rate:,.0f} messages a second")
    print(f"harness / (jinja2 + email.message): {rates['harness'] / rates['jinja2 + email.message']:.2f}")


if __name__ == "__main__":
    main()
