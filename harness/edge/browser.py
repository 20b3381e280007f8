"""The browser: pictures of messages by Chromium, where it is installed.

A message is hostile. It is shown in a frame without scripts, forms or navigation, under a policy that loads nothing
but data: images; all host names are unresolvable and the proxy is a closed port, so nothing leaves the machine even
if the policy had a hole.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from html import escape
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, HEIGHT, SCALE = 620, 640, 0.5
TIMEOUT = 25.0
LARGEST = 70_000  # bytes of a picture that a page under 300 KB can carry twice
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'none'; form-action 'none'"
_FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-default-apps",
    "--no-first-run",
    "--no-default-browser-check",
    "--mute-audio",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=http://127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    f"--window-size={WIDTH},{HEIGHT}",
    f"--force-device-scale-factor={SCALE}",
)


def find_browser() -> str | None:
    """Return the path of Chromium; None where it is not installed or HARNESS_NO_BROWSER is set."""
    if os.environ.get("HARNESS_NO_BROWSER"):
        return None
    return next((path for path in map(shutil.which, NAMES) if path), None)


def thumbnail(markup: str, browser: str) -> bytes | None:
    """Render a message's HTML into a small PNG; None where that fails or gets too large."""
    with tempfile.TemporaryDirectory(prefix="harness-browser-") as folder:
        source, picture = Path(folder, "message.html"), Path(folder, "message.png")
        source.write_text(framed(markup), encoding="utf-8", errors="replace")
        root = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium refuses to sandbox for root
        command = [browser, *_FLAGS, *root, f"--user-data-dir={folder}/profile", f"--screenshot={picture}"]
        try:
            subprocess.run(
                [*command, source.as_uri()],
                timeout=TIMEOUT,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            png = picture.read_bytes()
        except (OSError, subprocess.SubprocessError):
            return None
    return png if png.startswith(b"\x89PNG") and len(png) <= LARGEST else None


def framed(markup: str) -> str:
    """Put a message into a frame in which nothing can run, load, submit or navigate."""
    return (
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<style>body{margin:0}iframe{border:0;background:#fff}</style>"
        f'<iframe sandbox="" width="{WIDTH}" height="{HEIGHT}" srcdoc="{escape(markup)}"></iframe>'
    )
