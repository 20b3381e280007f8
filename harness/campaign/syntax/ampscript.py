"""Salesforce Marketing Cloud: `%%First Name%%`, `%%=v(@x)=%%` and AMPscript that only reads; no value is escaped.

Names are the same in capitals and small letters; the first spelling seen is the one that stands in the template.
Source: developer.salesforce.com/docs/marketing/marketing-cloud-ampscript.
"""

from __future__ import annotations

import re

from harness.campaign.syntax.ampexpr import BadScript, Script
from harness.campaign.syntax.draft import Draft
from harness.campaign.syntax.spelling import top

_FIELD = re.compile(r"%%([A-Za-z_][\w .:-]{0,126})%%")


def convert_ampscript(draft: Draft) -> None:
    """Convert the whole source."""
    source = draft.source
    script = Script(draft)
    at = 0
    while (start := source.find("%%", at)) >= 0:
        draft.text(source[at:start])
        at = _tag(draft, script, start)
    draft.text(source[at:])
    if script.open:
        raise draft.fail(*script.open[-1], "the IF is never closed by ENDIF")


def _tag(draft: Draft, script: Script, start: int) -> int:
    source = draft.source
    for opening, closing in (("%%[", "]%%"), ("%%=", "=%%")):
        if source.startswith(opening, start):
            end = source.find(closing, start + 3)
            if end < 0:
                raise draft.fail(start, source[start : start + 40], f"no {closing} ends it")
            raw = source[start : end + 3]
            _script(draft, script, start, raw)
            return end + 3
    found = _FIELD.match(source, start)
    if not found:
        draft.text("%%")
        return start + 2
    name = script.attribute(found[1].strip())
    draft.code(f"{{{{ {top(name)} }}}}")
    return found.end()


def _script(draft: Draft, script: Script, start: int, raw: str) -> None:
    depth = list(script.open)
    try:
        made = script.block(raw[3:-3], start) if raw[2] == "[" else [f"{{{{ {script.inline(raw[3:-3])} }}}}"]
    except BadScript as error:
        if script.open != depth:  # half of a block is no block
            raise draft.fail(start, raw, str(error)) from None
        draft.unknown(start, raw, str(error))
        return
    for code in made:
        draft.code(code)
