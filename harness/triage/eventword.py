"""Event words: what a product's word for an event says became of the message.

The products' own words are in aliases.yaml. Any other word is read by what it holds (`Delivery failed`): the
rules are tried from the top, in Python and in SQL alike. What none of them knows, the reply must tell.
"""

from __future__ import annotations

NOISE = ""  # an event that says nothing of the delivery
UNKNOWN = "?"
HOLDS = (
    (NOISE, ("open", "click", "unsub", "subscri", "complain", "spam report", "spamreport", "feedback", "view", "group",
             "rebind", "transfer", "conversion", "download")),
    ("s", ("suppress", "skip", "unsent", "not sent", "not_sent", "dropped")),
    ("d", ("temporar", "transient", "defer", "delay", "retry", "postpon", "greylist")),
    ("b", ("bounc", "reject", "refus", "fail", "block", "undeliver", "not deliver", "not_deliver", "error", "invalid",
           "expire", "permanent", "hard", "out_of_band", "out of band", "oob", "policy", "quarantine", "spam")),
    ("v", ("deliver", "success", "relayed")),
    ("p", ("sent", "send", "process", "inject", "queue", "accept", "recept")),
)  # fmt: skip


def read_word(word: str) -> str:
    """Return v, b, d, s or p for a word that no table has, NOISE, or UNKNOWN."""
    plain = word.strip().lower()
    return next((letter for letter, stems in HOLDS if any(stem in plain for stem in stems)), UNKNOWN)


def word_sql(event: str) -> str:
    """Write the same in SQL: NULL for noise, `?` and the word where nothing is known."""
    plain = f"lower(trim({event}))"
    cases = []
    for letter, stems in HOLDS:
        holds = " OR ".join(f"{plain} LIKE '%{stem}%'" for stem in stems)
        made = f"'{letter}'" if letter else "NULL"
        cases.append(f"WHEN {holds} THEN {made}")
    return f"CASE {' '.join(cases)} ELSE '{UNKNOWN}' || {plain} END"
