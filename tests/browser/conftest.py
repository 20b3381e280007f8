"""One Chromium for all pages; it can reach no network, and everything that it asks for is on record."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"),
    *("--disable-component-update", "--disable-sync", "--no-first-run", "--proxy-server=http://127.0.0.1:9"),
)


def axe_source() -> str | None:
    """Return axe-core as a Python package carries it; the newest that is installed."""
    for package in ("axe_playwright_python", "axe_selenium_python"):
        spec = find_spec(package)
        folders = spec.submodule_search_locations if spec else None
        for script in sorted(Path(folders[0]).rglob("axe.min.js")) if folders else ():
            return script.read_text(encoding="utf-8")
    return None


class Browser:
    """A page as a real browser shows it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def show(self, path: Path, width: int = 1400, scheme: str = "light") -> None:
        """Load a file at a width and in a colour scheme; the log begins anew."""
        self.driver.get_log("performance")
        self.driver.get_log("browser")
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.get(path.as_uri())

    def requests(self) -> list[str]:
        """Return every address asked for since the page was opened, but for the page itself and data."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [
            event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith(("file:", "data:"))]

    def errors(self) -> list[str]:
        """Return what the console has to complain about."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def run(self, script: str) -> Any:
        """Evaluate an expression by the debugger, which the page's policy does not bind."""
        found = self.driver.execute_cdp_cmd(
            "Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True}
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not CHROMIUM or not DRIVER:
        pytest.skip("Debian's chromium and chromium-driver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield Browser(driver)
    driver.quit()
