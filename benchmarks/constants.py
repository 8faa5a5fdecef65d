"""What the tuned constants are worth: each halved and doubled, one real process at a time left out.

    python benchmarks/constants.py FOLDER [--origins 6] [--draws 16] [--only DISCOUNT ...] [--markdown FILE]

Every constant of the calibration that was ever chosen by looking at errors stands in the table below. All
sets of FOLDER (as `benchmarks/record.py` reads them) are forecast from some past periods, with each constant
as it is, halved and doubled. A cell of the answer is the error (CRPS) of all sets over that of today's value,
their geometric mean, with its 90 % interval by a bootstrap over sets. *left out*: for each set the value is
chosen by the other sets; so much larger is then the error on the set itself than with today's value. *sets
that want*: how many sets have their least error there. Flat is where neither half nor twice changes 2 %.

A second table has the constants that once stood in the first and were dropped, and the error without them
over the error with them, measured in the same way, one at a time, on six past periods of each of the eleven
sets (three of the hotel's), 16 draws: together 0.996 [0.986, 1.005], with LEADS_OF_A_GROUP 0.968 [0.939,
0.995], while the level of wins was still a mean of memories, each of them alike. These periods chose what was
dropped. On up to eight other periods of each set the error over all sets did not change surely, 0.997 [0.965,
1.027]; on sixty other made-up companies 1.003 of revenue and 1.004 of wins [0.998, 1.011].

What the level of wins had of its own (eight numbers) gave way to the models of the intake on all periods of
helpdesk, burlington, kickstarter, olist, maven, bpic2012 and 16 of nyc_violations, 24 draws: revenue 0.98,
wins 0.97; forty made-up companies 0.99 and 0.97. Longbeach_shelter, not looked at before, confirmed it: 0.92.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from record import TASKS, Task, history_of, written

from funnelsim.arrays import Floats
from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.calibration.shocks import OF_WINS
from funnelsim.calibration.structural import OF_COUNTS, Kind
from funnelsim.files import write_atomic
from funnelsim.forecasting.backtest import origins, scored_rows
from funnelsim.forecasting.forecast import forecast_periods, totals
from funnelsim.forecasting.periods import periods_from
from funnelsim.history.log import DAY, valued

HALF_LIFE = "half_life"
FLAT = 0.02
RESAMPLES = 4000


@dataclass(frozen=True)
class Constant:
    """A constant: where it stands, and what else is tried.

    Args:
        room: the module, below `funnelsim.calibration` or by its whole name; "" for an argument.
        name: of the constant, several by commas that are varied together.
        less, more: what is tried instead, where that is not half and twice as much; a list has one for each
            name.
        field: what of it is varied, where it holds several.
    """

    room: str
    name: str
    less: Any = None
    more: Any = None
    field: str = ""

    def values(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return half and twice of each name's value, or what is tried instead."""
        if not self.room:
            return (self.less,), (self.more,)
        if isinstance(self.less, list):
            return tuple(self.less), tuple(self.more)
        now = [getattr(self.module, name) for name in self.names]
        less = tuple(one / 2 if self.less is None else self.less for one in now)
        return less, tuple(one * 2 if self.more is None else self.more for one in now)

    @property
    def label(self) -> str:
        """What a table calls it."""
        return f"{self.room.split('.')[-1]} {self.name} {self.field}".strip()

    @property
    def names(self) -> list[str]:
        """The names that are varied together."""
        return self.name.split(", ")

    @property
    def module(self) -> Any:
        """The module in which it stands."""
        return importlib.import_module(f"funnelsim.{self.room}")


@dataclass(frozen=True)
class Dropped:
    """A constant that is no more.

    Args:
        name: what it was called, and its value.
        place: what stands in its place.
        price: error without it over the error with it, and its 90 % interval.
    """

    name: str
    place: str
    price: str


SHOCKS, COUNTS, POSTERIOR = (f"calibration.{room}" for room in ("shocks", "structural", "posterior"))


def of_kind(room: str, name: str, kind: Kind, field: str) -> Constant:
    """Return what a mixture of structural models may be made of, one field of it halved and doubled."""
    now = getattr(kind, field)
    return Constant(room, name, replace(kind, **{field: now / 2}), replace(kind, **{field: now * 2}), field)


