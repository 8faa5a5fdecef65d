"""The open deals as a table: stage, age, amount, chance in each period, what is expected, what is odd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.forecasting.periods import Period
from funnelsim.model.model import Model, OpenDeals, amounts


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
    table["age_percentile"] = (table.groupby("stage")["age"].rank(pct=True) * 100).round(0)
    return table.sort_values("expected", ascending=False, kind="stable").reset_index(drop=True)


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
    slow = (table["age_percentile"] >= 90).to_numpy()
    table["flag"] = [
        "never closed this late" if z else "slower than 90 %" if s else ""
        for z, s in zip(stale, slow, strict=True)
    ]
    if due is not None:
        days = due.reindex(table["lead"]).to_numpy()
        table["flag"] = table["flag"].mask(days >= 0, "").mask(days < 0, "overdue")
    return table
