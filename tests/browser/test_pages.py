"""The pages in a real browser: silent, offline, readable at any width and in both schemes, without violations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.report.comparison_text import comparison_page
from harness.report.page import page
from harness.report.told import Picture
from harness.report.typeset import policy, stylesheet
from harness.triage.webpage import webpage
from tests.browser.conftest import Browser, axe_source
from tests.stories import ALL, PARTS, comparison
from tests.unit.triage.builders import ask, caused, plain, rows, write_csv

pytestmark = pytest.mark.browser

NAMES = (*ALL, "comparison", "triage")
VIEWS = [(width, scheme) for width in (390, 1400) for scheme in ("light", "dark")]


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {name: page(story()) for name, story in ALL.items()}
    made["comparison"] = comparison_page([comparison()], {part.id: part.title for part in PARTS})
    made["triage"] = triage_page(folder)
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


def triage_page(folder: Path) -> str:
    """Return the page of a triage with two causes, one of them a value without end or blank."""
    made = rows(4_000, caused(lambda r: r["host"] == "l7.example" or r["product"] == "product 5", 0.5, 0.003))
    long = "endless" * 40
    table = [{**r, "product": long if r["product"] == "product 5" else r["product"]} for r in plain(made)]
    return webpage(
        ask(write_csv(folder / "export.csv", table)), style=stylesheet(), policy=policy(stylesheet()), made="now"
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_a_page_is_silent_asks_for_nothing_and_fits(
    browser: Browser, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    browser.show(pages[name], width, scheme)
    assert browser.errors() == []
    assert browser.requests() == []
    assert browser.run("document.documentElement.scrollWidth") <= width
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 23, 26)"), "the style sheet applies"


def test_a_triage_fits_the_narrowest_screen_and_its_bars_are_shares_of_all(
    browser: Browser, pages: dict[str, Path]
) -> None:
    browser.show(pages["triage"], 320)
    assert browser.run("document.documentElement.scrollWidth") <= 320
    widths = browser.run("[...document.querySelectorAll('svg')].map(s => s.lastElementChild.getAttribute('width') * 1)")
    said = browser.run("[...document.querySelectorAll('svg')].map(s => parseFloat(s.parentElement.innerText))")
    assert len(widths) == 2
    assert widths == pytest.approx(said, abs=0.06)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(browser: Browser, pages: dict[str, Path], name: str, scheme: str) -> None:
    source = axe_source()
    if source is None:
        pytest.skip("no Python package that carries axe-core is installed")
    browser.show(pages[name], 390 if scheme == "dark" else 1400, scheme)
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    browser.run(source + ";0")
    found = json.loads(browser.run("axe.run().then(result => JSON.stringify(result))"))
    told = [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found["violations"]]
    assert told == []
    assert len(found["passes"]) > 15, "axe looked at the page"


def test_text_can_be_selected(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["trigger"])
    said = browser.run(
        "(() => { const range = document.createRange(); range.selectNodeContents(document.querySelector('.said'));"
        " const all = getSelection(); all.removeAllRanges(); all.addRange(range); return all.toString(); })()"
    )
    assert said.startswith("Adding the link host go.partner.example")
    assert browser.run("getComputedStyle(document.body).userSelect") in ("auto", "text")


def test_everything_can_be_reached_by_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    """What scrolls can be focused, folded tables open by key, and the first stop skips to the verdict."""
    browser.show(pages["trigger"], 390)
    unreachable = browser.run(
        "[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth && one.tabIndex < 0)"
        ".length"
    )
    assert unreachable == 0
    assert browser.run("document.querySelector('a').getAttribute('href')") == "#main"
    assert browser.run("document.querySelectorAll('summary').length") >= 2


def test_nothing_hostile_comes_alive(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["hostile"])
    alive = browser.run(
        "['script','iframe','object','form','link','base'].filter(tag => document.querySelector(tag))"
        ".concat([...document.querySelectorAll('*')].flatMap(one => one.getAttributeNames())"
        ".filter(name => name.startsWith('on') || name === 'style'))"
    )
    assert alive == []
    assert browser.run("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))") == ["#main"]
    assert browser.run("[...document.images].length") == 0
    shown = browser.run("document.body.innerText")
    assert "<script>alert(1)</script>" in shown, "it is shown as what it is"
    assert "{{7*7}}" in shown
    assert "\u202e" not in shown


def test_the_policy_blocks_what_a_mistake_would_let_in(
    browser: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    """Even with a script, a handler, a style and an image slipped into the page, nothing runs and nothing loads."""
    slip = (
        '<script>document.title = "ran"</script><img src="http://127.0.0.1:9/x.png" onerror="document.title=\'ran\'">'
        '<p id="styled" style="color: rgb(1, 2, 3)">x</p><style>h1 { color: rgb(1, 2, 3) }</style></main>'
    )
    spoilt = tmp_path / "spoilt.html"
    spoilt.write_text(pages["trigger"].read_text(encoding="utf-8").replace("</main>", slip), encoding="utf-8")
    browser.show(spoilt)
    assert browser.run("document.title") != "ran"
    assert browser.run("getComputedStyle(document.querySelector('h1')).color") != "rgb(1, 2, 3)"
    assert browser.run("getComputedStyle(document.querySelector('#styled')).color") != "rgb(1, 2, 3)"
    assert len(browser.errors()) >= 3


def test_states_are_told_without_colour(browser: Browser, pages: dict[str, Path]) -> None:
    """Each mark has a shape or a word of its own."""
    browser.show(pages["stopped"])
    marks = browser.run("[...document.querySelectorAll('.marks span')].map(one => one.className + one.textContent)")
    shapes = set(marks)
    assert len({mark[-1] for mark in shapes}) == len({mark[:-1] for mark in shapes}) >= 2
    assert "censored" in browser.run("document.querySelector('.heat').innerText")


def test_a_page_prints_in_full(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["trigger"])
    printed = browser.driver.execute_cdp_cmd("Page.printToPDF", {})
    assert len(printed["data"]) > 20_000


def test_pictures_stand_beside_the_difference(browser: Browser, tmp_path: Path) -> None:
    """Two thumbnails, made by the browser of this machine from hostile mail, add no request."""
    from dataclasses import replace

    from harness.edge.browser import find_browser, thumbnail

    chromium = find_browser()
    assert chromium is not None
    png = thumbnail(
        '<h1>Sale</h1><script>document.body.innerHTML = ""</script><img src="http://127.0.0.1:9/a.png">', chromium
    )
    assert png is not None
    told = replace(ALL["trigger"](), pictures=(Picture("accepted", png), Picture("refused", png)))
    path = tmp_path / "pictures.html"
    path.write_text(page(told), encoding="utf-8")
    assert path.stat().st_size < 300_000
    browser.show(path)
    assert browser.errors() == []
    assert browser.requests() == []
    assert browser.run("[...document.images].every(one => one.naturalWidth > 200)")
    assert browser.run("document.images.length") == 2
