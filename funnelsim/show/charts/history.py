"""Pictures of what happened: conversion, the share that left by each exit, and time in a stage."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from funnelsim.show import words
from funnelsim.show.charts import theme

MOST_STEPS = 80
MOST_POINTS = 1500
CELLS = 48
KINDS = ("open", "older than any deal that ever closed")
GOLDEN = 0.6180339887498949
TOLD = {"above": "more than luck", "below": "fewer than luck", "": "may be luck", "too few": "too few leads"}


def funnel_chart(conversion: pd.DataFrame) -> alt.LayerChart:
    """Draw how many leads entered each stage and how many moved on within the horizon.

    Args:
        conversion: stage, entered, reached (of those, moved on within the horizon), share (of those
            who entered; may differ from reached / entered where open leads are accounted for),
            horizon (days), and optionally `to`, the place that they moved on to.
    """
    theme.need(conversion, ("stage", "entered", "reached", "share", "horizon"), "funnel_chart")
    table = conversion.copy()
    following = [*table["stage"].astype(str).iloc[1:], "the end"]
    table["to"] = table.get("to", pd.Series(following, index=table.index))
    table["label"] = [
        f"{words.percent(s)} to {words.name(t)}" for s, t in zip(table["share"], table["to"], strict=True)
    ]
    table["count"] = [f"{n:,.0f}" for n in table["entered"]]
    chart = theme.layered(_funnel_layers(table), theme.WIDTH * 0.72, 54 * len(table))
    horizon = words.days(float(table["horizon"].iloc[0]))
    how = f"Pale: leads that entered the stage. Dark: those of them that moved on within {horizon}."
    return theme.headed(chart, _funnel_finding(table, horizon), how)


def _funnel_layers(table: pd.DataFrame) -> list[Any]:
    table = table.assign(moved=table["entered"] * table["share"])
    base = alt.Chart(theme.rounded(table))
    order = theme.in_order(table["stage"])
    y = theme.rows("stage", order)
    tips = ["stage:N", "to:N", *theme.tips(("entered", "reached", "share", "horizon"))]
    x = alt.X("entered:Q", axis=theme.amount_axis("Leads that entered", grid=True))
    pale = base.mark_bar(size=32, color=theme.BLUES[0]).encode(x=x, y=y, tooltip=tips)
    dark = base.mark_bar(size=18, color=theme.BLUES[3]).encode(x="moved:Q", y=y, tooltip=tips)
    text = base.mark_text(align="left", dx=6, dy=-7, color=theme.INK, fontWeight=600).encode(
        x="entered:Q", y=y, text="label:N"
    )
    count = base.mark_text(align="left", dx=6, dy=8, color=theme.QUIET).encode(
        x="entered:Q", y=y, text="count:N"
    )
    return [pale, dark, text, count]


def _funnel_finding(table: pd.DataFrame, horizon: str) -> str:
    """Say where most leads stay behind: the largest number, not the smallest share."""
    behind = table["entered"] * (1 - table["share"])
    if not behind.max() > 0:
        return "Nobody stayed behind: there is nothing to compare yet"
    worst = table.iloc[int(np.nanargmax(behind.to_numpy(dtype=float)))]
    step = f"{words.name(worst['stage'])} to {words.name(worst['to'])}"
    text = (
        f"{words.percent(float(worst['share']))} move on within {horizon}, {behind.max():,.0f} leads do not"
    )
    return f"Most leads stay behind at {step}: {text}"


def incidence_chart(curves: pd.DataFrame) -> alt.FacetChart:
    """Draw, per stage, the share of leads that has left by each exit against days, fitted over observed.

    Args:
        curves: stage, exit, days, fitted, observed (Aalen-Johansen), low, high (its 95 % band); shares.
    """
    theme.need(curves, ("stage", "exit", "days", "fitted", "observed", "low", "high"), "incidence")
    table = theme.rounded(_thinned(curves))
    exits, stages = theme.in_order(table["exit"]), theme.in_order(table["stage"])
    base = alt.Chart().encode(color=theme.coloured("exit", exits, theme.CATEGORIES).legend(None))
    wide = alt.Scale(domain=[0, theme.six(1.3 * float(table["days"].max() or 1.0))], nice=False)
    x = alt.X(
        "days:Q", title="Days since entering the stage", axis=alt.Axis(tickCount=6, grid=True), scale=wide
    )
    y = alt.Y("low:Q", axis=theme.share_axis("Share that has left by this exit"))
    ends = (
        alt.Chart()
        .transform_filter(alt.datum.label != "")
        .mark_text(align="left", dx=5, fontSize=12, limit=110, color=theme.INK)
    )
    layers = [
        base.mark_area(opacity=0.18, interpolate="step-after", line=False).encode(x=x, y=y, y2="high:Q"),
        base.mark_line(interpolate="step-after", strokeWidth=1.2, opacity=0.9).encode(x=x, y="observed:Q"),
        base.mark_line(strokeWidth=2.6).encode(
            x=x, y="fitted:Q", strokeDash=theme.dashed("exit", exits).legend(None)
        ),
        ends.encode(x=x, y="label_at:Q", text="label:N"),
    ]
    panel = alt.layer(*layers, data=table).properties(width=int(theme.WIDTH / 2 - 30), height=190)
    facet = alt.Facet("stage:N", sort=stages, title=None)
    how = "Thick line: the fitted rates. Thin steps and band: what was counted (Aalen-Johansen, 95 % band)."
    how += " They should lie on each other."
    return theme.headed(panel.facet(facet=facet, columns=2), _incidence_finding(curves), how)


def _thinned(curves: pd.DataFrame) -> pd.DataFrame:
    """Return at most `MOST_STEPS` evenly chosen rows of each curve; its last one bears the exit's name."""
    pieces = []
    for _, curve in curves.groupby(["stage", "exit"], sort=False):
        ordered = curve.sort_values("days", kind="stable")
        chosen = np.unique(np.linspace(0, len(ordered) - 1, MOST_STEPS).round().astype(int))
        label = [""] * (len(chosen) - 1) + [words.name(ordered["exit"].iloc[-1])]
        pieces.append(ordered.iloc[chosen].assign(label=label))
    columns = ["stage", "exit", "days", "fitted", "observed", "low", "high", "label"]
    table = pd.concat(pieces, ignore_index=True)[columns]
    return table.assign(label_at=_apart(table, 0.07 * float(table["high"].max())))


