"""Do forecasts keep up? What is said of made-up companies that grow, shrink, or win more and more often.

    python benchmarks/growth.py [--companies 40] [--draws 40]

The companies are those of the record (one to two years old), but for one thing that changes all the time: the
leads that come double or halve in a year, or the odds of winning the last stage double or halve from the
record's first day to its last, and go on so. Each is forecast once, a quarter ahead; forecasts and outcomes
are summed over all companies, each in units of its own mean, with the 90 % interval of a bootstrap over them.
Nothing is chosen here.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from record import RESAMPLES, of_company

FIRST = 1001  # no other benchmark uses companies from 1001 on
KINDS: dict[str, dict[str, float]] = {
    "nothing changes": {},
    "leads double in a year": {"growth": 2.0},
    "leads halve in a year": {"growth": 0.5},
    "odds double over the record": {"odds": 2.0},
    "odds halve over the record": {"odds": 0.5},
}


def line_of(name: str, rows: pd.DataFrame) -> str:
    """Return one line of the table: bias of wins and revenue with their intervals, and the share inside."""
    rng = np.random.default_rng(1)
    cells = [f"{name:30s}"]
    for measure in ("wins", "revenue"):
        own = rows[rows["measure"] == measure]
        unit = (own["mean"] + own["actual"]) / 2 + 1e-9
        said, came = ((own[one] / unit).to_numpy() for one in ("mean", "actual"))
        pick = rng.integers(0, len(own), (RESAMPLES, len(own)))
        low, high = np.quantile(said[pick].sum(axis=1) / came[pick].sum(axis=1), [0.05, 0.95])
        inside = own["inside_80"].mean()
        cells.append(f"{said.sum() / came.sum():7.2f} [{low:.2f}, {high:.2f}] {inside:8.2f}")
    return "".join(cells)


def main() -> None:
    """Print the table."""
    words = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    words.add_argument("--companies", type=int, default=40, help="of each kind")
    words.add_argument("--draws", type=int, default=40)
    words.add_argument("--workers", type=int, default=2)
    asked = words.parse_args()
    head = "".join(f"{f'{measure}: said / came':>22s}{'in 80 %':>9s}" for measure in ("wins", "revenue"))
    print(f"{'':30s}{head}")
    for name, change in KINDS.items():
        tasks = range(FIRST, FIRST + asked.companies)
        rows = Parallel(n_jobs=asked.workers)(
            delayed(of_company)(seed, asked.draws, **change) for seed in tasks
        )
        print(line_of(name, pd.concat(rows)), flush=True)


if __name__ == "__main__":
    main()
