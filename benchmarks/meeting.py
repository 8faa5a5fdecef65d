"""How long does a leader wait? Processor time of what is asked in a meeting, each question in a new process.

    python benchmarks/meeting.py [--times 5]

The bundled sample is asked by the terminal's own commands, with bytecode and machine code compiled and a
cache folder of the benchmark's own. Processor seconds (user and system, all threads) are the median of some
runs. On a machine that others use as well they rise by half, so limits are printed and judged by nobody.
"""

from __future__ import annotations

import argparse
import compileall
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from funnelsim.sample import sample_path

PACKAGE = Path(sample_path()).parent.parent
HISTORY, SPEND = str(sample_path()), str(sample_path("spend.csv"))
TEN = [f"price +{percent}%" for percent in range(1, 11)]
FURTHER = "each further scenario"
QUESTIONS: dict[str, tuple[float, bool, list[str]]] = {
    "help": (0.15, True, ["--help"]),
    "forecast, first": (3.0, False, ["forecast", HISTORY]),
    "forecast, from the cache": (1.2, True, ["forecast", HISTORY]),
    "budget, from the cache": (1.5, True, ["budget", HISTORY, "--spend", SPEND]),
    "compare, one scenario": (5.0, True, ["compare", HISTORY, TEN[0]]),
    "compare, ten scenarios": (5.0, True, ["compare", HISTORY, *TEN]),
}


def seconds(words: list[str]) -> float:
    """Return the processor seconds of one command of the terminal."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "funnelsim.cli", *words], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measured(times: int) -> dict[str, tuple[float, float]]:
    """Return question -> median of its processor seconds, and its limit."""
    compileall.compile_dir(PACKAGE, quiet=1)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        for name, (limit, kept, words) in QUESTIONS.items():
            asked = words if kept else [*words, "--no-cache"]
            seconds(asked)
            found[name] = (statistics.median(seconds(asked) for _ in range(times)), limit)
    one, ten = (found[f"compare, {many}"][0] for many in ("one scenario", "ten scenarios"))
    return found | {FURTHER: ((ten - one) / 9, 0.35)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=5, help="runs of each question, after one that warms up")
    print(f"{'question':28s}{'seconds':>9s}{'limit':>8s}")
    for name, (took, limit) in measured(parser.parse_args().times).items():
        print(f"{name:28s}{took:9.2f}{limit:8.2f}")


if __name__ == "__main__":
    main()
