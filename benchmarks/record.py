"""How good the forecasts are: past forecasts of all sets of real data at hand, beside six simpler ways.

    python benchmarks/record.py FOLDER [--only hotel_stays ...] [--companies 150] [--markdown FILE]

FOLDER holds one folder of real data for each set (sets that are not there are left out, and said so). Each is
forecast from the start of every past period with only what was known then. The table says, for each set and
for all: CRPS against the last period, against ETS and against the hardest of six simpler ways (chosen with
hindsight, set by set, which flatters the simpler ways), the share of outcomes inside the 50, 80 and 95 %
intervals, the sum of forecasts beside the sum of outcomes, and whether the set was used to choose anything.
Then made-up companies of random shape, each forecast once, for the intervals alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

import funnelsim as fs
from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.errors import FunnelError
from funnelsim.files import write_atomic
from funnelsim.forecasting.backtest import OURS, replay, scored_rows
from funnelsim.forecasting.baselines import NAMES
from funnelsim.forecasting.forecast import forecast_periods, totals
from funnelsim.forecasting.periods import Period

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
SHARES = ("50", "80", "95")
RESAMPLES = 4000
BESIDE = "map.yaml"


@dataclass(frozen=True)
class Task:
    """One set of real data, how it is read, and what is forecast of it.

    Args:
        name: what the table calls it.
        source: the file that is read, inside the folder of real data.
        mapping: beside the data, or in tests/maps.
        period, count: see `replay`; the last of `count` periods ahead is scored.
        start: the first origin.
        chose: what was chosen by looking at it; "" where it only confirms.
        as_of: the moment until which it is known, where that is not its last day.
    """

    name: str
    source: str
    mapping: str
    period: str
    start: str | None = None
    count: int = 1
    chose: str = ""
    as_of: str | None = None


PARTS, CLOCK, DEADLINE = "the parts of the design", "values, lead times", "deadlines"
# All of them chose by how many cases few are shrunk to many (benchmarks/constants.py).
LEVEL, CASES = "the level of wins", "how few are shrunk"
BANK, SHOP = "bpic2012/events.parquet", "olist/olist_marketing_qualified_leads_dataset.csv"
STAYS, MAPS, CROWD = "hotel_stays/events.parquet", "tests/maps", "kickstarter_starter/events.parquet"
VIOLATIONS, SHELTER = "nyc_violations/events.parquet", "longbeach_shelter/events.parquet"
PERMITS = "burlington_permits/events.parquet"
TASKS = (
    Task("bpic2012, a week", BANK, f"{MAPS}/bpic2012.yaml", "week", chose=PARTS),
    Task("bpic2012, 2 weeks ahead", BANK, f"{MAPS}/bpic2012.yaml", "week", count=2, chose=PARTS),
    Task("olist, a week", SHOP, f"{MAPS}/olist.yaml", "week", chose=PARTS, as_of="2018-06-01"),
    Task("maven, a month", "maven_crm/sales_pipeline.csv", f"{MAPS}/maven.yaml", "month", chose=PARTS),
    Task("hotel_stays, a month", STAYS, BESIDE, "month", "2016-01-01", chose=CLOCK),
    Task("hotel_stays, 3 months ahead", STAYS, BESIDE, "month", "2016-01-01", 3, CLOCK),
    Task("helpdesk, a month", "helpdesk/events.parquet", BESIDE, "month", "2011-01-01", chose=LEVEL),
    Task("nyc_violations, a quarter", VIOLATIONS, BESIDE, "quarter", "2005-01-01", chose=LEVEL),
    Task("longbeach_shelter, a month", SHELTER, BESIDE, "month", "2022-01-01", chose=CASES),
    Task("burlington_permits, a month", PERMITS, BESIDE, "month", "2023-07-01", chose=LEVEL),
    Task("kickstarter_starter, a month", CROWD, BESIDE, "month", "2014-07-01", chose=DEADLINE),
)


def history_of(task: Task, folder: Path) -> fs.History:
    """Read a set with its mapping."""
    source = folder / task.source
    mapping = source.parent / task.mapping if task.mapping == BESIDE else ROOT / task.mapping
    return fs.read_history(source, mapping=mapping, as_of=task.as_of)


def scored(task: Task, folder: Path, draws: int) -> pd.DataFrame:
    """Return the rows of a set's record that are scored: its money, or its wins where it has no amounts."""
    record = replay(
        history_of(task, folder), period=task.period, count=task.count, start=task.start, draws=draws
    )
    rows = record.record
    return rows[(rows["step"] == task.count) & (rows["measure"] == record.measure)]