def _apart(table: pd.DataFrame, gap: float) -> pd.Series[float]:
    """Return where to write each label: at the end of its line, but `gap` above the label below it."""
    place = table["fitted"].astype(float).copy()
    for _, ends in table[table["label"] != ""].groupby("stage"):
        lowest = -np.inf
        for row in ends["fitted"].sort_values(kind="stable").index:
            place[row] = lowest = max(place[row], lowest + gap)
    return place


def _incidence_finding(curves: pd.DataFrame) -> str:
    gap = (curves["fitted"] - curves["observed"]).abs()
    if not gap.notna().any():
        return "Nothing was observed to compare the fitted rates with"
    worst = curves.iloc[int(np.nanargmax(gap.to_numpy(dtype=float)))]
    when = words.days(float(worst["days"]))
    where = f"{words.name(worst['stage'])} to {words.name(worst['exit'])} at {when}"
    points = words.digits(100 * float(gap.max()), 2)
    return f"The fitted rates miss what was counted by at most {points} points ({where})"


def dwell_chart(times: pd.DataFrame) -> alt.LayerChart:
    """Draw how long leads stay in each stage: the middle half, the middle 80 % and the median.

    Args:
        times: stage, and days by which that share has left: "0.10", "0.25", "0.50", "0.75", "0.90"
            (nan where so many have never left), and optionally leads.
    """
    theme.need(times, ("stage", "0.10", "0.25", "0.50", "0.75", "0.90"), "dwell")
    furthest = float(
        np.nanmax(times[["0.10", "0.25", "0.50", "0.75", "0.90"]].to_numpy(dtype=float), initial=1.0)
    )
    table = theme.rounded(_dwell_rows(times, furthest))
    axis = theme.day_axis("Days in the stage (widely spaced near zero)", furthest, grid=True)
    y = theme.rows("stage", theme.in_order(times["stage"]))
    base = alt.Chart(table)
    x = alt.X("low80:Q", axis=axis, scale=theme.day_scale())
    tips = ["stage:N", *theme.tips(("low80", "low50", "median", "high50", "high80"))]
    layers = [
        base.mark_bar(size=10, color=theme.BLUES[0]).encode(x=x, x2="high80:Q", y=y, tooltip=tips),
        base.mark_bar(size=20, color=theme.BLUES[2]).encode(x="low50:Q", x2="high50:Q", y=y, tooltip=tips),
        base.mark_tick(size=26, thickness=3, color=theme.INK).encode(x="median:Q", y=y, tooltip=tips),
        base.mark_text(dy=-22, color=theme.INK, fontWeight=600).encode(x="median:Q", y=y, text="label:N"),
        base.mark_text(align="left", dx=5, color=theme.QUIET).encode(x="high80:Q", y=y, text="open_end:N"),
    ]
    chart = theme.layered(layers, theme.WIDTH * 0.85, 58 * len(times))
    how = "Black: median. Dark: the middle half of leads. Pale: the middle 80 %."
    how += " Arrow: so many never left that the end is not known." if times["0.90"].isna().any() else ""
    return theme.headed(chart, _dwell_finding(times), how)


