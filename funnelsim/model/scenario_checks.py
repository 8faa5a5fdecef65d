"""A change of a scenario, checked against a model and put into the model's own numbers."""

from __future__ import annotations

import datetime
from functools import singledispatch
from typing import Any

import numpy as np

from funnelsim.errors import FunnelError
from funnelsim.files import shown
from funnelsim.model import scenario_shapes as shapes
from funnelsim.model.entries import Change as IntakeLever
from funnelsim.model.levers import (
    Lever,
    RateLever,
    ReferralLever,
    RepsLever,
    SpendLever,
    ValueLever,
    WorkLever,
)
from funnelsim.model.model import Model
from funnelsim.model.units import day_number, known

Found = tuple[tuple[Lever, ...], tuple[str, ...]]


def resolved(change: shapes.AnyChange, model: Model) -> Found:
    """Return the levers of one change, and what to mind about them.

    Raises:
        FunnelError: a name or a date does not fit the model; begins with the key.
    """
    start, end, notes = _span(change, model)
    levers, more = _levers(change, model, start, end)
    return levers, notes + more


def _span(change: Any, model: Model) -> tuple[float, float, tuple[str, ...]]:
    """Return start and end (not included) in days since the as-of date; `to` is the last day that counts."""
    first: datetime.date | None = getattr(change, "from_", None)
    last: datetime.date | None = getattr(change, "to", None)
    if first is not None and last is not None and last < first:
        raise FunnelError(f"to: {last} is before 'from', {first}")
    start = day_number(first, model.as_of) if first is not None else 0.0
    end = day_number(last, model.as_of) + 1 if last is not None else np.inf
    if end <= 0:
        raise FunnelError(f"to: {last} is over: the model begins on {model.as_of:%Y-%m-%d}")
    notes = (f"from {first} is past; it acts from {model.as_of:%Y-%m-%d} on",) if start < 0 else ()
    return max(start, 0.0), end, notes


@singledispatch
def _levers(change: object, _model: Model, _start: float, _end: float) -> Found:
    raise TypeError(f"no lever: {change!r}")


@_levers.register
def _odds(change: shapes.OddsChange, model: Model, start: float, end: float) -> Found:
    return _one_exit(
        "odds", change.odds, change.multiply, _groups(change.segment, model), model, (start, end)
    ), ()


@_levers.register
def _rate(change: shapes.RateChange, model: Model, start: float, end: float) -> Found:
    return _one_exit(
        "rate", change.rate, change.multiply, _groups(change.segment, model), model, (start, end)
    ), ()


def _one_exit(
    kind: str,
    exits: dict[str, str],
    multiply: float,
    groups: tuple[int, ...],
    model: Model,
    span: tuple[float, float],
) -> tuple[RateLever, ...]:
    levers = []
    for name, place in exits.items():
        stage = model.funnel.stages.index(known(name, model.funnel.stages, kind, "stage"))
        ways = model.funnel.exits[stage]
        column = ways.index(known(place, ways, f"{kind}.{name}", "exit"))
        levers.append(RateLever(kind, stage, column, multiply, groups, *span))
    return tuple(levers)


@_levers.register
def _days(change: shapes.DaysChange, model: Model, start: float, end: float) -> Found:
    stage = model.funnel.stages.index(known(change.days, model.funnel.stages, "days", "stage"))
    return (RateLever("days", stage, -1, change.multiply, _groups(change.segment, model), start, end),), ()


def _groups(segment: str | None, model: Model) -> tuple[int, ...]:
    if segment is None:
        return tuple(range(len(model.groups)))
    return (model.groups.index(known(segment, model.groups, "segment", "segment")),)


@_levers.register
def _intake(change: shapes.EntriesChange, model: Model, start: float, end: float) -> Found:
    asked = {key: getattr(change, key) for key in ("channel", "stage", "segment")}
    ways = {key: _names(key, model) for key in asked}
    if change.entries != "all":
        everything = [name for names in ways.values() for name in names]
        known(change.entries, ["all", *everything], "entries", "channel, stage or segment")
        kind = next(key for key, names in ways.items() if change.entries in names)
        if sum(change.entries in names for names in ways.values()) > 1:
            raise FunnelError(
                f"entries: '{change.entries}' is more than one thing; write 'all' and '{kind}:'"
            )
        if asked[kind] is not None and asked[kind] != change.entries:
            raise FunnelError(f"{kind}: {shown(asked[kind])} contradicts 'entries: {change.entries}'")
        asked[kind] = change.entries
    for key, name in asked.items():
        if name is not None:
            known(name, ways[key], key, key)
    cells = _cells(model, asked)
    if not cells:
        wanted = " and ".join(f"{key} {shown(name)}" for key, name in asked.items() if name)
        raise FunnelError(f"entries: no leads enter by {wanted or 'any way'} in this model")
    return (IntakeLever(cells, start, end, change.multiply, change.add or 0.0),), ()


