"""Where a forecast comes from, its width and luck, what scenarios or time change, where money should go."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from funnelsim.show import words
from funnelsim.show.charts import theme
from funnelsim.show.charts.fan import total_rows

ORIGINS = {"booked": "booked", "open": "open deals", "new": "leads not yet created"}
SURE = ("better", "worse", "could be luck")
NOW, BEST = "now", "best"
CHOICE = "choice of a plan"
BARS = 20  # few enough that a hundred runs show a shape, five to a bar
GAIN, LESS = "more", "less"
MARGIN = 0.08  # of the range, left and right of the bars, so that no label is cut


def split_chart(periods: pd.DataFrame, currency: str = "", measure: str = "revenue") -> alt.LayerChart:
    """Draw where each period's expected amount comes from: booked, open deals, leads not yet created.

    Args:
        periods: the forecast's periods frame, as for `fan`.
        currency: three letters, "" where none is stated.
        measure: "revenue" or "wins".
    """
    theme.need(periods, ("period", "start", "origin", "measure", "mean", "0.10", "0.90"), "split")
    unit = currency if measure == "revenue" else measure
    total = total_rows(periods, measure)
    theme.need(total, (), f"split of {measure}")
    stacked = _stacked(periods, measure)
    order = theme.in_order(total["period"])
    x = alt.X("period:N", sort=order, axis=theme.period_axis(order))
    bar = alt.Chart(theme.rounded(stacked)).mark_bar(
        size=theme.bar_width(len(order), 0.66, 150), stroke=theme.PAPER
    )
    shown = set(stacked.loc[stacked["mean"] > 0, "from"])
    blues = dict(zip(ORIGINS.values(), (theme.BLUES[3], theme.BLUES[2], theme.BLUES[0]), strict=True))
    names = [label for label in blues if label in shown] or list(blues)
    bars = bar.encode(
        x=x,
        y=alt.Y("low:Q", axis=theme.amount_axis(theme.measured(unit))),
        y2="high:Q",
        color=theme.coloured("from", names, [blues[label] for label in names]),
        tooltip=["period:N", "from:N", *theme.tips(("mean",))],
    )
    how = "Height: expected (mean). Number inside: its share of the period."
    how += " Black line: where the total falls in 80 of 100 futures."
    layers = [bars, *_split_labels(stacked, order), *_interval(total, x)]
    chart = theme.layered(layers, theme.WIDTH, 320)
    return theme.headed(chart, _split_finding(stacked, total, unit), how)


def _stacked(periods: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return one row per period and origin: from, mean, and where its piece of the bar begins and ends."""
    pieces = [
        total_rows(periods, measure, origin)[["period", "start", "mean"]].assign(**{"from": label})
        for origin, label in ORIGINS.items()
    ]
    table = pd.concat(pieces, ignore_index=True).sort_values("start", kind="stable")
    table["period"] = table["period"].map(words.name)
    table["high"] = table.groupby("period")["mean"].cumsum()
    table["low"] = table["high"] - table["mean"]
    table["share"] = table["mean"] / table.groupby("period")["mean"].transform("sum").replace(0.0, np.nan)
    return table.drop(columns="start").reset_index(drop=True)


def _split_labels(stacked: pd.DataFrame, order: list[str]) -> list[Any]:
    """Return the share of each piece, written left of the interval where it has room."""
    wide = theme.bar_width(len(order), 0.66, 150)
    if wide < 80:
        return []
    room = stacked[stacked["mean"] > 0.06 * stacked["high"].max()]
    room = room.assign(middle=(room["low"] + room["high"]) / 2, label=room["share"].map(words.percent))
    layers = []
    for colour, rows in room.groupby(
        (room["from"] == ORIGINS["new"]).map({True: theme.INK, False: theme.PAPER})
    ):
        base = alt.Chart(theme.rounded(rows[["period", "middle", "label"]]))
        text = base.mark_text(color=str(colour), dx=-wide / 2 + 8, align="left", fontSize=12.5)
        layers.append(text.encode(x=alt.X("period:N", sort=order), y="middle:Q", text="label:N"))
    return layers


def _interval(total: pd.DataFrame, x: alt.X) -> list[Any]:
    """Return the total's 80 % interval as a line with ends."""
    rows = pd.DataFrame(
        {"period": total["period"].map(words.name), "low": total["0.10"], "high": total["0.90"]}
    )
    base = alt.Chart(theme.rounded(rows)).encode(x=x)
    line = base.mark_rule(color=theme.INK, strokeWidth=2).encode(y="low:Q", y2="high:Q")
    ends = [
        base.mark_tick(color=theme.INK, thickness=2, width=14).encode(y=f"{end}:Q") for end in ("low", "high")
    ]
    return [line, *ends]