FINER, COARSER = (0.015, 0.05, 0.15), (0.06, 0.2, 0.6)
CONSTANTS = (
    Constant("", HALF_LIFE, 182.5, 730.0),
    Constant(POSTERIOR, "PRIOR_EVENTS"),
    Constant(POSTERIOR, "PRIOR_CASES"),
    Constant("calibration.values", "MUCH_LIKELIER"),
    Constant(SHOCKS, "DISCOUNT", 0.64, 0.894),
    Constant(SHOCKS, "PRIOR_SPREAD"),
    Constant(SHOCKS, "PRIOR_WINDOWS"),
    of_kind(SHOCKS, "OF_WINS", OF_WINS, "level"),
    Constant("calibration.intake", "SHARE_HALF_LIFE"),
    Constant(
        COUNTS,
        "SIZES, OF_COUNTS",
        [FINER, replace(OF_COUNTS, seasons=FINER)],
        [COARSER, replace(OF_COUNTS, seasons=COARSER)],
        "seasons",
    ),
    Constant(COUNTS, "LIKELIER", 1.0, 4.0),
    Constant(COUNTS, "PERSISTENCE", 0.81, 0.949),
    Constant(COUNTS, "JUMP"),
    of_kind(COUNTS, "OF_COUNTS", OF_COUNTS, "level"),
    of_kind(COUNTS, "OF_COUNTS", OF_COUNTS, "growth"),
    of_kind(COUNTS, "OF_COUNTS", OF_COUNTS, "temper"),
)
ONE, MODELS, SAME = "PRIOR_CASES, one for eight", "structural models, as of the intake", "1, the same number"
FEW_CASES = (
    "shocks PRIOR_WINS 10",
    "values ENOUGH_WINS 30",
    "values PRIOR_WINS 5",
    "values TILT_PRIOR_WINS 20",
    "due GROUP_PRIOR 50",
    "due PRIOR_AMOUNTS 30",
    "by_date PRIOR_LEADS 20",
)
LEVEL_OF_WINS = (
    "shocks SHARPNESS 1.5",
    "shocks LARGEST_ERROR 0.7",
    "shocks PRIOR_MSE 0.05",
    "shocks YOUNG_SPREAD 0.3",
    "shocks YOUNG_WINDOWS 4",
    "shocks MEMORIES 0.5, 0.8, 0.9",
)
DROPPED = (
    *(Dropped(name, ONE, "0.997 [0.993, 1.000], seven together") for name in FEW_CASES),
    Dropped("calibrate LEADS_OF_A_GROUP 30", ONE, "0.972, on top of all others"),
    *(Dropped(name, MODELS, "0.98, eight numbers together") for name in LEVEL_OF_WINS),
    Dropped("due INTAKE_HALF_LIFE 180", "SHARE_HALF_LIFE", SAME),
    Dropped("intake SUDDEN 0.02", "1 / MOST_BLOCKS: one in the longest record", "only together"),
    Dropped("intake ALIKE 0.05", "four weeks of a year, 1 / 13", "0.999 [0.994, 1.004]"),
)


