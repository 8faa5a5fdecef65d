"""The whole model in one noun, and the open deals that a forecast starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers
from funnelsim.cards import card
from funnelsim.errors import FunnelError, nearest
from funnelsim.model.funnel import Funnel, Pool, Referral, Work
from funnelsim.model.rates import Counts, RateChange, RateTable

# Salespeople close in the last working days of a quarter; of what wins show, ten days hold the rush, and
# whether there is one is tested on the record (calibration/shocks.py).
RUSH_DAYS = 10
# The column of visits and open leads that tells their kind by amount.
SIZE = "size"
# Days around an expected date within which a win is told apart; a month off is no longer on the date.
REACH = 30
# Steps of the golden ratio fill an interval most evenly, however many there are (Knuth, TAOCP 3, 6.4).
GOLDEN_STEP = 0.6180339887498949


@dataclass(frozen=True)
class SigningPrice:
    """Another price of whatever is won between two days, whenever the lead came.

    Args:
        groups: numbers of the groups that pay it.
        start, end: days since the as-of date (start included, end not); end may be inf.
        multiply: factor on the amount of a win.
    """

    groups: tuple[int, ...]
    start: float
    end: float
    multiply: float


@dataclass(frozen=True)
class Values:
    """Amounts of money per group.

    Args:
        amounts: (groups, atoms) equally likely amounts of one win, ascending, in the model's currency.
        ratio: (groups,) mean of won amount / amount shown while open (1: deals close at what they show).
        tilt: (stages,) mean amount of the leads of a stage that win / of all leads at risk there, where
            the history tells: large deals win less often; None stands for 1 everywhere.
        lost: how many of the open deals that would bring most bring nothing, as a scenario fears.
        signing: prices by the day of winning, as a scenario asks; where they overlap all of them count.
    """

    amounts: Floats
    ratio: Floats
    tilt: Floats | None = None
    lost: int = 0
    signing: tuple[SigningPrice, ...] = ()

    @property
    def mean(self) -> Floats:
        """Mean amount of a win per group, shape (groups,)."""
        mean: Floats = self.amounts.mean(axis=1)
        return mean

    @property
    def in_money(self) -> bool:
        """Whether any amount is known: without one every win counts 1, and revenue is the number of wins."""
        return not bool((self.amounts == 1.0).all())

    @property
    def signing_days(self) -> tuple[float, ...]:
        """Days at which a price by the day of winning begins or ends, ascending."""
        return tuple(
            sorted({day for one in self.signing for day in (one.start, one.end) if np.isfinite(day)})
        )

    def signing_prices(self, moments: Floats) -> Floats:
        """Return the factor on what each group wins at each moment, (groups, moments).

        >>> tenth_off = (SigningPrice((1,), 10.0, 20.0, 0.9),)
        >>> Values(np.ones((2, 1)), np.ones(2), signing=tenth_off).signing_prices(np.array([9.0, 10.0, 20.0]))
        array([[1. , 1. , 1. ],
               [1. , 0.9, 1. ]])
        """
        found = np.ones((len(self.amounts), len(moments)))
        for one in self.signing:
            inside = (one.start <= moments) & (moments < one.end)
            found[list(one.groups)] *= np.where(inside, one.multiply, 1.0)
        return found


@dataclass(frozen=True)
class Cell:
    """One way into the funnel: leads of a group, from a channel, that start at a stage."""

    stage: int
    group: int
    channel: str = ""


@dataclass(frozen=True)
class IntakeChange:
    """A change of the intake of some cells between two days (start included, end not).

    Args:
        cells: numbers of the ways in that change.
        start, end: days since the as-of date; end may be inf.
        multiply: factor on the leads per day.
        add: leads per day added to all these cells together, spread by their shares.
    """

    cells: tuple[int, ...]
    start: float
    end: float
    multiply: float = 1.0
    add: float = 0.0


@dataclass(frozen=True)
class Window:
    """Days on which alone some ways in bring leads or, not `inside`, on which they bring none.

    Args:
        cells: numbers of the ways in.
        start, end: days since the as-of date, whole days counting from the first that begins in between.
        inside: whether leads come in between, and at no other time.
    """

    cells: tuple[int, ...]
    start: float
    end: float
    inside: bool


@dataclass(frozen=True)
class Spend:
    """Money spent on a channel, and how its leads answer: leads are proportional to spend ** elasticity.

    Args:
        channel: name of the channel.
        per_day: money spent per day now.
        elasticity: 0 (money brings nothing) to 1 (twice the money, twice the leads).
        error: standard error of the elasticity; 0 when it is stated.
        lag_days: days until money brings its leads.
        carry_over: of what money does, the share that it still does a week later (geometric adstock): leads
            answer to (1 - c) sum over weeks k of c^k spend_{t - k}; 0: all at once.
    """

    channel: str
    per_day: float
    elasticity: float
    error: float = 0.0
    lag_days: float = 0.0
    carry_over: float = 0.0

    def effect_until(self, days: Floats) -> Floats:
        """Return what money that is spent from day 0 on, 1 a day, has done by each moment, in days' worth.

        >>> tv = Spend("tv", 10.0, 0.3, lag_days=7.0, carry_over=0.5)
        >>> tv.effect_until(np.array([7.0, 14.0, 707.0])).round(2).tolist()
        [0.0, 1.95, 689.9]
        """
        after = np.maximum(days - self.lag_days, 0.0)
        if self.carry_over == 0:
            return after
        slow = -7 / np.log(self.carry_over)
        done: Floats = after + slow * np.expm1(-np.minimum(after, 1e6) / slow)
        return done


@dataclass(frozen=True)
class Entries:
    """Expected leads per day from the as-of date on, by way in.

    Args:
        cells: the ways in.
        share: (cells,) share of all leads, summing to 1 (0 leads: all zero).
        path: (days,) expected leads per day, all cells together, day 0 being the first after the
            as-of date; beyond its end the last 365 days (or all, if fewer) repeat.
        spread: standard deviation of a common Gamma factor of mean 1 on all intake of the horizon:
            0 is a plain Poisson intake.
        changes: what a scenario does to it, in order.
        spend: today's spend by channel, where known.
        clock: (points,) parts of the day at which leads come, at equally spaced chances 0 to 1; empty:
            evenly over day and night. It matters where reps have working hours.
        windows: days on which ways in are open or closed; see `set_apart`.
        same: (cells,) number of the way in whose leads each one's are, of another kind; empty: their own.
    """

    cells: tuple[Cell, ...]
    share: Floats
    path: Floats
    spread: float = 0.0
    changes: tuple[IntakeChange, ...] = ()
    spend: tuple[Spend, ...] = ()
    clock: Floats = field(default_factory=lambda: np.zeros(0))
    windows: tuple[Window, ...] = ()
    same: tuple[int, ...] = ()


def expected(entries: Entries, days: int) -> Floats:
    """Return expected leads of each cell on each of the next `days` days, shape (cells, days).

    >>> expected(Entries((Cell(0, 0),), np.array([1.0]), np.array([2.0, 4.0])), 5)
    array([[2., 4., 2., 4., 2.]])
    """
    path = entries.path
    if days > path.size:
        season = path[-min(365, path.size) :]
        path = np.concatenate([path, np.resize(season, days - path.size)])
    share = entries.share[:, None] * _open_on(entries, days)
    leads = share * path[None, :days]
    for change in entries.changes:
        rows, span = np.array(change.cells, dtype=np.int64), _days_of(change, days)
        part = share[rows, span] if entries.windows else entries.share[rows][:, None]
        weight = part / np.where((whole := part.sum(axis=0)) > 0, whole, 1.0)
        leads[rows, span] = leads[rows, span] * change.multiply + weight * change.add
    return leads


def _days_of(one: IntakeChange | Window, days: int) -> slice:
    """Return the days, of those to come, that lie between two moments."""
    return slice(*(int(np.clip(np.ceil(day), 0, days)) for day in (one.start, one.end)))


def _open_on(entries: Entries, days: int) -> Floats:
    """Return 1 where a way in is open on a day, else 0, (cells, days); (1, 1) where all always are."""
    if not entries.windows:
        return np.ones((1, 1))
    open_ = np.ones((len(entries.cells), days))
    for window in entries.windows:
        rows, within = list(window.cells), np.zeros(days, dtype=np.bool_)
        within[_days_of(window, days)] = True
        open_[rows] *= within == window.inside
    return open_


@dataclass(frozen=True)
class Calendar:
    """How often wins are booked on a day, compared with an average day.

    Args:
        week: factors of the weekdays, Monday first, averaging 1 over the leads at risk.
        rush: factor of the last ten days of a quarter, compared with its other days.
        first_month: month in which the fiscal year starts; it moves the quarters.
    """

    week: tuple[float, ...] = (1.0,) * 7
    rush: float = 1.0
    first_month: int = 1


def in_rush(days: pd.DatetimeIndex, first_month: int = 1) -> NDArray[np.bool_]:
    """Return which days are among the last ten of a quarter.

    >>> in_rush(pd.DatetimeIndex(["2026-06-20", "2026-06-21", "2026-05-31"])).tolist()
    [False, True, False]
    """
    last = (days.month.to_numpy() - first_month) % 3 == 2
    rush: NDArray[np.bool_] = last & (days.day.to_numpy() > days.days_in_month.to_numpy() - RUSH_DAYS)
    return rush


def booking_factors(calendar: Calendar, as_of: pd.Timestamp, days: int) -> Floats:
    """Return the factor of each of the next days, averaging 1 over whole weeks and quarters, shape (days,).

    >>> booking_factors(Calendar(week=(1.4,) * 5 + (0.0, 0.0)), pd.Timestamp("2026-01-02"), 4).tolist()
    [1.4, 0.0, 0.0, 1.4]
    """
    index = pd.date_range(as_of.normalize(), periods=days)
    share = 4 * RUSH_DAYS / 365.25
    level = 1 / (1 + (calendar.rush - 1) * share)
    quarter = np.where(in_rush(index, calendar.first_month), calendar.rush, 1.0) * level
    factors: Floats = np.array(calendar.week)[index.day_of_week.to_numpy()] * quarter
    return factors


@dataclass(frozen=True)
class Pace:
    """How fast leads win from day to day, over their rates: quiet weekdays, quarter ends, hot months.

    A lead leaves by a winning exit at its rate times the factor of the moment; its other rates stay. All
    engines live by it. Beyond its last moment, and before its first, the factor is 1.

    Args:
        cuts: (n + 1,) days since the as-of moment, ascending, between which the factor is constant.
        factor: (n,) factor on the rates of all winning exits.
        run: (n + 1,) days that have passed at this pace by each cut.
    """

    cuts: Floats
    factor: Floats
    run: Floats


def pace_of(model: Model, edges: Floats, common: Floats | None = None) -> Pace:
    """Return the pace of winning over some periods: the calendar's days times what the periods share.

    Args:
        model: its calendar.
        edges: (periods + 1,) ends of the periods, days since the as-of moment.
        common: (periods,) common factor of each period; 1 by default.
    """
    late = (model.as_of - model.as_of.normalize()) / pd.Timedelta(days=1)
    days = int(np.ceil(edges[-1] + late))
    nights = np.arange(1, days + 1) - late
    cuts = np.unique(np.concatenate([[0.0], nights[nights < edges[-1]], edges]))
    day = ((cuts[1:] + cuts[:-1]) / 2 + late).astype(np.int64)
    calm = _pace(cuts, booking_factors(model.calendar, model.as_of, days + 1)[day])
    return calm if common is None else with_common(calm, edges, common)


def with_common(pace: Pace, edges: Floats, common: Floats) -> Pace:
    """Return a pace with a common factor on each period.

    >>> calm = Pace(np.array([0.0, 30.0, 60.0]), np.ones(2), np.array([0.0, 30.0, 60.0]))
    >>> with_common(calm, calm.cuts, np.array([2.0, 0.5])).run.tolist()
    [0.0, 60.0, 75.0]
    """
    period = np.searchsorted(edges, pace.cuts[:-1], side="right") - 1
    return _pace(pace.cuts, pace.factor * np.where(period >= 0, common[np.maximum(period, 0)], 1.0))


def _pace(cuts: Floats, factor: Floats) -> Pace:
    return Pace(cuts, factor, cuts[0] + np.append(0.0, np.cumsum(factor * np.diff(cuts))))


def run_until(pace: Pace, moments: Floats) -> Floats:
    """Return the days that have passed at a pace by each moment: the integral of its factor.

    >>> calm = Pace(np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0]), np.array([0.0, 0.0, 4.0]))
    >>> run_until(calm, np.array([-1.0, 0.5, 2.0, 5.0])).tolist()
    [-1.0, 0.0, 2.0, 6.0]
    """
    inside = np.interp(moments, pace.cuts, pace.run)
    beyond = np.maximum(moments - pace.cuts[-1], 0.0) + np.minimum(moments - pace.cuts[0], 0.0)
    run: Floats = inside + beyond
    return run


# Left edges, by convention: a week, four weeks, a quarter, half a year.
LEAD_TIMES = np.array([0.0, 7.0, 28.0, 91.0, 182.0])


def lead_time_classes(days: Floats) -> Integers:
    """Return which of `LEAD_TIMES` days between coming in and a date, from 0 on, belong to.

    >>> lead_time_classes(np.array([0.0, 6.0, 7.0, 900.0])).tolist()
    [0, 0, 1, 4]
    """
    classes: Integers = np.searchsorted(LEAD_TIMES, days, side="right") - 1
    return classes


@dataclass(frozen=True)
class Due:
    """How leads live that state an expected date: days to that date are their clock, not age.

    A lead leaves its stage at rates by days to its date, other than by winning; if it is still there
    when the day begins, it wins with the stage's chance, some days late or early.

    Args:
        counts: leavers (winners left out) and days at risk; the bins are of days until the date's day
            begins, the first one being the last before it.
        reached: (groups, stages) leads that were in the stage when the day began, or won before it.
        hits: (groups, stages) those of them that won.
        late: (2 REACH + 1,) share of the wins by days after their date, from -REACH to REACH.
        stated: (groups, stages) share of the leads entering there that state a date.
        ahead: (groups, days) share of them by days between coming in and the date, 0, 1, 2 ...
        spread: standard deviation of a common Gamma factor on dropping out.
        price: (days,) factor on the amounts of leads to come whose date is 0, 1, 2 ... days after the as-of
            date; beyond its end 1.
        decided: whether a lead that does not win on its date is lost then, as at a deadline; else it stays.
        hit_spread: standard deviation of a common Gamma factor on the chances to win.
        haste: (LEAD_TIMES,) factor on leaving by the days between the day of coming in and the date: of two
            leads as many days before their date the one that came in later leaves sooner.
    """

    counts: Counts
    reached: Floats
    hits: Floats
    late: Floats
    stated: Floats
    ahead: Floats
    spread: float = 0.0
    price: Floats = field(default_factory=lambda: np.zeros(0))
    decided: bool = False
    hit_spread: float = 0.0
    haste: Floats = field(default_factory=lambda: np.ones(len(LEAD_TIMES)))

    def haste_at(self, days: Floats) -> Floats:
        """Return the factor on leaving by the days between coming in and the date; 1 where they are nan."""
        factor: Floats = np.where(np.isnan(days), 1.0, self.haste[lead_time_classes(days)])
        return factor


def typical_due(due: Due) -> tuple[Floats, Floats]:
    """Return what a clock of dates says without luck: rates of leaving, and chances to win on the date.

    A stage is shrunk to all by one lead, so that one nobody was in has a chance as well.

    Returns:
        leaving (groups, stages, exits, bins) per day, hits (groups, stages).
    """
    leaving = due.counts.events / np.maximum(due.counts.exposure, 1e-9)[:, :, None, :]
    every = (due.hits.sum() + 1.0) / (due.reached.sum() + 2.0)
    return leaving, np.minimum((due.hits + every) / (due.reached + 1.0), 1.0)


@dataclass(frozen=True)
class Sizes:
    """Two kinds of lead by amount, where no segment is named and dear leads live otherwise than others.

    Args:
        cut: the amount from which on a lead is dear.
        share: share of dear leads, for those that show no amount yet.
    """

    cut: float
    share: float

    @property
    def names(self) -> tuple[str, str]:
        """What the kinds are called.

        >>> Sizes(2e6, 0.2).names
        ('amount below 2000000', 'amount from 2000000')
        """
        return f"amount below {self.cut:.12g}", f"amount from {self.cut:.12g}"


@dataclass(frozen=True)
class Model:
    """A funnel with numbers: stated by a person, or fitted to a history.

    Args:
        funnel: the map.
        groups: names of the kinds of lead that have rates and values of their own (segments).
        table: rates of leaving, by group, stage, exit, age and era.
        entries: leads not yet born.
        values: what a win is worth.
        as_of: the moment that day 0 stands for.
        currency: three letters, "" where none is stated.
        pools, work: reps, and the stages that need their time; empty when waits are in the rates.
        referrals: places whose entering starts new leads elsewhere.
        counts: what the rates were counted from; None when the model is stated.
        win_spread: standard deviation of a common Gamma factor on the rates of winning in a period.
        win_window: days of the period for which it was measured; without periods each such span has one.
        win_level: factor on the counted rates of winning, by which wins lately ran above or below them;
            `table` has it applied.
        calendar: days on which leads win; all engines live by it.
        levers: what a scenario does to the rates; `table` has them applied, era 0 being the base.
        max_days: (stages,) days in a stage after which a lead is to be looked at, inf where none.
        grouped_by: the column of the history that the groups come from; "" when there is one group; SIZE
            where they are made by `sizes`.
        notes: what calibration chose and why, and what it warns of, one sentence each.
        due: how leads with an expected date live, where that date means something.
        alike: (groups,) number of the group whose rates and draws each has; empty: its own; see `set_apart`.
        sizes: the rule of the groups, where amounts and no column of the history make them.
    """

    funnel: Funnel
    groups: tuple[str, ...]
    table: RateTable
    entries: Entries
    values: Values
    as_of: pd.Timestamp
    currency: str = ""
    pools: tuple[Pool, ...] = ()
    work: tuple[Work, ...] = ()
    referrals: tuple[Referral, ...] = ()
    counts: Counts | None = None
    win_spread: float = 0.0
    win_window: float = 28.0
    win_level: float = 1.0
    calendar: Calendar = field(default_factory=Calendar)
    levers: tuple[RateChange, ...] = ()
    max_days: tuple[float, ...] = ()
    grouped_by: str = "segment"
    notes: tuple[str, ...] = ()
    due: Due | None = None
    alike: tuple[int, ...] = ()
    sizes: Sizes | None = None

    def __str__(self) -> str:
        stages, groups = self.funnel.stages, len(self.groups)
        kinds = f"{groups} kinds of lead" if groups > 1 else "one kind of lead"
        made = "stated" if self.counts is None else f"counted from {self.counts.events.sum():,.0f} moves"
        return f"{self.funnel.name}: {len(stages)} stages from {stages[0]} to {stages[-1]}, {kinds}, {made}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        pairs = zip(self.funnel.stages, self.funnel.exits, strict=True)
        rows = [(stage, ", ".join(exits)) for stage, exits in pairs]
        return card(str(self), pd.DataFrame(rows, columns=["stage", "exits"]))


def kind_numbers(model: Model) -> list[int]:
    """Return the number of the group that each kind of lead was counted with, (groups,)."""
    return list(model.alike or range(len(model.groups)))


def set_apart(model: Model, groups: Sequence[int], start: float, end: float, name: str) -> Model:
    """Return the model in which leads of some groups that come between two days are kinds of their own.

    They live by the same rates, draws and luck as before, until a scenario tells them apart: the new kinds
    are the last groups, in the order given.

    Args:
        groups: numbers of groups that are no such kinds themselves.
        start, end: days since the as-of date; end may be inf.
        name: what is added to the groups' names.

    Raises:
        FunnelError: leads of these days are a kind of their own already.
    """
    entries, count = model.entries, len(model.groups)
    kind = {group: count + row for row, group in enumerate(groups)}
    chosen = tuple(row for row, cell in enumerate(entries.cells) if cell.group in kind)
    for one in entries.windows:
        if not one.inside and set(one.cells) & set(chosen) and one.start < end and start < one.end:
            raise FunnelError("value: two changes of the prices of new deals overlap; give them other days")
    copies = {row: len(entries.cells) + place for place, row in enumerate(chosen)}
    every = [*range(count), *groups]
    table, values, due = model.table, model.values, model.due
    ways = [*range(len(entries.cells)), *chosen]
    if due is not None:
        due = replace(due, stated=due.stated[every], ahead=due.ahead[every])
    cells = (replace(entries.cells[row], group=kind[entries.cells[row].group]) for row in chosen)
    rates = replace(table, edges=table.edges[every], rate=table.rate[:, every], speed=table.speed[:, every])
    return replace(
        model,
        groups=(*model.groups, *(f"{model.groups[group]}, {name}" for group in groups)),
        table=rates,
        values=replace(
            values,
            amounts=values.amounts[every],
            ratio=values.ratio[every],
            signing=tuple(replace(one, groups=_with(one.groups, kind)) for one in values.signing),
        ),
        entries=replace(
            entries,
            cells=(*entries.cells, *cells),
            share=entries.share[ways],
            changes=tuple(replace(one, cells=_with(one.cells, copies)) for one in entries.changes),
            windows=(*entries.windows, Window(chosen, start, end, False),
                     Window(tuple(copies.values()), start, end, True)),
            same=tuple((entries.same or range(len(entries.cells)))[row] for row in ways),
        ),
        levers=tuple(replace(one, groups=_with(one.groups, kind)) for one in model.levers),
        work=tuple(replace(one, groups=_with(one.groups, kind)) for one in model.work),
        due=due,
        alike=tuple(kind_numbers(model)[group] for group in every),
    )  # fmt: skip


def _with(numbers: Sequence[int], more: Mapping[int, int]) -> tuple[int, ...]:
    """Return numbers and those that stand for some of them as well."""
    return (*numbers, *(more[one] for one in numbers if one in more))


@dataclass(frozen=True)
class Draws:
    """What is not known for sure of a model, drawn once for each replicate: all engines are given the same.

    Args:
        rates: (draws, eras, groups, stages, exits, bins) per day of age, levers applied.
        common: (draws, periods) factor on the rates of winning in each period.
        leaving: (draws, eras, groups, stages, exits, bins) rates of leaving by days to an expected date, none
            of winning; None without a clock of dates.
        hits: (draws, eras, groups, stages) chance to win of a lead that is there on its date; None likewise.
    """

    rates: Floats
    common: Floats
    leaving: Floats | None = None
    hits: Floats | None = None

    def __len__(self) -> int:
        return len(self.rates)

    def some(self, rows: Integers) -> Draws:
        """Return some of the draws."""
        leaving = None if self.leaving is None else self.leaving[rows]
        hits = None if self.hits is None else self.hits[rows]
        return Draws(self.rates[rows], self.common[rows], leaving, hits)


@dataclass(frozen=True)
class OpenDeals:
    """Leads that are in a stage on the as-of date, one element per lead.

    Args:
        name: (leads,) identifiers, as text.
        stage: (leads,) stage number.
        group: (leads,) group number.
        age: (leads,) days since the lead entered its stage.
        value: (leads,) amount shown, nan where none is.
        due: (leads,) days until the day of the expected close begins, nan where no date is stated; None
            where nobody states one.
        lead_time: (leads,) days from the day on which the lead came in to that of its expected close, nan
            and None likewise.
    """

    name: NDArray[np.object_]
    stage: Integers
    group: Integers
    age: Floats
    value: Floats
    due: Floats | None = None
    lead_time: Floats | None = None

    def __len__(self) -> int:
        return len(self.name)


def only(deals: OpenDeals, leads: Iterable[str]) -> OpenDeals:
    """Return the part of a pipeline that some leads are, in the pipeline's order.

    Raises:
        FunnelError: a lead is not in the pipeline.

    >>> only(nobody(), ["4711"])
    Traceback (most recent call last):
    funnelsim.errors.FunnelError: lead '4711' is not open; none is known
    """
    wanted = {str(lead) for lead in leads}
    for lead in sorted(wanted - set(deals.name)):
        raise FunnelError(f"lead '{lead}' is not open; {nearest(lead, deals.name)}")
    rows = np.isin(deals.name.astype(str), sorted(wanted))
    due, ahead = (None if one is None else one[rows] for one in (deals.due, deals.lead_time))
    return OpenDeals(
        deals.name[rows], deals.stage[rows], deals.group[rows], deals.age[rows], deals.value[rows], due, ahead
    )


def nobody() -> OpenDeals:
    """Return an empty pipeline.

    >>> len(nobody())
    0
    """
    none = np.zeros(0, dtype=np.int64)
    return OpenDeals(np.zeros(0, dtype=object), none, none, np.zeros(0), np.zeros(0))


def amounts(model: Model, open_deals: OpenDeals) -> Floats:
    """Return the money that each open deal brings if it wins, shape (deals,): the one rule, for all engines.

    Its own amount times the won / quoted ratio and the size tilt of its stage; deals without an amount
    take those of past wins in golden-ratio steps, so that together they have the same spread and no
    deal's chance matters. A deal that lives by its date has no tilt: large ones are stated further ahead, and
    what that costs is in the days to the date already.
    """
    worth = open_deals.value * model.values.ratio[open_deals.group]
    if model.values.tilt is not None:
        tilt = model.values.tilt[open_deals.stage]
        if model.due is not None and open_deals.due is not None:
            tilt = np.where(np.isnan(open_deals.due), tilt, 1.0)
        worth = worth * tilt
    for group, atoms in enumerate(model.values.amounts):
        missing = np.flatnonzero(np.isnan(worth) & (open_deals.group == group))
        even = (np.arange(len(missing)) + 0.5) * GOLDEN_STEP % 1.0
        worth[missing] = atoms[(even * len(atoms)).astype(np.int64)]
    if model.values.lost:
        worth[np.argsort(-worth, kind="stable")[: model.values.lost]] = 0.0
    return np.maximum(worth, 0.0)
