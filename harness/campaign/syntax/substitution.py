"""Plain substitution tags: SendGrid's older `-name-` and `%name%`, which only the merge rows can tell from text."""

from __future__ import annotations

import re

from harness.campaign.syntax.draft import Draft
from harness.campaign.syntax.spelling import top
from harness.errors import ConfigError

_TAG = re.compile(r"(?<![\w%])([-%])([A-Za-z_][\w.]{0,80})\1(?![\w%])")


def convert_substitution(draft: Draft) -> None:
    """Convert the tags whose names are fields of the sample rows; `-webkit-` and the like stay text.

    Raises:
        ConfigError: there are no rows to take the names from.
    """
    known = {name for row in draft.rows for name in row}
    if not known:
        raise ConfigError(
            f"{draft.name}: which -name- is a field and which is text only the merge rows tell; "
            "give them with --data, or write them to seeds.yaml first"
        )
    done = 0
    for tag in _TAG.finditer(draft.source):
        name = tag[2] if tag[2] in known else tag[0] if tag[0] in known else None
        if name is None:
            continue
        draft.text(draft.source[done : tag.start()])
        draft.field(name)
        draft.code(f"{{{{ {top(name)} }}}}")
        done = tag.end()
    draft.text(draft.source[done:])
