"""How old the open deals are, beside the ages at which won deals left their stage."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from funnelsim.show import theme, words

MOST_POINTS = 1500
CELLS = 48
KINDS = ("open", "older than any deal that ever closed")
GOLDEN = 0.6180339887498949


def open_ages(
    deals: pd.DataFrame, percentiles: pd.DataFrame | None = None, currency: str = "EUR"
) -> alt.LayerChart:
    """Draw every open deal at its age in its stage, with the ages at which winners had moved on.

    Beyond 1,500 deals, those of like age in one stage are drawn as one mark that is larger.

    Args:
        deals: stage, age (days), zombie (bool), and optionally value.
        percentiles: stage, half (age in days at which half of the later winners had left the stage),
            and optionally ninety (nine in ten).
        currency: three letters.
    """
    theme.need(deals, ("stage", "age", "zombie"), "open_ages")
    order = theme.in_order(deals["stage"] if percentiles is None else percentiles["stage"])
    order = [*order, *[stage for stage in theme.in_order(deals["stage"]) if stage not in order]]
    grouped = len(deals) > MOST_POINTS
    marks = theme.rounded(_cells(deals) if grouped else _points(deals))
    y = theme.rows("stage", order)
    layers = [
        _dots(marks, y, grouped, currency, float(deals["age"].max())),
        *_marks_of_winners(percentiles, y),
    ]
    chart = theme.layered(layers, theme.WIDTH * 0.9, 64 * len(order))
    how = (
        "Each dot stands for deals of like age, its size for how many"
        if grouped
        else "Each dot is an open deal"
    )
    how += ", crosses are deals older than any that ever closed."
    if percentiles is not None:
        how += " Tall line: the age by which half of the winners had left the stage; short line: nine in ten."
    return theme.headed(chart, _open_finding(deals, percentiles, currency), how)


def _points(deals: pd.DataFrame) -> pd.DataFrame:
    """Return one row per deal, spread evenly within its stage's row by the golden ratio."""
    table = deals.sort_values(["stage", "age"], kind="stable")
    place = table.groupby("stage", sort=False).cumcount().to_numpy()
    value = table["value"] if "value" in table else pd.Series(np.nan, index=table.index)
    spread = (place * GOLDEN % 1.0 - 0.5) * 34
    return pd.DataFrame(
        {
            "stage": table["stage"],
            "age": table["age"],
            "kind": _kind(table),
            "jitter": spread,
            "size": value.fillna(value.median()),
        }
    )


def _cells(deals: pd.DataFrame) -> pd.DataFrame:
    """Return one row per stage, kind and cell of age: the mean age there and the number of deals."""
    cell = np.floor(np.log1p(deals["age"].to_numpy() / 2) / np.log1p(max(deals["age"].max(), 1) / 2) * CELLS)
    table = pd.DataFrame({"stage": deals["stage"], "kind": _kind(deals), "cell": cell, "age": deals["age"]})
    cells = table.groupby(["stage", "kind", "cell"], sort=True)["age"].agg(["mean", "size"]).reset_index()
    return cells.rename(columns={"mean": "age"})[["stage", "kind", "age", "size"]].assign(jitter=0.0)


def _kind(deals: pd.DataFrame) -> list[str]:
    return [KINDS[int(bool(zombie))] for zombie in deals["zombie"]]


def _dots(marks: pd.DataFrame, y: alt.Y, grouped: bool, currency: str, furthest: float) -> Any:
    """Return one mark per deal or cell, zombies as crosses."""
    colour = theme.coloured("kind", KINDS, [theme.BLUES[2], theme.ACCENT])
    shape = alt.Shape("kind:N", title=None, scale=alt.Scale(domain=list(KINDS), range=["circle", "cross"]))
    title = "Deals" if grouped else f"Amount ({currency})"
    largest = float(f"{marks['size'].max():.1g}") if marks["size"].notna().any() else 1.0
    legend = alt.Legend(title=title, labelExpr=theme.AMOUNT_LABELS, values=[largest / 10, largest])
    size = alt.Size("size:Q", scale=alt.Scale(range=[18, 320]), legend=legend)
    axis = theme.day_axis("Days in the stage so far (widely spaced near zero)", furthest, grid=True)
    base = alt.Chart(marks).mark_point(filled=True, stroke=theme.PAPER, strokeWidth=0.4)
    return base.encode(
        x=alt.X("age:Q", axis=axis, scale=theme.day_scale()),
        y=y,
        yOffset=alt.YOffset("jitter:Q", scale=alt.Scale(domain=[-32, 32])),
        color=colour,
        shape=shape,
        size=size,
        opacity=alt.condition(alt.datum.kind == KINDS[1], alt.value(1.0), alt.value(0.55)),
        tooltip=["stage:N", "kind:N", *theme.tips(("age", "size"))],
    )


def _marks_of_winners(percentiles: pd.DataFrame | None, y: alt.Y) -> list[Any]:
    """Return the ages at which half and nine in ten of the winners had left each stage."""
    if percentiles is None:
        return []
    theme.need(percentiles, ("stage", "half"), "open_ages, percentiles")
    base = alt.Chart(theme.rounded(percentiles))
    heights = {"half": 54, "ninety": 26}
    drawn = {column: height for column, height in heights.items() if column in percentiles}
    return [
        base.mark_tick(size=h, thickness=3, color=theme.INK).encode(x=f"{c}:Q", y=y) for c, h in drawn.items()
    ]


def _open_finding(deals: pd.DataFrame, percentiles: pd.DataFrame | None, currency: str) -> str:
    """Say how many deals are past the age at which winners moved on, or can be expected never to close."""
    dead = int(deals["zombie"].sum())
    worth = ""
    if "value" in deals and dead:
        worth = f", {words.money(float(deals.loc[deals['zombie'], 'value'].sum()), currency)}"
    zombies = f"{dead:,} are older than any deal that ever closed{worth}"
    zombies = zombies if dead else "none is older than deals that did close"
    known = (
        pd.DataFrame(columns=["stage", "half"]) if percentiles is None else percentiles.dropna(subset="half")
    )
    if known.empty:
        return f"Of {len(deals):,} open deals {zombies}"
    half = deals["stage"].map(known.set_index("stage")["half"])
    late = words.percent(float((deals["age"] > half).mean()))
    past = "past the age at which half of the winners had moved on"
    return f"{late} of {len(deals):,} open deals are {past}; {zombies}"