def _split_finding(stacked: pd.DataFrame, total: pd.DataFrame, unit: str) -> str:
    """Say for the first period where its money comes from, leaving out what gives nothing."""
    first = total.iloc[0]
    period = words.name(first["period"])
    shares = stacked[stacked["period"] == period].set_index("from")["share"].fillna(0.0)
    says = {
        "booked": "is booked",
        "open": "should come from open deals",
        "new": "from leads that do not exist yet",
    }
    parts = [
        f"{words.percent(float(shares[label]))} {says[key]}"
        for key, label in ORIGINS.items()
        if shares.get(label, 0.0) > 0
    ]
    if not np.isfinite(float(first["mean"])):
        return f"{period}: no number can be said"
    expected = words.amount(float(first["mean"]), unit)
    return (
        f"{period}: of {expected} expected, {', '.join(parts)}" if parts else f"{period}: nothing is in sight"
    )


def difference_chart(compared: pd.DataFrame, currency: str = "") -> alt.LayerChart:
    """Draw what each scenario changes, with its 80 % interval and the chance that it is better.

    Args:
        compared: scenario, period, difference, low, high, p_better (of revenue against the scenario
            without changes, whose own rows - difference and interval exactly zero - are left out).
        currency: three letters, "" where none is stated.
    """
    theme.need(compared, ("scenario", "period", "difference", "low", "high", "p_better"), "differences")
    table = _difference_rows(compared)
    drawn = theme.in_order(table["period"])
    order = [period for period in theme.in_order(compared["period"]) if period in drawn]
    rows = theme.in_order(table["row"])
    base = alt.Chart(theme.rounded(table).assign(verdict=table["verdict"]))
    y = theme.rows("row", rows)
    colour = theme.coloured("sure", list(SURE), [theme.BLUES[3], theme.ACCENT, "#9a9a9a"])
    shape = theme.shaped("sure", SURE)
    axis = theme.amount_axis(words.titled("Difference in revenue", currency), grid=True)
    tips = ["scenario:N", "period:N", "verdict:N", *theme.tips(("difference", "low", "high", "p_better"))]
    line = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", axis=axis), x2="high:Q", y=y, color=colour, tooltip=tips
    )
    dot = base.mark_point(filled=True, size=110, opacity=1).encode(
        x="difference:Q", y=y, color=colour, shape=shape, tooltip=tips
    )
    zero = (
        alt.Chart(pd.DataFrame({"zero": [0.0]}))
        .mark_rule(color=theme.INK, strokeWidth=1.2)
        .encode(x="zero:Q")
    )
    text = base.mark_text(align="left", color=theme.INK, fontSize=12).encode(
        x=alt.value(theme.WIDTH * 0.66 + 14), y=y, text="verdict:N"
    )
    chart = theme.layered([zero, line, dot, text], theme.WIDTH * 0.66, 38 * len(rows))
    how = "Mark: expected difference. Line: 80 % interval. In brackets: in how many futures it is better."
    how += " Both sides have the same luck and the same parameter draws: the gap is the scenario's."
    return theme.headed(chart, _difference_finding(table, order, currency), how)


def _difference_rows(compared: pd.DataFrame) -> pd.DataFrame:
    """Return the scenarios that change something, named and judged in words."""
    table = compared[["scenario", "period", "difference", "low", "high", "p_better"]].copy()
    table["futures"] = compared.get("futures", 100.0)
    table["p_mean"] = compared.get("p_mean", float("nan"))
    for name, error in (("difference", "error"), ("low", "low_error"), ("high", "high_error")):
        errors = compared.get(error, pd.Series(0.0, index=compared.index))
        table[name] = [words.to_error(value, off) for value, off in zip(table[name], errors, strict=True)]
    same = (compared["difference"] == 0) & (compared["low"] == 0) & (compared["high"] == 0)
    table = table if same.all() else table[~same]
    several = table["period"].nunique() > 1
    table["row"] = [
        f"{words.clean(s, words.LONGEST_NAME - len(p) - 2)}, {p}" if several else words.name(s)
        for s, p in zip(table["scenario"], table["period"], strict=True)
    ]
    pairs = zip(table["p_better"], table["futures"], table["p_mean"], strict=True)
    table["verdict"] = [words.judged(p, number, on_average) for p, number, on_average in pairs]
    edges = [table["p_better"] >= 0.8, table["p_better"] <= 0.2]
    table["sure"] = np.select(edges, SURE[:2], SURE[2])
    return table.reset_index(drop=True)


