"""Form: is the message what RFC 5322, RFC 8058 and Apple's page for bulk senders ask for?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime

from harness.check.anatomy import Anatomy
from harness.check.notice import Grade, Notice, many
from harness.check.words import count_words, likeness

LONGEST_LINE = 998  # RFC 5322 section 2.1.1, without CRLF
ONCE = ("from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject", "date")
BIG, TOO_BIG = 2_000_000, 20_000_000  # iCloud Mail takes messages of 20 MB
CLIPPED = 102_000
REFUSED = frozenset(
    ["ade", "adp", "apk", "appx", "bat", "cab", "chm", "cmd", "com", "cpl", "dll", "dmg", "ex_", "exe",
     "hta", "ins", "isp", "iso", "jar", "js", "jse", "lib", "lnk", "mde", "msc", "msi", "msp", "mst",
     "img", "nsh", "pif", "ps1", "reg", "scr", "sct", "shb", "sys", "vb", "vbe", "vbs", "vxd", "wsc", "wsf", "wsh",
     "vhd", "vhdx", "wim", "xll"]
)  # fmt: skip
ARCHIVES = frozenset(["zip", "rar", "7z", "gz", "tgz", "tar", "bz2", "xz"])
LOOKED_INTO = ARCHIVES | {"docm", "mobileconfig", "one", "sh", "xlam", "xlsm", "pptm", "html", "htm", "svg"}
# Characters that nobody sees. Those that turn the writing direction show `gpj.exe` as `exe.jpg`.
_UNSEEN = re.compile("[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_DISGUISE = re.compile("[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_MESSAGE_ID = re.compile(r"<[^\s<>@]{1,200}@[^\s<>@]{1,200}>\Z")


def _notice(name: str, grade: Grade, about: str, finding: str, evidence: str = "", do: str = "") -> Notice:
    return Notice(f"form-{name}", grade, about, finding, evidence[:300], do)


def form_notices(anatomy: Anatomy, about: str, *, now: datetime, transactional: bool = False) -> list[Notice]:
    """Say what is wrong with a message's form."""
    checks: tuple[Callable[[Anatomy, str], Iterator[Notice]], ...] = (
        _lines,
        _headers,
        _message_id,
        _parts,
        _size,
        _attachments,
    )
    out = [notice for check in checks for notice in check(anatomy, about)]
    out += _date(anatomy, about, now)
    out += _unsubscribe(anatomy, about, transactional)
    if not [notice for notice in out if notice.grade in (Grade.FAIL, Grade.WARN)]:
        out.append(
            _notice("ok", Grade.OK, about, "headers, lines, parts and size are in form", f"{len(anatomy.raw):,} bytes")
        )
    return out


def _lines(anatomy: Anatomy, about: str) -> Iterator[Notice]:
    raw = anatomy.raw
    bare = raw.count(b"\n") - raw.count(b"\r\n"), raw.count(b"\r") - raw.count(b"\r\n")
    if any(bare):
        yield _notice(
            "bare",
            Grade.FAIL,
            about,
            "line ends that are no CRLF",
            f"{bare[0]} bare LF, {bare[1]} bare CR",
            "Servers change or refuse them (RFC 5322 section 2.3).",
        )
    lines = raw.split(b"\r\n")
    long = [n for n, line in enumerate(lines, start=1) if len(line) > LONGEST_LINE]
    if long:
        yield _notice(
            "long",
            Grade.FAIL,
            about,
            f"lines of over {LONGEST_LINE} bytes",
            f"{many(len(long), 'line')}; the first is line {long[0]}",
            "Encode the part as quoted-printable or base64.",
        )
    if b"\x00" in raw:
        yield _notice(
            "nul",
            Grade.FAIL,
            about,
            "NUL bytes in the message",
            f"{raw.count(bytes(1))} of them",
            "Take them out (RFC 5322 section 4).",
        )
    head = raw.partition(b"\r\n\r\n")[0]
    if any(byte > 127 for byte in head):
        yield _notice("8bit", Grade.FAIL, about, "bytes beyond ASCII in headers", "", "Encode them (RFC 2047).")


