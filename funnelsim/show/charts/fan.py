"""The revenue fan: what happened, what is expected, how sure that is, and the target."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from funnelsim.show import words
from funnelsim.show.charts import theme

HAPPENED = "happened"


def quantile_columns(frame: pd.DataFrame) -> list[str]:
    """Return the names of the columns that hold quantiles, ascending.

    >>> quantile_columns(pd.DataFrame(columns=["mean", "0.90", "0.10"]))
    ['0.10', '0.90']
    """
    texts = [str(column) for column in frame.columns if str(column)[:2] == "0." and str(column)[2:].isdigit()]
    return sorted(texts, key=float)


def bands(frame: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return the central bands that the frame's quantiles give: widest, 80 % and 50 %.

    The widest is 95 % where 0.025 and 0.975 are known, else 90 %: a band is never shown under another's name.

    >>> list(bands(pd.DataFrame(columns=["0.05", "0.10", "0.25", "0.50", "0.75", "0.90", "0.95"])))
    ['90 %', '80 %', '50 %']
    """
    wide = ("0.025", "0.975") if "0.025" in frame.columns else ("0.05", "0.95")
    named = {
        "95 %" if wide[0] == "0.025" else "90 %": wide,
        "80 %": ("0.10", "0.90"),
        "50 %": ("0.25", "0.75"),
    }
    return {label: ends for label, ends in named.items() if set(ends) <= set(frame.columns)}


def chance_of(row: pd.Series[Any], target: float) -> float:
    """Return the chance of at least `target`, read off a row of quantiles by straight lines between them.

    >>> chance_of(pd.Series({"0.10": 80.0, "0.50": 100.0, "0.90": 120.0}), 110.0)
    0.3
    """
    columns = quantile_columns(row.to_frame().T)
    amounts = row[columns].to_numpy(dtype=float)
    levels = np.array([float(column) for column in columns])
    return float(round(1 - np.interp(target, amounts, levels, left=0.0, right=1.0), 6))


def fan_chart(
    periods: pd.DataFrame,
    target: float | None = None,
    past: pd.DataFrame | None = None,
    widths: pd.DataFrame | None = None,
    currency: str = "",
    measure: str = "revenue",
) -> alt.LayerChart:
    """Draw the forecast of each period as nested bands beside what happened before, with the target.

    Args:
        periods: the forecast's periods frame: period, start, origin, measure, mean, quantiles "0.01".."0.99".
        target: what is wanted in each period, in the measure's unit.
        past: period, start, and a column named like the measure: what happened.
        widths: period, p_target; without it the chance is read off the quantiles.
        currency: three letters, "" where none is stated.
        measure: "revenue" or "wins".

    Raises:
        FunnelError: a column is missing or there is no row of the measure's total.
    """
    unit = currency if measure == "revenue" else measure
    table = _fan_table(periods, past, measure)
    total = total_rows(periods, measure)
    chances = _chances(total, target, widths)
    widest = next(iter(bands(periods)), "80 %").removesuffix(" %")
    how = f"Bands: where 50, 80 and {widest} of 100 futures fall. White line: median."
    how += " Dot and number: expected (mean)."
    layers = _fan_layers(table, total, chances, target, unit)
    if target is not None:
        layers.append(_target_line(target, unit))
        how += " Red: target, and the chance of reaching it."
    chart = theme.layered(layers, theme.WIDTH, 320)
    return theme.headed(chart, _fan_finding(total.iloc[0], target, chances, unit), how)


def total_rows(periods: pd.DataFrame, measure: str, origin: str = "total") -> pd.DataFrame:
    """Return one row per period of one origin, in time order."""
    rows = periods[(periods["origin"] == origin) & (periods["measure"] == measure)]
    return rows.sort_values("start", kind="stable").reset_index(drop=True)


def _fan_table(periods: pd.DataFrame, past: pd.DataFrame | None, measure: str) -> pd.DataFrame:
    """Return one row per mark, in time order: part, period, start, low, high."""
    theme.need(periods, ("period", "start", "origin", "measure", "mean", "0.50"), "fan")
    total, booked = total_rows(periods, measure), total_rows(periods, measure, "booked")
    theme.need(total, (), f"fan of {measure}")
    pieces = [_marks(total, label, low, high) for label, (low, high) in bands(periods).items()]
    pieces += [_marks(total, "median", "0.50", "0.50"), _marks(total, "mean", "mean", "mean")]
    pieces.append(_marks(booked[booked["mean"] > 0], HAPPENED, "mean", "mean").assign(low=0.0))
    if past is not None and len(past):
        theme.need(past, ("period", "start", measure), "fan, past")
        pieces.append(_marks(past, HAPPENED, measure, measure).assign(low=0.0))
    filled = [piece for piece in pieces if len(piece)]
    return pd.concat(filled, ignore_index=True).sort_values("start", kind="stable")