def _dwell_rows(times: pd.DataFrame, furthest: float) -> pd.DataFrame:
    known = {
        new: times[old].astype(float)
        for new, old in {"low80": "0.10", "low50": "0.25", "median": "0.50"}.items()
    }
    table = pd.DataFrame({"stage": times["stage"]} | known)
    table["high50"], table["high80"] = times["0.75"].fillna(furthest), times["0.90"].fillna(furthest)
    table["label"] = [words.days(value) if np.isfinite(value) else "" for value in table["median"]]
    table["open_end"] = ["\N{RIGHTWARDS ARROW}" if missing else "" for missing in times["0.90"].isna()]
    return table


def _dwell_finding(times: pd.DataFrame) -> str:
    if not times["0.50"].notna().any():
        return "In no stage has half of the leads left yet"
    slow = times.iloc[int(np.nanargmax(times["0.50"].to_numpy(dtype=float)))]
    half = words.days(float(slow["0.50"]))
    text = f"Leads wait longest in {words.name(slow['stage'])}: half leave within {half}"
    late = float(slow["0.90"])
    return f"{text}, one in ten stays longer than {words.days(late)}" if np.isfinite(late) else text


def age_chart(
    deals: pd.DataFrame, percentiles: pd.DataFrame | None = None, currency: str = ""
) -> alt.LayerChart:
    """Draw every open deal at its age in its stage, with the ages at which winners had moved on.

    Beyond 1,500 deals, those of like age in one stage are drawn as one mark that is larger.

    Args:
        deals: stage, age (days), zombie (bool), and optionally value.
        percentiles: stage, half (age in days at which half of the later winners had left the stage),
            and optionally ninety (nine in ten).
        currency: three letters, "" where none is stated.
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
    title = "Deals" if grouped else words.titled("Amount", currency)
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


PARTS = ("counted", "fitted", "level", "expected")


def intake_chart(blocks: pd.DataFrame) -> alt.LayerChart:
    """Draw leads per block of days: counted, fitted, the level behind them, and those to come as a fan.

    Args:
        blocks: block (0 is the first to come, -1 the latest past one), counted (nan to come), expected, low
            and high (nan in the past; the middle 80 %), level, and season (a factor), and how many days a
            block lasts.
    """
    theme.need(blocks, ("block", "counted", "expected", "low", "high", "level", "season", "days"), "intake")
    table = blocks.assign(fitted=blocks["level"] * blocks["season"])
    lines = table.melt("block", list(PARTS), "part", "leads").dropna(subset="leads")
    colour = theme.coloured("part", PARTS, [theme.HAPPENED, theme.BLUES[2], theme.ACCENT, theme.BLUES[3]])
    x = alt.X("block:Q", title=f"Blocks of {int(blocks['days'].iloc[0])} days from today (0 is the next)")
    y = alt.Y("leads:Q", axis=theme.amount_axis("Leads in a block", grid=True))
    base = alt.Chart(theme.rounded(lines))
    coming = alt.Chart(theme.rounded(table[["block", "low", "high"]].dropna()))
    layers = [
        coming.mark_area(color=theme.BLUES[0], opacity=0.7).encode(x=x, y=alt.Y("low:Q"), y2="high:Q"),
        base.transform_filter(alt.datum.part != PARTS[0])
        .mark_line(strokeWidth=2)
        .encode(x=x, y=y, color=colour, strokeDash=theme.dashed("part", PARTS)),
        base.transform_filter(alt.datum.part == PARTS[0])
        .mark_point(filled=True, size=45, opacity=1)
        .encode(x=x, y=y, color=colour),
    ]
    how = "Dots: leads that came. Fitted: the level times the season. Band: where 80 of 100 futures fall."
    return theme.headed(theme.layered(layers, theme.WIDTH, 300), _intake_finding(table), how)


def _intake_finding(table: pd.DataFrame) -> str:
    """Say what is expected next, beside the latest block."""
    past, coming = table[table["counted"].notna()], table[table["expected"].notna()]
    if past.empty or coming.empty:
        return "No block of days is known on both sides of today"
    last, following = float(past["counted"].iloc[-1]), coming.iloc[0]
    text = f"{following['expected']:,.0f} new leads are expected next, {last:,.0f} came last"
    return f"{text}; 80 of 100 times it will be {following['low']:,.0f} to {following['high']:,.0f}"


def people_chart(people: pd.DataFrame) -> alt.LayerChart:
    """Draw each person's wins over those of such leads in all hands, shrunken, with the 95 % interval.

    Args:
        people: owner, skill, low, high, verdict (above, below, too few or ""), wins, expected.
    """
    theme.need(people, ("owner", "skill", "low", "high", "verdict", "wins", "expected"), "people")
    table = people[["owner", "skill", "low", "high", "wins", "expected"]].copy()
    table["owner"] = table["owner"].map(words.name)
    table["told"] = people["verdict"].map(TOLD).fillna(TOLD[""]).to_numpy()
    base, y = alt.Chart(theme.rounded(table)), theme.rows("owner", list(dict.fromkeys(table["owner"])))
    kinds = list(dict.fromkeys(TOLD.values()))
    colour = theme.coloured("told", kinds, [theme.BLUES[3], theme.ACCENT, "#9a9a9a", "#d0d0d0"])
    axis = alt.Axis(title="Wins over those of such leads in all hands", grid=True, tickCount=6)
    tips = ["owner:N", *theme.tips(("skill", "low", "high", "wins", "expected"))]
    line = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", axis=axis, scale=alt.Scale(zero=False)), x2="high:Q", y=y, color=colour, tooltip=tips
    )
    dot = base.mark_point(filled=True, size=110, opacity=1).encode(
        x="skill:Q", y=y, color=colour, shape=theme.shaped("told", kinds), tooltip=tips
    )
    alike = alt.Chart(pd.DataFrame({"one": [1.0]})).mark_rule(color=theme.INK).encode(x="one:Q")
    chart = theme.layered([alike, line, dot], theme.WIDTH * 0.66, 34 * len(table))
    odd = people[people["verdict"].isin(["above", "below"])]
    names = ", ".join(words.name(name) for name in odd["owner"])
    finding = f"Beyond luck: {names}" if names else "By results nobody can be told apart"
    how = "Mark: shrunk to 1 as far as luck asks. Line: 95 % interval. Each beside his own mix of leads."
    return theme.headed(chart, finding, how)
