"""Levers: what a scenario can change. Each is one class: its keys in a file, check, act and words."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Protocol, TypeVar, cast, dataclass_transform

import numpy as np
from pydantic import Field, Strict

from funnelsim.arrays import Floats
from funnelsim.errors import FunnelError, nearest
from funnelsim.files import shown
from funnelsim.model.funnel import Draw, resize_pool, winning_exits
from funnelsim.model.model import IntakeChange, Model, SigningPrice, Spend, kind_numbers, set_apart
from funnelsim.model.rates import RateChange, RateTable, table_under
from funnelsim.model.statement import CarryOver, Name, WholeNumber, part
from funnelsim.model.units import (
    Date,
    Number,
    PerDay,
    Price,
    Ramp,
    amount_per_time,
    check_name,
    day_number,
    per_day,
)

Kind = TypeVar("Kind")
Factor = Annotated[Number, Field(ge=0, le=1000)]
Stretch = Annotated[Number, Field(gt=0, le=1000)]
Elasticity = Annotated[Number, Field(ge=0, le=2)]
Day = datetime.date | None
FADED = 1e-3  # of what money does: what is left of it then moves no number that is printed
FOREVER = 36_525.0  # days: a hundred years


class Lever(Protocol):
    """What a change of a scenario must be able to do; a new lever is one more class under `@lever` below.

    `act` takes all levers of a scenario that share it, in the file's order, since some are right only
    together: changes of one budget add up before the leads answer to it.
    """

    def check(self, model: Model) -> tuple[str, ...]:
        """Return what to mind, one sentence each; refuse what does not fit the model, naming the key."""

    @property
    def sentence(self) -> str:
        """The change in words, a clause without a full stop."""

    @staticmethod
    def act(model: Model, levers: Sequence[Any]) -> Model:
        """Return the model with these levers pulled."""


LEVERS: dict[str, type[Lever]] = {}


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def lever(kind: type[Kind]) -> type[Kind]:
    """Make a class a lever of scenario files, in which its first key is its name.

    Its fields are the keys that it knows; `from_` stands for `from`, which Python keeps for itself.
    """
    made = part(kind)
    # Cast, as mypy takes no function that several classes share for a static method of each.
    LEVERS[next(iter(kind.__annotations__))] = cast("type[Lever]", made)
    return made


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
    changes: tuple[Lever, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What changes, in a sentence; nothing where nothing does.

        >>> Scenario("dearer", changes=(ValueLever(value="all", multiply=1.05),)).sentence
        'Prices, also of open deals, rise by 5 %.'
        """
        told = "; ".join(change.sentence for change in self.changes)
        return f"{told[:1].upper()}{told[1:]}." if told else ""

    def only(self, numbers: Iterable[int]) -> Scenario:
        """Return the scenario with only some of its changes, by number."""
        chosen = set(numbers)
        return replace(self, changes=tuple(c for i, c in enumerate(self.changes) if i in chosen))


def apply_scenario(model: Model, scenario: Scenario) -> Model:
    """Return the model under a scenario; a scenario without changes returns the same object.

    Raises:
        FunnelError: the levers cannot be pulled together, such as a pool that would have fewer than no reps.
    """
    for act in dict.fromkeys(kind.act for kind in LEVERS.values()):
        levers = [change for change in scenario.changes if change.act is act]
        model = act(model, levers) if levers else model
    return model


def with_sizes(model: Model, sizes: Sequence[str]) -> Model:
    """Return the model with other sizes of some pools, each said as "name=number".

    Raises:
        FunnelError: no such pool, or no whole number of reps.
    """
    pools = list(model.pools)
    names = [pool.name for pool in pools]
    for text in sizes:
        name, _, number = text.rpartition("=")
        if name.strip() not in names:
            raise FunnelError(f"reps '{text}': no pool '{name.strip() or text}'; {nearest(name, names)}")
        if not number.strip().isdecimal():
            raise FunnelError(f"reps '{text}': '{number}' given, expected a whole number of reps")
        row = names.index(name.strip())
        pools[row] = resize_pool(pools[row], size=int(number), start=-np.inf)
    return replace(model, pools=tuple(pools)) if sizes else model


def _change_rates(model: Model, levers: Sequence[OddsLever | RateLever | DaysLever]) -> Model:
    """Return the model with other rates."""
    return _with_rates(model, [change for one in levers for change in one.changes(model)])