def _difference_finding(table: pd.DataFrame, order: list[str], currency: str) -> str:
    last = table[table["period"].map(words.name) == order[-1]]
    best = last.iloc[int(last["difference"].to_numpy().argmax())]
    low, high = (
        words.short(float(best["low"]), sign=True),
        words.money(float(best["high"]), currency, sign=True),
    )
    change = words.money(float(best["difference"]), currency, sign=True)
    judged = words.verdict(float(best["p_better"]), float(best["futures"]), float(best["p_mean"]))
    return (
        f"{words.name(best['scenario'])}: {change} in {order[-1]} (80 % interval {low} to {high}), {judged}"
    )


def swing_chart(swings: pd.DataFrame, planned: float, currency: str = "") -> alt.LayerChart:
    """Draw what a plan earns more than today if one lever is weak or strong: a tornado, widest on top.

    Args:
        swings: lever, weak, strong, at_weak, at_strong.
        planned: what it is expected to earn more with all levers as planned.
        currency: three letters, "" where none is stated.
    """
    theme.need(swings, ("lever", "weak", "strong", "at_weak", "at_strong"), "swings")
    table = swings.assign(lever=swings["lever"].map(words.name))
    y = theme.rows("lever", list(table["lever"]))
    axis = theme.amount_axis(words.titled("Net gain over the present plan", currency), grid=True)
    base = alt.Chart(theme.rounded(table))
    tips = ["lever:N", "at_weak:N", "at_strong:N", *theme.tips(("weak", "strong"))]
    bar = base.mark_bar(height=14, color=theme.BLUES[1]).encode(
        x=alt.X("weak:Q", axis=axis), x2="strong:Q", y=y, tooltip=tips
    )
    ends = [
        base.mark_point(filled=filled, size=90, color=theme.BLUES[3], opacity=1).encode(x=f"{end}:Q", y=y)
        for end, filled in (("weak", False), ("strong", True))
    ]
    marks = pd.DataFrame({"at": [0.0, float(planned)], "what": ["present plan", "as planned"]})
    lines = alt.Chart(marks).mark_rule(color=theme.INK, strokeWidth=1.2).encode(x="at:Q", tooltip="what:N")
    chart = theme.layered([bar, *ends, lines], theme.WIDTH * 0.66, 38 * len(table))
    how = (
        "Hollow: the lever weak (half its change, or the 10th percentile of what was fitted). Filled: strong."
    )
    how += " Lines: no gain, and the gain as planned."
    return theme.headed(chart, _swing_finding(table, planned, currency), how)


def _swing_finding(table: pd.DataFrame, planned: float, currency: str) -> str:
    first = table.iloc[0]
    low, high = sorted((float(first["weak"]), float(first["strong"])))
    told = f"{words.money(low, currency, sign=True)} to {words.money(high, currency, sign=True)}"
    return (
        f"It hangs most on '{first['lever']}': {told} (planned {words.money(planned, currency, sign=True)})"
    )


def luck_chart(runs: pd.DataFrame, currency: str = "", measure: str = "revenue") -> alt.LayerChart:
    """Draw in how many of many replications so much was booked, with their average.

    Args:
        runs: one row per replication, with a column named as the measure.
        currency: three letters, "" where none is stated.
        measure: "revenue" or "wins".
    """
    theme.need(runs, (measure,), "luck")
    unit, booked = currency if measure == "revenue" else measure, runs[measure].to_numpy(dtype=float)
    count, edges = np.histogram(booked, bins=BARS)
    bars = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "runs": count})
    x = alt.X("low:Q", axis=theme.amount_axis(theme.measured(unit)), scale=alt.Scale(zero=False))
    tips = [alt.Tooltip("runs:Q"), *theme.tips(("low", "high"))]
    base = alt.Chart(theme.rounded(bars)).mark_bar(color=theme.BLUES[1], stroke=theme.PAPER)
    y = alt.Y("runs:Q", title="Runs", axis=alt.Axis(tickMinStep=1))
    drawn = base.encode(x=x, x2="high:Q", y=y, y2=alt.datum(0), tooltip=tips)
    mean = theme.rounded(pd.DataFrame({"mean": [booked.mean()]}))
    line = alt.Chart(mean).mark_rule(color=theme.INK, strokeWidth=2, strokeDash=[6, 3]).encode(x="mean:Q")
    low, high = (words.amount(float(value), unit) for value in np.quantile(booked, (0.1, 0.9)))
    finding = f"{words.amount(float(booked.mean()), unit)} on average, and in 80 of 100 runs {low} to {high}"
    how = f"Each bar: how many of {len(booked):,} runs of the same plan ended there; only luck differs."
    how += " Dashed: their average."
    return theme.headed(theme.layered([drawn, line], theme.WIDTH, 240), finding, how)


