"""Where the next euro should go: spend now and at its best, channel by channel."""

from __future__ import annotations

import altair as alt
import pandas as pd

from funnelsim.show import words
from funnelsim.show.charts import theme

NOW, BEST = "now", "best"


def budget_chart(table: pd.DataFrame, currency: str = "EUR") -> alt.LayerChart:
    """Draw each channel's spend now and in the best split, and what one more unit of money brings there.

    Args:
        table: channel, spend_now, spend_best (money of one window), return_now (revenue per extra unit of
            money at the spend of now), flag (text).
        currency: three letters.
    """
    theme.need(table, ("channel", "spend_now", "spend_best", "return_now", "flag"), "budget")
    ranked = table.sort_values("return_now", ascending=False, kind="stable").reset_index(drop=True)
    ranked["label"] = [
        f"{words.digits(back)} {currency}" + (f"; {words.name(flag)}" if flag else "")
        for back, flag in zip(ranked["return_now"], ranked["flag"], strict=True)
    ]
    order = theme.in_order(ranked["channel"])
    y = theme.rows("channel", order)
    axis = theme.amount_axis(f"Spend ({currency})", grid=True)
    base = alt.Chart(theme.rounded(ranked[["channel", "spend_now", "spend_best", "return_now", "label"]]))
    x = alt.X("spend_now:Q", axis=axis, scale=alt.Scale(zero=True))
    line = base.mark_rule(color=theme.BLUES[1], strokeWidth=4).encode(x=x, x2="spend_best:Q", y=y)
    long = ranked.melt(["channel"], ["spend_now", "spend_best"], "when", "spend")
    long["when"] = long["when"].map({"spend_now": NOW, "spend_best": BEST})
    dots = alt.Chart(theme.rounded(long)).mark_point(filled=True, size=130, opacity=1)
    dot = dots.encode(
        x="spend:Q",
        y=y,
        color=theme.coloured("when", [NOW, BEST], ["#8a8a8a", theme.BLUES[3]]),
        shape=theme.shaped("when", [NOW, BEST]),
        tooltip=["channel:N", "when:N", *theme.tips(("spend",))],
    )
    text = base.mark_text(align="left", color=theme.INK, fontSize=12).encode(
        x=alt.value(theme.WIDTH * 0.66 + 14), y=y, text="label:N"
    )
    chart = theme.layered([line, dot, text], theme.WIDTH * 0.66, 44 * len(order))
    how = "Marks: money spent now, and in the split that earns most."
    how += f" At the right: what one more {currency} brings at the spend of now."
    return theme.headed(chart, _finding(ranked, currency), how)


def _finding(ranked: pd.DataFrame, currency: str) -> str:
    """Say where the next euro brings most and where least."""
    first, last = ranked.iloc[0], ranked.iloc[-1]
    back = f"{words.digits(float(first['return_now']))} {currency}"
    if len(ranked) == 1:
        return f"One more {currency} for {words.name(first['channel'])} brings {back}"
    least = words.digits(float(last["return_now"]))
    best, worst = words.name(first["channel"]), words.name(last["channel"])
    return f"The next {currency} brings most in {best}: {back}; least in {worst}: {least}"