def _check_rates(one: OddsLever | RateLever | DaysLever, model: Model) -> tuple[str, ...]:
    """Refuse what does not fit the model; return what to mind."""
    one.changes(model)
    return _past(one.from_, model)


def _with_rates(model: Model, more: Sequence[RateChange]) -> Model:
    """Return the model with changes of its rates; those that it already has come first."""
    table = model.table
    if not model.levers and table.starts.size > 1:
        raise FunnelError("the model's rates already change at dates; levers on rates need a model without")
    changes = (*model.levers, *more)
    base = RateTable(table.edges, table.rate[:1], table.starts[:1], table.speed[:1])
    return replace(model, table=table_under(changes, base), levers=changes)


@lever
class OddsLever:
    """The odds of leaving a stage by one exit; the time of leaving stays."""

    odds: Annotated[dict[Name, Name], Field(min_length=1)]
    multiply: Factor
    segment: Name | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None
    check, act = _check_rates, staticmethod(_change_rates)

    @property
    def sentence(self) -> str:
        """As in "odds of Negotiation > Won rise by 15 % from 1 October 2026"."""
        what = f"odds of {_moves(self.odds)}{_within(self.segment)}"
        return f"{what} {_moved(self.multiply)}{_when(self.from_, self.to)}"

    def changes(self, model: Model) -> tuple[RateChange, ...]:
        """Return what it does to the rates."""
        return _exit_changes("odds", self.odds, self, model)


@lever
class RateLever:
    """The rate of leaving a stage by one exit."""

    rate: Annotated[dict[Name, Name], Field(min_length=1)]
    multiply: Factor
    segment: Name | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None
    check, act = _check_rates, staticmethod(_change_rates)

    @property
    def sentence(self) -> str:
        """As in "rates of Nurturing > Qualified rise by 50 %"."""
        what = f"rates of {_moves(self.rate)}{_within(self.segment)}"
        return f"{what} {_moved(self.multiply)}{_when(self.from_, self.to)}"

    def changes(self, model: Model) -> tuple[RateChange, ...]:
        """Return what it does to the rates."""
        return _exit_changes("rate", self.rate, self, model)


@lever
class DaysLever:
    """The time in a stage; the split over its exits stays."""

    days: Name
    multiply: Stretch
    segment: Name | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None
    check, act = _check_rates, staticmethod(_change_rates)

    @property
    def sentence(self) -> str:
        """As in "days in Qualified fall by 20 %"."""
        what = f"days in {self.days}{_within(self.segment)}"
        return f"{what} {_moved(self.multiply)}{_when(self.from_, self.to)}"

    def changes(self, model: Model) -> tuple[RateChange, ...]:
        """Return what it does to the rates."""
        span = span_of(self.from_, self.to, model)
        stage = model.funnel.numbers[check_name(self.days, model.funnel.stages, "days", "stage")]
        return (RateChange("days", stage, -1, self.multiply, _groups(self.segment, model), *span),)


@lever
class EntriesLever:
    """The leads that enter: "all", or those of a channel, stage or segment."""

    entries: Name
    multiply: Factor = 1.0
    add: Annotated[PerDay, Field(ge=0)] | None = None
    channel: Name | None = None
    stage: Name | None = None
    segment: Name | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None

    def check(self, model: Model) -> tuple[str, ...]:
        self.change(model)
        return _past(self.from_, model)

    @property
    def sentence(self) -> str:
        """As in "new leads of events in large rise by 10 per month from 1 July 2026"."""
        of = "" if self.entries == "all" else f" of {self.entries}"
        ways = (f" by {self.channel}" if self.channel else "") + (f" at {self.stage}" if self.stage else "")
        what = f"new leads{of}{ways}{_within(self.segment)}"
        return f"{what} {_moved(self.multiply, self.add)}{_when(self.from_, self.to)}"

    def change(self, model: Model) -> IntakeChange:
        """Return what it does to the intake."""
        start, end = span_of(self.from_, self.to, model)
        asked = self._filters(model)
        cells = _cells(model, asked)
        if not cells:
            wanted = " and ".join(f"{key} {shown(name)}" for key, name in asked.items() if name)
            raise FunnelError(f"entries: no leads enter by {wanted or 'any way'} in this model")
        return IntakeChange(cells, start, end, self.multiply, self.add or 0.0)

    def _filters(self, model: Model) -> dict[str, str | None]:
        """Return the channel, stage and segment that are meant, None where any is."""
        asked = {"channel": self.channel, "stage": self.stage, "segment": self.segment}
        ways = {key: named_for(key, model) for key in asked}
        if self.entries != "all":
            every = [name for names in ways.values() for name in names]
            check_name(self.entries, ["all", *every], "entries", "channel, stage or segment")
            kind = next(key for key, names in ways.items() if self.entries in names)
            if sum(self.entries in names for names in ways.values()) > 1:
                raise FunnelError(
                    f"entries: '{self.entries}' is more than one thing; write 'all' and '{kind}:'"
                )
            if asked[kind] is not None and asked[kind] != self.entries:
                raise FunnelError(f"{kind}: {shown(asked[kind])} contradicts 'entries: {self.entries}'")
            asked[kind] = self.entries
        for key, name in asked.items():
            if name is not None:
                check_name(name, ways[key], key, key)
        return asked

    @staticmethod
    def act(model: Model, levers: Sequence[EntriesLever]) -> Model:
        """Change the intake."""
        return _with_intake(model, [one.change(model) for one in levers])


