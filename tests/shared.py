"""Where the material of others lies, if it lies beside the checkout."""

import os
from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[2] / "shared"
SHARED: Path | None = _BESIDE if (_BESIDE / "data").is_dir() else None
WITHOUT = "../shared is not beside this checkout: it holds mails and templates of others, read in place"


def examples(many: int) -> int:
    """Return how many examples a property runs: all of them in CI, a twentieth at the desk."""

    return many if os.environ.get("HYPOTHESIS_PROFILE") == "ci" else max(20, many // 20)
