"""Messages for the checks, right but for what a test makes wrong."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.check.anatomy import dissect
from harness.check.form import form_notices

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
HEADERS = {
    "From": "Shop <news@shop.example>",
    "To": "seed-01@seeds.example",
    "Subject": "Forty off trail shoes",
    "Date": "Wed, 18 Nov 2026 11:00:00 +0000",
    "Message-ID": "<abc123@mail.shop.example>",
    "MIME-Version": "1.0",
    "List-Unsubscribe": "<https://shop.example/u/1>, <mailto:u@shop.example>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
WORDS = (
    "Our trail shoes are forty percent off until Sunday and the tents as well so have a look at the whole range today"
)
HTML = f'<html><body><p>{WORDS}</p><a href="https://shop.example/sale">See the range</a></body></html>'


def mail(
    html: str = HTML,
    text: str | None = f"{WORDS} See the range: https://shop.example/sale",
    extra: bytes = b"",
    **headers: str | None,
) -> bytes:
    """Make a message; a header set to None is left out, names with _ for -."""
    wanted = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"{name}: {value}" for name, value in wanted.items() if value is not None]
    lines.append('Content-Type: multipart/mixed; boundary="b"')
    body = b""
    for kind, content in (("plain", text), ("html", html)):
        if content is not None and content != "":
            body += f"--b\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{content}\r\n".encode()
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body + extra + b"--b--\r\n"


def attached(name: str, kind: str = "application/octet-stream") -> bytes:
    """Make one attachment part."""
    return f'--b\r\nContent-Type: {kind}\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\nx\r\n'.encode()


def form(raw: bytes, *, transactional: bool = False) -> dict[str, str]:
    """Return id -> grade of what is said of a message's form."""
    return {n.id: n.grade.value for n in form_notices(dissect(raw), "production", now=NOW, transactional=transactional)}