def _headers(anatomy: Anatomy, about: str) -> Iterator[Notice]:
    for name in ("From", "Date"):
        if not anatomy.all(name):
            yield _notice(
                "missing", Grade.FAIL, about, f"no {name} header", "", f"{name} must be there (RFC 5322 section 3.6)."
            )
    for name in ONCE:
        if len(anatomy.all(name)) > 1:
            yield _notice(
                "twice",
                Grade.FAIL,
                about,
                f"the header {name.title()} stands there more than once",
                f"{len(anatomy.all(name))} times",
                "Leave one: more are not allowed (RFC 5322 section 3.6).",
            )
    authors = [address for _, address in anatomy.mailboxes("From")]
    if len(authors) > 1:
        yield _notice(
            "from",
            Grade.FAIL,
            about,
            "several addresses in From",
            f"{len(authors)}: {', '.join(authors)}",
            "Write one; DMARC has no policy for several.",
        )
    elif anatomy.all("From") and (not authors or "@" not in authors[0]):
        yield _notice(
            "from", Grade.FAIL, about, "From holds no address", anatomy.header("From"), "Write Name <address@domain>."
        )
    said = " ".join(name for name, _ in anatomy.mailboxes("From"))
    if authors and "@" in said and authors[0].lower() not in said.lower():
        yield _notice(
            "from-name",
            Grade.FAIL,
            about,
            "From's display name shows another address",
            anatomy.header("From"),
            "Take the address out of the name: it is a spoofing sign.",
        )
    if not anatomy.header("Subject").strip():
        yield _notice("subject", Grade.WARN, about, "no subject", "", "Write one.")
    if re.match(r"\s*(re|fwd?|aw|wg)\s*:", anatomy.header("Subject"), re.IGNORECASE) and not anatomy.all("In-Reply-To"):
        yield _notice(
            "subject-reply",
            Grade.WARN,
            about,
            "a subject that poses as a reply",
            anatomy.header("Subject"),
            "Take Re: or Fwd: out.",
        )
    if not anatomy.all("MIME-Version"):
        yield _notice("mime", Grade.WARN, about, "no MIME-Version header", "", "Add MIME-Version: 1.0 (RFC 2045).")


def _message_id(anatomy: Anatomy, about: str) -> Iterator[Notice]:
    value = anatomy.header("Message-ID").strip()
    if not value:
        yield _notice(
            "message-id",
            Grade.FAIL,
            about,
            "no Message-ID",
            "",
            "Let the sender write one; relays write their own otherwise.",
        )
    elif not _MESSAGE_ID.match(value):
        yield _notice(
            "message-id",
            Grade.FAIL,
            about,
            "a Message-ID that is not <left@right>",
            value,
            "RFC 5322 section 3.6.4; a library's odd form was refused as CS01 before.",
        )
    elif re.search(r"@(?:localhost|[^@]*\.(?:local|lan|internal|localdomain))>?$|@[^.]+>$", value):
        yield _notice(
            "message-id-domain",
            Grade.WARN,
            about,
            "a Message-ID of a host that is not on the Internet",
            value,
            "Use the mail domain on its right side.",
        )


def _date(anatomy: Anatomy, about: str, now: datetime) -> list[Notice]:
    value = anatomy.header("Date")
    if not value:
        return []
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return [_notice("date", Grade.FAIL, about, "a Date that can't be read", value, "RFC 5322 section 3.3.")]
    away = abs((when if when.tzinfo else when.replace(tzinfo=now.tzinfo)) - now).total_seconds()
    if away > 86_400 * 2:
        return [
            _notice(
                "date-off",
                Grade.WARN,
                about,
                "Date is days away",
                f"{value}: {away / 86_400:.0f} days",
                "Set it when the message is sent.",
            )
        ]
    return []


def _unsubscribe(anatomy: Anatomy, about: str, transactional: bool) -> list[Notice]:
    value, post = anatomy.header("List-Unsubscribe"), anatomy.header("List-Unsubscribe-Post")
    if not value:
        if transactional:
            return []
        return [
            _notice(
                "unsubscribe",
                Grade.WARN,
                about,
                "no List-Unsubscribe header",
                "",
                "Add one with https: and List-Unsubscribe-Post (RFC 8058); Apple asks for an immediate "
                "unsubscribe link.",
            )
        ]
    uris = re.findall(r"<([^<>]*)>", value)
    if not uris:
        return [
            _notice(
                "unsubscribe",
                Grade.FAIL,
                about,
                "List-Unsubscribe holds no <URI>",
                value,
                "Write <https://…> (RFC 2369).",
            )
        ]
    https = [uri for uri in uris if uri.strip().lower().startswith("https://")]
    if not https:
        return [
            _notice(
                "one-click",
                Grade.WARN,
                about,
                "List-Unsubscribe without https:, so no one-click",
                value,
                "Add <https://…> (RFC 8058 section 3.1).",
            )
        ]
    if post.replace(" ", "").lower() != "list-unsubscribe=one-click":
        return [
            _notice(
                "one-click",
                Grade.WARN,
                about,
                "no one-click unsubscribe",
                f"List-Unsubscribe-Post: {post or 'none'}",
                "Add List-Unsubscribe-Post: List-Unsubscribe=One-Click (RFC 8058).",
            )
        ]
    return [_notice("one-click", Grade.OK, about, "one-click unsubscribe is there", value)]


