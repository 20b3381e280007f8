"""Convert: a source with merge tags of a mail provider to a Jinja2 template that renders the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jinja2 import TemplateSyntaxError
from jinja2.meta import find_undeclared_variables

from harness.campaign.syntax.ampscript import convert_ampscript
from harness.campaign.syntax.detect import detect
from harness.campaign.syntax.draft import Convert, Converted, Draft
from harness.campaign.syntax.handlebars import convert_handlebars, convert_mustachio
from harness.campaign.syntax.hubl import convert_hubl
from harness.campaign.syntax.liquid import convert_klaviyo, convert_liquid
from harness.campaign.syntax.mailchimp import convert_mailchimp
from harness.campaign.syntax.substitution import convert_substitution
from harness.campaign.templating import MailEnvironment
from harness.errors import ConfigError


def convert_none(draft: Draft) -> None:
    """Take a source without merge tags as it stands."""
    draft.text(draft.source)


SYNTAXES: Mapping[str, Convert] = {
    "none": convert_none,
    "mailchimp": convert_mailchimp,
    "sfmc": convert_ampscript,
    "mustache": convert_handlebars,
    "handlebars": convert_handlebars,
    "mustachio": convert_mustachio,
    "sendgrid": convert_handlebars,
    "substitution": convert_substitution,
    "liquid": convert_liquid,
    "braze": convert_liquid,
    "klaviyo": convert_klaviyo,
    "hubspot": convert_hubl,
}
MAX_TAGS = 50_000
_OPENINGS = ("{{", "{%", "{#", "*|", "%%")
ALIASES = {
    "salesforce": "sfmc", "ampscript": "sfmc", "exacttarget": "sfmc", "postmark": "mustachio", "shopify": "liquid",
    "django": "klaviyo", "hubl": "hubspot", "jinja": "jinja2", "sendgrid-legacy": "substitution",
}  # fmt: skip


def convert(
    source: str,
    name: str,
    syntax: str | None = None,
    keep_unknown: bool = False,
    *,
    html: bool = True,
    rows: Sequence[Mapping[str, object]] = (),
) -> Converted:
    """Convert a source; without `syntax` its tags tell which one it is.

    `html` is False for a plain text part, where no syntax escapes. `rows` are merge rows, if there are any: they
    tell what is a list, and whose name a name inside of a loop is.

    Raises:
        ConfigError: a tag can't be converted (file, line and tag are named), or the syntax is open.
    """
    if sum(map(source.count, _OPENINGS)) > MAX_TAGS:
        raise ConfigError(f"{name}: holds more than {MAX_TAGS:,} tags; no message has as many")
    note = ""
    if syntax is None:
        syntax, note = detect(source, name)
    chosen = known_syntax(syntax)
    if chosen == "jinja2":
        made = Converted(source, "jinja2")
    else:
        draft = Draft(source, name, html=html, keep_unknown=keep_unknown, rows=rows)
        try:
            SYNTAXES[chosen](draft)
        except RecursionError:
            raise ConfigError(f"{name}: a tag in it is nested too deeply; take it apart") from None
        made = draft.finish(chosen)
    names = _fields(made.template, name)
    fields = made.fields if chosen != "jinja2" else names
    return Converted(made.template, made.syntax, fields, (note, *made.notes) if note else made.notes, made.optional)


def known_syntax(name: str) -> str:
    """Return a syntax's own name.

    Raises:
        ConfigError: there is none of that name.
    """
    chosen = ALIASES.get(name.strip().lower(), name.strip().lower())
    if chosen not in SYNTAXES and chosen != "jinja2":
        raise ConfigError(
            f"--syntax {name}: there is no such syntax (known: {', '.join(sorted([*SYNTAXES, 'jinja2']))})"
        )
    return chosen


def _fields(template: str, name: str) -> tuple[str, ...]:
    """See that Jinja2 takes the template, and list the names that it leaves to the merge row."""
    environment = MailEnvironment({})
    try:
        names = find_undeclared_variables(environment.parse(template, name))
    except TemplateSyntaxError as error:
        raise ConfigError(f"{name}:{error.lineno}: {error.message}; correct the tag there") from None
    except RecursionError:
        raise ConfigError(f"{name}: its tags are nested too deeply for Jinja2; take them apart") from None
    return tuple(sorted(names - set(environment.globals) - {"__tie", "__turn"}))
