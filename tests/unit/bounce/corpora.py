"""Labelled mails: our own always, others' where they lie beside the checkout."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.shared import SHARED

CORPUS = Path(__file__).parents[2] / "corpus"


@dataclass(frozen=True)
class Labelled:
    """A mail with what is right to read in it."""

    path: Path
    label: dict[str, Any]

    def __str__(self) -> str:
        return self.path.stem


def load(labels: Path, mails: Path) -> list[Labelled]:
    found = yaml.safe_load(labels.read_text(encoding="utf-8"))["mails"]
    return [Labelled(mails / label["file"], label) for label in found]


OWN = load(CORPUS / "reports/labels.yaml", CORPUS / "reports") + load(CORPUS / "apple/labels.yaml", CORPUS / "apple")
OTHERS = load(SHARED / "data/dsn/labels.yaml", SHARED / "data/dsn/mails") if SHARED else []
