"""What one format says, all say: the same run read back from five formats."""

import csv
import io
import json
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from harness.report.clean import clean
from harness.report.jsonable import run_object
from harness.report.markdown import markdown
from harness.report.page import page
from harness.report.screen import screen
from harness.report.sheet import trials_csv
from harness.report.told import Told
from tests.stories import ALL

Counts = dict[str, tuple[int, int, int, int]]  # variant -> sent, accepted, rejected, censored


@pytest.fixture(scope="module", params=ALL)
def told(request: pytest.FixtureRequest) -> Told:
    return ALL[request.param]()


class Text(HTMLParser):
    """Collects table rows and the text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.text = ""
        self.inside = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.inside:
            self.rows[-1][-1] += data


def from_json(told: Told) -> Counts:
    return {
        row["id"]: (row["sent"], row["accepted"], row["rejected"], row["censored"])
        for row in json.loads(json.dumps(run_object(told)))["variants"]
    }


def from_csv(told: Told) -> Counts:
    outcomes: dict[str, Counter[str]] = {}
    for row in csv.DictReader(io.StringIO(trials_csv(told), newline="")):
        outcomes.setdefault(row["variant"], Counter())[row["outcome"]] += 1
    return {
        name: (
            seen.total() - seen["planned"] - seen["not_sent"],
            seen["accepted"] + seen["delivered"],
            seen["rejected"],
            seen["censored"],
        )
        for name, seen in outcomes.items()
    }


def from_rows(rows: list[list[str]]) -> Counts:
    """Read rows of stage, variant, change, sent, accepted, rejected, censored, tags."""
    found: Counts = {}
    for row in rows:
        if len(row) == 8 and all(cell.strip().isdigit() for cell in row[3:7]):
            sent, accepted, rejected, censored = (int(cell) for cell in row[3:7])
            found[row[1].strip("`\n ")] = (sent, accepted, rejected, censored)
    return found


def from_page(told: Told) -> Counts:
    return from_rows(Text(page(told)).rows)


def from_markdown(told: Told) -> Counts:
    return from_rows([re.split(r"\s*\|\s*", line)[1:-1] for line in markdown(told).splitlines() if line[:1] == "|"])


def from_screen(told: Told) -> Counts:
    pattern = re.compile(r"^\w+ +(v[0-9a-f]{9}|control|production) .*?  +(\d+)  +(\d+)  +(\d+)  +(\d+)(?:  |$)")
    found = (pattern.match(line) for line in screen(told, width=400).splitlines())
    return {m[1]: (int(m[2]), int(m[3]), int(m[4]), int(m[5])) for m in found if m}


def test_five_formats_agree_on_every_variant(told: Told) -> None:
    expected = {
        row.id: (row.tally.sent, row.tally.passed, row.tally.rejected, row.tally.censored)
        for row in told.tallies.variants
    }
    readings = {
        reader.__name__: reader(told) for reader in (from_json, from_csv, from_page, from_markdown, from_screen)
    }
    assert readings == dict.fromkeys(readings, expected)


def test_all_but_the_sheet_say_the_same_sentence_and_next_step(told: Told) -> None:
    summary, step = clean(told.verdict.summary), clean(told.verdict.next_step)
    seen = {"page": Text(page(told)).text, "screen": " ".join(screen(told, width=5000).split())}
    for text in seen.values():
        assert summary in text
        assert step in text
    assert run_object(told)["verdict"]["summary"] == told.verdict.summary
    dead = markdown(told).replace("\\", "").replace("&#47;", "/").replace("&lt;", "<").replace("&gt;", ">")
    assert summary.replace("www.", "www&#46;").split("&")[0][:200] in dead


def test_domains_agree(told: Told) -> None:
    rows = {tuple(cell.strip() for cell in row) for row in Text(page(told)).rows}
    for domain, told_domain in zip(run_object(told)["domains"], told.tallies.domains, strict=True):
        assert domain["rejected"] == told_domain.tally.rejected
        line = next(row for row in rows if row[:1] == (domain["domain"],) and len(row) == 7)
        assert [int(cell) for cell in line[1:4]] == [domain["sent"], domain["counted"], domain["rejected"]]
        assert line[6] == (domain["band"] or "-")


def test_factors_agree(told: Told) -> None:
    by_json = {factor["id"]: factor["verdict"] for factor in run_object(told)["factors"]}
    assert by_json == {factor.id: factor.verdict for factor in told.verdict.factors}
    verdicts = Counter(row[1].strip() for row in Text(page(told)).rows if len(row) == 3)
    for verdict, many in Counter(by_json.values()).items():
        assert verdicts[verdict] == many
