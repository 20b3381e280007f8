"""Suspects: what production says of where to look, as a file that `harness run --suspects FILE` reads.

```yaml
version: 1
factors:                     # id of a factor or of a group (host:…), how many times likelier than any other, and why
  - {id: "host:go.partner.example", weight: 60.0, why: "link host: … refused 35 %, without it 0.4 %"}
together:                    # pairs that were refused only together
  - {ids: ["host:go.partner.example", "merge:product"], weight: 60.0, why: "…"}
profiles:                    # what was merged for failed recipients; names are keyed hashes, the key is not kept
  - {name: "h-5f0c…@icloud.com", merge: {first_name: Ana}}
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from harness.errors import ConfigError
from harness.model.campaign import Profile
from harness.model.problem import Together
from harness.triage.advice import sentence, sentences
from harness.triage.finding import NOT_MERGED, Cause, Condition, Result

STRONGEST = 100.0  # a cause that explains everything, against 1 for a factor of which nothing is known
SHADOW = 0.1  # of its cause's weight
# field -> factor ids; {} is the value. Fields of the route (IP, hour) have no factor: a retest can't switch them.
FACTORS: Mapping[str, tuple[str, ...]] = {
    "link_host": ("host:{}",),
    "link": ("link:{}",),
    "redirect_host": ("redirect:{}",),
    "image": ("image:{}",),
    "image_host": ("host:{}",),
    "attachment": ("attachment:{}",),
    "subject": ("subject",),
    "preheader": ("preheader",),
    "from": ("from",),
    "reply_to": ("reply-to",),
    "envelope_sender": ("envelope-sender",),
    "template": ("html",),
    "version": ("html",),
    "offer": ("merge:offer",),
}


@dataclass(frozen=True, slots=True)
class Suspects:
    """A file of suspects, read."""

    weights: Mapping[str, float]
    profiles: tuple[Profile, ...] = ()
    together: tuple[Together, ...] = ()


def factors_of(condition: Condition) -> tuple[str, ...]:
    """Return the factor ids that a field's value stands for; none where a retest can't switch it."""
    if condition.value in ("", NOT_MERGED):
        return ()
    if condition.field.startswith("merge:"):
        column = condition.field.removesuffix(" host")
        return (f"host:{condition.value}",) if column != condition.field else (column,)
    return tuple(form.format(condition.value) for form in FACTORS.get(condition.field, ()))


def write_suspects(result: Result) -> str:
    """Write the file: causes first, shadows with a tenth of their weight."""
    causes: dict[str, list[Cause]] = {}
    together = []
    for cause in result.causes:
        named = [factor for c in (*cause.conditions, *cause.same) for factor in factors_of(c)]
        for factor in dict.fromkeys(named):
            causes.setdefault(factor, []).append(cause)
        if len(cause.conditions) > 1:
            ids = [factor for condition in cause.conditions for factor in factors_of(condition)[:1]]
            together.append({"ids": ids, "weight": _weight([cause]), "why": sentence(cause)})
    weights = {factor: (_weight(several), sentences(several)) for factor, several in causes.items()}
    for cause in result.causes:
        for condition in cause.shadows:
            for factor in factors_of(condition):
                weight = max(1.0, round(_weight([cause]) * SHADOW, 1))
                weights.setdefault(factor, (weight, f"stands out with {cause.words}"))
    value: dict[str, Any] = {
        "version": 1,
        "factors": [{"id": factor, "weight": weight, "why": why} for factor, (weight, why) in weights.items()],
    }
    if together:
        value["together"] = together
    value["profiles"] = [{"name": profile.name, "merge": dict(profile.merge)} for profile in result.profiles]
    head = (
        "# Suspects of `harness triage`: weights for what to test first, and what was merged for failed recipients.\n"
        "# Merged values are personal data: keep this file as you keep the export.\n"
    )
    return head + yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)


def _weight(causes: Sequence[Cause]) -> float:
    """Weigh a factor by what all causes that it stands for explain: several values of one field are one factor."""
    return round(1.0 + (STRONGEST - 1.0) * min(1.0, sum(cause.contrast.explained for cause in causes)), 1)


def load_suspects(text: str, source: str) -> Suspects:
    """Read a file of suspects, ours or one written by hand.

    Raises:
        ConfigError: names the file and the entry that is wrong.
    """
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{source}{line}: not YAML ({getattr(error, 'problem', error)}); write it by `harness triage … --suspects`"
        ) from error
    if not isinstance(raw, dict):
        raise ConfigError(
            f"{source}: expected the keys factors and profiles; write it by `harness triage … --suspects`"
        )
    unknown = sorted(set(map(str, raw)) - {"version", "factors", "together", "profiles"})
    if unknown:
        raise ConfigError(f"{source}: unknown key {unknown[0]!r}; expected version, factors, together, profiles")
    weights = dict(_factor(entry, f"{source}: factors[{n}]") for n, entry in enumerate(raw.get("factors") or []))
    profiles = tuple(_profile(entry, f"{source}: profiles[{n}]") for n, entry in enumerate(raw.get("profiles") or []))
    together = tuple(_together(entry, f"{source}: together[{n}]") for n, entry in enumerate(raw.get("together") or []))
    return Suspects(weights, profiles, together)


def _factor(entry: object, where: str) -> tuple[str, float]:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        raise ConfigError(f"{where}: expected {{id: …, weight: …}}")
    return entry["id"], _given_weight(entry, where)


def _given_weight(entry: Mapping[str, object], where: str) -> float:
    weight = entry.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight <= 1e6:
        raise ConfigError(f"{where}: weight {weight!r} is no number above 0; 1 means as likely as any other factor")
    return float(weight)


def _profile(entry: object, where: str) -> Profile:
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("name"), str)
        or not isinstance(entry.get("merge"), dict)
    ):
        raise ConfigError(f"{where}: expected {{name: …, merge: {{field: value}}}}")
    return Profile(entry["name"], {str(key): value for key, value in entry["merge"].items()})


def _together(entry: object, where: str) -> Together:
    ids = entry.get("ids") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise ConfigError(f"{where}: expected {{ids: […], weight: …}}")
    return Together(tuple(ids), _given_weight(entry, where))