def _names(key: str, model: Model) -> tuple[str, ...]:
    """Return what a filter on the intake may name."""
    if key == "channel":
        return tuple(dict.fromkeys(cell.channel for cell in model.entries.cells if cell.channel))
    return model.funnel.stages if key == "stage" else model.groups


def _cells(model: Model, asked: dict[str, str | None]) -> tuple[int, ...]:
    chosen = []
    for number, cell in enumerate(model.entries.cells):
        stage, segment = model.funnel.stages[cell.stage], model.groups[cell.group]
        has = {"channel": cell.channel, "stage": stage, "segment": segment}
        if all(name is None or has[key] == name for key, name in asked.items()):
            chosen.append(number)
    return tuple(chosen)


@_levers.register
def _spend(change: shapes.SpendChange, model: Model, start: float, end: float) -> Found:
    channel = known(change.spend, _names("channel", model), "spend", "channel")
    found = next((spend for spend in model.entries.spend if spend.channel == channel), None)
    elasticity = change.elasticity if change.elasticity is not None else found.elasticity if found else None
    if elasticity is None:
        raise FunnelError(
            f"spend: how leads answer to money on '{channel}' is not known; "
            "give --spend FILE or add 'elasticity: 0.3'"
        )
    # Without today's spend only its change by a factor has a meaning, and then any unit will do.
    today = change.today if change.today is not None else found.per_day if found else None
    if not today and (change.add is not None or found is not None):
        raise FunnelError(f"spend: nothing is spent on '{channel}' today; add 'today: 12000 per month'")
    now, more = today or 1.0, change.add or 0.0
    if now * change.multiply + more < 0:
        raise FunnelError(f"add: {more:.2f} per day is more than is spent on '{channel}', {now:.2f} per day")
    ratio = (now * change.multiply + more) / now
    cells = _cells(model, {"channel": channel})
    lag = found.lag_days if found else 0.0
    lever = SpendLever(channel, cells, now, elasticity, change.multiply, more, start, end, lag)
    far = f"{ratio:.2f} times today's spend on '{channel}' is outside 0.5 to 2: extrapolation"
    return (lever,), () if 0.5 <= ratio <= 2 else (far,)


@_levers.register
def _value(change: shapes.ValueChange, model: Model, start: float, end: float) -> Found:
    del start, end
    names = known(change.value, ["all", *model.groups], "value", "segment")
    groups = _groups(None if names == "all" and "all" not in model.groups else names, model)
    return (ValueLever(groups, change.multiply),), ()


@_levers.register
def _reps(change: shapes.RepsChange, model: Model, start: float, end: float) -> Found:
    if not model.pools:
        raise FunnelError("reps: this model has no pools of reps; their waits are in its days")
    names = [pool.name for pool in model.pools]
    pool = names.index(known(change.reps, names, "reps", "pool"))
    if (change.add is None) == (change.set is None):
        raise FunnelError("reps: expected either 'add' or 'set'")
    if change.ramp and (change.add is None or change.add < 0):
        raise FunnelError("ramp: only reps that come ('add', above 0) have one")
    return (RepsLever(pool, change.add or 0, change.set, change.ramp, start, end),), ()


@_levers.register
def _referrals(change: shapes.ReferralsChange, model: Model, start: float, end: float) -> Found:
    del start, end
    places = [model.funnel.places[referral.place] for referral in model.referrals]
    known(change.referrals, ["all", *places] if places else [], "referrals", "place that refers")
    chosen = tuple(i for i, place in enumerate(places) if change.referrals in ("all", place))
    return (ReferralLever(chosen, change.multiply),), ()


@_levers.register
def _work(change: shapes.WorkChange, model: Model, start: float, end: float) -> Found:
    del start, end
    stages = [model.funnel.stages[work.stage] for work in model.work]
    known(change.work, ["all", *stages] if stages else [], "work", "stage that needs reps")
    chosen = tuple(i for i, stage in enumerate(stages) if change.work in ("all", stage))
    return (WorkLever(chosen, change.multiply),), ()
