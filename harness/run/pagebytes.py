"""A page's bytes to text: by its byte order mark, as UTF-8, or as the page itself says; and MJML to HTML."""

from __future__ import annotations

import codecs
import re

from harness.errors import ConfigError

_DECLARED = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w.:-]{1,40})|<\?xml[^>]{0,100}encoding=[\"']([\w.:-]{1,40})",
    re.IGNORECASE,
)
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# Browsers read these as Windows-1252 (encoding.spec.whatwg.org section 4.2).
_WESTERN = ("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii", "iso8859-1", "windows-1252", "cp1252")


def page_text(raw: bytes, name: str, notes: list[str]) -> str:
    """Decode a page or text; what is not plain UTF-8 is noted.

    Raises:
        ConfigError: a byte can't be decoded, or is NUL; it is named with its line.
    """
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return _checked(_decode(raw, encoding, name), name)
    try:
        return _checked(raw.decode("utf-8"), name)
    except UnicodeDecodeError:
        declared = _DECLARED.search(raw[:8192])
    said = (declared[1] or declared[2]).decode("ascii").lower() if declared else ""
    if said in ("", "utf-8", "utf8"):
        _decode(raw, "utf-8", name, "declare its charset in a <meta>, or save the file as UTF-8")
    encoding = "windows-1252" if said in _WESTERN else said
    text = _decode(raw, encoding, name)
    notes.append(f"{name}: was {encoding}; campaigns are UTF-8, and so is what is sent")
    return _checked(text, name)


def _decode(raw: bytes, encoding: str, name: str, remedy: str = "save the file as UTF-8") -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}: byte 0x{raw[error.start]:02x} is not {encoding}; {remedy}") from None
    except LookupError:
        raise ConfigError(f"{name}: its charset {encoding!r} is not known; save the file as UTF-8") from None


def _checked(text: str, name: str) -> str:
    at = text.find("\0")
    if at >= 0:
        line = text.count("\n", 0, at) + 1
        raise ConfigError(f"{name}:{line}: holds a NUL character, which no mail can carry; remove it")
    return text


def compile_mjml(source: str, name: str) -> str:
    """Compile MJML to HTML.

    Raises:
        ConfigError: the optional extra is not installed, or the MJML is wrong.
    """
    try:
        from mjml import mjml2html
    except ImportError:
        raise ConfigError(
            f"{name}: MJML needs an optional extra: pip install 'retest-harness[mjml]'; or import the compiled HTML"
        ) from None
    try:
        return str(mjml2html(source))
    except Exception as error:  # the compiled library raises what it likes
        raise ConfigError(f"{name}: MJML can't be compiled: {' '.join(str(error).split())[:200]}") from None
