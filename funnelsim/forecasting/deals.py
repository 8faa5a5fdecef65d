"""The open deals as a table: stage, age, amount, chance in each period, what is expected, what is odd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.forecasting.periods import Period
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Model, OpenDeals, amounts
from funnelsim.model.rates import RateTable, model_incidence

SLOW = 0.9  # one winner in ten is slower: rare enough to ask about, common enough to be no verdict
FOREVER = 1e6  # days: whoever has not left by then at a constant rate never will


def deal_table(
    model: Model, deals: OpenDeals, chance: Floats, periods: Sequence[Period], more: Floats | float = 0.0
) -> pd.DataFrame:
    """Return open deals, most expected money first, with their chances per period.

    Args:
        chance: (deals, periods) mean over draws.
        more: (deals, periods) expected further wins in the same period.
    """
    table = pd.DataFrame({"lead": deals.name})
    table["stage"] = np.array(model.funnel.stages, dtype=object)[deals.stage]
    table["segment"] = np.array(model.groups, dtype=object)[deals.group]
    table["age"] = deals.age.round(1)
    table["value"] = deals.value
    for k, period in enumerate(periods):
        table[f"P(win {period.label})"] = chance[:, k].round(4)
    table["expected"] = ((chance + more).sum(axis=1) * amounts(model, deals)).round(2)
    table["winners_faster"] = winners_faster(model, deals).round(3)
    return table.sort_values("expected", ascending=False, kind="stable").reset_index(drop=True)


def winners_faster(model: Model, deals: OpenDeals) -> Floats:
    """Return, for each open deal, the share of later winners that leave its stage sooner than its age.

    sum_x F_x(age) W_x / sum_x F_x(inf) W_x, with F_x the fitted cumulative incidence of exit x and W_x the
    chance to win, some day, of a lead that takes it. It tells how late a deal is beside those that won, and
    does not depend on which other deals are open.

    Args:
        model: its rates before any lever.
        deals: the pipeline.

    Returns:
        Shares, shape (deals,); nan in a stage from which nobody wins.
    """
    funnel, table = model.funnel, model.table
    shares = np.full(len(deals), np.nan)
    for group in np.unique(deals.group):
        stages = range(len(funnel.stages))
        forever = [_left(table, group, stage, np.array([FOREVER]))[:, 0] for stage in stages]
        wins = _wins_some_day(funnel, forever)
        for stage in np.unique(deals.stage[deals.group == group]):
            rows = np.flatnonzero((deals.group == group) & (deals.stage == stage))
            worth = wins[funnel.targets[stage]] * (funnel.targets[stage] >= 0)
            total = forever[stage] @ worth
            if total > 0:
                shares[rows] = worth @ _left(table, group, stage, deals.age[rows]) / total
    faster: Floats = np.minimum(shares, 1.0)
    return faster


def _left(table: RateTable, group: int, stage: int, ages: Floats) -> Floats:
    """Return the share that has left by each exit at each age, (exits, ages), at the base rates."""
    known = np.isfinite(table.edges[group, stage])
    return model_incidence(table.edges[group, stage][known], table.rate[0, group, stage][:, known], ages)


def _wins_some_day(funnel: Funnel, forever: Sequence[Floats]) -> Floats:
    """Return the chance to win some day of a lead that enters each place, (places,): 1 where money is booked.

    W = A W + b: A leads on to other stages, b straight to a win; loops are allowed.
    """
    places = len(funnel.places)
    onward = np.zeros((places, places))
    for stage, shares in enumerate(forever):
        taken = funnel.targets[stage] >= 0
        np.add.at(onward[stage], funnel.targets[stage][taken], shares[taken])
    earns = np.array([place in funnel.earns for place in funnel.places])
    onward[earns] = 0.0
    return np.asarray(np.linalg.solve(np.eye(places) - onward, earns.astype(np.float64)))


def with_names(deals: pd.DataFrame, known: pd.DataFrame, due: pd.Series | None = None) -> pd.DataFrame:
    """Return the deal table with channel, owner, and a flag in words.

    Args:
        deals: see `deal_table`.
        known: what is known of open leads: lead, zombie, and any of channel and owner.
        due: by lead, days to the expected date where it is the clock; its age then says nothing.
    """
    table, extra = deals.copy(), known.set_index("lead").reindex(deals["lead"])
    for position, column in enumerate(("channel", "owner"), start=3):
        if column in extra.columns:
            table.insert(position, column, extra[column].to_numpy())
    stale = extra["zombie"].to_numpy(dtype=bool)
    slow = (table["winners_faster"] >= SLOW).to_numpy()
    table["flag"] = [
        "never closed this late" if z else "slower than 90 % of winners" if s else ""
        for z, s in zip(stale, slow, strict=True)
    ]
    if due is not None:
        days = due.reindex(table["lead"]).to_numpy()
        table["flag"] = table["flag"].mask(days >= 0, "").mask(days < 0, "overdue")
    return table
