"""What the tuned constants are worth: each halved and doubled, one real process at a time left out.

    python benchmarks/constants.py FOLDER [--origins 6] [--draws 16] [--only DISCOUNT ...] [--markdown FILE]

Every constant of the calibration that was ever chosen by looking at errors stands in the table below. All
sets of FOLDER (as `benchmarks/record.py` reads them) are forecast from some past periods, with each constant
as it is, halved and doubled. A cell of the answer is the error (CRPS) of all sets over that of today's value,
their geometric mean, with its 90 % interval by a bootstrap over sets. *left out*: for each set the value is
chosen by the other sets; so much larger is then the error on the set itself than with today's value. *sets
that want*: how many sets have their least error there. Flat is where neither half nor twice changes 2 %.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from record import TASKS, Task, history_of, written

from funnelsim.arrays import Floats
from funnelsim.calibration.calibrate import fit_model, open_pipeline
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
        less, more: what is tried instead, where that is not half and twice as much.
    """

    room: str
    name: str
    less: Any = None
    more: Any = None

    def values(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return half and twice of each name's value, or what is tried instead."""
        if not self.room:
            return (self.less,), (self.more,)
        now = [getattr(self.module, name) for name in self.names]
        less = tuple(one / 2 if self.less is None else self.less for one in now)
        return less, tuple(one * 2 if self.more is None else self.more for one in now)

    @property
    def names(self) -> list[str]:
        """The names that are varied together."""
        return self.name.split(", ")

    @property
    def module(self) -> Any:
        """The module in which it stands."""
        return importlib.import_module(f"funnelsim.{self.room}")


SHOCKS, INTAKE, VALUES, DUE = (f"calibration.{room}" for room in ("shocks", "intake", "values", "due"))
CONSTANTS = (
    Constant("", HALF_LIFE, 182.5, 730.0),
    Constant("calibration.posterior", "PRIOR_EVENTS, PRIOR_EXITS"),
    Constant("calibration.calibrate", "LEADS_OF_A_GROUP"),
    Constant(SHOCKS, "DISCOUNT", 0.64, 0.894),
    Constant(SHOCKS, "PRIOR_SPREAD"),
    Constant(SHOCKS, "PRIOR_WINDOWS"),
    Constant(SHOCKS, "YOUNG_SPREAD"),
    Constant(SHOCKS, "YOUNG_WINDOWS"),
    Constant(SHOCKS, "SHARPNESS"),
    Constant(SHOCKS, "LARGEST_ERROR"),
    Constant(SHOCKS, "PRIOR_MSE"),
    Constant(SHOCKS, "MEMORIES", (0.25, 0.64, 0.81), (0.71, 0.894, 0.949)),
    Constant(SHOCKS, "PRIOR_WINS"),
    Constant(INTAKE, "SIZES", (0.015, 0.05, 0.15), (0.06, 0.2, 0.6)),
    Constant(INTAKE, "LIKELIER", 1.0, 4.0),
    Constant(INTAKE, "GROWTH"),
    Constant(INTAKE, "SUDDEN"),
    Constant(INTAKE, "JUMP"),
    Constant(INTAKE, "TEMPER"),
    Constant(INTAKE, "ALIKE"),
    Constant(INTAKE, "SHARE_HALF_LIFE"),
    Constant(VALUES, "ENOUGH_WINS"),
    Constant(VALUES, "PRIOR_WINS"),
    Constant(VALUES, "TILT_PRIOR_WINS"),
    Constant(VALUES, "MUCH_LIKELIER"),
    Constant(DUE, "INTAKE_HALF_LIFE"),
    Constant(DUE, "GROUP_PRIOR"),
    Constant(DUE, "PRIOR_AMOUNTS"),
    Constant("forecasting.by_date", "PRIOR_LEADS"),
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
    """Give a constant other values, and forget what was worked out with the old ones."""
    for name, value in zip(constant.names, values, strict=True):
        setattr(constant.module, name, value)
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
                    row[f"{constant.room}.{constant.name} {side}"] = crps(told)
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
        "constant": f"{constant.room.split('.')[-1]} {constant.name}".strip(),
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
        name = f"{constant.room}.{constant.name}"
        ratios = over[[f"{name} less", "now", f"{name} more"]]
        lines.append(line_of(constant, ratios))
    text = written(lines)
    print(text)
    if asked.markdown:
        write_atomic(asked.markdown, text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