@lever
class SpendLever:
    """The money spent on a channel; today's spend and the elasticity are the model's unless stated.

    The channel's leads answer with (new spend / today's spend) ** elasticity, a lag later; where money lasts,
    with what of the new spend acts by then.
    """

    spend: Name
    multiply: Factor = 1.0
    add: PerDay | None = None
    today: Annotated[PerDay, Field(gt=0)] | None = None
    elasticity: Elasticity | None = None
    carry_over: CarryOver | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None

    def check(self, model: Model) -> tuple[str, ...]:
        span_of(self.from_, self.to, model)
        now, more = self.now(model).per_day, self.add or 0.0
        if now * self.multiply + more < 0:
            raise FunnelError(
                f"add: {more:.2f} per day is more than is spent on '{self.spend}', {now:.2f} per day"
            )
        ratio = (now * self.multiply + more) / now
        # One elasticity is believed within a factor of two of the spend for which it was stated or fitted.
        far = f"{ratio:.2f} times today's spend on '{self.spend}' is outside 0.5 to 2: extrapolation"
        return _past(self.from_, model) + (() if 0.5 <= ratio <= 2 else (far,))

    @property
    def sentence(self) -> str:
        """As in "costs of search rise by 9,600 per month from 1 July 2026"."""
        return f"costs of {self.spend} {_moved(self.multiply, self.add)}{_when(self.from_, self.to)}"

    def own(self, model: Model) -> Spend | None:
        """Return what the model knows of the channel's spend, if anything."""
        return next((spend for spend in model.entries.spend if spend.channel == self.spend), None)

    def now(self, model: Model) -> Spend:
        """Return what is spent on the channel before the change, and how its leads answer."""
        channel = check_name(self.spend, named_for("channel", model), "spend", "channel")
        own = self.own(model)
        elasticity = self.elasticity if self.elasticity is not None else own.elasticity if own else None
        if elasticity is None:
            raise FunnelError(
                f"spend: how leads answer to money on '{channel}' is not known; "
                "give --spend FILE or add 'elasticity: 0.3'"
            )
        today = self.today if self.today is not None else own.per_day if own else None
        if not today and (self.add is not None or own is not None):
            raise FunnelError(f"spend: nothing is spent on '{channel}' today; add 'today: 12000 per month'")
        # Without today's spend only its change by a factor has a meaning, and then any unit will do.
        lag, lasting = (own.lag_days, own.carry_over) if own else (0.0, 0.0)
        lasting = lasting if self.carry_over is None else self.carry_over
        return Spend(channel, today or 1.0, elasticity, lag_days=lag, carry_over=lasting)

    @staticmethod
    def act(model: Model, levers: Sequence[SpendLever]) -> Model:
        """Let the leads of each channel answer to all changes of its spend together."""
        ways = by_channel(levers)
        return _with_intake(model, [answer for own in ways for answer in _answers(model, own)])


def by_channel(levers: Sequence[SpendLever]) -> list[list[SpendLever]]:
    """Return the changes of each channel's spend together, as its leads answer to all of them at once."""
    found: dict[str, list[SpendLever]] = {}
    for one in levers:
        found.setdefault(one.spend, []).append(one)
    return list(found.values())


