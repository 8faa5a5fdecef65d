"""What is going on: alerts, deals to worry about, bottlenecks and people, as frames and sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import cast

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.cards import card
from funnelsim.errors import FunnelError
from funnelsim.forecasting.alerts import alert_words, alerts_of, mean_money, onward, watched_of
from funnelsim.forecasting.deals import (
    concentration_of,
    concentration_words,
    overdue_of,
    overdue_words,
    stakes_of,
    worries_of,
    worry_words,
)
from funnelsim.forecasting.forecast import Forecast, choose_engine
from funnelsim.forecasting.goals import goal_words, goals_of
from funnelsim.forecasting.people import people_of, people_words
from funnelsim.forecasting.periods import TOTAL
from funnelsim.forecasting.situation import Situation, after_run
from funnelsim.history.log import DAY, WINS, days_since
from funnelsim.history.metrics import Cohort, aalen_johansen, first_passage
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
from funnelsim.model.units import quantity
from funnelsim.show import words
from funnelsim.simulation.record import Run

FRAMES = (
    "alerts",
    "rises",
    "overdue",
    "worries",
    "concentration",
    "bottlenecks",
    "people",
    "pace",
    "onboarding",
    "goals",
)
SELECTED = 4.0  # deviations: by luck in one of 30,000 looks
NO_CHANCES = "Leads queue, refer or win often, or too many are open: nothing is known of the money at stake."
AT_STAKE_BY_DAY = "Prices change with the day of signing: nothing is known of the money at stake."
NO_ALERT = "No alert: nothing that is watched left its rates"
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


@dataclass(frozen=True)
class Signals:
    """What broke, what got better, and where leads wait for longer than stated.

    Args:
        span: the period that money at stake is told of.
        currency: of it, "" where none is stated.
        alerts, rises: see `alerts_of`.
        overdue: see `overdue_of`.
        said: sentences on each of these, by name.
        notes: what to beware of.
    """

    span: str
    currency: str
    alerts: pd.DataFrame
    rises: pd.DataFrame
    overdue: pd.DataFrame
    said: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()


def signals_of(place: Situation, span: str, mean: float, unit: str) -> Signals:
    """Return what broke, what got better and where leads wait, of a company or of a stated funnel's lives.

    Args:
        place: where it stands.
        span: period, or "total", that money at stake is told of.
        mean: money expected of it, nan where that is not known.
        unit: of the money in sentences.
    """
    watched = watched_of(place)
    alerts, doubts = without_selection(place, alerts_of(place, watched, span, mean))
    rises, overdue = alerts_of(place, watched, span, mean, rise=True), overdue_of(place)
    name, last = span_words(span), words.name(place.periods[-1].label)
    said = {
        "alerts": tuple(alert_words(alerts, unit, name, last)),
        "rises": tuple(alert_words(rises, unit, name, last, rise=True)),
        "overdue": tuple(overdue_words(overdue)),
    }
    return Signals(span, place.model.currency, alerts, rises, overdue, said, doubts)


def signals_of_run(run: Run) -> Signals | None:
    """Return the same of simulated lives held against what was stated; None of what is fitted to a record."""
    if run.model.counts is not None or not len(run.log):
        return None
    place = after_run(run)
    unit = place.model.currency if place.model.values.in_money else WINS
    return signals_of(place, place.periods[0].label, np.nan, unit)


def span_words(span: str) -> str:
    """Return what a span is called in sentences."""
    return "all periods together" if span == TOTAL else words.name(span)


@dataclass(frozen=True)
class Health:
    """What is going on, and what to do about it.

    Args:
        as_of: the moment up to which everything is known.
        currency: three letters, "" where none is stated.
        span: the period that money at stake is told of, or "total".
        target: money wanted in it, nan if none was stated.
        mean: money expected of it.
        overdue: see `overdue_of`: leads in each stage for longer than its `alert_after`.
        worries: see `worries_of`: open deals to worry about.
        rises: see `alerts_of`: good news: what rose, since when, how sure, and what it brings.
        alerts: see `alerts_of`: what fell, since when, how sure, and what it costs.
        bottlenecks: see `bottlenecks_of`: what moves the span's revenue most.
        concentration: see `concentration_of`: what is left without the largest deals.
        people: see `People.results`: each person's wins beside what such leads bring in all hands.
        pace: see `People.pace`: the same by stage, for leads that left it.
        onboarding: see `People.onboarding`: newcomers' wins by time since their first lead.
        goals: see `goals_of`: what a good period was for each person and team, and what is expected now.
        said: what to know of each of these, in sentences, by the name of its frame.
        notes: what to beware of.
    """

    as_of: pd.Timestamp
    currency: str
    span: str
    target: float
    mean: float
    alerts: pd.DataFrame
    bottlenecks: pd.DataFrame
    overdue: pd.DataFrame
    worries: pd.DataFrame
    concentration: pd.DataFrame
    people: pd.DataFrame
    pace: pd.DataFrame
    onboarding: pd.DataFrame
    goals: pd.DataFrame
    rises: pd.DataFrame
    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """Its tables by name, those that have rows."""
        every = {name: getattr(self, name) for name in FRAMES}
        return {name: frame for name, frame in every.items() if len(frame)}

    @property
    def sentences(self) -> tuple[str, ...]:
        """What to know first, most important first."""
        return tuple(chain.from_iterable(self.said.get(name, ()) for name in FRAMES))

    def alarm(self, level: float, share: bool) -> bool:
        """Return whether an alert puts so much money, or such a share of the span's mean, at stake.

        At level 0 any alert counts, also one whose cost is not known.
        """
        stake = self.alerts["share" if share else "stake"].to_numpy(dtype=np.float64)
        return len(stake) > 0 if level <= 0 else bool((stake >= level).any())

    def __str__(self) -> str:
        return " ".join(self.sentences) or "Nothing stands out."

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(str(self), self.worries[["lead", "stage", "value", "stake", "reason", "why"]])


def look(place: Situation, found: Forecast, *, draws: int = 200, seed: int = 1) -> Health:
    """Return what is going on in a company.

    Args:
        place: where it stands.
        found: its forecast, with the same draws and seed, so that no number is told in two ways.
        draws, seed: of the forecast.
    """
    stakes = stakes_of(place, found, draws=draws, seed=seed)
    span = found.widths["period"].iloc[0] if stakes is None else stakes.span
    rows, widths = found.with_total
    here = (rows["period"] == span) & (rows["measure"] == "revenue") & (rows["origin"] == "total")
    unit = found.currency if found.measure == "revenue" else WINS
    worries, concentration = worries_of(place, stakes), concentration_of(place, stakes)
    mean = float(rows.loc[here, "mean"].iloc[0])
    signals = signals_of(place, str(span), mean, unit)
    bottlenecks = bottlenecks_of(place, str(span))
    people, goals, said = people_of(place), goals_of(place, stakes), span_words(str(span))
    notes = [*found.silent, *signals.notes]
    if stakes is None and not found.silent and len(place.deals):
        notes.append(AT_STAKE_BY_DAY if place.model.values.signing else NO_CHANCES)
    return Health(
        found.as_of,
        found.currency,
        str(span),
        float(widths.set_index("period")["target"][span]),
        mean,
        signals.alerts,
        bottlenecks,
        signals.overdue,
        worries,
        concentration,
        people.results,
        people.pace,
        people.onboarding,
        goals,
        signals.rises,
        {
            **signals.said,
            "worries": tuple(worry_words(place, stakes, worries, unit, said)),
            "concentration": tuple(concentration_words(stakes, concentration, unit, said)),
            "bottlenecks": tuple(bottleneck_words(bottlenecks, unit, said)),
            "people": tuple(people_words(people)),
            "goals": tuple(goal_words(goals, place.periods[0].label, place.kind, found.currency)),
        },
        tuple(notes),
    )


def without_selection(place: Situation, alerts: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the alerts without those on intake that the export itself explains, and what is said instead.

    An export that holds leads once they are closed, or only those that were opened for a reason, lacks late
    leads: intake seems to fall, and of those that are there too many are closed already. How many should be
    is what earlier leads had closed by the same age (Aalen-Johansen); SELECTED deviations more are no luck.
    """
    history, off = place.history, alerts["kind"] == "intake"
    if history is None or not off.any():
        return alerts, ()
    came = history.events.drop_duplicates("lead")["at"]
    cohort = first_passage(history, None, history.won + history.lost + history.handed_over)
    if len(cohort.days) != len(came):
        return alerts, ()
    age = -days_since(came, history.until)
    late = age <= float((history.until - alerts.loc[off, "since"].min()) / DAY)
    earlier = Cohort(cohort.days[~late], cohort.cause[~late], cohort.since[~late])
    closed = aalen_johansen(earlier, 1)
    place_of = np.searchsorted(closed.days, age[late], side="right")
    chance = np.append(0.0, closed.share)[place_of]
    due, seen = float(chance.sum()), int((cohort.cause[late] == 1).sum())
    if not late.any() or seen - due <= SELECTED * np.sqrt(max(float((chance * (1 - chance)).sum()), 1.0)):
        return alerts, ()
    since = alerts.loc[off, "since"].min()
    note = (
        f"Few leads came since about {since:%Y-%m-%d}, but {seen:,} of these {int(late.sum()):,} are closed "
        f"already, where {due:,.0f} would be: the export seems to lack late leads that are open, so that "
        "this is no alarm. What is forecast of leads to come is too low; export open ones too."
    )
    return alerts[~off].reset_index(drop=True), (note,)


def level_said(text: str) -> tuple[float, bool]:
    """Return from which revenue at stake on an alert counts: a number, and whether it is a share of the mean.

    >>> level_said("any"), level_said("5%"), level_said("100k")
    ((0.0, False), (0.05, True), (100000.0, False))

    Raises:
        FunnelError: neither "any", nor a share, nor an amount.
    """
    plain = text.strip()
    if plain.casefold() == "any":
        return 0.0, False
    share = plain.endswith("%")
    try:
        number = quantity(plain.removesuffix("%").strip(), money=not share)
    except FunnelError:
        raise FunnelError(
            f"level '{text}': expected any, a share of what is expected such as 5%, or an amount such as 100k"
        ) from None
    return (number / 100, True) if share else (number, False)


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
