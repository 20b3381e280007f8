"""How long `harness --help` takes, as a ratio to importing typer alone, in one run.

    python -m benchmarks.startup [--runs N]

The two commands take turns, so that a noisy machine hits both alike.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c 'import typer'": [sys.executable, "-c", "import typer"],
    "harness --help": [sys.executable, "-m", "harness.cli.main", "--help"],
}


def main() -> None:
    """Print both medians and their ratio; the aim is 1.6 at most."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(runs + 1):
        for name, command in COMMANDS.items():
            begin = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if number:  # the first round warms the caches
                times[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:28} {value * 1000:7.0f} ms")
    typer_alone, help_page = medians.values()
    print(f"ratio {help_page / typer_alone:.2f} (at most 1.6)")


if __name__ == "__main__":
    main()
