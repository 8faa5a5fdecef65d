"""One step of a life: when a lead leaves its stage and where it goes. Both engines call these functions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers
from funnelsim.model.funnel import Funnel, winning_exits
from funnelsim.model.model import REACH, Due, Model, OpenDeals, Pace, Values
from funnelsim.simulation.jit import bare, inlined
from funnelsim.simulation.luck import (
    BIRTH,
    DATE,
    MOVE,
    TICK,
    W32,
    W64,
    on_grid,
    uniform,
    unit_exponential,
    words,
)

HAZARD, CUT_AGE, CUT_DAYS, RATE = range(4)
CUT, RUN, FACTOR = range(3)
# The guide finds the bin of any hazard below 4, which 98 % of leads do not reach, in about one look.
GUIDES = 1024
GUIDES_PER_UNIT = 256.0
# Stands for an infinite wait where an infinity times 0 would be no number; later than NO_DAY is never.
NEVER = 1e300
NO_DAY = 1e15


class Dates(NamedTuple):
    """The clock of expected dates as arrays; no rows in `rate` where leads know none. Row as in Rules.

    Args:
        edges: (bins,) left edges of the bins of days to the date.
        rate: (rows, bins, exits) rates of leaving, other than by winning.
        hits: (rows,) chance to win of a lead that is there on its date.
        late: (2 REACH + 1,) cumulative shares of wins by days after the date.
        stated: (kinds,) share of the leads entering there that state a date.
        ahead: (groups, days) cumulative shares of them by days ahead.
        open: (open deals,) days to the date that an open deal states, nan without one.
        way: (cells,) kind of lead that each way in brings.
        won: (kinds,) place entered by winning.
        lost: (kinds,) place entered on a date that brings no win, -1 where leads stay.
        price: (days,) factor on the amount of a lead to come by the day of its date; beyond its end 1.
        haste: (days,) factor on the rates of leaving of a lead to come by its days ahead.
        hurry: (open deals,) the same of open deals.
    """

    edges: Floats
    rate: Floats
    hits: Floats
    late: Floats
    stated: Floats
    ahead: Floats
    open: Floats
    way: Integers
    won: Integers
    lost: Integers
    price: Floats
    haste: Floats
    hurry: Floats


class Rules(NamedTuple):
    """A model and a replicate's luck as arrays that compiled code reads; row = (era, group, stage).

    Args:
        seed, replicate: the key of all luck.
        shape: (groups, stages).
        cuts: (rows, bins + 1, 4) at each bin's left edge: cumulative hazard, age in days, mean days to
            an exit (1 / rate) and rate per day within the bin; hazard is inf past the last bin.
        guide: (rows, GUIDES) a bin at or before the one that holds a cumulative hazard.
        split: (rows, bins, exits) cumulative chances of the exits in a bin, 2 from the last open one on.
        starts: (eras + 1,) day on which each era begins; the first is -inf, the last inf.
        speed: (rows, 2) days of age per calendar day, and calendar days per day of age.
        targets: (kinds, exits) place that each exit leads to; kind = group * stages + stage.
        group: (kinds,) group number.
        booked: (places,) share of the value booked on entering a place.
        amounts: (groups, atoms) equally likely values of a lead.
        pace: (cuts, 3) the pace of winning: day from which it holds, days passed at it until then, and its
            factor; empty where leads win at their rates.
        by_exit: (rows, bins, exits) rate of each exit per day of age.
        wins: (kinds, exits) 1 where an exit wins, else 0.
        dates: the clock of expected dates.
        signing: (1 + groups, cuts) days, and the factor on what each group wins from then on; no column where
            prices do not change with the day of winning.
    """

    seed: W64
    replicate: W32
    shape: tuple[int, int]
    cuts: Floats
    guide: NDArray[np.int32]
    split: Floats
    starts: Floats
    speed: Floats
    targets: Integers
    group: Integers
    booked: Floats
    amounts: Floats
    pace: Floats
    by_exit: Floats
    wins: Integers
    dates: Dates
    signing: Floats


def rules_of(
    model: Model,
    seed: int,
    replicate: int = 0,
    rate: Floats | None = None,
    pace: Pace | None = None,
    dates: Dates | None = None,
) -> Rules:
    """Return the rules of a model.

    Args:
        model: the model.
        seed, replicate: the key of all luck.
        rate: (eras, groups, stages, exits, bins) to use instead of the model's own, such as one draw.
        pace: of winning; everywhere 1 by default.
        dates: the clock of expected dates; none by default.
    """
    table = model.table
    rate = table.rate if rate is None else rate
    eras, groups, stages, exits, bins = rate.shape
    edges = np.broadcast_to(table.edges, (eras, groups, stages, bins)).reshape(-1, bins)
    by_exit = rate.reshape(-1, exits, bins)
    cuts = _cuts(edges, by_exit.sum(axis=1))
    speed = table.speed.reshape(-1, 1)
    with np.errstate(divide="ignore"):
        both = np.hstack([speed, np.minimum(1.0 / speed, NEVER)])
    return Rules(
        W64(seed), W32(replicate), (groups, stages), cuts, _guide(cuts), _split(by_exit),
        np.append(table.starts, np.inf), both, np.tile(model.funnel.targets, (groups, 1)),
        np.repeat(np.arange(groups), stages), model.funnel.booked, np.ascontiguousarray(model.values.amounts),
        _pace_table(pace), np.ascontiguousarray(by_exit.transpose(0, 2, 1)),
        np.tile(winning_exits(model.funnel).astype(np.int64), (groups, 1)),
        no_dates() if dates is None else dates, _signing_table(model.values),
    )  # fmt: skip


def no_dates() -> Dates:
    """Return that no lead knows a date."""
    nothing, none = np.zeros(0), np.zeros(0, dtype=np.int64)
    return Dates(
        nothing, np.zeros((0, 0, 0)), nothing, nothing, nothing, np.zeros((0, 0)), nothing, none, none,
        none, nothing, nothing, nothing,
    )  # fmt: skip


def dates_of(model: Model, due: Due, deals: OpenDeals, leaving: Floats, hits: Floats) -> Dates:
    """Return the clock of expected dates by which a model's leads live.

    Args:
        model, due: the model, and its clock.
        deals: the pipeline.
        leaving, hits: one draw, by era; see `Draws`.
    """
    groups, exits, bins = leaving.shape[1], *leaving.shape[3:]
    funnel = model.funnel
    rate = np.ascontiguousarray(leaving.reshape(-1, exits, bins).transpose(0, 2, 1))
    given = np.full(len(deals), np.nan) if deals.due is None else deals.due.astype(np.float64)
    lead_time = np.full(len(deals), np.nan) if deals.lead_time is None else deals.lead_time
    way = [cell.group * len(funnel.stages) + cell.stage for cell in model.entries.cells]
    won = int(np.flatnonzero(funnel.booked > 0)[0])
    own = [next((int(to) for to in row if to >= 0 and funnel.booked[to] > 0), won) for row in funnel.targets]
    no_loss = np.full(len(funnel.stages), -1, dtype=np.int64)
    lost = np.array([_loss_of(funnel, row) for row in funnel.targets]) if due.decided else no_loss
    return Dates(
        due.counts.edges.astype(np.float64), rate, hits.reshape(-1).copy(), np.cumsum(due.late),
        due.stated.reshape(-1).astype(np.float64), np.cumsum(due.ahead, axis=1), given,
        np.array(way, dtype=np.int64), np.tile(np.array(own, dtype=np.int64), groups),
        np.tile(lost, groups), due.price.copy(), due.haste_at(np.arange(float(due.ahead.shape[1]))),
        due.haste_at(lead_time),
    )  # fmt: skip


def _loss_of(funnel: Funnel, targets: Integers) -> int:
    """Return the place of the first exit from a stage that ends a life without a win, -1 where none does."""
    ends = (int(place) for place in targets if place >= len(funnel.stages) and funnel.booked[place] == 0)
    return next((place for place in ends if funnel.places[place] not in funnel.handed_over), -1)


def _signing_table(values: Values) -> Floats:
    """Return the days at which prices at signing change, and below them each group's price from then on."""
    days = np.array(values.signing_days)
    return np.vstack([days, values.signing_prices(days)])


