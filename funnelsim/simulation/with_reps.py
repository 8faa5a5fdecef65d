"""Queues on a fitted funnel: a history's stage times hold its waits already, so these are taken out first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Floats
from funnelsim.errors import FunnelError
from funnelsim.model.funnel import Pool, Work
from funnelsim.model.model import Model
from funnelsim.simulation.record import Run
from funnelsim.simulation.run import run_model

WARM = 0.25  # share of the run in which lines form; of two years, half a year


@dataclass(frozen=True)
class WithReps:
    """A fitted model with reps, and how well it reproduces the stage times that were fitted.

    Args:
        model: with pools and work, its stages quicker by what waiting and work take.
        check: by group and stage: mean days before (fitted), now, waiting, on a rep's desk, and of the
            customer's own.
    """

    model: Model
    check: pd.DataFrame


def with_reps(
    model: Model, pools: Sequence[Pool], work: Sequence[Work], *, days: float = 730.0, seed: int = 1,
    rounds: int = 12, tolerance: float = 0.01,
) -> WithReps:  # fmt: skip
    """Return the model in which today's reps reproduce the stage times of the fitted one.

    A stage's fitted time is wait + work + the customer's own time. The own time has the fitted shape and
    split, made quicker by one factor for each group and stage: speed <- speed * (mean own time now) /
    (fitted mean - mean wait - mean work), until the mean stage times agree. What-ifs ("two more reps") are
    then asked of this model. The lives of both models have the same luck, so few rounds are enough.

    Args:
        model: fitted, without pools.
        pools, work: today's reps, and the stages that need them.
        days: simulated days; those before a quarter of them are left out, until lines have formed.
        seed: of the luck.
        rounds: most rounds.
        tolerance: largest relative difference of a mean stage time that is accepted.

    Raises:
        FunnelError: reps and work alone take longer than the fitted stage, or the rounds do not settle.
    """
    before = stage_days(run_model(replace(model, pools=(), work=()), days, seed=seed))
    now = replace(model, pools=tuple(pools), work=tuple(work))
    needs = np.isfinite(before) & _needs(now)
    for _ in range(rounds):
        run = run_model(now, days, seed=seed)
        after, waits, desk = stage_days(run), *rep_days(run)
        busy = np.nan_to_num(waits) + np.nan_to_num(desk)
        _refuse_too_busy(now, needs, before, busy)
        wrong = np.where(needs, np.abs(after / before - 1.0), 0.0)
        if np.nanmax(wrong, initial=0.0) <= tolerance:
            return WithReps(now, _check(now, needs, before, after, waits, desk))
        quicker = np.where(needs, np.maximum(after - busy, 1e-3 * before) / (before - busy), 1.0)
        now = replace(now, table=replace(now.table, speed=now.table.speed * np.clip(quicker, 0.2, 5.0)))
    raise FunnelError(
        f"after {rounds} rounds stage times still differ by {np.nanmax(wrong):.0%}; the reps may have more "
        "work than time, so that lines grow without end: give more reps, or shorter work"
    )


def stage_days(run: Run) -> Floats:
    """Return the mean days that leads spend in each stage, shape (groups, stages); nan where nobody was.

    A stay not ended at the run's end counts up to it; stays that began before the warm-up are left out.
    """
    stages = len(run.model.funnel.stages)
    ends = np.append(run.day[1:], run.days)
    ends[np.append(run.who[1:] != run.who[:-1], True)] = run.days
    seen = (run.place < stages) & (run.day >= WARM * run.days)
    cell = run.group[run.who[seen]] * stages + run.place[seen]
    return _means(run, cell, (ends - run.day)[seen])


def rep_days(run: Run) -> tuple[Floats, Floats]:
    """Return mean days waiting for a rep and on a rep's desk, counted as in `stage_days`."""
    waits, stages = run.waits, len(run.model.funnel.stages)
    seen = (waits["joined"] >= WARM * run.days).to_numpy()
    stage = np.array([one.stage for one in run.model.work], dtype=np.int64)[run.visits.number[seen, 2]]
    cell = run.group[run.visits.number[seen, 0]] * stages + stage
    desk = (waits["done"].fillna(run.days) - waits["began"]).fillna(0.0).to_numpy()[seen]
    return _means(run, cell, waits["wait"].to_numpy()[seen]), _means(run, cell, desk)


def _means(run: Run, cell: NDArray[np.int64], days: Floats) -> Floats:
    shape = (len(run.model.groups), len(run.model.funnel.stages))
    size = shape[0] * shape[1]
    count, total = np.bincount(cell, minlength=size), np.bincount(cell, days, minlength=size)
    mean: Floats = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
    return mean.reshape(shape)


def _needs(model: Model) -> NDArray[np.bool_]:
    """Return which groups need a rep at which stages, shape (groups, stages)."""
    needs = np.zeros((len(model.groups), len(model.funnel.stages)), dtype=np.bool_)
    for one in model.work:
        needs[list(one.groups) or slice(None), one.stage] = True
    return needs


def _refuse_too_busy(model: Model, needs: NDArray[np.bool_], before: Floats, busy: Floats) -> None:
    for group, stage in np.argwhere(needs & (busy >= before)):
        raise FunnelError(
            f"stage '{model.funnel.stages[stage]}' of '{model.groups[group]}' took "
            f"{before[group, stage]:.3g} days, but waiting and work alone take {busy[group, stage]:.3g}: "
            "there must have been more reps, or shorter work, than stated"
        )


def _check(
    model: Model, needs: NDArray[np.bool_], before: Floats, after: Floats, waits: Floats, desk: Floats
) -> pd.DataFrame:
    group, stage = np.nonzero(needs)
    return pd.DataFrame(
        {
            "group": np.array(model.groups, dtype=object)[group],
            "stage": np.array(model.funnel.stages, dtype=object)[stage],
            "before": before[needs], "now": after[needs], "waiting": waits[needs], "desk": desk[needs],
            "own": (after - waits - desk)[needs],
        }
    )  # fmt: skip
