"""Typeset: the templates of this room, for pages with everything escaped, for letters as plain text.

The policy that stands in every page allows its own style sheet by hash, images as data, and nothing else: even a
mistake in a template could then load or run nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from harness.report.glossary import GLYPHS

TEMPLATES = resources.files("harness.report") / "templates"


def typeset(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template; HTML gets the style sheet and the policy that admits it."""
    source = (TEMPLATES / template).read_text(encoding="utf-8")
    if not template.endswith(".html.j2"):
        return _environment(False).from_string(source).render(values)
    style = stylesheet()
    common = {"style": Markup(style), "policy": policy(style), "glyphs": GLYPHS}
    return _environment(True).from_string(source).render({**common, **values})


def policy(style: str) -> str:
    """Return the Content-Security-Policy of a page with this style sheet (CSP level 3, hash-source)."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-src 'none'"
    )


@cache
def stylesheet() -> str:
    """Return the style sheet that all pages carry."""
    return (TEMPLATES / "page.css").read_text(encoding="utf-8").strip()


@cache
def _environment(page: bool) -> Environment:
    return Environment(autoescape=page, undefined=StrictUndefined, keep_trailing_newline=True)
