"""What a fitted model says, as tables: shares that leave, beside what was counted, and how groups differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.calibrate.exits import OTHER
from funnelsim.calibrate.incidence import incidence
from funnelsim.calibrate.posterior import draw_rates, posterior
from funnelsim.errors import FunnelError, nearest
from funnelsim.history.incidence import stage_incidence
from funnelsim.history.log import History
from funnelsim.model.model import Model

Floats = NDArray[np.float64]


def fitted_and_observed(history: History, model: Model, group: str, longest: float = 120.0) -> pd.DataFrame:
    """Return, for one group, the share that has left each stage by each exit, fitted and counted.

    The counted share (Aalen-Johansen) weighs all visits alike, as does a model with an infinite half-life.

    Args:
        history: what the model was fitted to.
        group: name of the group.
        longest: greatest age in days.

    Returns:
        stage, exit, days, fitted, observed, low, high (95 % band of observed): one row per exit and age at
        which anybody left the stage.

    Raises:
        FunnelError: the model has no such group.
    """
    number = _known(group, model.groups, "group")
    chosen = _of_group(history, model, group)
    pieces = []
    for row, (stage, exits) in enumerate(zip(model.funnel.stages, model.funnel.exits, strict=True)):
        counted = stage_incidence(chosen, stage).rename(columns={"day": "days", "share": "observed"})
        counted = counted[(counted["days"] <= longest) & counted["exit"].isin(exits)]
        ages, place = np.unique(counted["days"], return_inverse=True)
        left = incidence(model.table.edges[number, row], model.table.rate[0, number, row], ages).left
        taken = counted["exit"].map({name: x for x, name in enumerate(exits)}).to_numpy(dtype=np.int64)
        pieces.append(counted.assign(stage=stage, fitted=left[taken, place]))
    columns = ["stage", "exit", "days", "fitted", "observed", "low", "high"]
    return pd.concat(pieces, ignore_index=True)[columns]


def exit_shares(model: Model, days: float, draws: int = 200, seed: int = 1) -> pd.DataFrame:
    """Return the share of visits that leave each stage by each exit within some days, and how sure that is.

    Returns:
        group, stage, exit, share, low and high (80 % interval over posterior draws).
    """
    drawn = draw_rates(model, draws, np.random.default_rng(seed))[:, 0]
    rows = []
    for g, group in enumerate(model.groups):
        for s, (stage, exits) in enumerate(zip(model.funnel.stages, model.funnel.exits, strict=True)):
            edges = model.table.edges[g, s]
            share = _left(edges, model.table.rate[0, g, s], days)
            low, high = np.quantile([_left(edges, rate, days) for rate in drawn[:, g, s]], [0.1, 0.9], axis=0)
            rows += [(group, stage, place, share[x], low[x], high[x]) for x, place in enumerate(exits)]
    return pd.DataFrame(rows, columns=["group", "stage", "exit", "share", "low", "high"])


def group_factors(model: Model, stage: str, exit: str) -> pd.DataFrame:
    """Return how often each group took an exit, compared with what the rates of all would give.

    factor = (k + seen) / (k + expected): with few leads close to 1, with many close to seen / expected.

    Returns:
        group, seen, expected, raw (seen / expected), factor.

    Raises:
        FunnelError: a stated model, or no such stage or exit.
    """
    if model.counts is None:
        raise FunnelError("a stated model has no counts: its groups are as they were stated")
    row = _known(stage, model.funnel.stages, "stage")
    x = _known(exit, model.funnel.exits[row], "exit")
    found = posterior(model.counts, model.funnel)
    rate = found.shape[row, x] / found.exposure[row, x]
    expected = (rate * found.at_risk[:, row]).sum(axis=-1)
    seen, k = model.counts.events[:, row, x].sum(axis=-1), found.by_group[row, x]
    table = pd.DataFrame({"group": model.groups, "seen": seen, "expected": expected, "raw": seen / expected})
    return table.assign(factor=(k + seen) / (k + expected))


def _left(edges: Floats, rate: Floats, days: float) -> Floats:
    return incidence(edges, rate, np.array([days])).left[:, 0]


def _of_group(history: History, model: Model, group: str) -> History:
    """Return the history of the leads of one group alone."""
    if not model.grouped_by:
        return history
    column = history.leads[model.grouped_by].astype("str").fillna("unknown")
    named = column.where(column.isin(model.groups), OTHER)
    leads = history.leads[(named == group).to_numpy()]
    events = history.events[history.events["lead"].isin(leads.index)].reset_index(drop=True)
    return replace(history, leads=leads, events=events)


def _known(name: str, names: tuple[str, ...], role: str) -> int:
    if name not in names:
        raise FunnelError(f"{role} '{name}' is unknown; {nearest(name, names)}")
    return names.index(name)
