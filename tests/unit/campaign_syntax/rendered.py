"""Convert and render, as a campaign is rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.campaign.naming import aliased
from harness.campaign.syntax.convert import convert
from harness.campaign.templating import MailEnvironment, render


def rendered(
    source: str,
    row: Mapping[str, object],
    syntax: str | None = None,
    *,
    html: bool = True,
    rows: Sequence[Mapping[str, object]] = (),
    keep_unknown: bool = False,
) -> str:
    """Return what a source comes to for one merge row."""
    made = convert(source, "page.html", syntax, keep_unknown, html=html, rows=rows)
    return render(MailEnvironment({"page": made.template}).get_template("page"), aliased(row))