def _pace_table(pace: Pace | None) -> Floats:
    """Return cuts, days run and factors as columns, the last factor being 1; no rows where all are 1."""
    if pace is None or bool((pace.factor == 1.0).all()):
        return np.zeros((0, 3))
    return np.column_stack([pace.cuts, pace.run, np.append(pace.factor, 1.0)])


def _cuts(edges: Floats, total: Floats) -> Floats:
    """Return the cut table of each row; bins that are padding hold an infinite hazard."""
    rows, bins = edges.shape
    finite = np.isfinite(edges)
    age = np.where(finite, edges, 0.0)
    width = np.where(finite[:, 1:], np.diff(age, axis=1), 0.0)
    hazard = np.zeros((rows, bins + 1))
    hazard[:, 1:-1] = np.cumsum(total[:, :-1] * width, axis=1)
    hazard[:, 1:-1][~finite[:, 1:]] = np.inf
    hazard[:, -1] = np.inf
    cuts = np.zeros((rows, bins + 1, 4))
    cuts[:, :, HAZARD] = hazard
    cuts[:, :-1, CUT_AGE] = age
    with np.errstate(divide="ignore"):
        cuts[:, :-1, CUT_DAYS] = np.minimum(1.0 / total, NEVER)
    cuts[:, :-1, RATE] = total
    return cuts


