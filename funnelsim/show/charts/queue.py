"""Pictures of busy reps: who waits, for how long, and where the leads are day by day."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from funnelsim.show import words
from funnelsim.show.charts import theme

MOST_STEPS = 400
LEVELS = np.round(np.linspace(0.0, 1.0, 201), 3)


def queue_chart(days: pd.DataFrame) -> alt.VConcatChart:
    """Draw how many leads wait and how many reps are busy, day by day.

    Args:
        days: day (days since the as-of date, or a date), waiting (leads), busy and size (reps); one pool.
            A row holds until the next one.
    """
    theme.need(days, ("day", "waiting", "busy", "size"), "queue")
    table = theme.rounded(_evenly(days.sort_values("day", kind="stable")))
    base = alt.Chart(table).properties(width=theme.WIDTH)
    x = _day_channel(days)
    waiting = base.mark_area(
        interpolate="step-after", color=theme.BLUES[1], line={"color": theme.BLUES[3], "strokeWidth": 1.2}
    )
    upper = waiting.encode(x=x.title(None), y=alt.Y("waiting:Q", title="Leads that wait")).properties(
        height=170
    )
    y = alt.Y("busy:Q", title="Reps", axis=alt.Axis(tickMinStep=1))
    busy = base.mark_area(interpolate="step-after", color=theme.BLUES[2]).encode(x=x, y=y)
    size = base.mark_line(interpolate="step-after", color=theme.INK, strokeWidth=2, strokeDash=[6, 3]).encode(
        x=x, y="size:Q"
    )
    lower = alt.layer(busy, size).properties(height=110)
    how = "Above: leads in the queue. Below: reps at work (area) and reps on the team (dashed)."
    how += " An area that fills the team means a queue."
    return theme.headed(alt.vconcat(upper, lower, spacing=14), _queue_finding(days), how)


def _day_channel(days: pd.DataFrame) -> alt.X:
    if pd.api.types.is_datetime64_any_dtype(days["day"]):
        return alt.X("day:T", title="Date", axis=alt.Axis(tickCount=8))
    return alt.X("day:Q", title="Days from now", axis=alt.Axis(tickCount=8), scale=alt.Scale(nice=False))


def _evenly(days: pd.DataFrame) -> pd.DataFrame:
    """Return at most `MOST_STEPS` rows, evenly chosen."""
    chosen = np.unique(np.linspace(0, len(days) - 1, MOST_STEPS).round().astype(int))
    return days.iloc[chosen]


def _queue_finding(days: pd.DataFrame) -> str:
    """Say how busy the reps are and how long the queue is, as means over time."""
    held = days.sort_values("day", kind="stable")
    moment = held["day"]
    if pd.api.types.is_datetime64_any_dtype(moment):
        moment = (moment - moment.iloc[0]).dt.total_seconds()
    lasted = np.append(np.diff(moment.to_numpy(dtype=float)), 0.0)
    lasted = lasted if lasted.sum() > 0 else np.ones(len(held))
    waiting, busy, size = (float(np.average(held[c], weights=lasted)) for c in ("waiting", "busy", "size"))
    load = f"Reps are busy {words.percent(busy / size)} of the time" if size > 0 else "There are no reps"
    longest = f"{days['waiting'].max():,.0f}"
    return f"{load}; {words.digits(waiting)} leads wait on average, {longest} at worst"


def wait_chart(visits: pd.DataFrame) -> alt.LayerChart:
    """Draw the share of leads that wait longer than so many days, one line per group.

    Args:
        visits: wait (days), one row per lead served or given up, and optionally group (scenario, pool, or
            simulated and observed).
    """
    theme.need(visits, ("wait",), "waits")
    groups = visits["group"] if "group" in visits else pd.Series("all leads", index=visits.index)
    curves = [
        _tail(name, rows["wait"])
        for name, rows in visits.assign(group=groups.map(words.name)).groupby("group", sort=False)
    ]
    table = theme.rounded(pd.concat(curves, ignore_index=True))
    order = theme.in_order(table["group"])
    furthest = float(table["days"].max())
    x = alt.X(
        "days:Q",
        axis=theme.day_axis("Days of waiting (widely spaced near zero)", furthest, grid=True),
        scale=theme.day_scale(),
    )
    y = alt.Y("share:Q", axis=theme.share_axis("Share that waits longer"), scale=alt.Scale(domain=[0, 1]))
    colour = theme.coloured("group", order, theme.CATEGORIES)
    line = alt.Chart(table).mark_line(strokeWidth=2.6, interpolate="step-after")
    lines = line.encode(
        x=x,
        y=y,
        color=colour,
        strokeDash=theme.dashed("group", order),
        tooltip=["group:N", *theme.tips(("days", "share"))],
    )
    chart = theme.layered([lines], theme.WIDTH, 300)
    how = "Each point: the share of leads (up) that waits longer than these days (right)."
    how += " The lower the line, the shorter the waits."
    return theme.headed(chart, _waits_finding(visits.assign(group=groups)), how)


def _tail(group: object, wait: pd.Series[Any]) -> pd.DataFrame:
    return pd.DataFrame({"group": str(group), "days": np.quantile(wait, LEVELS), "share": 1 - LEVELS})


def _waits_finding(visits: pd.DataFrame) -> str:
    late = {
        words.name(group): float(rows["wait"].quantile(0.9))
        for group, rows in visits.groupby("group", sort=False)
    }
    if not max(late.values()) > 0:
        return f"Nine in ten leads do not wait at all; the longest wait is {words.days(visits['wait'].max())}"
    if len(late) == 1:
        at_once = words.percent(float((visits["wait"] <= 0).mean()))
        longer = words.days(next(iter(late.values())))
        return f"One lead in ten waits longer than {longer}; {at_once} do not wait at all"
    return "One lead in ten waits longer than " + ", ".join(
        f"{words.days(wait)} ({group})" for group, wait in list(late.items())[:3]
    )


def movement_chart(counts: pd.DataFrame) -> alt.FacetChart:
    """Draw, in one small panel per stage or end, how many leads are there on each day.

    Args:
        counts: stage (stages and ends), day, leads (there on that day), and optionally end (bool).
    """
    theme.need(counts, ("stage", "day", "leads"), "movement")
    pieces = [
        _evenly(rows.sort_values("day", kind="stable")) for _, rows in counts.groupby("stage", sort=False)
    ]
    order = theme.in_order(counts["stage"])
    last = pd.concat([piece.iloc[[-1]] for piece in pieces]).assign(
        label=lambda rows: [f"{n:,.0f}" for n in rows["leads"]]
    )
    table = theme.rounded(
        pd.concat(pieces)
        .merge(last[["stage", "day", "label"]], how="left", on=["stage", "day"])
        .fillna({"label": ""})
    )
    base = alt.Chart()
    y = alt.Y("leads:Q", axis=theme.amount_axis("Leads there"))
    area = base.mark_area(
        interpolate="step-after", color=theme.BLUES[1], line={"color": theme.BLUES[3], "strokeWidth": 1.4}
    )
    text = base.transform_filter(alt.datum.label != "").mark_text(
        align="right", dy=-8, fontWeight=600, color=theme.INK
    )
    x = _day_channel(counts)
    layers = [area.encode(x=x, y=y), text.encode(x=x, y="leads:Q", text="label:N")]
    panel = alt.layer(*layers, data=table).properties(width=185, height=110)
    facet = panel.facet(facet=alt.Facet("stage:N", sort=order, title=None), columns=3)
    open_now = last[~last["end"].astype(bool)] if "end" in last else last
    most = open_now.sort_values("leads", kind="stable").iloc[-1]
    finding = f"On the last day most leads are in {words.name(most['stage'])}: {most['leads']:,.0f}"
    how = "One panel per place; all share one scale. Height: leads that are there on that day."
    how += " Number: leads on the last day."
    return theme.headed(facet, finding, how)