@contextmanager
def changed(constant: Constant, values: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Give a constant other values for a while; yield what `fit_model` is then told."""
    if not constant.room:
        yield {HALF_LIFE: values[0]}
        return
    now = [getattr(constant.module, name) for name in constant.names]
    try:
        _put(constant, values)
        yield {}
    finally:
        _put(constant, now)


def _put(constant: Constant, values: Sequence[Any]) -> None:
    """Give a constant other values wherever it was imported, and forget what was worked out with the old."""
    rooms = [room for name, room in sys.modules.items() if name.startswith("funnelsim.")]
    for name, value in zip(constant.names, values, strict=True):
        now = getattr(constant.module, name)
        for room in rooms:
            if vars(room).get(name) is now:
                setattr(room, name, value)
    for known in list(vars(constant.module).values()):
        if hasattr(known, "cache_clear"):
            known.cache_clear()


def errors_of(
    task: Task, folder: Path, constants: Sequence[Constant], number: int, draws: int
) -> pd.DataFrame:
    """Return the errors of one set: a row per past period, a column "now" and two for each constant."""
    history = history_of(task, folder)
    starts, first = origins(history, task.period, task.start)
    past = [(one, periods_from(one, task.period, task.count, history.period_start)) for one in starts[first:]]
    past = [(one, ahead) for one, ahead in past if ahead[-1].end <= history.until]
    chosen = np.unique(np.linspace(0, len(past) - 1, min(number, len(past))).round().astype(int))
    wins, _ = valued(history)
    measure = "wins" if (wins["value"] == 1).all() else "revenue"
    rows = []
    for start, ahead in (past[place] for place in chosen):
        known, last = history.as_of(start), ahead[-1]
        came = wins[((wins["at"] >= last.start) & (wins["at"] < last.end)).to_numpy()]
        actual = float(came["value"].sum()) if measure == "revenue" else float(len(came))

        def crps(
            told: dict[str, Any], known: Any = known, ahead: Any = ahead, actual: float = actual
        ) -> float:
            model = fit_model(known, period=(ahead[0].end - ahead[0].start) / DAY, **told)
            said = forecast_periods(model, open_pipeline(known, model), ahead, draws=draws, seed=1)
            return float(scored_rows(totals(said, measure).iloc[[-1]].assign(actual=actual))["crps"].iloc[0])

        row = {"now": crps({})}
        for constant in constants:
            for side, values in zip(("less", "more"), constant.values(), strict=True):
                with changed(constant, values) as told:
                    row[f"{constant.label} {side}"] = crps(told)
        rows.append(row)
    print(f"{task.name}: {len(rows)} periods", file=sys.stderr, flush=True)
    return pd.DataFrame(rows).assign(set=task.name)


def line_of(constant: Constant, ratios: pd.DataFrame) -> dict[str, object]:
    """Return one line of the table from the sets' errors over today's, by less, now and more."""
    logs = np.log(ratios.to_numpy(dtype=np.float64))
    rest = (logs.sum(axis=0) - logs) / max(len(logs) - 1, 1)
    chosen = logs[np.arange(len(logs)), rest.argmin(axis=1)]
    best = logs.argmin(axis=1)
    flat = np.abs(logs.mean(axis=0)).max() < np.log1p(FLAT)
    return {
        "constant": constant.label,
        "halved": _interval(logs[:, 0]),
        "doubled": _interval(logs[:, 2]),
        "left out": float(np.exp(chosen.mean())),
        "sets that want half / it / twice": " / ".join(str(int((best == one).sum())) for one in range(3)),
        "most on one set": ratios.index[int(np.abs(logs).max(axis=1).argmax())],
        "flat": "yes" if flat else "no",
    }


def _interval(logs: Floats) -> str:
    picks = np.random.default_rng(1).integers(0, len(logs), (RESAMPLES, len(logs)))
    low, high = np.quantile(logs[picks].mean(axis=1), [0.05, 0.95])
    return f"{np.exp(logs.mean()):.3f} [{np.exp(low):.3f}, {np.exp(high):.3f}]"


def main() -> int:
    """Vary the constants and print the table."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("folder", type=Path)
    words.add_argument("--origins", type=int, default=6, help="past periods of each set, spread evenly")
    words.add_argument("--draws", type=int, default=16)
    words.add_argument("--only", nargs="*", help="constants by name")
    words.add_argument("--sets", nargs="*", help="sets by the start of their names")
    words.add_argument("--workers", type=int, default=2)
    words.add_argument("--markdown", type=Path, help="where to write the table as well")
    asked = words.parse_args()
    constants = [one for one in CONSTANTS if not asked.only or set(one.names) & set(asked.only)]
    tasks = [
        task
        for task in TASKS
        if (asked.folder / task.source).exists()
        and (not asked.sets or any(task.name.startswith(name) for name in asked.sets))
    ]
    found = Parallel(n_jobs=asked.workers)(
        delayed(errors_of)(task, asked.folder, constants, asked.origins, asked.draws) for task in tasks
    )
    means = pd.concat(found).groupby("set", sort=False).mean()
    over = means.div(means["now"], axis=0)
    lines = []
    for constant in constants:
        ratios = over[[f"{constant.label} less", "now", f"{constant.label} more"]]
        lines.append(line_of(constant, ratios))
    text = "\n\n".join([written(lines), written([vars(one) for one in DROPPED])])
    print(text)
    if asked.markdown:
        write_atomic(asked.markdown, text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
