"""Levers: what a scenario can change, and what the levers on rates do to a rate table."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, Strict

from funnelsim.arrays import Floats
from funnelsim.errors import FunnelError, nearest
from funnelsim.files import shown
from funnelsim.model.model import Entries, Model, Values
from funnelsim.model.model import IntakeLever as IntakeLever
from funnelsim.model.rates import RateLever, RateTable, table_under
from funnelsim.model.reps import Draw, Pool
from funnelsim.model.statement import Name, Whole, part
from funnelsim.model.units import DAYS, Date, Number, PerDay, Ramp, day_number, known


@dataclass(frozen=True)
class SpendLever:
    """A change of what a channel costs; its leads answer with (new spend / today's spend) ** elasticity.

    Args:
        channel: name of the channel.
        cells: numbers of the channel's ways in.
        today: spend per day now.
        elasticity: 0 (money brings nothing) to 1 (twice the money, twice the leads).
        multiply, add: new spend per day = spend * multiply + add.
        start, end: days since the as-of date; end may be inf.
        lag: days until leads answer.
    """

    channel: str
    cells: tuple[int, ...]
    today: float
    elasticity: float
    multiply: float = 1.0
    add: float = 0.0
    start: float = 0.0
    end: float = np.inf
    lag: float = 0.0


@dataclass(frozen=True)
class ValueLever:
    """A factor on what every win of some groups brings from the as-of date on, open deals included."""

    groups: tuple[int, ...]
    multiply: float


@dataclass(frozen=True)
class RepsLever:
    """A change of a pool's size between two days, newcomers working at full speed after a ramp.

    Args:
        pool: pool number.
        add: reps that come, negative: that leave.
        to: the size that the pool gets instead; None: `add` counts.
        ramp: speed of those who come in each month (365.25 / 12 days) after they came, before 1; 0 at the
            beginning: not there yet.
        start, end: days since the as-of date; end may be inf.
    """

    pool: int
    add: int = 0
    to: int | None = None
    ramp: tuple[float, ...] = ()
    start: float = 0.0
    end: float = np.inf


@dataclass(frozen=True)
class ReferralLever:
    """A factor on how many new leads some referrals (by number) bring."""

    referrals: tuple[int, ...]
    multiply: float


@dataclass(frozen=True)
class WorkLever:
    """A factor on the rep time that some tasks (by number) need."""

    tasks: tuple[int, ...]
    multiply: float


Lever = RateLever | IntakeLever | SpendLever | ValueLever | RepsLever | ReferralLever | WorkLever


@dataclass(frozen=True)
class Change:
    """One line of a scenario: the levers it pulls, and the same in words."""

    words: str
    levers: tuple[Lever, ...]


@dataclass(frozen=True)
class Scenario:
    """A what-if question: changes to a model, checked against it.

    Args:
        name: what it is called, the file's stem.
        question: what it is to answer.
        changes: in the order in which they act.
        notes: what to mind, one sentence each, such as extrapolation.
    """

    name: str
    question: str = ""
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    def only(self, numbers: Iterable[int]) -> Scenario:
        """Return the scenario with only some of its changes, by number."""
        chosen = set(numbers)
        return replace(self, changes=tuple(c for i, c in enumerate(self.changes) if i in chosen))


Factor = Annotated[Number, Field(ge=0, le=1000)]
Stretch = Annotated[Number, Field(gt=0, le=1000)]
Elasticity = Annotated[Number, Field(ge=0, le=2)]


def _none(given: Any) -> Any:
    return [] if given is None else given


@part
class OddsChange:
    """The odds of leaving a stage by one exit; the time of leaving stays."""

    odds: Annotated[dict[Name, Name], Field(min_length=1)]
    multiply: Factor
    segment: Name | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None


@part
class RateChange:
    """The rate of leaving a stage by one exit."""

    rate: Annotated[dict[Name, Name], Field(min_length=1)]
    multiply: Factor
    segment: Name | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None


@part
class DaysChange:
    """The time in a stage; the split over its exits stays."""

    days: Name
    multiply: Stretch
    segment: Name | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None


@part
class EntriesChange:
    """The leads that enter: "all", or those of a channel, stage or segment."""

    entries: Name
    multiply: Factor = 1.0
    add: Annotated[PerDay, Field(ge=0)] | None = None
    channel: Name | None = None
    stage: Name | None = None
    segment: Name | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None


@part
class SpendChange:
    """The money spent on a channel; today's spend and the elasticity are the model's unless stated."""

    spend: Name
    multiply: Factor = 1.0
    add: PerDay | None = None
    today: Annotated[PerDay, Field(gt=0)] | None = None
    elasticity: Elasticity | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None


@part
class ValueChange:
    """What a win is worth: "all", or in one segment."""

    value: Name
    multiply: Factor


@part
class RepsChange:
    """The size of a pool: reps that come (or leave, negative), or a new size."""

    reps: Name
    add: Annotated[int, Strict(), Field(ge=-100_000, le=100_000)] | None = None
    set: Whole | None = None
    ramp: Ramp = ()
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None


@part
class ReferralsChange:
    """How many new leads are brought by those who enter a place, or by "all"."""

    referrals: Name
    multiply: Factor


@part
class WorkChange:
    """The rep time that a stage needs, or "all"."""

    work: Name
    multiply: Factor


@part
class ScenarioFile:
    """A whole scenario file; every change is checked by the shape of its lever."""

    question: str = ""
    funnel: Name | None = None
    based_on: Name | None = None
    changes: Annotated[list[dict[str, Any]], BeforeValidator(_none)] = Field(default_factory=list)


AnyChange = (
    OddsChange
    | RateChange
    | DaysChange
    | EntriesChange
    | SpendChange
    | ValueChange
    | RepsChange
    | ReferralsChange
    | WorkChange
)
SHAPES: dict[str, type[AnyChange]] = {
    "odds": OddsChange,
    "rate": RateChange,
    "days": DaysChange,
    "entries": EntriesChange,
    "spend": SpendChange,
    "value": ValueChange,
    "reps": RepsChange,
    "referrals": ReferralsChange,
    "work": WorkChange,
}
Found = tuple[tuple[Lever, ...], tuple[str, ...]]


def resolved(change: AnyChange, model: Model) -> Found:
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
def _odds(change: OddsChange, model: Model, start: float, end: float) -> Found:
    return _one_exit(
        "odds", change.odds, change.multiply, _groups(change.segment, model), model, (start, end)
    ), ()


@_levers.register
def _rate(change: RateChange, model: Model, start: float, end: float) -> Found:
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
def _days(change: DaysChange, model: Model, start: float, end: float) -> Found:
    stage = model.funnel.stages.index(known(change.days, model.funnel.stages, "days", "stage"))
    return (RateLever("days", stage, -1, change.multiply, _groups(change.segment, model), start, end),), ()


def _groups(segment: str | None, model: Model) -> tuple[int, ...]:
    if segment is None:
        return tuple(range(len(model.groups)))
    return (model.groups.index(known(segment, model.groups, "segment", "segment")),)


@_levers.register
def _intake(change: EntriesChange, model: Model, start: float, end: float) -> Found:
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
def _spend(change: SpendChange, model: Model, start: float, end: float) -> Found:
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
def _value(change: ValueChange, model: Model, start: float, end: float) -> Found:
    del start, end
    names = known(change.value, ["all", *model.groups], "value", "segment")
    groups = _groups(None if names == "all" and "all" not in model.groups else names, model)
    return (ValueLever(groups, change.multiply),), ()


@_levers.register
def _reps(change: RepsChange, model: Model, start: float, end: float) -> Found:
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
def _referrals(change: ReferralsChange, model: Model, start: float, end: float) -> Found:
    del start, end
    places = [model.funnel.places[referral.place] for referral in model.referrals]
    known(change.referrals, ["all", *places] if places else [], "referrals", "place that refers")
    chosen = tuple(i for i, place in enumerate(places) if change.referrals in ("all", place))
    return (ReferralLever(chosen, change.multiply),), ()


@_levers.register
def _work(change: WorkChange, model: Model, start: float, end: float) -> Found:
    del start, end
    stages = [model.funnel.stages[work.stage] for work in model.work]
    known(change.work, ["all", *stages] if stages else [], "work", "stage that needs reps")
    chosen = tuple(i for i, stage in enumerate(stages) if change.work in ("all", stage))
    return (WorkLever(chosen, change.multiply),), ()


def apply_scenario(model: Model, scenario: Scenario) -> Model:
    """Return the model under a scenario; a scenario without changes returns the same object.

    Raises:
        FunnelError: the levers cannot be pulled together, such as a pool that would have fewer than no reps.
    """
    levers = [lever for change in scenario.changes for lever in change.levers]
    if not levers:
        return model
    rates = model.levers + tuple(lever for lever in levers if isinstance(lever, RateLever))
    return replace(
        model,
        table=_table(model, rates),
        levers=rates,
        entries=_entries(model.entries, levers),
        values=_values(model.values, [lever for lever in levers if isinstance(lever, ValueLever)]),
        pools=_pools(model.pools, [lever for lever in levers if isinstance(lever, RepsLever)]),
        work=tuple(replace(w, time=_longer(w.time, i, levers)) for i, w in enumerate(model.work)),
        referrals=tuple(replace(r, mean=r.mean * _factor(i, levers)) for i, r in enumerate(model.referrals)),
    )


def with_sizes(model: Model, sizes: Iterable[str]) -> Model:
    """Return the model with other sizes of some pools, each said as "name=number".

    Raises:
        FunnelError: no such pool, or no whole number of reps.
    """
    names = [pool.name for pool in model.pools]
    levers = []
    for text in sizes:
        name, _, number = text.rpartition("=")
        if name.strip() not in names:
            raise FunnelError(f"reps '{text}': no pool '{name.strip() or text}'; {nearest(name, names)}")
        if not number.strip().isdecimal():
            raise FunnelError(f"reps '{text}': '{number}' given, expected a whole number of reps")
        levers.append(RepsLever(names.index(name.strip()), to=int(number), start=-np.inf))
    return replace(model, pools=_pools(model.pools, levers)) if levers else model


def _table(model: Model, levers: tuple[RateLever, ...]) -> RateTable:
    """Return the rates under all levers, those that the model already has coming first."""
    if levers == model.levers:
        return model.table
    table = model.table
    if not model.levers and table.starts.size > 1:
        raise FunnelError("the model's rates already change at dates; levers on rates need a model without")
    base = RateTable(table.edges, table.rate[:1], table.starts[:1], table.speed[:1])
    return table_under(levers, base)


def _entries(entries: Entries, levers: Sequence[Lever]) -> Entries:
    changes = [lever for lever in levers if isinstance(lever, IntakeLever)]
    spend = [lever for lever in levers if isinstance(lever, SpendLever)]
    for channel in dict.fromkeys(lever.channel for lever in spend):
        changes += _answer([lever for lever in spend if lever.channel == channel])
    return replace(entries, changes=entries.changes + tuple(changes)) if changes else entries


def _answer(levers: Sequence[SpendLever]) -> list[IntakeLever]:
    """Return how a channel's leads answer to all changes of its spend together, between their dates.

    leads multiply by (spend / today) ** elasticity, a lag later; multiplying and adding act in the order
    given.
    """
    moments = sorted({day for lever in levers for day in (lever.start, lever.end)} - {np.inf})
    changes = []
    for start, end in zip(moments, [*moments[1:], np.inf], strict=True):
        first, spend = levers[0], levers[0].today
        for lever in levers:
            if lever.start <= start < lever.end:
                spend = spend * lever.multiply + lever.add
        if spend < -1e-9:
            raise FunnelError(f"the spend on {first.channel} would be {spend:g} per day, less than nothing")
        if spend != first.today:
            answer = (max(spend, 0.0) / first.today) ** first.elasticity
            late = IntakeLever(first.cells, start + first.lag, end + first.lag, answer)
            changes.append(late)
    return changes


def _values(values: Values, levers: Sequence[ValueLever]) -> Values:
    if not levers:
        return values
    factor = np.ones(len(values.ratio))
    for lever in levers:
        factor[list(lever.groups)] *= lever.multiply
    return replace(values, amounts=values.amounts * factor[:, None], ratio=values.ratio * factor)


def _pools(pools: tuple[Pool, ...], levers: Sequence[RepsLever]) -> tuple[Pool, ...]:
    changed = list(pools)
    for lever in levers:
        changed[lever.pool] = _staffed(changed[lever.pool], lever)
    return tuple(changed)


def _staffed(pool: Pool, lever: RepsLever) -> Pool:
    """Return a pool with more or fewer reps between two dates; newcomers have the speed of their ramp.

    Months of strength 0 at the beginning of a ramp are months before they come.
    """
    idle = next((step for step, strength in enumerate(lever.ramp) if strength > 0), len(lever.ramp))
    come = lever.start + DAYS["month"] * idle
    moments = {day for day in (come, lever.end) if come <= day <= lever.end and np.isfinite(day)}
    more = np.array(sorted(moments - set(pool.starts.tolist())))
    starts = np.concatenate([pool.starts, more])
    order = np.argsort(starts, kind="stable")
    before = pool.size[np.searchsorted(pool.starts, more, side="right") - 1]
    starts, size = starts[order], np.concatenate([pool.size, before])[order]
    there = (starts >= come) & (starts < lever.end)
    size[there] = size[there] + lever.add if lever.to is None else lever.to
    if size.min() < 0:
        raise FunnelError(f"the pool '{pool.name}' would have {size.min()} reps")
    changed = replace(pool, starts=starts, size=size, ramp=_ramps(pool, lever.ramp[idle:], order))
    if not lever.ramp[idle:]:
        return changed
    changed.ramp[starts == come, : len(lever.ramp[idle:])] = lever.ramp[idle:]
    changed.ramp[starts == come, len(lever.ramp[idle:]) :] = 1.0
    return replace(changed, ramp_days=DAYS["month"])


def _ramps(pool: Pool, ramp: Sequence[float], order: NDArray[np.intp]) -> Floats:
    """Return a pool's ramps with room for one more, by change of size: the pool's own, then new ones.

    Args:
        ramp: of those who come; empty where the pool's own is theirs.
        order: of the pool's changes and the new ones after them.
    """
    if pool.ramp.ndim == 1 and not ramp:
        return pool.ramp
    if pool.ramp.size and ramp and pool.ramp_days != DAYS["month"]:
        raise FunnelError(
            f"ramp: the pool '{pool.name}' learns in steps of {pool.ramp_days:g} days, not months"
        )
    ramps = np.ones((order.size, max(pool.ramp.shape[-1], len(ramp))))
    ramps[: pool.size.size, : pool.ramp.shape[-1]] = pool.ramp
    return ramps[order]


def _longer(time: Draw, task: int, levers: Sequence[Lever]) -> Draw:
    factors = [lever.multiply for lever in levers if isinstance(lever, WorkLever) and task in lever.tasks]
    return Draw(time.quantiles * float(np.prod(factors))) if factors else time


def _factor(referral: int, levers: Sequence[Lever]) -> float:
    chosen = [lever for lever in levers if isinstance(lever, ReferralLever)]
    return float(np.prod([lever.multiply for lever in chosen if referral in lever.referrals]))