def _guide(cuts: Floats) -> NDArray[np.int32]:
    """Return for each multiple of 1 / GUIDES_PER_UNIT the last bin that begins at or before it."""
    grid = np.arange(GUIDES) / GUIDES_PER_UNIT
    return np.array(
        [np.searchsorted(row, grid, side="right") - 1 for row in cuts[:, :, HAZARD]], dtype=np.int32
    )


def _split(by_exit: Floats) -> Floats:
    """Return cumulative chances of the exits in each bin, shape (rows, bins, exits)."""
    total = by_exit.sum(axis=1, keepdims=True)
    share = np.divide(by_exit, total, out=np.zeros_like(by_exit), where=total > 0)
    open_later: Integers = np.cumsum(by_exit[:, ::-1] > 0, axis=1)[:, ::-1] - (by_exit > 0)
    chances = np.where(open_later == 0, 2.0, np.cumsum(share, axis=1))
    return np.ascontiguousarray(chances.transpose(0, 2, 1))


@inlined
def bin_of(rules: Rules, row: int, hazard: float) -> int:
    """Return the bin in which a cumulative hazard is reached."""
    bin_ = int(rules.guide[row, min(int(min(hazard * GUIDES_PER_UNIT, 1e6)), GUIDES - 1)])
    bin_ += hazard >= rules.cuts[row, bin_ + 1, HAZARD]  # mostly enough, and no branch to guess wrong
    while hazard >= rules.cuts[row, bin_ + 1, HAZARD]:
        bin_ += 1
    return int(bin_)


@inlined
def bin_at(rules: Rules, row: int, age: float) -> int:
    """Return the bin of an age."""
    low, high = 0, rules.cuts.shape[1] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if rules.cuts[row, middle, HAZARD] < np.inf and rules.cuts[row, middle, CUT_AGE] <= age:
            low = middle
        else:
            high = middle
    return low


@inlined
def hazard_at(rules: Rules, row: int, age: float) -> float:
    """Return the hazard accumulated up to an age."""
    cut = rules.cuts[row, bin_at(rules, row, age)]
    return float(cut[HAZARD] + (age - cut[CUT_AGE]) * cut[RATE])