def _answers(model: Model, levers: Sequence[SpendLever]) -> list[IntakeChange]:
    """Return how the leads of one channel answer to its spend: at once, or week by week where money lasts."""
    now, cells = levers[0].now(model), _cells(model, {"channel": levers[0].spend})
    steps = list(spent_on(model, levers))
    if now.carry_over == 0:
        return [
            IntakeChange(cells, a + now.lag_days, b + now.lag_days, (spend / now.per_day) ** now.elasticity)
            for a, b, spend in steps
        ]
    moments = {day for start, end, _ in steps for day in (start, end)} - {np.inf}
    weeks = _weeks(now)
    cuts = sorted({day + 7.0 * week for day in moments for week in range(weeks + 1)})
    changes = []
    for start, end in zip(cuts, [*cuts[1:], np.inf], strict=True) if cuts else ():
        first, last = start + now.lag_days, min(end, start + FOREVER) + now.lag_days
        acting = 0.0
        for a, b, spend in steps:
            done = now.effect_until(np.array([first - a, last - a, first - b, last - b]))
            acting += (spend - now.per_day) * float(done[1] - done[0] - (done[3] - done[2])) / (last - first)
        answer = max(1 + acting / now.per_day, 0.0) ** now.elasticity
        changes.append(IntakeChange(cells, first, end + now.lag_days, answer))
    return changes


def _weeks(now: Spend) -> int:
    """Return after how many weeks hardly anything is left of what money does."""
    return int(np.ceil(np.log(FADED) / np.log(now.carry_over))) + 1


def acting_parts(now: Spend) -> Floats:
    """Return which part of a lasting change of spend acts in each week after the lag, the last for ever.

    Leads then are multiplied by (1 + part x (factor - 1)) ** elasticity, as a `SpendLever` does it.

    >>> acting_parts(Spend("search", 10.0, 0.3)).tolist()
    [1.0]
    """
    if now.carry_over == 0:
        return np.ones(1)
    ends = np.append(7.0 * np.arange(_weeks(now) + 1), 7.0 * _weeks(now) + FOREVER)
    parts: Floats = np.diff(now.effect_until(ends + now.lag_days)) / np.diff(ends)
    return parts


def spent_on(model: Model, levers: Sequence[SpendLever]) -> Iterator[tuple[float, float, float]]:
    """Return what is spent per day on one channel from day to day, wherever it is not as today.

    Between dates, changes of its spend act in order.
    """
    now = levers[0].now(model)
    spans = [span_of(one.from_, one.to, model) for one in levers]
    moments = sorted({day for span in spans for day in span} - {np.inf})
    for start, end in zip(moments, [*moments[1:], np.inf], strict=True):
        spend = now.per_day
        for one, (first, last) in zip(levers, spans, strict=True):
            if first <= start < last:
                spend = spend * one.multiply + (one.add or 0.0)
        # Taking all of a budget away may miss nothing by a rounding.
        if spend < -1e-9:
            raise FunnelError(f"the spend on {now.channel} would be {spend:g} per day, less than nothing")
        if spend != now.per_day:
            yield start, end, max(spend, 0.0)


