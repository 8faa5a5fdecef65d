"""Who comes, and when: open deals, leads that ways in bring, and leads that other leads refer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats, Integers, Words
from funnelsim.errors import FunnelError
from funnelsim.model.funnel import Draw
from funnelsim.model.model import Model, OpenDeals, amounts, expected
from funnelsim.simulation.jit import bare, inlined, kernel
from funnelsim.simulation.luck import (
    MOST_DAYS,
    MOST_REFERRALS,
    MOST_WAYS_IN,
    REFER,
    TICK,
    W64,
    born_lead,
    intake,
    on_grid,
    open_lead_numbers,
    poisson,
    referred_lead,
    shock,
    uniform,
    words,
)
from funnelsim.simulation.step import Rules, amount_of, birth_moment, duration_at


class Start(NamedTuple):
    """The leads that a run begins with, and how many come on each day.

    Args:
        lead, kind, age: (open,) open deals.
        worth: (open,) what each books when it earns a full share, as every forecast takes it.
        counts: (cells, days) leads that each way in brings.
        way: (cells,) kind of lead that each way in brings.
        same: (cells,) number of the way in by whose name its leads are known, and have their luck.
        clock: quantiles of the part of a calendar day at which leads come; empty: evenly.
        late: part of its calendar day at which day 0 begins.
    """

    lead: Words
    kind: Integers
    age: Floats
    worth: Floats
    counts: Integers
    way: Integers
    same: Integers
    clock: Floats
    late: float


class Families(NamedTuple):
    """Referrals as arrays: place that refers, stage entered, mean number, quantiles of delay end to end."""

    place: Integers
    stage: Integers
    mean: Floats
    delay: Floats
    cut: Integers


def start_of(model: Model, rules: Rules, days: float, deals: OpenDeals) -> Start:
    """Return the leads that a run of so many days begins with, and how many come on each day.

    Raises:
        FunnelError: more ways in, or more days, than a lead's identity has room for.
    """
    cells, whole = len(model.entries.cells), int(np.ceil(days))
    if cells > MOST_WAYS_IN or whole > MOST_DAYS:
        raise FunnelError(
            f"{cells} ways in over {days:g} days; at most {MOST_WAYS_IN} and {MOST_DAYS} can be simulated"
        )
    factor = shock(int(rules.seed), int(rules.replicate), model.entries.spread)
    mean = np.ascontiguousarray(factor * expected(model.entries, whole))
    same = np.array(model.entries.same or range(cells), dtype=np.int64)
    counts = _intake_of(rules, mean, same)
    stages = len(model.funnel.stages)
    way = np.array([cell.group * stages + cell.stage for cell in model.entries.cells], dtype=np.int64)
    kind, age = deals.group * stages + deals.stage, deals.age.astype(np.float64)
    late = on_grid((model.as_of - model.as_of.normalize()) / pd.Timedelta(days=1))
    return Start(
        open_lead_numbers(deals.name),
        kind,
        age,
        amounts(model, deals),
        counts,
        way,
        same,
        model.entries.clock,
        late,
    )


def _intake_of(rules: Rules, mean: Floats, same: Integers) -> Integers:
    """Return how many leads each way in brings on each day; those that share luck are never open at once."""
    together = np.zeros_like(mean)
    np.add.at(together, same, mean)
    counts: Integers = intake(rules.seed, rules.replicate, together)[same] * (mean > 0)
    return counts


def families_of(model: Model) -> Families:
    """Return a model's referrals as arrays.

    Raises:
        FunnelError: more referrals than a lead's identity has room for.
    """
    kinds = model.referrals
    if len(kinds) > MOST_REFERRALS:
        raise FunnelError(f"{len(kinds)} referrals; at most {MOST_REFERRALS} can be simulated")
    delay, cut = end_to_end([kind.delay for kind in kinds])
    return Families(
        np.array([kind.place for kind in kinds], dtype=np.int64),
        np.array([kind.stage for kind in kinds], dtype=np.int64),
        np.array([kind.mean for kind in kinds], dtype=np.float64), delay, cut,
    )  # fmt: skip


def end_to_end(draws: list[Draw]) -> tuple[Floats, Integers]:
    """Return the quantiles of draws end to end, and where each begins, shape (draws + 1,)."""
    sizes = [draw.quantiles.size for draw in draws]
    return np.concatenate([np.zeros(0), *(draw.quantiles for draw in draws)]), np.cumsum([0, *sizes])


@bare
def next_births(
    rules: Rules, start: Start, horizon: float, until: int, cursor: Integers,
    lead: Words, kind: Integers, now: Floats,
) -> int:  # fmt: skip
    """Fill arrays with the next leads that are born before the horizon, and return how many.

    Args:
        until: number of the first day that is beyond this filling.
        cursor: the last three are the day, way in and number of the next birth; moved on.
        lead, kind, now: filled from the beginning, as far as they reach.
    """
    count, room = 0, lead.size
    while count < room and cursor[1] < until:
        day, cell, number = cursor[1], cursor[2], cursor[3]
        if cell == start.way.size:
            cursor[1], cursor[2] = day + 1, 0
            continue
        more = min(start.counts[cell, day] - number, room - count)
        for i in range(more):
            lead[count + i] = born_lead(start.same[cell], day, number + i)
        for i in range(count, count + more):
            now[i] = birth_moment(rules, lead[i])
        if start.clock.size > 0:
            for i in range(count, count + more):
                part = min(duration_at(start.clock, now[i]), 1.0 - TICK) - start.late
                now[i] = part if part >= 0.0 else part + 1.0
        for i in range(count, count + more):
            now[i] += day
        for i in range(count, count + more):
            kind[i] = start.way[cell]
        if day + 1 > horizon:
            last = count + more
            for i in range(count, last):
                lead[count], now[count] = lead[i], now[i]
                count += now[i] < horizon
        else:
            count += more
        cursor[3] += more
        if cursor[3] == start.counts[cell, day]:
            cursor[2], cursor[3] = cell + 1, 0
    return count


@kernel
def all_births(rules: Rules, start: Start, horizon: float) -> tuple[Words, Integers, Floats]:
    """Return identity, kind and moment of every lead born before the horizon, by day and way in."""
    room, days = start.counts.sum(), start.counts.shape[1]
    lead, kind, now = np.zeros(room, dtype=np.uint64), np.zeros(room, dtype=np.int64), np.zeros(room)
    cursor = np.zeros(4, dtype=np.int64)
    count = 0
    while count < room and cursor[1] < days:
        count += next_births(rules, start, horizon, days, cursor, lead[count:], kind[count:], now[count:])
    return lead[:count], kind[:count], now[:count]


@bare
def worth_of(rules: Rules, start: Start, lead: W64, who: int, kind: int) -> float:
    """Return what a lead books when it earns a full share: an open deal its own, others one drawn."""
    if who < start.lead.size:
        return float(start.worth[who])
    return amount_of(rules, lead, rules.group[kind])


@kernel
def worths(rules: Rules, start: Start, lead: Words, kind: Integers) -> Floats:
    """Return what each lead of a run, open deals first, books when it earns a full share."""
    money = np.zeros(lead.size)
    for who in range(lead.size):
        money[who] = worth_of(rules, start, lead[who], who, kind[who])
    return money


@kernel
def brood_of(
    rules: Rules, families: Families, number: int, lead: W64, visit: int, moment: float
) -> tuple[Words, Floats]:
    """Return the leads, and the moments at which they come, that a lead refers by one kind of referral.

    Args:
        number: the kind of referral.
        lead, visit, moment: who enters the referring place, as its how-many-eth move, and when.
    """
    kinds = families.place.size
    first, _ = words(rules.seed, rules.replicate, lead, visit * kinds + number, REFER)
    count = poisson(families.mean[number], uniform(first))
    leads, moments = np.zeros(count, dtype=np.uint64), np.zeros(count)
    for child in range(count):
        leads[child] = referred_lead(lead, visit, number, child)
        moments[child] = moment + delay_of(rules, families, number, leads[child])
    return leads, moments


@inlined
def delay_of(rules: Rules, families: Families, number: int, lead: W64) -> float:
    """Return the days until a referred lead comes."""
    first, _ = words(rules.seed, rules.replicate, lead, 0, REFER)
    return duration_at(families.delay[families.cut[number] : families.cut[number + 1]], uniform(first))