@inlined
def era_of(rules: Rules, kind: int, now: float) -> tuple[int, float]:
    """Return the row of a kind of lead's rates at a moment, and the end of their era."""
    kinds = rules.shape[0] * rules.shape[1]
    row, end = kind, rules.starts[1]
    while now >= end:
        row += kinds
        end = rules.starts[row // kinds + 1]
    return row, end


@inlined
def leave(rules: Rules, kind: int, age: float, now: float, luck: float) -> tuple[float, int, int]:
    """Return when a lead leaves its stage, and the row and bin of its rates at that moment.

    The lead leaves when its cumulative hazard since `now` reaches `luck`, walking over bins and eras.

    Args:
        rules: the model.
        kind: group * stages + stage.
        age: days of age in the stage now; an open deal starts where it is.
        now: moment in days.
        luck: exponential variable of mean 1.
    """
    kinds = rules.shape[0] * rules.shape[1]
    row, end = era_of(rules, kind, now)
    while True:
        past = hazard_at(rules, row, age) if age > 0.0 else 0.0
        hazard = past + luck
        bin_ = bin_of(rules, row, hazard)
        days = (
            rules.cuts[row, bin_, CUT_AGE]
            - age
            + (hazard - rules.cuts[row, bin_, HAZARD]) * rules.cuts[row, bin_, CUT_DAYS]
        )
        moment = now + days * rules.speed[row, 1]
        if moment < end or end == np.inf:
            return max(on_grid(moment), now), row, bin_
        reached = age + (end - now) * rules.speed[row, 0]
        luck = max(luck - (hazard_at(rules, row, reached) - past), 0.0)
        age, now, row = reached, end, row + kinds
        end = rules.starts[row // kinds + 1]


@inlined
def place_of(rules: Rules, kind: int, row: int, bin_: int, chance: float) -> int:
    """Return the place that a lead leaves to, given the bin in which it leaves."""
    column = 0
    for other in range(rules.split.shape[2] - 1):
        column += chance >= rules.split[row, bin_, other]
    return int(rules.targets[kind, column])


@inlined
def stretch_of(rules: Rules, moment: float) -> int:
    """Return the number of the last cut of the pace at or before a moment."""
    low, high = 0, len(rules.pace)
    while high - low > 1:
        middle = (low + high) // 2
        if rules.pace[middle, CUT] <= moment:
            low = middle
        else:
            high = middle
    return low


@inlined
def run_at(rules: Rules, moment: float) -> float:
    """Return the days that have passed at the pace of winning by a moment."""
    now = rules.pace[stretch_of(rules, moment)]
    return float(now[RUN] + (moment - now[CUT]) * now[FACTOR])


@inlined
def winning_rate(rules: Rules, kind: int, row: int, bin_: int) -> float:
    """Return the rate per day of age of all winning exits together."""
    rate = 0.0
    for x in range(rules.by_exit.shape[2]):
        rate += rules.by_exit[row, bin_, x] * rules.wins[kind, x]
    return rate


@bare
def leave_at_pace(
    rules: Rules, kind: int, age: float, now: float, luck: float
) -> tuple[float, int, int, float]:
    """Do `leave` where winning exits have a pace, and return its factor at that moment as well.

    Within a bin the hazard gained from s to t is q (t - s) + w (R(t) - R(s)), with w the rate of winning
    exits, q that of the others, and R the days run at the pace; the cut before the moment is searched for.
    """
    kinds = rules.shape[0] * rules.shape[1]
    row, end = era_of(rules, kind, now)
    bin_ = bin_at(rules, row, age)
    while True:
        speed = rules.speed[row, 0]
        win = winning_rate(rules, kind, row, bin_) * speed
        other = max(rules.cuts[row, bin_, RATE] * speed - win, 0.0)
        edge = np.inf
        if rules.cuts[row, bin_ + 1, HAZARD] < np.inf:
            edge = max(now + (rules.cuts[row, bin_ + 1, CUT_AGE] - age) * rules.speed[row, 1], now)
        stop, run = min(edge, end), run_at(rules, now)
        if stop == np.inf:
            gained = np.inf if win + other > 0.0 else 0.0
        else:
            gained = other * (stop - now) + win * (run_at(rules, stop) - run)
        if luck < gained:
            moment, factor = reach(rules, win, other, now, run, luck)
            return max(on_grid(min(moment, stop)), now), row, bin_, factor
        if stop == np.inf:
            return np.inf, row, bin_, 1.0
        luck -= gained
        age += (stop - now) * speed
        now = stop
        if stop == edge:
            bin_ += 1
            age = rules.cuts[row, bin_, CUT_AGE]
        if stop == end:
            row += kinds
            end = rules.starts[row // kinds + 1]


@inlined
def reach(rules: Rules, win: float, other: float, now: float, run: float, luck: float) -> tuple[float, float]:
    """Return the moment at which a hazard is gained from `now` on, and the pace's factor then."""
    low, high = stretch_of(rules, now), len(rules.pace)
    while high - low > 1:
        middle = (low + high) // 2
        if other * (rules.pace[middle, CUT] - now) + win * (rules.pace[middle, RUN] - run) <= luck:
            low = middle
        else:
            high = middle
    begin, factor = max(rules.pace[low, CUT], now), rules.pace[low, FACTOR]
    spent = other * (begin - now) + win * (run_at(rules, begin) - run)
    return begin + (luck - spent) / max(other + win * factor, 1.0 / NEVER), factor


@inlined
def place_at_pace(rules: Rules, kind: int, row: int, bin_: int, factor: float, chance: float) -> int:
    """Return the place that a lead leaves to, winning exits being taken `factor` times as often."""
    exits, total = rules.by_exit.shape[2], 0.0
    for x in range(exits):
        total += rules.by_exit[row, bin_, x] * (factor if rules.wins[kind, x] else 1.0)
    left, last = chance * total, 0
    for x in range(exits):
        rate = rules.by_exit[row, bin_, x] * (factor if rules.wins[kind, x] else 1.0)
        if rate > 0.0:
            last = x
            if left < rate:
                break
            left -= rate
    return int(rules.targets[kind, last])


@bare
def date_of(rules: Rules, lead: W64, who: int) -> float:
    """Return the days from the as-of moment to the day of a lead's expected close, nan if it states none."""
    dates = rules.dates
    if who < dates.open.size:
        return float(dates.open[who])
    if not lead >> W64(63):
        return np.nan
    cell, day = int(np.int64((lead >> W64(32)) & W64(0xFFFF))), int(np.int64((lead >> W64(48)) & W64(0x7FFF)))
    first, second = words(rules.seed, rules.replicate, lead, 0, DATE)
    if uniform(first) >= dates.stated[dates.way[cell]]:
        return np.nan
    ahead = dates.ahead[rules.group[dates.way[cell]]]
    return float(day + min(np.searchsorted(ahead, uniform(second), side="right"), ahead.size - 1))


@inlined
def haste_of(rules: Rules, lead: W64, who: int, due: float) -> float:
    """Return the factor on the rates at which a lead leaves until its date."""
    dates = rules.dates
    if who < dates.hurry.size:
        return float(dates.hurry[who])
    return float(dates.haste[int(due) - int(np.int64((lead >> W64(48)) & W64(0x7FFF)))])


@bare
def leave_by_date(
    rules: Rules, who: int, kind: int, now: float, due: float, luck: float, chance: float
) -> tuple[float, int]:
    """Return when a lead with an expected date leaves its stage and the place it goes to.

    Until its day begins it leaves at the rates of the days to go, none of winning. If it is there then it
    wins with the stage's chance p, so many days late or early; of an open deal it is known that it has not
    won yet: p W / (p W + 1 - p), where W are the shares of wins on the days that are left. One whose date
    brings no win is lost then if it is a deadline, or stays: nobody knows when it is given up.
    """
    dates, kinds = rules.dates, rules.shape[0] * rules.shape[1]
    row, end = era_of(rules, kind, now)
    left, since = due - now, now
    while left > 0.0:
        bin_ = np.searchsorted(dates.edges, left) - 1
        total = dates.rate[row, bin_].sum()
        whole = now + (left - dates.edges[bin_])
        stop = min(whole, end)
        if luck < total * (stop - now):
            moment = max(on_grid(now + luck / total), now)
            below = chance * total
            for x in range(dates.rate.shape[2]):
                below -= dates.rate[row, bin_, x]
                if below < 0.0:
                    break
            return moment, int(rules.targets[kind, x])
        luck -= total * (stop - now)
        left = dates.edges[bin_] if stop == whole else due - stop
        now = stop
        if stop == end:
            row += kinds
            end = rules.starts[row // kinds + 1]
    return win_by_date(rules, who, kind, row, since, due, chance)


@inlined
def win_by_date(
    rules: Rules, who: int, kind: int, row: int, since: float, due: float, chance: float
) -> tuple[float, int]:
    """Return when a lead wins that is there on its date, not before it entered its stage, if at all."""
    late = rules.dates.late
    past = 0
    if who < rules.dates.open.size:
        past = int(min(max(np.floor(REACH - due), 0.0), float(late.size)))
    gone = late[past - 1] if past else 0.0
    left, p = max(1.0 - gone, 0.0), rules.dates.hits[row]
    likely = p * left / max(p * left + 1.0 - p, 1e-300)
    if chance >= likely:
        lost = int(rules.dates.lost[kind])
        return (max(on_grid(max(due + 0.5, since)), since), lost) if lost >= 0 else (np.inf, 0)
    days = min(np.searchsorted(late, gone + left * chance / likely, side="right"), late.size - 1) - REACH
    return max(on_grid(max(due + days + 0.5, since)), since), int(rules.dates.won[kind])


@inlined
def depart(
    rules: Rules, lead: W64, who: int, kind: int, age: float, now: float, luck: float, chance: float
) -> tuple[float, int]:
    """Return when a lead leaves its stage and the place it goes to, given its luck (see `leave`)."""
    if len(rules.dates.rate):
        due = date_of(rules, lead, who)
        if not np.isnan(due):
            luck /= haste_of(rules, lead, who, due)  # at twice the rates half the luck is used up as soon
            return leave_by_date(rules, who, kind, now, due, luck, chance)
    if len(rules.pace):
        moment, row, bin_, factor = leave_at_pace(rules, kind, age, now, luck)
        if moment > NO_DAY:
            return np.inf, 0
        return moment, place_at_pace(rules, kind, row, bin_, factor, chance)
    moment, row, bin_ = leave(rules, kind, age, now, luck)
    if moment > NO_DAY:
        return np.inf, 0
    return moment, place_of(rules, kind, row, bin_, chance)


@bare
def move(
    rules: Rules, lead: W64, who: int, visit: int, kind: int, age: float, now: float
) -> tuple[float, int]:
    """Return the moment at which a lead leaves its stage and the place it goes to.

    Args:
        rules: the model.
        lead, who: identity, and number in the run.
        visit: number of stages that the lead has been in before.
        kind: group * stages + stage.
        age: days of age in the stage at `now`.
        now: moment in days.
    """
    first, second = words(rules.seed, rules.replicate, lead, visit, MOVE)
    return depart(rules, lead, who, kind, age, now, unit_exponential(first), uniform(second))


@inlined
def birth_moment(rules: Rules, lead: W64) -> float:
    """Return the part of its first day, in [0, 1), at which a lead comes."""
    first, _ = words(rules.seed, rules.replicate, lead, 0, BIRTH)
    return float(np.float64(np.int64(first >> W64(32))) * 2.0**-32)


@bare
def amount_of(rules: Rules, lead: W64, group: int) -> float:
    """Return the value of a lead that comes after day 0: one of its group's, at the price of its date."""
    _, second = words(rules.seed, rules.replicate, lead, 0, BIRTH)
    amount = float(rules.amounts[group, int(uniform(second) * rules.amounts.shape[1])])
    price = rules.dates.price
    if price.size:
        due = date_of(rules, lead, rules.dates.open.size)
        if due < price.size:
            amount *= price[int(due)]
    return amount


@inlined
def signing_price(rules: Rules, group: int, moment: float) -> float:
    """Return the factor on what a lead of a group brings that is won at a moment."""
    if not rules.signing.shape[1]:
        return 1.0
    column = np.searchsorted(rules.signing[0], moment, side="right") - 1
    return float(rules.signing[1 + group, column]) if column >= 0 else 1.0


@inlined
def duration_at(quantiles: Floats, chance: float) -> float:
    """Return a duration by its equally spaced quantiles, at least one tick: nothing takes no time."""
    position = chance * (quantiles.size - 1)
    low = min(int(position), max(quantiles.size - 2, 0))
    high = min(low + 1, quantiles.size - 1)
    days = quantiles[low] + (quantiles[high] - quantiles[low]) * (position - low)
    return max(on_grid(days), TICK)


@bare
def advance(
    rules: Rules, visit: int, count: int, lead: NDArray[np.uint64], who: Integers, kind: Integers,
    age: Floats, now: Floats, luck: Floats, chance: Floats, moment: Floats, place: Integers,
) -> None:  # fmt: skip
    """Do `move` for the first `count` leads of a block, all at the same visit, into `moment` and `place`.

    The loop over random words has no branches, so that it becomes vector instructions.
    """
    for i in range(count):
        first, second = words(rules.seed, rules.replicate, lead[i], visit, MOVE)
        luck[i] = unit_exponential(first)
        chance[i] = uniform(second)
    if len(rules.pace) or len(rules.dates.rate):
        for i in range(count):
            moment[i], place[i] = depart(rules, lead[i], who[i], kind[i], age[i], now[i], luck[i], chance[i])
        return
    for i in range(count):
        moment[i], row, bin_ = leave(rules, kind[i], age[i], now[i], luck[i])
        place[i] = place_of(rules, kind[i], row, bin_, chance[i])
