"""The waterfall from one expected revenue to another."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from funnelsim.show import words
from funnelsim.show.charts import theme

GAIN, LESS = "more", "less"
MARGIN = 0.08  # of the range, left and right of the bars, so that no label is cut


def bridge_chart(frame: pd.DataFrame, finding: str, currency: str = "") -> alt.LayerChart:
    """Draw the parts between two expected revenues as steps, one below the other.

    Args:
        frame: part, change, level; the first and the last row are the two ends, whose change is nan.
        finding: what it says, in a sentence.
        currency: three letters, "wins", or nothing.
    """
    theme.need(frame, ("part", "change", "level"), "bridge")
    table = _steps(frame, currency)
    order = list(table["part"])
    y = theme.rows("part", order)
    lows, highs = table[["low", "high"]].min(axis=1), table[["low", "high"]].max(axis=1)
    room = max(float(highs.max() - lows.min()), 1e-9)
    domain = [theme.six(lows.min() - MARGIN * room), theme.six(highs.max() + 4 * MARGIN * room)]
    axis = theme.amount_axis(theme.measured(currency), grid=True)
    x = alt.X("low:Q", axis=axis, scale=alt.Scale(domain=domain, zero=False, nice=False))
    base = alt.Chart(theme.rounded(table))
    steps = base.transform_filter("datum.side != ''")
    colour = theme.coloured("side", [GAIN, LESS], [theme.BLUES[3], "#e08a50"])
    bar = steps.mark_bar(height=15).encode(
        x=x, x2="high:Q", y=y, color=colour, tooltip=["part:N", *theme.tips(("change", "level"))]
    )
    ends = base.transform_filter("datum.side == ''")
    tick = ends.mark_tick(color=theme.INK, thickness=3, size=20).encode(x="high:Q", y=y)
    text = base.mark_text(align="left", dx=7, color=theme.INK, fontSize=12).encode(
        x="right:Q", y=y, text="label:N"
    )
    chart = theme.layered([bar, tick, text], theme.WIDTH * 0.72, 27 * len(order))
    how = "Upright ticks: the two expected amounts. Bars: what moved it, each from where the last one ended."
    return theme.headed(chart, finding, f"{how} The scale does not start at 0.")


def _steps(frame: pd.DataFrame, currency: str) -> pd.DataFrame:
    """Return where each bar begins and ends, with its label."""
    table = frame[["part", "change", "level"]].copy()
    table["low"] = (table["level"] - table["change"]).fillna(table["level"])
    table["high"] = table["level"]
    table["right"] = table[["low", "high"]].max(axis=1)
    end = table["change"].isna().to_numpy()
    table["side"] = np.select([end, (table["change"] >= 0).to_numpy()], ["", GAIN], LESS)
    told = zip(end, table["level"].astype(float), table["change"].astype(float), strict=True)
    table["label"] = [
        words.amount(level, currency) if last else words.amount(change, currency, sign=True)
        for last, level, change in told
    ]
    return table
