"""The glossary at the page's end, and the words around the verdict."""

from __future__ import annotations

from harness.model.verdict import VerdictKind

GLYPHS = {"ok": "○", "no": "✕", "out": "▧", "wait": "…", "lost": "?"}

TITLES = {
    VerdictKind.TRIGGER: ("✕", "A change is refused"),
    VerdictKind.NONE: ("○", "Nothing was refused"),
    VerdictKind.SENDER: ("✕", "The sender is refused, not the content"),
    VerdictKind.RECIPIENT: ("✕", "Recipients are refused, not the content"),
    VerdictKind.INCONCLUSIVE: ("?", "No answer yet"),
}

GLOSSARY = (
    ("control", "A neutral note from the same sender. If it is refused too, the content is not to blame."),
    ("production", "The campaign exactly as it would go out."),
    ("variant", "The campaign with some of its things plain and the others as in production."),
    ("change (factor)", "One single thing of the campaign: a link, a merge field, an image, a header, the subject."),
    ("seed", "A mailbox of your own at an Apple domain. Nothing is ever sent to anyone else."),
    (
        "accepted, delivered",
        "Accepted: the relay said 250, or no bounce came in the settle time. Delivered: seen in the mailbox, or "
        "confirmed by a report. An accepted message may still lie in the junk folder.",
    ),
    ("refused", "Answered with words that may be about the message. It counts."),
    (
        "censored",
        "Answered for a reason that says nothing about content (unknown user, full mailbox, rate limit, suppression). "
        "It is left out of every rate and shown apart.",
    ),
    ("pending, unknown", "No answer yet; lost after the message was handed over. Neither counts."),
    (
        "proof",
        "Two messages that differ in one change only, sent to the same seeds in the same minutes in shuffled order: "
        "the one refused, the other accepted.",
    ),
    (
        "e-value",
        "How strongly the proof speaks against chance; at 20 the odds of a false accusation are at most 1 in 20, "
        "however often one looked. A set of several changes needs 20 for each.",
    ),
    ("exact p", "The same question answered by Boschloo's exact test, one-sided, for counts this small."),
    (
        "95 % interval",
        "Where the true rate may lie (Clopper and Pearson). After 8 messages without a refusal it can be up to 31 %.",
    ),
    (
        "band",
        "What a refusal rate means in production: watch below 0.5 %, investigate up to 2 %, pause above. In a test "
        "that provokes refusals on purpose it is high by design.",
    ),
    (
        "CS01 and other tags",
        "The code in brackets in Apple's answer. Meanings are hearsay; source and confidence stand by.",
    ),
)