@lever
class ValueLever:
    """What a win is worth: "all", or in one segment; the odds of winning answer by multiply ** -elasticity.

    Of all deals it is changed from the as-of date on, of new ones (that come from `from` until `to`) for as
    long as they live, of signed ones (whenever they came) if they are won from `from` until `to`. With a date
    only new ones are meant unless said.
    """

    value: Name
    multiply: Factor
    deals: Literal["all", "new", "signed"] | None = None
    elasticity: Annotated[Number, Field(ge=0, le=20)] = 0.0
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None

    def check(self, model: Model) -> tuple[str, ...]:
        self.groups(model)
        span_of(self.from_, self.to, model)
        if self.deals == "all" and (self.from_ or self.to):
            raise FunnelError(
                "deals: 'all' get another price today; with a date expected 'new' (deals that come then) or "
                "'signed' (deals that are won then)"
            )
        if self.multiply == 0 and self.elasticity:
            raise FunnelError(f"elasticity: {self.elasticity:g} given, but nothing is left of the price")
        return _past(self.from_, model)

    @property
    def new(self) -> bool:
        """Whether only deals that come are meant."""
        dated = self.from_ is not None or self.to is not None
        return self.deals == "new" or (self.deals is None and dated)

    @property
    def some(self) -> bool:
        """Whether only some deals are meant: new ones, or those that are won then."""
        return self.new or self.deals == "signed"

    @property
    def odds(self) -> float:
        """Factor on the odds of winning."""
        return float(self.multiply**-self.elasticity) if self.elasticity else 1.0

    @property
    def sentence(self) -> str:
        """As in "prices of new deals rise by 5 %, and their odds of winning fall by 7.1 %"."""
        part = _within(None if self.value == "all" else self.value)
        what = f"prices of new deals{part}" if self.new else f"prices{part}, also of open deals,"
        what = f"prices at signing{part}" if self.deals == "signed" else what
        moved = f"{what} {_moved(self.multiply)}{_when(self.from_, self.to)}"
        return (
            f"{moved}, and their odds of winning {_moved(self.odds, digits=2)}" if self.elasticity else moved
        )

    def groups(self, model: Model) -> tuple[int, ...]:
        """Return the numbers of the groups that are meant."""
        name = check_name(self.value, ["all", *_segments(model)], "value", "segment")
        found = _groups(None if name == "all" and "all" not in model.groups else name, model)
        return tuple(group for group in found if group == kind_numbers(model)[group]) if self.new else found

    @staticmethod
    def act(model: Model, levers: Sequence[ValueLever]) -> Model:
        """Multiply the amounts of wins, and what open deals bring of what they show; move the odds."""
        for one in levers:
            groups, span = one.groups(model), span_of(one.from_, one.to, model)
            if one.deals == "signed":
                model = _at_signing(model, groups, span, one.multiply)
            else:
                if one.new:
                    first = len(model.groups)
                    model = set_apart(model, groups, *span, "at a new price")
                    groups = tuple(range(first, len(model.groups)))
                model, span = _dearer(model, groups, one.multiply), (0.0, np.inf)
            if one.odds != 1:
                ways = np.argwhere(winning_exits(model.funnel))
                change = (RateChange("odds", int(s), int(x), one.odds, groups, *span) for s, x in ways)
                model = _with_rates(model, list(change))
        return model


def _dearer(model: Model, groups: Sequence[int], multiply: float) -> Model:
    """Return the model in which all deals of some groups have another price."""
    values, factor = model.values, np.ones(len(model.groups))
    factor[list(groups)] = multiply
    dearer = replace(values, amounts=values.amounts * factor[:, None], ratio=values.ratio * factor)
    return replace(model, values=dearer)


def _at_signing(model: Model, groups: tuple[int, ...], span: tuple[float, float], multiply: float) -> Model:
    """Return the model in which deals of some groups that are won between two days have another price."""
    if multiply == 1:
        return model
    price = SigningPrice(groups, *span, multiply)
    return replace(model, values=replace(model.values, signing=(*model.values.signing, price)))


@lever
class RepsLever:
    """The size of a pool: reps that come (or leave, negative), or a new size.

    Those who come work at the speeds of `ramp`, one for each month after they came, and then at full speed.
    """

    reps: Name
    add: Annotated[int, Strict(), Field(ge=-100_000, le=100_000)] | None = None
    set: WholeNumber | None = None
    ramp: Ramp = ()
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None

    def check(self, model: Model) -> tuple[str, ...]:
        span_of(self.from_, self.to, model)
        self.pool(model)
        if (self.add is None) == (self.set is None):
            raise FunnelError("reps: expected either 'add' or 'set'")
        if self.ramp and (self.add is None or self.add < 0):
            raise FunnelError("ramp: only reps that come ('add', above 0) have one")
        return _past(self.from_, model)

    @property
    def sentence(self) -> str:
        """As in "2 more reps in closers, in their first months at 50 %, 80 % of full speed"."""
        number = self.set if self.set is not None else abs(self.add or 0)
        more = "" if self.set is not None else " fewer" if (self.add or 0) < 0 else " more"
        slow = ", ".join(f"{100 * speed:.10g} %" for speed in self.ramp)
        ramp = f", in their first months at {slow} of full speed" if slow else ""
        reps = "rep" if number == 1 else "reps"
        return f"{number}{more} {reps} in {self.reps}{_when(self.from_, self.to)}{ramp}"

    def pool(self, model: Model) -> int:
        """Return the number of the pool that is meant."""
        if not model.pools:
            raise FunnelError("reps: this model has no pools of reps; their waits are in its days")
        names = [pool.name for pool in model.pools]
        return names.index(check_name(self.reps, names, "reps", "pool"))

    @staticmethod
    def act(model: Model, levers: Sequence[RepsLever]) -> Model:
        """Let reps come and go."""
        pools = list(model.pools)
        for one in levers:
            row, (start, end) = one.pool(model), span_of(one.from_, one.to, model)
            pools[row] = resize_pool(pools[row], one.add or 0, one.set, one.ramp, start, end)
        return replace(model, pools=tuple(pools))