def line_of(name: str, rows: pd.DataFrame, chose: str) -> dict[str, object]:
    """Return one line of the table from the rows of one set."""
    scores = rows.pivot_table(index="origin", columns="method", values="crps")
    mine = rows[rows["method"] == OURS]
    simple = {
        way: 1 - pair[OURS].mean() / pair[way].mean()
        for way in scores.columns
        if way in NAMES and len(pair := scores[[OURS, way]].dropna()) >= len(scores) / 2
    }
    held = {share: float(mine[f"inside_{share}"].mean()) for share in SHARES}
    return {
        "set": name,
        "of": mine["measure"].iloc[0],
        "n": len(mine),
        "last": simple.get("last period", np.nan),
        "ETS": simple.get("ETS", np.nan),
        "hardest": min(simple.values(), default=np.nan),
        **held,
        "said / came": mine["mean"].sum() / max(mine["actual"].sum(), 1e-9),
        "used to choose": chose or "nothing",
    }


def all_of(lines: Sequence[dict[str, object]], name: str) -> dict[str, object]:
    """Return the mean of some sets with the 90 % interval of a bootstrap over sets."""
    table = pd.DataFrame(lines)
    rng = np.random.default_rng(1)
    pick = rng.integers(0, len(table), (RESAMPLES, len(table)))
    line: dict[str, object] = {"set": name, "of": "", "n": int(table["n"].sum())}
    for column in ("last", "ETS", "hardest"):
        values = table[column].to_numpy(dtype=np.float64)
        low, high = np.nanquantile(np.nanmean(values[pick], axis=1), [0.05, 0.95])
        line[column] = f"{np.nanmean(values):.2f} [{low:.2f}, {high:.2f}]"
    for share in SHARES:
        line[share] = float(np.average(table[share], weights=table["n"]))
    line["said / came"] = float(np.exp(np.log(table["said / came"].astype(float)).mean()))
    return line | {"used to choose": ""}


def of_company(seed: int, draws: int, **change: float) -> pd.DataFrame:
    """Forecast a made-up company's next 91 days; return a row of revenue and one of wins, scored.

    Args:
        seed: of the company and of its forecast.
        draws: posterior draws.
        change: what goes on changing in it, see `random_company`.
    """
    from companies import random_company

    made = random_company(seed, **change)
    start = made.history.until
    period = Period("the next 91 days", start, start + pd.Timedelta(days=made.horizon))
    model = fit_model(made.history, period=made.horizon)
    said = forecast_periods(model, open_pipeline(made.history, model), (period,), draws=draws, seed=seed)
    came = {"revenue": made.revenue, "wins": float(made.wins)}
    return scored_rows(
        pd.concat([totals(said, measure).assign(actual=actual) for measure, actual in came.items()])
    )


def of_companies(number: int, draws: int, workers: int) -> list[dict[str, object]]:
    """Return a line of revenue and one of wins over made-up companies of random shape."""
    found = Parallel(n_jobs=workers)(delayed(of_company)(seed, draws) for seed in range(1, number + 1))
    every = pd.concat(found)
    lines = []
    for measure, rows in every.groupby("measure"):
        held = {share: float(rows[f"inside_{share}"].mean()) for share in SHARES}
        ratio = float(np.exp(np.log((rows["mean"] + 1e-9) / (rows["actual"] + 1e-9)).clip(-3, 3).mean()))
        head = {"set": f"{number} made-up companies", "of": measure, "n": len(rows)}
        lines.append(head | held | {"said / came": ratio, "used to choose": "priors of rates"})
    return lines


def written(lines: Sequence[dict[str, object]]) -> str:
    """Return the table as Markdown, two digits each."""
    table = pd.DataFrame(lines)
    cells = [[_cell(cell) for cell in row] for row in table.to_numpy(dtype=object)]
    rows = [list(table.columns), ["---"] * len(table.columns), *cells]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.2f}"
    return str(value)


def main() -> int:
    """Make the record and print it as a table."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("folder", type=Path)
    words.add_argument("--only", nargs="*", default=None, help="sets by the start of their names")
    words.add_argument("--companies", type=int, default=150)
    words.add_argument("--draws", type=int, default=60)
    words.add_argument("--workers", type=int, default=2)
    words.add_argument("--markdown", type=Path, help="where to write the table as well")
    asked = words.parse_args()
    lines: list[dict[str, object]] = []
    for task in TASKS:
        if asked.only is not None and not any(task.name.startswith(name) for name in asked.only):
            continue
        if not (asked.folder / task.source).exists():
            print(f"{task.name}: not there, left out", file=sys.stderr)
            continue
        try:
            lines.append(line_of(task.name, scored(task, asked.folder, asked.draws), task.chose))
        except FunnelError as problem:
            print(f"{task.name}: {problem}", file=sys.stderr)
            continue
        print(written(lines[-1:]), file=sys.stderr, flush=True)
    fresh = [line for line in lines if line["used to choose"] == "nothing"]
    rows = list(lines)
    if len(lines) > 1:
        rows.append(all_of(lines, "all"))
    if 1 < len(fresh) < len(lines):
        rows.append(all_of(fresh, "those that chose nothing"))
    if asked.companies:
        rows += of_companies(asked.companies, asked.draws, asked.workers)
    text = written(rows)
    print(text)
    if asked.markdown:
        write_atomic(asked.markdown, text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
