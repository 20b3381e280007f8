"""The walk: which links of a message are opened to see where they lead, and which are left alone.

Opening a link can do what the link is for. One that unsubscribes would take the seed off the list, so it must not be
opened, in whatever language it is written. Two things hold for all of them: such a link has to say in its URL whom it
is for, and it stands apart from the content. So a link is opened whose URL can name nobody; any other only where it
stands out as content, in a page whose link for unsubscribing is known, above the footer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from urllib.parse import parse_qsl, unquote, urlsplit

from harness.check.anatomy import Anatomy, Block
from harness.check.link import Link
from harness.check.notice import Grade, Notice
from harness.check.unsubscribing import is_of_mailing, may_unsubscribe
from harness.check.words import count_words

MANY_WORDS = 12  # a block of so many is content
_WORD = re.compile(r"[^\W\d_]{2,24}")
_SYLLABLE = re.compile(r"[aeiouy]|[^\x00-\x7f]", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")
_LEGAL = re.compile(r"©|\(c\)\s*\d{4}|copyright|rights reserved", re.IGNORECASE)


class Standing(StrEnum):
    """How a link stands in the message, and why it is left alone, if it is."""

    CONTENT = "content"
    ENDS = "its URL, its words or List-Unsubscribe say that it unsubscribes"
    FOOTER = "it stands in the footer"
    UNCLEAR = "its URL may name the reader, and it does not stand out as content"
    UNKNOWN = "its URL may name the reader, and no link of the page is known to unsubscribe"


def plan_walk(anatomy: Anatomy) -> tuple[list[str], list[Notice]]:
    """Choose the URLs to open, each once; say which are left alone, and why."""
    standings: dict[str, list[Standing]] = {}
    for link, standing in _standings(anatomy):
        if link.scheme in ("http", "https"):
            standings.setdefault(link.url, []).append(standing)
    for url in _pictures(anatomy):
        standings.setdefault(url, []).append(Standing.CONTENT)
    left: dict[str, Standing] = {}
    for url, found in standings.items():
        if Standing.ENDS in found:
            left[url] = Standing.ENDS
        elif Standing.CONTENT not in found:
            left[url] = found[0]
    urls = [url for url in standings if url not in left]
    if not left:
        return urls, []
    first, *more = left
    about = f"link {first[:120]}" + (f" and {len(more):,} more" if more else "")
    why = "; ".join(f"{count} because {reason.value}" for reason, count in Counter(left.values()).items())
    alone = Notice(
        "link-unsubscribe",
        Grade.NOTE,
        about,
        "not followed: it may end the subscription",
        f"left alone: {why}",
        "Open it by hand with an address that may be taken off the list.",
    )
    return urls, [alone]


def _pictures(anatomy: Anatomy) -> list[str]:
    """Choose one picture of each host; one whose URL may name the reader would count as an opened mail."""
    images = [link for link in anatomy.links if link.kind == "image" and link.scheme in ("http", "https")]
    return list({link.host: link.url for link in reversed(images) if names_nobody(link.url)}.values())


def _standings(anatomy: Anatomy) -> Iterator[tuple[Link, Standing]]:
    ending = [link.url for link in anatomy.links if link.kind == "list-unsubscribe"]
    pages, hosts = set(map(_page, ending)), {Link(url, "link").host for url in ending} - {""}

    def ends(link: Link) -> bool:
        return (
            _page(link.url) in pages
            or (link.host in hosts and not _plain_path(link.url))
            or any(map(may_unsubscribe, (link.url, link.text, link.near)))
        )

    for blocks, page in ((anatomy.page, True), (anatomy.lines, False)):
        known = page and any(ends(link) for block in blocks for link in block.links)
        content, footer = _layout(blocks)
        for number, block in enumerate(blocks):
            for link in block.links:
                if ends(link):
                    yield link, Standing.ENDS
                elif number >= footer:
                    yield link, Standing.FOOTER
                elif names_nobody(link.url):
                    yield link, Standing.CONTENT
                elif number not in content or not _stands_alone(link, block):
                    yield link, Standing.UNCLEAR
                else:
                    yield link, Standing.CONTENT if known else Standing.UNKNOWN


def _layout(blocks: Sequence[Block]) -> tuple[set[int], int]:
    """Return the blocks that are content, and where the footer begins.

    The footer begins where the second half first speaks of the mailing. Content are pictures, headings and long texts
    above it, what is all links among them, and the one such block after the last of them: the button.
    """
    apart = [is_of_mailing(block.words) or _LEGAL.search(block.words) is not None for block in blocks]
    footer = next((n for n in range(len(blocks) // 2, len(blocks)) if apart[n]), len(blocks))
    large = [n for n in range(footer) if not apart[n] and _is_large(blocks[n])]
    if not large:
        return set(), footer
    content = set(large)
    for number in range(large[0] + 1, footer):
        if _is_all_links(blocks[number]) and not apart[number] and not apart[number - 1]:
            content.add(number)
            if number > large[-1]:
                break
    return content, footer


def _is_large(block: Block) -> bool:
    return block.picture or block.heading or count_words(block.words) >= MANY_WORDS


def _is_all_links(block: Block) -> bool:
    return bool(block.links) and count_words(block.words) <= sum(count_words(link.text) for link in block.links)


def _stands_alone(link: Link, block: Block) -> bool:
    """Tell a link whose sentence says nothing beside it."""
    return block.heading or not re.search(r"\w", link.near) or (block.picture and not link.text)


def names_nobody(url: str) -> bool:
    """Tell a URL of nothing but words, which is the same for every reader."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    asked = parse_qsl(parts.query, keep_blank_values=True)
    if "@" in url or any(not key.startswith("utm_") for key, _ in asked):
        return False  # a word may be a reader's name: ?for=ana
    return all(map(_is_plain, [*parts.path.split("/"), *(value for _, value in asked)]))


def _plain_path(url: str) -> bool:
    return names_nobody(re.split("[?#]", url, maxsplit=1)[0])


def _is_plain(text: str) -> bool:
    """Tell words from what may be a token: `summer-sale` from `a8Xk2` and `17`."""
    return all(
        _YEAR.fullmatch(piece)
        or (
            _WORD.fullmatch(piece)
            and (len(piece) < 5 or _SYLLABLE.search(piece))
            and (piece[1:].islower() or not piece.isascii() or (piece.isupper() and len(piece) < 6))
        )
        for piece in re.split(r"[-_.,+ ]+", unquote(text))
        if piece
    )


def _page(url: str) -> str:
    """Return what links to one page share: all before the query, where that is more than a host."""
    page = re.split("[?#]", url, maxsplit=1)[0]
    return page if page.count("/") > 3 or (page.count("/") == 3 and not page.endswith("/")) else url