def spread_chart(widths: pd.DataFrame) -> alt.LayerChart:
    """Draw how much of each period's uncertainty is chance, not knowing the rates, and the choice of a plan.

    Variances add up, standard deviations do not: the share of a part is its variance over the total's.

    Args:
        widths: period, chance, parameter, total (standard deviations) of a forecast; of a comparison also
            scenario. A parameter of nan: chance holds both.
    """
    theme.need(widths, ("period", "chance", "parameter", "total"), "spread")
    order = theme.in_order(widths["period"])
    table = _spread_rows(widths)
    base = alt.Chart(theme.rounded(table))
    y = theme.rows("period", order)
    kinds = list(dict.fromkeys(table["part"]))
    colour = theme.coloured("part", kinds, [theme.BLUES[3], theme.BLUES[1], theme.BLUES[0]])
    axis = theme.share_axis("Share of the variance of the period's revenue")
    bar = base.mark_bar(size=22, stroke=theme.PAPER).encode(
        x=alt.X("low:Q", axis=axis), x2="high:Q", y=y, color=colour
    )
    chart = theme.layered([bar], theme.WIDTH, 40 * len(order))
    how = "Chance: the noise floor, left over even if every rate were known."
    how += " Rates not known exactly: shrinks as more leads are seen."
    if "scenario" in widths:
        how += " Choice: how far plans lie apart, if all were equally likely."
    return theme.headed(chart, _spread_finding(table), how)


def _spread_finding(table: pd.DataFrame) -> str:
    first = table[table["period"] == table["period"].iloc[0]].set_index("part")
    share = first["high"] - first["low"]
    chance = f"{first['period'].iloc[0]}: {words.percent(float(share.iloc[0]))}"
    if CHOICE in share:
        choice = words.percent(float(share[CHOICE]))
        return f"{chance} of the uncertainty is {first.index[0]}; the choice of a plan is {choice}"
    return f"{chance} of the uncertainty is chance, which no better data can remove"


def _spread_rows(widths: pd.DataFrame) -> pd.DataFrame:
    """Return one row per period and part of the variance, as pieces of a bar from 0 to 1."""
    rows = []
    for row in widths.to_dict("records"):
        total = max(float(row["total"]) ** 2, 1e-12)
        chance = min(float(row["chance"]) ** 2 / total, 1.0)
        apart = bool(np.isfinite(row["parameter"]))
        known = min(chance + float(row["parameter"]) ** 2 / total, 1.0) if apart else chance
        parts = [("chance" if apart else "chance, and rates not known", 0.0, chance)]
        parts += [("rates not known exactly", chance, known)] if apart else []
        rest = CHOICE if "scenario" in row else "common to all deals of a period"
        parts += [(rest, known, 1.0)] if "scenario" in row or known < 0.98 else []
        rows += [
            {"period": words.name(row["period"]), "part": part, "low": low, "high": high}
            for part, low, high in parts
        ]
    return pd.DataFrame(rows)


def budget_chart(table: pd.DataFrame, currency: str = "") -> alt.LayerChart:
    """Draw each channel's spend now and in the best split, and what one more unit of money brings there.

    Args:
        table: channel, spend_now, spend_best (money of one window), return_now (revenue per extra unit of
            money at the spend of now), flag (text).
        currency: three letters, "" where none is stated.
    """
    theme.need(table, ("channel", "spend_now", "spend_best", "return_now", "flag"), "budget")
    ranked = table.sort_values("return_now", ascending=False, kind="stable").reset_index(drop=True)
    ranked["label"] = [
        f"{words.digits(back)} {currency}".rstrip() + (f"; {words.name(flag)}" if flag else "")
        for back, flag in zip(ranked["return_now"], ranked["flag"], strict=True)
    ]
    order = theme.in_order(ranked["channel"])
    y = theme.rows("channel", order)
    axis = theme.amount_axis(words.titled("Spend", currency), grid=True)
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
    how += f" At the right: what one more {currency or 'unit of money'} brings at the spend of now."
    return theme.headed(chart, _finding(ranked, currency), how)


def _finding(ranked: pd.DataFrame, currency: str) -> str:
    """Say where the next euro brings most and where least."""
    first, last = ranked.iloc[0], ranked.iloc[-1]
    back = f"{words.digits(float(first['return_now']))} {currency}".rstrip()
    unit = currency or "unit of money"
    if len(ranked) == 1:
        return f"One more {unit} for {words.name(first['channel'])} brings {back}"
    least = words.digits(float(last["return_now"]))
    best, worst = words.name(first["channel"]), words.name(last["channel"])
    return f"The next {unit} brings most in {best}: {back}; least in {worst}: {least}"


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
