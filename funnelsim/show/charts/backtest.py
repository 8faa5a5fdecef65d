"""Pictures of a forecast's record: what was said, what happened, and whether it beat simpler ways."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.show import words
from funnelsim.show.charts import theme
from funnelsim.show.charts.fan import bands

BINS = 10
FEWEST = 10
SIDES = ("better", "worse", "could be luck")
CAUGHT = ("inside the 80 % band", "outside")


def record_chart(record: pd.DataFrame, currency: str = "", measure: str = "revenue") -> alt.LayerChart:
    """Draw what each past forecast said, as bands, and what then happened, as a point.

    Args:
        record: period (named), start (date), actual, and quantiles "0.01".."0.99"; one row per origin, all
            of one horizon.
        currency: three letters, "" where none is stated.
        measure: "revenue" or "wins".
    """
    theme.need(record, ("period", "start", "actual", "0.10", "0.50", "0.90"), "backtest_fan")
    unit = currency if measure == "revenue" else measure
    table = record.sort_values("start", kind="stable").assign(
        period=lambda rows: rows["period"].map(words.name)
    )
    order = theme.in_order(table["period"])
    inside = (table["actual"] >= table["0.10"]) & (table["actual"] <= table["0.90"])
    x = alt.X("period:N", sort=order, axis=theme.period_axis(order))
    actual = pd.DataFrame(
        {"period": table["period"], "actual": table["actual"], "caught": np.where(inside, *CAUGHT)}
    )
    caught = alt.Fill(
        "caught:N", title=None, scale=alt.Scale(domain=list(CAUGHT), range=[theme.INK, theme.ACCENT])
    )
    shape = theme.shaped("caught", CAUGHT)
    points = alt.Chart(theme.rounded(actual)).mark_point(
        filled=True, size=80, opacity=1, stroke=theme.PAPER, strokeWidth=1
    )
    dots = points.encode(
        x=x,
        y="actual:Q",
        fill=caught,
        shape=shape,
        tooltip=["period:N", "caught:N", *theme.tips(("actual",))],
    )
    chart = theme.layered([_record_bands(table, x, unit), dots], theme.WIDTH, 320)
    known = int(table["actual"].notna().sum())
    finding = f"{int(inside.sum())} of {known} times what happened lay inside the 80 % band of its forecast"
    finding = finding if known else "Nothing has happened yet that a forecast could be compared with"
    how = "Bands: what was forecast, from the data known then. Marks: what happened."
    how += " About eight in ten marks should lie inside the 80 % band."
    return theme.headed(chart, finding, how)


def _record_bands(table: pd.DataFrame, x: alt.X, unit: str) -> Any:
    """Return the nested bands of every period and their medians."""
    wide = bands(table)
    pieces = [
        pd.DataFrame({"band": b, "period": table["period"], "low": table[lo], "high": table[hi]})
        for b, (lo, hi) in wide.items()
    ]
    count = len(table)
    y = alt.Y("low:Q", axis=theme.amount_axis(theme.measured(unit)))
    base = alt.Chart(theme.rounded(pd.concat(pieces, ignore_index=True)))
    colour = theme.coloured("band", list(wide), theme.BLUES)
    sizes = zip(wide, (0.34, 0.54, 0.74), strict=False)
    layers: list[Any] = [
        base.transform_filter(alt.datum.band == band)
        .mark_bar(size=theme.bar_width(count, size))
        .encode(x=x, y=y, y2="high:Q", color=colour)
        for band, size in sizes
    ]
    middle = alt.Chart(theme.rounded(table[["period", "0.50"]].rename(columns={"0.50": "median"})))
    tick = middle.mark_tick(color=theme.PAPER, thickness=2, size=theme.bar_width(count, 0.74))
    return alt.layer(*layers, tick.encode(x=x, y="median:Q"))


def pit_chart(record: pd.DataFrame) -> alt.LayerChart:
    """Draw how often what happened fell into each tenth of the forecast distribution.

    Args:
        record: pit, one value of 0-1 per forecast: the forecast probability of at most what happened.
    """
    theme.need(record, ("pit",), "pit")
    values = record["pit"].dropna().to_numpy(dtype=float)
    counts, edges = np.histogram(values, bins=BINS, range=(0.0, 1.0))
    low, high = _binomial_band(len(values), 1 / BINS)
    table = theme.rounded(
        pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": counts.astype(float), "zero": 0.0})
    )
    line = theme.rounded(pd.DataFrame({"expected": [len(values) / BINS], "low": [low], "high": [high]}))
    x = alt.X(
        "low:Q",
        axis=theme.share_axis("Where in the forecast distribution it fell"),
        scale=alt.Scale(domain=[0, 1]),
    )
    y = alt.Y("count:Q", title="Forecasts", axis=alt.Axis(tickMinStep=1))
    bars = (
        alt.Chart(table)
        .mark_bar(color=theme.BLUES[2], stroke=theme.PAPER, binSpacing=1)
        .encode(x=x, x2="high:Q", y=y, y2="zero:Q")
    )
    band = alt.Chart(line).mark_rect(color=theme.INK, opacity=0.1).encode(y="low:Q", y2="high:Q")
    rule = (
        alt.Chart(line).mark_rule(color=theme.INK, strokeDash=[6, 3], strokeWidth=1.6).encode(y="expected:Q")
    )
    chart = theme.layered([band, bars, rule], theme.WIDTH * 0.7, 240)
    how = "Dashed: what a perfect forecast gives; grey: its range of luck in nine of ten cases."
    how += " High ends: bands too narrow. High middle: too wide. A slope: bias."
    return theme.headed(chart, _pit_finding(counts), how)


def _binomial_band(number: int, share: float) -> tuple[float, float]:
    """Return the counts between which 90 % of binomial luck falls."""
    from scipy.stats import binom

    low, high = binom.ppf([0.05, 0.95], max(number, 1), share)
    return float(low), float(high)


def _pit_finding(counts: NDArray[np.int64]) -> str:
    number = int(counts.sum())
    if number < FEWEST:
        return f"{number} forecasts are too few to judge whether the bands are right"
    upper, half = int(counts[BINS // 2 :].sum()), _binomial_band(number, 0.5)
    if not half[0] <= upper <= half[1]:
        side = "above" if upper > half[1] else "below"
        share = upper if side == "above" else number - upper
        return f"Biased: {share} of {number} times what happened was {side} the forecast median"
    ends, tails = int(counts[0] + counts[-1]), _binomial_band(number, 2 / BINS)
    outer = f"the outer fifth of the forecast ({number / 5:.0f} expected)"
    if ends > tails[1]:
        return f"Too sure: {ends} of {number} times what happened fell into {outer}"
    if ends < tails[0]:
        return f"Not sure enough: only {ends} of {number} times what happened fell into {outer}"
    return f"No sign that the bands were too narrow, too wide or biased, in {number} forecasts"


def coverage_chart(record: pd.DataFrame) -> alt.LayerChart:
    """Draw how often the bands held what happened, against what they promised.

    Args:
        record: nominal (promised share), covered (observed share), low, high (90 % binomial range of
            the observed share when the promise is true), n (forecasts), and optionally method.
    """
    theme.need(record, ("nominal", "covered", "low", "high", "n"), "coverage")
    table = record.assign(band=[words.percent(float(p)) for p in record["nominal"]])
    table["label"] = [words.percent(float(p)) for p in table["covered"]]
    held = (table["covered"] >= table["low"]) & (table["covered"] <= table["high"])
    order = theme.in_order(table["band"])
    base = alt.Chart(theme.rounded(table))
    y = theme.rows("band", order, "Promised")
    x = alt.X(
        "low:Q",
        axis=theme.share_axis("Share of forecasts whose band held what happened"),
        scale=alt.Scale(domain=[0, 1]),
    )
    layers = [
        base.mark_bar(size=18, color=theme.GRID).encode(x=x, x2="high:Q", y=y),
        base.mark_tick(size=30, thickness=2.5, color=theme.INK).encode(x="nominal:Q", y=y),
        base.mark_point(filled=True, size=110, color=theme.BLUES[3], opacity=1).encode(x="covered:Q", y=y),
        base.mark_text(dy=-23, fontWeight=600, color=theme.BLUES[3]).encode(
            x="covered:Q", y=y, text="label:N"
        ),
    ]
    chart = theme.layered(layers, theme.WIDTH * 0.8, 62 * len(order))
    number = int(table["n"].max())
    says = (
        "all within the range of luck"
        if held.all()
        else f"{int((~held).sum())} of {len(held)} outside the range of luck"
    )
    said = ", ".join(
        f"{covered} for {band}" for covered, band in zip(table["label"], table["band"], strict=True)
    )
    how = "Line: promised. Dot: observed. Grey: where nine of ten dots fall if the promise is true."
    return theme.headed(chart, f"Bands held what happened {said}: {says} ({number} forecasts)", how)


def skill_chart(record: pd.DataFrame) -> alt.LayerChart:
    """Draw how much smaller the forecast's error is than that of each simpler way.

    Args:
        record: baseline, skill (1 - our CRPS / its CRPS), low, high (interval of the skill).
    """
    theme.need(record, ("baseline", "skill", "low", "high"), "skill")
    table = record.dropna(subset="skill").sort_values("skill", ascending=False, kind="stable")
    theme.need(table, (), "skill")
    table = table.assign(
        sure=lambda rows: np.select([rows["low"] > 0, rows["high"] < 0], SIDES[:2], SIDES[2])
    )
    table["label"] = [words.percent(float(value)) for value in table["skill"]]
    base = alt.Chart(theme.rounded(table))
    order = theme.in_order(table["baseline"])
    y = theme.rows("baseline", order)
    colour = theme.coloured("sure", SIDES, [theme.BLUES[3], theme.ACCENT, "#8a8a8a"])
    shape = theme.shaped("sure", SIDES)
    x = alt.X("low:Q", axis=theme.share_axis("How much smaller our error is (CRPS skill)", grid=True))
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=theme.INK).encode(x="zero:Q")
    layers = [
        zero,
        base.mark_rule(strokeWidth=3).encode(x=x, x2="high:Q", y=y, color=colour),
        base.mark_point(filled=True, size=110, opacity=1).encode(x="skill:Q", y=y, color=colour, shape=shape),
        base.mark_text(dy=-13, color=theme.INK, fontWeight=600).encode(x="skill:Q", y=y, text="label:N"),
    ]
    chart = theme.layered(layers, theme.WIDTH * 0.75, 44 * len(table))
    beaten = int((table["low"] > 0).sum())
    ways = f"{beaten} of {len(table)} simpler ways"
    finding = f"The forecast beats {ways} beyond luck; its error is {_against(table)}"
    how = "Mark: skill; 0 is as good as the simpler way, 100 % is perfect."
    how += " Line: its interval; one that crosses 0 could be luck."
    return theme.headed(chart, finding, how)


def _against(table: pd.DataFrame) -> str:
    hardest = table.iloc[-1]
    size = float(hardest["skill"])
    side = "smaller" if size >= 0 else "larger"
    return f"{words.percent(abs(size))} {side} than that of the hardest, {words.name(hardest['baseline'])}"
