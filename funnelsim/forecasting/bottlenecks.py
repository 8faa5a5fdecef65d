"""Bottlenecks: by how much the revenue of the coming periods moves with each stage, way in and team."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.forecasting.alerts import mean_money, onward
from funnelsim.forecasting.forecast import choose_engine
from funnelsim.forecasting.periods import TOTAL
from funnelsim.forecasting.situation import Situation
from funnelsim.model.levers import (
    DaysLever,
    EntriesLever,
    Lever,
    RateLever,
    RepsLever,
    Scenario,
    apply_scenario,
    named_for,
)
from funnelsim.model.model import Model
from funnelsim.show import words

# A step of a hundredth leaves an error of its square, 1e-4 of the elasticity. Lives are moved by a tenth,
# as fewer leads than that fall over the edge of a period in some dozen lives.
EXACT_STEP, LIVED_STEP = 0.01, 0.1
TEN_PERCENT = 0.1
COLUMNS = ("kind", "name", "elasticity", "gain", "busy", "wait", "work", "why")
SAID = {
    "conversion": "leads go on from {name} 10 % faster",
    "speed": "{name} takes 10 % less time",
    "intake": "10 % more leads come by {name}",
    "capacity": "there are 10 % more {name}",
}


def bottlenecks_of(place: Situation, span: str) -> pd.DataFrame:
    """Return what moves the revenue of a span most: conversion and speed of stages, intake, capacity.

    The elasticity is d log revenue / d log factor, by central differences from today on: of the rates of
    leading on from a stage, of its speed (all its exits, 1 / days), of leads that come in, of reps. Exact
    where leads do not queue; else by lives with the same luck, and the elasticity is rough.

    Returns:
        kind (conversion, speed, intake, capacity), name (stage, channel or pool), elasticity, gain (money of
        the span that 10 % more would bring, in proportion), busy (share of the working time of a pool that is
        worked), wait and work (mean days of a lead in line and in work there), why; largest first.
    """
    model = place.model
    if not model.funnel.earns:
        return pd.DataFrame(columns=list(COLUMNS))
    exact = choose_engine(model, None) == "exact"
    step = EXACT_STEP if exact else LIVED_STEP
    now = _money(model, place, span)
    if not now > 0:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = []
    for kind, name, up, down, width in _levers(model, step):
        gap = _under(place, up, span) - _under(place, down, span)
        rows.append((kind, name, gap / now / width))
    table = pd.DataFrame(rows, columns=["kind", "name", "elasticity"])
    table["gain"] = TEN_PERCENT * table["elasticity"] * now
    table[["busy", "wait", "work"]] = _at_work(place, table)
    table["why"] = [
        SAID[kind].format(name=words.name(name) or "all ways")
        for kind, name in zip(table["kind"], table["name"], strict=True)
    ]
    order = table["elasticity"].sort_values(ascending=False, kind="stable").index
    return table.loc[order, list(COLUMNS)].reset_index(drop=True)


def _levers(model: Model, step: float) -> Iterator[tuple[str, str, list[Lever], list[Lever], float]]:
    """Return what can be moved: kind, name, levers up and down, and by how much their logarithms differ."""
    funnel, up, down = model.funnel, math.exp(step / 2), math.exp(-step / 2)
    leads_on = onward(funnel, model.table)
    for stage, name in enumerate(funnel.stages):
        good = [place for place, on in zip(funnel.exits[stage], leads_on[stage], strict=False) if on]
        if good and len(good) < len(funnel.exits[stage]):
            ends = [[_rate(name, place, factor) for place in good] for factor in (up, down)]
            yield "conversion", name, ends[0], ends[1], step
        if funnel.exits[stage]:
            yield "speed", name, [_days(name, 1 / up)], [_days(name, 1 / down)], step
    channels = named_for("channel", model)
    for name in channels if len(channels) > 1 else ("",):
        yield "intake", name, [_leads(name, up)], [_leads(name, down)], step
    for pool in model.pools:
        size = int(pool.size[0])
        if size > 0:
            more, fewer = max(round(size * step), 1), min(max(round(size * step), 1), size - 1)
            levers = [[RepsLever(reps=pool.name, add=change)] if change else [] for change in (more, -fewer)]
            width = math.log((size + more) / (size - fewer))
            yield "capacity", pool.name, [*levers[0]], [*levers[1]], width


def _rate(stage: str, place: str, factor: float) -> Lever:
    return cast("Lever", RateLever(rate={stage: place}, multiply=factor))


def _days(stage: str, factor: float) -> Lever:
    return cast("Lever", DaysLever(days=stage, multiply=factor))


def _leads(channel: str, factor: float) -> Lever:
    return EntriesLever(entries=channel or "all", multiply=factor)


def _under(place: Situation, levers: list[Lever], span: str) -> float:
    return _money(apply_scenario(place.model, Scenario("moved", "", tuple(levers))), place, span)


def _money(model: Model, place: Situation, span: str) -> float:
    """Return the money expected of open leads and of leads to come in a span."""
    money: Floats = mean_money(model, place)
    return float(money.sum() if span == TOTAL else money[0])


def _at_work(place: Situation, table: pd.DataFrame) -> Floats:
    """Return, for each row, how busy a pool is, and the mean days in line and in work; nan for all others."""
    from funnelsim.simulation.run import run_model

    found = np.full((len(table), 3), np.nan)
    if not place.model.work:
        return found
    days = float((place.periods[-1].end - place.model.as_of) / pd.Timedelta(days=1))
    run = run_model(place.model, days, open_deals=place.deals)
    done = run.waits[run.waits["done"].notna()]
    for row, (kind, name) in enumerate(zip(table["kind"], table["name"], strict=True)):
        mine = done[(done["pool"] if kind == "capacity" else done["stage"]) == name]
        if kind == "intake" or mine.empty:
            continue
        found[row, 1:] = mine["wait"].mean(), (mine["done"] - mine["began"]).mean()
        if kind == "capacity":
            line = run.line(name)
            width = np.diff(line["day"].to_numpy(dtype=np.float64))
            busy, size = (line[column].to_numpy(dtype=np.float64)[:-1] for column in ("busy", "size"))
            found[row, 0] = float((busy * width).sum() / max(float((size * width).sum()), 1e-9))
    return found


def bottleneck_words(table: pd.DataFrame, unit: str, span: str) -> Iterator[str]:
    """Say which stage, and which other thing, moves the span's revenue most."""
    stages = table[table["kind"].isin(["conversion", "speed"])]
    for rows, lead in ((stages, "Of all stages"), (table[table["kind"] == "capacity"], "Of all teams")):
        if len(rows) and rows["elasticity"].iloc[0] > 0:
            first = rows.iloc[0]
            wait = f"; leads wait there for {words.days(first['wait'])}" if first["wait"] > 0 else ""
            yield (
                f"{lead}, {words.name(first['name'])} moves {span} most: "
                f"{words.amount(float(first['gain']), unit, sign=True)} where {first['why']}{wait}."
            )