def _marks(rows: pd.DataFrame, part: str, low: str, high: str) -> pd.DataFrame:
    named = {"part": part, "period": rows["period"].map(words.name), "start": pd.to_datetime(rows["start"])}
    return pd.DataFrame(named | {"low": rows[low].astype(float), "high": rows[high].astype(float)})


def _fan_layers(
    table: pd.DataFrame, total: pd.DataFrame, chances: dict[str, float], target: float | None, unit: str
) -> list[Any]:
    """Return the bars of the past, the nested bands, and the marks of median and mean."""
    order = theme.in_order(table["period"])
    wide = [part for part in dict.fromkeys(table["part"]) if part.endswith("%")]
    x = alt.X("period:N", sort=order, axis=theme.period_axis(order))
    top = 1.16 * max(table["high"].max(), target or 0.0, 1e-9)
    y = alt.Y(
        "low:Q",
        axis=theme.amount_axis(theme.measured(unit)),
        scale=alt.Scale(domain=[theme.six(min(0.0, table["low"].min())), theme.six(top)]),
    )
    sizes = dict(zip(wide, (0.34, 0.54, 0.74), strict=False))
    shades = list(theme.BLUES[: len(wide)])
    if HAPPENED in set(table["part"]):
        sizes, shades = {HAPPENED: 0.6, **sizes}, [theme.HAPPENED, *shades]
    colour = theme.coloured("part", list(sizes), shades)
    base = alt.Chart(theme.rounded(table.drop(columns="start")))
    layers: list[Any] = [
        base.transform_filter(alt.datum.part == part)
        .mark_bar(size=theme.bar_width(len(order), size))
        .encode(
            x=x, y=y, y2="high:Q", color=colour, tooltip=["period:N", "part:N", *theme.tips(("low", "high"))]
        )
        for part, size in sizes.items()
    ]
    median = base.transform_filter(alt.datum.part == "median").mark_tick(
        color=theme.PAPER, thickness=2.5, size=theme.bar_width(len(order), 0.74)
    )
    return [*layers, median.encode(x=x, y=y), *_fan_labels(table, total, chances, x)]


def _fan_labels(table: pd.DataFrame, total: pd.DataFrame, chances: dict[str, float], x: alt.X) -> list[Any]:
    """Return the dot at the mean, its number above the bands, and the chance of the target above that."""
    periods = total["period"].map(words.name)
    rows = pd.DataFrame({"period": periods, "mean": total["mean"].astype(float)})
    rows["top"] = periods.map(table.groupby("period")["high"].max())
    rows["label"] = rows["mean"].map(words.short)
    rows["chance"] = [words.percent(chances[period]) if chances else "" for period in periods]
    base = alt.Chart(theme.rounded(rows))
    size = 12.5 if len(table["period"].unique()) <= 12 else 10
    dot = base.mark_point(filled=True, size=46, color=theme.PAPER, stroke=theme.INK, strokeWidth=1, opacity=1)
    text = base.mark_text(dy=-11, fontSize=size, fontWeight=600, color=theme.INK)
    chance = base.mark_text(dy=-27, fontSize=size, fontWeight=600, color=theme.ACCENT)
    y = alt.Y("top:Q")
    layers = [dot.encode(x=x, y="mean:Q"), text.encode(x=x, y=y, text="label:N")]
    return [*layers, chance.encode(x=x, y=y, text="chance:N")] if chances else layers


def _chances(total: pd.DataFrame, target: float | None, widths: pd.DataFrame | None) -> dict[str, float]:
    """Return the chance of the target for each period, from `widths` where it is known there."""
    if target is None:
        return {}
    chances = {words.name(row["period"]): chance_of(row, target) for _, row in total.iterrows()}
    if widths is not None and "p_target" in widths:
        known = widths.dropna(subset=["p_target"])
        chances |= dict(zip(known["period"].map(words.name), known["p_target"].astype(float), strict=True))
    return chances


def _target_line(target: float, unit: str) -> Any:
    """Return the dashed line of the target, named at its right end."""
    base = alt.Chart(pd.DataFrame({"target": [theme.six(target)]}))
    line = base.mark_rule(color=theme.ACCENT, strokeDash=[7, 4], strokeWidth=1.8).encode(y="target:Q")
    label = ["target", words.amount(target, unit)]
    text = base.mark_text(align="left", baseline="middle", color=theme.ACCENT, fontWeight=600, text=label)
    return line + text.encode(x=alt.value(theme.WIDTH + 6), y="target:Q")


def _fan_finding(first: pd.Series[Any], target: float | None, chances: dict[str, float], unit: str) -> str:
    period = words.name(first["period"])
    if not np.isfinite(float(first["mean"])):
        return f"{period}: no number can be said"
    expected = f"{period}: {words.amount(float(first['mean']), unit)} expected"
    if target is not None:
        return f"{expected}, {words.percent(chances[period])} chance to reach {words.amount(target, unit)}"
    low, high = words.short(float(first["0.10"])), words.amount(float(first["0.90"]), unit)
    return f"{expected}, and in 80 of 100 futures between {low} and {high}"
