"""Triage on a real Spark cluster of two workers, held against DuckDB.

    python -m benchmarks.spark_cluster [--rows 200000]

Starts a standalone master and two workers (three Java processes of pyspark's own Spark) on loopback, runs the triage
through their master URL on CSV and Parquet, and compares every count with the embedded engine's. Needs the extra
[spark] and Java.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.triage import make


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Run a master and two workers; yields the master's URL."""
    import pyspark

    home = Path(pyspark.__file__).parent
    port, page = free_port(), free_port()
    url = f"spark://127.0.0.1:{port}"
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1"}

    def start(what: str, *words: str) -> subprocess.Popen[bytes]:
        log = (folder / f"{what}-{len(running)}.log").open("wb")
        name = f"org.apache.spark.deploy.{what.lower()}.{what}"
        return subprocess.Popen([str(home / "bin/spark-class"), name, *words], env=environment, stdout=log, stderr=log)

    running: list[subprocess.Popen[bytes]] = []
    try:
        running.append(start("Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page)))
        _wait(port)
        for number in range(2):
            work = folder / f"worker{number}"
            work.mkdir()
            running.append(
                start(
                    "Worker",
                    "--host",
                    "127.0.0.1",
                    "--webui-port",
                    str(free_port()),
                    "-c",
                    "1",
                    "-m",
                    "1g",
                    "-d",
                    str(work),
                    url,
                )
            )
        _registered(folder, 2)
        yield url
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(20)


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the master did not start")


def _registered(folder: Path, many: int) -> None:
    """Wait until the master's log names so many workers."""
    for _ in range(300):
        found = (folder / "Master-0.log").read_text(errors="replace").count("Registering worker")
        if found >= many:
            print(f"master has registered {found} workers", flush=True)
            return
        time.sleep(0.2)
    raise SystemExit("the workers did not register")


def main() -> None:
    from harness.bounce.reply import read_reply
    from harness.triage.cluster import gather_by_spark
    from harness.triage.investigate import Question, investigate
    from harness.triage.veil import Veil

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    given = parser.parse_args()
    veil = Veil(b"0" * 32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(given.rows, folder / "export")
        with cluster(folder) as url:
            for kind in ("csv", "parquet"):
                question = Question(files=(folder / f"export.{kind}",))
                begun = time.perf_counter()
                there = investigate(question, read_reply, veil, gather_by_spark(url))
                took = time.perf_counter() - begun
                here = investigate(question, read_reply, veil)
                alike = (there.total, there.domains, there.standouts) == (here.total, here.domains, here.standouts)
                causes = [c.words for c in there.causes[:2]]
                print(
                    f"{given.rows:,} rows {kind:8} {took:5.1f} s  {there.notes[0]}  every count alike: {alike}  "
                    f"causes: {causes}",
                    flush=True,
                )
                if not alike:
                    raise SystemExit("Spark and DuckDB differ")


if __name__ == "__main__":
    main()
