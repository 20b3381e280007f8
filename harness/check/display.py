"""Display: HTML of a message that Apple Mail does not show, or shows as something else."""

from __future__ import annotations

import re
from urllib.parse import unquote

from harness.check.anatomy import Anatomy
from harness.check.notice import Grade, Notice, many

ELEMENTS = {  # element or attribute -> what becomes of it, what to do
    "script": ("scripts never run in mail and are a mark against it", "Take it out."),
    "on*": ("event handlers never run in mail", "Take them out."),
    "iframe": ("frames are not shown", "Link to the page."),
    "object": ("embedded objects are not shown", "Link to them."),
    "embed": ("embedded objects are not shown", "Link to them."),
    "applet": ("applets are not shown", "Take it out."),
    "form": ("forms are disarmed, and look like phishing", "Link to a form on your site."),
    "input": ("form fields are disarmed, and look like phishing", "Link to a form on your site."),
    "base href": ("a base URL is ignored: relative links lead nowhere", "Write whole URLs."),
    "frameset": ("frames are not shown", "Use tables or divs."),
}
SEVERE = ("script", "on*", "form", "input", "iframe", "object", "embed", "applet")


def display_notices(anatomy: Anatomy, about: str) -> list[Notice]:
    """Say what of the HTML part will not be seen."""
    if not anatomy.html:
        return []
    out = []
    for name, (what, do) in ELEMENTS.items():
        count = anatomy.features.get(name, 0)
        if count:
            grade = Grade.FAIL if name in ("script", "applet") else Grade.WARN if name in SEVERE else Grade.NOTE
            out.append(
                Notice(
                    "display-element",
                    grade,
                    about,
                    f"<{name}>: {what}" if name != "on*" else what,
                    f"{count:,} of them",
                    do,
                )
            )
    relative = [
        link.url or "(empty)"
        for link in anatomy.links
        if link.kind in ("link", "image") and not link.scheme and not link.url.startswith("#")
    ]
    if relative:
        out.append(
            Notice(
                "display-relative",
                Grade.FAIL,
                about,
                "links or images without https://",
                f"{len(relative):,} of them: {', '.join(relative[:3])[:200]}",
                "Write whole URLs; a mail has no place that they could start from.",
            )
        )
    webp = [
        link.url
        for link in anatomy.links
        if link.kind == "image" and re.search(r"\.(?:svg|tiff?|bmp|avif)(?:\?|$)", link.url, re.IGNORECASE)
    ]
    if webp:
        out.append(
            Notice(
                "display-image",
                Grade.WARN,
                about,
                "images of a kind that many readers don't show",
                ", ".join(webp[:3])[:200],
                "Use PNG, JPEG or GIF.",
            )
        )
    lost = [
        link.url for link in anatomy.links if link.scheme == "cid" and unquote(link.url[4:]) not in anatomy.content_ids
    ]
    if lost:
        out.append(
            Notice(
                "display-cid",
                Grade.FAIL,
                about,
                "inline images that are not in the message",
                ", ".join(lost[:3]),
                "Attach them with that Content-ID.",
            )
        )
    if anatomy.features.get("img without alt", 0):
        out.append(
            Notice(
                "display-alt",
                Grade.NOTE,
                about,
                "images without alt text",
                f"{many(anatomy.features['img without alt'], 'image')} of them",
                'Say in alt="…" what each shows; pictures may be off.',
            )
        )
    if any(link.kind == "css" for link in anatomy.links):
        out.append(
            Notice(
                "display-css",
                Grade.WARN,
                about,
                "a style sheet from outside, which many readers don't load",
                "",
                "Put the styles into the mail.",
            )
        )
    for name in ("style", "title", "script", "textarea", "xmp"):
        if anatomy.features.get(f"unclosed {name}"):
            out.append(
                Notice(
                    "display-unclosed",
                    Grade.FAIL,
                    about,
                    f"<{name}> is never closed",
                    f"no </{name}> follows",
                    f"Close it with </{name}>: readers take all that follows for part of it and show none of it.",
                )
            )
    return out
