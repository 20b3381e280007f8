"""Specimens: what was merged for some failed recipients, for a retest to send to seeds of one's own.

A specimen holds true cells only: what triage knows of a cell in part (a list of links, a digest) is left out, and said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.triage.coded import Coded, Mask
from harness.triage.columns import Field, Form
from harness.triage.finding import NOT_MERGED, Cause, Profile
from harness.triage.statement import SHORTENED, Plan
from harness.triage.veil import Veil

MOST = 12
CANDIDATES = 5_000  # rows of one cause that are chosen from
# What decides the way of a message, or was not merged at all: no campaign asks for it.
ROUTE = frozenset({
    "recipient_domain", "hour", "sending_ip", "ip_pool", "sending_host", "envelope_sender", "from", "reply_to",
    "redirect_host", "job", "list", "batch",
})  # fmt: skip


def profiles(
    con: Any, rows: Coded, causes: Sequence[Cause], plan: Plan, veil: Veil
) -> tuple[tuple[Profile, ...], tuple[str, ...]]:
    """Pick rows of failed recipients, some for each cause and some that none explains; say what they lack."""
    worn = {i: _column(plan, f) for i, f in enumerate(rows.fields) if f.name not in ROUTE and not _host(f)}
    whole = [i for i in worn if not rows.fields[i].many]
    if not whole:
        return (), ()
    masks = [rows.holds(cause.conditions) for cause in causes[:4]]
    masks.append(~np.logical_or.reduce([np.zeros_like(rows.failed), *masks]))
    each = max(2, MOST // len(masks))
    chosen = [at for mask in masks for at in _unlike(rows, whole, mask & rows.failed, each)]
    keys = dict(
        con.execute(
            "SELECT rowid, key FROM cut WHERE list_contains(?, rowid)", [[int(rows.row[at]) for at in chosen]]
        ).fetchall()
    )
    out: list[Profile] = []
    known = {rows.fields[i].column for i in whole}
    lacking = {f.column for f in rows.fields if f.name not in ROUTE and f.column not in known}
    for at in chosen:
        cells = {i: rows.columns[i].cell_of(at) for i in whole}
        cut = {i for i in whole if rows.fields[i].form is Form.LONG and SHORTENED.fullmatch(cells[i])}
        lacking |= {worn[i] for i in cut}
        merge = {worn[i]: cells[i] for i in whole if i not in cut and cells[i] != NOT_MERGED}
        if merge and merge not in [profile.merge for profile in out]:
            out.append(Profile(veil.address(_address(keys[int(rows.row[at])] or "")), merge))
    notes = []
    if lacking:
        why = "only a part of it is kept (a text over 300 characters, several links, a link without https://)"
        notes.append(f"profiles are without {', '.join(sorted(lacking))}: {why}")
    links = sorted(worn[i] for i in whole if rows.fields[i].form is Form.URL)
    if links:
        notes.append(f"profiles have {', '.join(links)} without query and fragment, which hold what is personal")
    if any(veil.text(value) != value for profile in out for value in profile.merge.values()):
        notes.append("addresses in profiles are hashes too; --show-addresses keeps them as they were merged")
    return tuple(out[:MOST]), tuple(notes)


def _host(field: Field) -> bool:
    """Tell whether a field is a part of a column of links, of which another field has the rest."""
    return field.form in (Form.HOST, Form.HOSTS)


def _column(plan: Plan, field: Field) -> str:
    """Return the name under which it was merged: the user's own, the merge file's, or the export's."""
    if field.name.startswith("merge:"):
        return field.name.removeprefix("merge:")
    merged: Mapping[str, str] = {f.name: f.column for f in plan.merge[1].fields} if plan.merge else {}
    return merged.get(field.name, field.column)


def _address(key: str) -> str:
    """Return the recipient of a key; it stands after the message id."""
    return next((part for part in reversed(key.split(" ")) if "@" in part), key).strip("<>")


def _unlike(rows: Coded, columns: Sequence[int], mask: Mask, most: int) -> list[int]:
    """Choose rows one by one, each the least like those before it.

    A field in which all rows differ makes no difference here: those of few values decide.
    """
    at = np.flatnonzero(mask)
    at = at[np.argsort(rows.draw[at], kind="stable")][:CANDIDATES]
    cells = np.stack([rows.columns[i].codes[at] for i in columns])
    alike = np.zeros(len(at), dtype=np.int64)
    chosen: list[int] = []
    while len(chosen) < min(most, len(at)):
        pick = int(np.argmin(alike))
        same = cells == cells[:, [pick]]
        if same[:, chosen].all(axis=0).any():
            break  # all that are left have been chosen once
        chosen.append(pick)
        alike += same.sum(axis=0) + len(at) * len(columns) * same.all(axis=0)
    return [int(at[pick]) for pick in chosen]