@lever
class LoseLever:
    """How many of the open deals that would bring most are lost."""

    lose: Annotated[int, Strict(), Field(ge=1, le=1000)]

    def check(self, model: Model) -> tuple[str, ...]:
        if not model.values.in_money:
            raise FunnelError("lose: no amounts are known here, so that no deal is the largest")
        return ()

    @property
    def sentence(self) -> str:
        """As in "the largest open deal is lost"."""
        one = self.lose == 1
        return "the largest open deal is lost" if one else f"the {self.lose:,} largest open deals are lost"

    @staticmethod
    def act(model: Model, levers: Sequence[LoseLever]) -> Model:
        """Let so many open deals bring nothing."""
        lost = model.values.lost + sum(one.lose for one in levers)
        return replace(model, values=replace(model.values, lost=lost))


@lever
class ReferralsLever:
    """How many new leads are brought by those who enter a place, or by "all"."""

    referrals: Name
    multiply: Factor

    def check(self, model: Model) -> tuple[str, ...]:
        places = [model.funnel.places[referral.place] for referral in model.referrals]
        check_name(self.referrals, ["all", *places] if places else [], "referrals", "place that refers")
        return ()

    @property
    def sentence(self) -> str:
        """As in "referrals by Purchase rise by 66.67 %"."""
        by = "" if self.referrals == "all" else f" by {self.referrals}"
        return f"referrals{by} {_moved(self.multiply)}"

    @staticmethod
    def act(model: Model, levers: Sequence[ReferralsLever]) -> Model:
        """Multiply the leads that each referral brings."""
        factors = [(one.referrals, one.multiply) for one in levers]
        more = [_product(model.funnel.places[each.place], factors) for each in model.referrals]
        pairs = zip(model.referrals, more, strict=True)
        return replace(model, referrals=tuple(replace(each, mean=each.mean * m) for each, m in pairs))


@lever
class WorkLever:
    """The rep time that a stage needs, or "all"."""

    work: Name
    multiply: Factor

    def check(self, model: Model) -> tuple[str, ...]:
        stages = [model.funnel.stages[work.stage] for work in model.work]
        check_name(self.work, ["all", *stages] if stages else [], "work", "stage that needs reps")
        return ()

    @property
    def sentence(self) -> str:
        """As in "hours of work in Negotiation fall by 50 %"."""
        where = "all stages" if self.work == "all" else self.work
        return f"hours of work in {where} {_moved(self.multiply)}"

    @staticmethod
    def act(model: Model, levers: Sequence[WorkLever]) -> Model:
        """Multiply the time of each piece of work."""
        factors = [(one.work, one.multiply) for one in levers]
        more = [_product(model.funnel.stages[each.stage], factors) for each in model.work]
        pairs = zip(model.work, more, strict=True)
        longer = (replace(each, time=Draw(each.time.quantiles * m)) for each, m in pairs)
        return replace(model, work=tuple(longer))


@lever
class CostsLever:
    """What a plan costs beside its spend: money once, or per time; it moves no lead."""

    costs: Price
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None

    def check(self, model: Model) -> tuple[str, ...]:
        span_of(self.from_, self.to, model)
        if self.to is not None and not isinstance(self.costs, str):
            raise FunnelError(f"to: {self.to} ends what is paid per time; {self.costs:g} is paid once")
        return _past(self.from_, model)

    @property
    def sentence(self) -> str:
        """As in "the plan costs 12,000 per month from 1 August 2026"."""
        per_time = isinstance(self.costs, str)
        told = amount_per_time(per_day(self.costs)) if per_time else f"{self.costs:,.10g} once"
        return f"the plan costs {told}{_when(self.from_, self.to)}"

    @staticmethod
    def act(model: Model, _: Sequence[CostsLever]) -> Model:
        """Change nothing: money alone moves no lead."""
        return model


def span_of(first: Day, last: Day, model: Model) -> tuple[float, float]:
    """Return start and end (not included) in days since the as-of date; `to` is the last day that counts."""
    if first is not None and last is not None and last < first:
        raise FunnelError(f"to: {last} is before 'from', {first}")
    start = day_number(first, model.as_of) if first is not None else 0.0
    end = day_number(last, model.as_of) + 1 if last is not None else np.inf
    if end <= 0:
        raise FunnelError(f"to: {last} is over: the model begins on {model.as_of:%Y-%m-%d}")
    return max(start, 0.0), end