def _parts(anatomy: Anatomy, about: str) -> Iterator[Notice]:
    for kind, wrong in anatomy.charsets:
        yield _notice(
            "charset",
            Grade.WARN,
            about,
            f"the {kind} part: {wrong}",
            "",
            "Write the part as UTF-8 and say charset=utf-8; readers guess otherwise.",
        )
    if not anatomy.html and not anatomy.text.strip():
        yield _notice("empty", Grade.FAIL, about, "neither text nor HTML in the message", "", "Write a text part.")
        return
    if anatomy.html and not anatomy.text.strip():
        yield _notice(
            "no-text",
            Grade.WARN,
            about,
            "HTML without a text part",
            "",
            "Add text/plain of the same words in multipart/alternative.",
        )
    elif anatomy.html:
        alike = likeness(anatomy.text, anatomy.words)
        if alike < 0.5:
            yield _notice(
                "unlike",
                Grade.WARN,
                about,
                "text and HTML are of other words",
                f"they share {alike:.0%} of them",
                "Make the text part anew from the HTML.",
            )
    images = anatomy.images()
    words = count_words(anatomy.words)
    if images > 0 and words < 20 * images and words < 100:
        yield _notice(
            "images",
            Grade.WARN,
            about,
            "pictures and hardly a word",
            f"{many(images, 'image')} and {many(words, 'word')}",
            "Say more in text; a mail that is one picture is what filters know from spam.",
        )


def _size(anatomy: Anatomy, about: str) -> Iterator[Notice]:
    size, page = len(anatomy.raw), len(anatomy.html.encode())
    if size > TOO_BIG:
        yield _notice(
            "size",
            Grade.FAIL,
            about,
            f"over {TOO_BIG:,} bytes, which iCloud Mail takes",
            f"{size:,} bytes",
            "Link to large files.",
        )
    elif size > BIG:
        yield _notice(
            "size", Grade.WARN, about, f"over {BIG:,} bytes", f"{size:,} bytes", "Make images and attachments smaller."
        )
    if page > CLIPPED:
        yield _notice(
            "html-size",
            Grade.NOTE,
            about,
            f"over {CLIPPED:,} bytes of HTML",
            f"{page:,} bytes",
            "Other receivers clip pages over 102 kB.",
        )


def _attachments(anatomy: Anatomy, about: str) -> Iterator[Notice]:
    for name, kind, size, packed in anatomy.attachments:
        holds = REFUSED.intersection(_endings(one)[-1] for one in packed)
        *inner, last = _endings(name)
        hidden = REFUSED.intersection(inner) - {"com"}  # shop.com.pdf: a domain's name, not a program's
        shown = f"{name or '(no name)'} ({kind}, {size:,} bytes)"
        if last in REFUSED:
            what = f"an attachment of a kind that is refused (.{last})"
            yield _notice("attachment", Grade.FAIL, about, what, shown, "Link to it instead.")
        elif hidden and last in ARCHIVES:
            what = f"an archive that says it holds a refused kind (.{min(hidden)})"
            yield _notice("attachment", Grade.FAIL, about, what, shown, "Link to it instead; packing does not hide it.")
        elif holds:
            what = f"an archive that holds a refused kind (.{min(holds)})"
            yield _notice("attachment", Grade.FAIL, about, what, shown, "Link to it instead; packing does not hide it.")
        elif hidden:
            what = f"an attachment with two endings, one of them refused (.{min(hidden)})"
            yield _notice("attachment", Grade.FAIL, about, what, shown, "Give it one ending, the true one.")
        elif last in LOOKED_INTO and not kind.startswith("image/"):
            what = f"an attachment of a kind that filters look into (.{last})"
            yield _notice("attachment-kind", Grade.WARN, about, what, shown, "Send a PDF, or link to it.")
        if _DISGUISE.search(name):
            yield _notice(
                "attachment-name",
                Grade.FAIL,
                about,
                "an attachment's name with characters that hide its ending",
                f"{name!a} ({kind})",
                "Write the name in plain characters: this is how malware is disguised.",
            )


def _endings(name: str) -> list[str]:
    """Return what follows the dots of a file name, as an operating system reads it; [""] if nothing does."""
    plain = _UNSEEN.sub("", unicodedata.normalize("NFKC", name)).lower()
    return [piece.strip() for piece in plain.rstrip(". ").split(".")[1:]] or [""]