def _past(first: Day, model: Model) -> tuple[str, ...]:
    """Return that a lever acts later than it says, where its first day is past."""
    if first is None or day_number(first, model.as_of) >= 0:
        return ()
    return (f"from {first} is past; it acts from {model.as_of:%Y-%m-%d} on",)


def _exit_changes(
    kind: str, moves: Mapping[str, str], one: OddsLever | RateLever, model: Model
) -> tuple[RateChange, ...]:
    """Return what a lever does to the moves from a stage to a place that it names."""
    span, groups = span_of(one.from_, one.to, model), _groups(one.segment, model)
    changes = []
    for name, place in moves.items():
        stage = model.funnel.numbers[check_name(name, model.funnel.stages, kind, "stage")]
        ways = model.funnel.exits[stage]
        column = ways.index(check_name(place, ways, f"{kind}.{name}", "exit"))
        changes.append(RateChange(kind, stage, column, one.multiply, groups, *span))
    return tuple(changes)


def _groups(segment: str | None, model: Model) -> tuple[int, ...]:
    if segment is not None:
        check_name(segment, _segments(model), "segment", "segment")
    kinds = enumerate(kind_numbers(model))
    return tuple(group for group, kind in kinds if segment in (None, model.groups[kind]))


def _segments(model: Model) -> tuple[str, ...]:
    """Return the names of the groups, without those of kinds that a scenario keeps apart."""
    return tuple(dict.fromkeys(model.groups[kind] for kind in kind_numbers(model)))


def named_for(key: str, model: Model) -> tuple[str, ...]:
    """Return what a filter on the intake may name."""
    if key == "channel":
        return tuple(dict.fromkeys(cell.channel for cell in model.entries.cells if cell.channel))
    return model.funnel.stages if key == "stage" else _segments(model)


def _cells(model: Model, asked: Mapping[str, str | None]) -> tuple[int, ...]:
    chosen, kinds = [], kind_numbers(model)
    for number, cell in enumerate(model.entries.cells):
        stage, segment = model.funnel.stages[cell.stage], model.groups[kinds[cell.group]]
        has = {"channel": cell.channel, "stage": stage, "segment": segment}
        if all(name is None or has[key] == name for key, name in asked.items()):
            chosen.append(number)
    return tuple(chosen)


def _with_intake(model: Model, changes: Sequence[IntakeChange]) -> Model:
    return replace(model, entries=replace(model.entries, changes=(*model.entries.changes, *changes)))


def _product(name: str, factors: Sequence[tuple[str, float]]) -> float:
    """Return the product of the factors on a name, or on "all"."""
    return float(np.prod([factor for other, factor in factors if other in ("all", name)]))


def _moves(moves: Mapping[str, str]) -> str:
    return " and ".join(f"{stage} > {place}" for stage, place in moves.items())


def _within(segment: str | None) -> str:
    return f" in {segment}" if segment else ""


def _moved(multiply: float, add: float | None = None, digits: int = 10) -> str:
    """Return in words what becomes of things that are multiplied, and then grow by so many per day.

    >>> _moved(1.15), _moved(0.8), _moved(0.0), _moved(3.0), _moved(0.5, -10.0)
    ('rise by 15 %', 'fall by 20 %', 'cease', 'are multiplied by 3', 'fall by 50 %, then by 10 per day')
    """
    part = f"{100 * abs(multiply - 1):.{digits}g} %"
    times = f"are multiplied by {multiply:.{digits}g}" if multiply >= 2 else f"rise by {part}"
    times = "cease" if multiply == 0 else f"fall by {part}" if multiply < 1 else times
    if add is None:
        return "stay as they are" if multiply == 1 else times
    more = f"{'fall' if add < 0 else 'rise'} by {amount_per_time(abs(add))}"
    if multiply == 1:
        return more
    same = times.split()[0] == more.split()[0]
    return f"{times}, then {more.split(' ', 1)[1] if same else more}"


def _when(first: Day, last: Day) -> str:
    begin, end = (f"{day.day} {day:%B %Y}" if day else "" for day in (first, last))
    return (f" from {begin}" if begin else "") + (f" until {end}" if end else "")
