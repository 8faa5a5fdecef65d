"""What may bring money: the chances of open deals and the wins of leads to come, draw by draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import cast

import numpy as np
from tqdm import tqdm

from funnelsim.arrays import Floats, Integers
from funnelsim.calibration.posterior import draw_rates, stream
from funnelsim.forecasting.by_date import ByDate, by_dates, draw_dates, leads_without_dates, with_dates
from funnelsim.forecasting.distribution import Lump
from funnelsim.forecasting.exact import (
    NEGLIGIBLE,
    Chances,
    _backward,
    at_ages,
    chances,
    from_entries,
    from_value,
    from_ways,
)
from funnelsim.model.model import (
    GOLDEN_STEP,
    Draws,
    Model,
    OpenDeals,
    amounts,
    expected,
    pace_of,
    with_common,
)
from funnelsim.simulation.jit import compile_beside, is_kept

ROUGH_STEPS = 8  # of a period: draws are only ranked by it, in under half the time of the pass itself
# One of so many shifts of the common factors: the headline's 10 % quantile then moves by .33 % with the seed
# on the sample (24 seeds), before by .50 %, and some luck is left in the shift.
SHIFTS = 8
MOST_KEPT = 8_000_000  # numbers of leads that come in, kept for plans that only move intake: 64 MB

# What another process compiles while a history is read: half of the work, in the order in which it is needed.
# The pass itself needs all of `exact` first, and is compiled by who calls it. A second process would cost
# more in starting than it saves on two cores.
_EXACT, _MONEY = "funnelsim.forecasting.exact:", "funnelsim.forecasting.distribution:"
_CELL = "Tuple((f8[:,::1], f8[:,:,::1], f8[:,:,::1]))"
BESIDE = {
    f"{_EXACT}_cells": "(f8[:,:,::1], f8[:,:,:,::1], f8[:,::1], f8, i8, f8[::1], b1[:,::1])",
    f"{_EXACT}_at_once": "(f8[:,:,::1], f8[:,:,::1], i8[:,::1], i8, f8[::1])",
    f"{_EXACT}_inverses": "(f8[:,:,:,:,::1], f8[:,:,:,:,::1], i8[:,::1], i8, f8[::1])",
    f"{_EXACT}_period": f"(f8[:,::1], Tuple((i8[::1], i8[:,::1])), {_CELL}, f8[:,::1], i8[:,::1], f8[::1],"
    " f8, f8[::1])",
    f"{_MONEY}_compound": "(f8[:,::1], f8[:,::1], f8)",
    f"{_MONEY}_logarithms": "(f8[::1], f8[:,::1], i8)",
    f"{_MONEY}_product": "(f8[::1], f8[:,::1], f8[::1], i8)",
}


def get_ready() -> None:
    """Have the exact pass compiled beside what comes first, reading a history, where it never was."""
    if not is_kept(_backward):
        compile_beside(BESIDE)


@dataclass(frozen=True)
class PeriodParts:
    """Parts of periods between the days on which prices at signing change; a deal wins in one at most.

    Args:
        period: (parts,) number of the period that each lies in.
        chance, born, ways: as in `Intensity`, by part in the place of period.
        price: (groups, parts) factor on what a group wins.
    """

    period: Integers
    chance: Floats
    born: Floats
    ways: Floats
    price: Floats

    def by_period(self, values: Floats) -> Floats:
        """Return sums over the parts of each period, along the last axis."""
        first = np.flatnonzero(np.diff(self.period, prepend=-1))
        sums: Floats = np.add.reduceat(values, first, axis=-1)
        return sums


@dataclass(frozen=True)
class Intensity:
    """Chances and expected counts that a period's distribution is made of.

    Args:
        chance: (draws, deals, periods) chance of each open deal to win in each period.
        born: (draws, kinds, periods) expected wins of leads not yet born, a kind being a group or, of leads
            with a date, a group at a price.
        atoms: (kinds, atoms) equally likely amounts of such a win.
        more: (draws, deals, periods) expected further wins of open deals in the same period; None where a
            lead wins at most once.
        ever: (draws, deals) chance to win in any of the periods, where it is not the sum of their chances
            and was asked for.
        ways: (draws, ways, periods) the same as `born` by way in, those that state a date apart.
        kind: (ways,) kind that the wins of each way are of.
        entered: of each draw, (times, pairs, periods) chance of a lead that comes in at each time, by group
            and stage (and part, if there are); None where that would take too much room.
        parts: the same chances by parts of periods; None where no price changes with the day of winning.
    """

    chance: Floats
    born: Floats
    atoms: Floats
    more: Floats | None = None
    ever: Floats | None = None
    ways: Floats | None = None
    kind: Integers | None = None
    entered: list[Floats] | None = None
    parts: PeriodParts | None = None

    @property
    def new_money(self) -> Floats:
        """Expected revenue of leads not yet born, (draws, periods)."""
        if self.parts is not None:
            each = self.parts.price * self.atoms.mean(axis=1)[:, None]
            return self.parts.by_period(np.einsum("dkp,kp->dp", self.parts.born, each))
        money: Floats = np.einsum("dkp,k->dp", self.born, self.atoms.mean(axis=1))
        return money


def joined(found: Intensity) -> Intensity:
    """Return the chances of all periods as those of a single one: sums, where leads win at most once."""
    ever = found.chance.sum(axis=2) if found.ever is None else found.ever
    ever = np.minimum(ever, 1.0)[:, :, None]
    born = found.born.sum(axis=2, keepdims=True)
    if found.more is None:
        one = None if found.parts is None else replace(found.parts, period=np.zeros_like(found.parts.period))
        return Intensity(ever, born, found.atoms, parts=one)
    wins = (found.chance + found.more).sum(axis=2, keepdims=True)
    return Intensity(ever, born, found.atoms, np.clip(wins - ever, 0.0, 1.0))


def ways_in(model: Model) -> tuple[Integers, Integers]:
    """Return the group and the stage of each way in, (cells,)."""
    cells = model.entries.cells
    group, stage = ([getattr(cell, name) for cell in cells] for name in ("group", "stage"))
    return np.array(group, dtype=np.int64), np.array(stage, dtype=np.int64)


def intensities(
    model: Model,
    open_deals: OpenDeals,
    edges: Floats,
    drawn: Draws,
    *,
    whole: bool = False,
    progress: bool = False,
    step: float | None = None,
    like: Intensity | None = None,
    cuts: Sequence[float] = (),
) -> Intensity:
    """Return chances of open deals and expected wins of leads to come, for every draw.

    Where prices change with the day of winning, periods are cut there: a lead wins in one of the parts.

    Args:
        edges: (periods + 1,) days since the as-of date.
        drawn: rates, common factors, and how leads with a date leave and win.
        whole: whether the chance to win in any of the periods is wanted.
        step: width of the lattice in days; the funnel's own by default.
        like: what was found, under the same draws and cuts, of a model whose leads fare alike (see `fares`).
        cuts: further days at which periods are cut, as another plan's prices change there.
    """
    per_day = expected(model.entries, int(np.ceil(edges[-1])))
    clock = by_dates(model, open_deals, per_day, edges, drawn)
    leads = leads_without_dates(model, per_day)
    ends = _ends_of_parts(model, edges, cuts)
    if like is None or like.entered is None:
        inner = edges if ends is None else ends
        by_age = _by_age(model, open_deals, edges, inner, drawn, leads, whole, progress, step)
    else:
        width = model.funnel.step if step is None else step
        pair = _pairs(model)[1]
        ways = [from_value(value[:, pair], width, leads) for value in like.entered]
        chance = like.chance if like.parts is None else like.parts.chance
        by_age = replace(like, chance=chance, ways=np.array(ways), parts=None)
    found = _with_clock(model, by_age, clock)
    return found if ends is None else _in_periods(model, found, edges, ends)


def _ends_of_parts(model: Model, edges: Floats, cuts: Sequence[float]) -> Floats | None:
    """Return the ends of the parts of periods, (parts + 1,); None where prices do not change with the day.

    Nor where leads win again, or at a date that they state: these are lived if prices change.
    """
    days = np.array([*cuts, *model.values.signing_days])
    days = days[(edges[0] < days) & (days < edges[-1])]
    if model.funnel.wins_again or model.due is not None or not (model.values.signing or days.size):
        return None
    ends: Floats = np.union1d(edges, days)
    return ends


def _in_periods(model: Model, found: Intensity, edges: Floats, ends: Floats) -> Intensity:
    """Return the intensities of periods from those of their parts, which are kept beside them."""
    period = np.searchsorted(edges, ends[:-1], side="right") - 1
    price = model.values.signing_prices(ends[:-1])
    parts = PeriodParts(period, found.chance, found.born, cast(Floats, found.ways), price)
    chance, born, ways = (parts.by_period(one) for one in (parts.chance, parts.born, parts.ways))
    return replace(found, chance=chance, born=born, ways=ways, parts=parts)


def fares(model: Model) -> tuple[object, ...]:
    """Return what two models that scenarios make of one have alike if their leads fare alike.

    They differ in amounts and in intake at most. Parts that a scenario does not touch are the very same
    objects, so they are told by identity: whoever keeps this keeps the model too. Levers make the table.
    """
    apart = {"values", "entries", "notes", "levers", "table"}
    same = tuple(id(getattr(model, one.name)) for one in fields(model) if one.name not in apart)
    return (*same, model.levers, model.entries.cells, model.values.signing_days)


def _pairs(model: Model) -> tuple[Integers, Integers]:
    """Return the distinct pairs of group and stage at which leads come in, (pairs, 2), and each way's."""
    pairs, which = np.unique(np.stack(ways_in(model), axis=1), axis=0, return_inverse=True)
    return pairs, which.reshape(-1)


def _by_age(
    model: Model, open_deals: OpenDeals, edges: Floats, ends: Floats, drawn: Draws, leads: Floats,
    whole: bool, progress: bool, step: float | None,
) -> Intensity:  # fmt: skip
    """Do `intensities` by part as if nobody stated a date; `leads`: (cells, days) of each way in."""
    oldest = float(open_deals.age.max(initial=0.0))
    calm = pace_of(model, edges)
    group, stage = ways_in(model)
    pairs = _pairs(model)[0]
    chance = np.empty((len(drawn), len(open_deals), len(ends) - 1))
    more = np.empty_like(chance) if model.funnel.wins_again else None
    ways = np.empty((len(drawn), len(group), len(ends) - 1))
    ever = np.empty((len(drawn), len(open_deals))) if whole and more is not None else None
    entered: list[Floats | None] = [None] * len(drawn)
    times = int(np.ceil(edges[-1] / (model.funnel.step if step is None else step)))
    kept = ways[:, :1].size * len(pairs) * times <= MOST_KEPT

    def one(draw: int) -> None:
        table = model.table.with_rate(drawn.rates[draw])
        pace = with_common(calm, edges, drawn.common[draw])
        found = chances(model.funnel, table, ends, oldest=oldest, pace=pace, step=step)
        ways[draw] = from_ways(found, group, stage, leads)
        chance[draw] = at_ages(found, open_deals.group, open_deals.stage, open_deals.age)
        if kept:
            entered[draw] = found.at_entry[:, pairs[:, 0], pairs[:, 1]]
        if more is not None:
            first = chances(model.funnel, table, ends, oldest=oldest, pace=pace, step=step, once=True)
            wins = chance[draw].copy()
            chance[draw] = at_ages(first, open_deals.group, open_deals.stage, open_deals.age)
            more[draw] = np.clip(wins - chance[draw], 0.0, 1.0)
        if ever is not None:
            span = edges[[0, -1]]
            any_ = chances(model.funnel, table, span, oldest=oldest, pace=pace, step=step, once=True)
            ever[draw] = at_ages(any_, open_deals.group, open_deals.stage, open_deals.age)[:, 0]

    one(0)
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(one, range(len(drawn)))
        list(tqdm(done, total=len(drawn), desc="draws", disable=not progress, leave=False))
    none = np.zeros((len(drawn), 0, len(ends) - 1))
    known = [one for one in entered if one is not None]
    return Intensity(chance, none, np.zeros((0, 1)), more, ever, ways, group, known if kept else None)


def _with_clock(model: Model, found: Intensity, clock: ByDate | None) -> Intensity:
    """Return the intensities with those of leads that state a date, kinds and amounts being put together."""
    groups = len(model.groups)
    by_group = np.arange(groups)[:, None] == ways_in(model)[0]
    own = cast(Floats, found.ways)
    born: Floats = by_group.astype(np.float64) @ own
    chance, born, atoms = with_dates(found.chance, born, model.values.amounts, clock)
    ever, ways, kind = found.ever, own, ways_in(model)[0]
    if clock is not None:
        plain = clock.price == 1.0
        dated = clock.born[:, :, plain].sum(axis=2)
        dear = clock.born[:, :, ~plain].reshape(len(ways), -1, ways.shape[2])
        ways, kind = np.hstack([ways, dated, dear]), np.append(kind, np.arange(groups + dear.shape[1]))
        ever = None if ever is None else np.where(clock.rows, chance.sum(axis=2), ever)
    return replace(found, chance=chance, born=born, atoms=atoms, ever=ever, ways=ways, kind=kind)


def by_way(found: Chances, model: Model, per_day: Floats) -> Floats:
    """Return expected wins of leads to come by way in, (cells, periods); per_day is (cells, days)."""
    ways = zip(model.entries.cells, per_day, strict=True)
    wins = [from_entries(found, cell.group, cell.stage, leads) for cell, leads in ways]
    return np.array(wins).reshape(len(wins), found.at_entry.shape[-1])


def coins(money: Floats, found: Intensity, period: int) -> tuple[Floats, Floats]:
    """Return amounts of open deals and their chances in a period; further wins are coins of their own."""
    chance = np.ascontiguousarray(found.chance[:, :, period])
    if found.more is None:
        return money, chance
    rows = found.more[:, :, period].max(axis=0, initial=0.0) > NEGLIGIBLE
    return np.append(money, money[rows]), np.hstack([chance, found.more[:, rows, period]])


def wins_lump(model: Model, deals: OpenDeals, found: Intensity, period: int) -> Lump:
    """Return all that can win in a period, each win counting 1."""
    one, chance = coins(np.ones(len(deals)), found, period)
    return Lump(one, chance, found.born[:, :, period], np.ones((len(found.atoms), 1)), model.entries.spread)


def revenue_lump(model: Model, deals: OpenDeals, found: Intensity, period: int) -> Lump:
    """Return all that can bring money in a period."""
    if found.parts is not None:
        return _lump_at_prices(model, deals, found.parts, found.atoms, period)
    money, chance = coins(amounts(model, deals), found, period)
    return Lump(money, chance, found.born[:, :, period], found.atoms, model.entries.spread)


def _lump_at_prices(model: Model, deals: OpenDeals, parts: PeriodParts, atoms: Floats, period: int) -> Lump:
    """Return all that can bring money in a period: each deal at one of the period's prices.

    Parts at the same prices are one. A group's wins of leads to come are Poisson numbers at each price.
    """
    own = np.flatnonzero(parts.period == period)
    price, which = np.unique(parts.price[:, own], axis=1, return_inverse=True)
    alike = [own[which.reshape(-1) == number] for number in range(price.shape[1])]
    chance = np.stack([parts.chance[:, :, rows].sum(axis=2) for rows in alike], axis=2)
    money = amounts(model, deals)[:, None] * price[deals.group]
    born = np.hstack([parts.born[:, :, rows].sum(axis=2) for rows in alike])
    dear = (atoms * price.T[:, :, None]).reshape(-1, atoms.shape[1])
    coins_ = chance.reshape(len(chance), -1)
    return Lump(money.reshape(-1), coins_, born, dear, model.entries.spread, len(alike))


def deal_money(model: Model, deals: OpenDeals, found: Intensity) -> Floats:
    """Return the revenue that each draw expects of each open deal in each period, (draws, deals, periods)."""
    worth = amounts(model, deals)[:, None]
    if found.parts is not None:
        return found.parts.by_period(found.parts.chance * (found.parts.price[deals.group] * worth))
    money: Floats = (found.chance if found.more is None else found.chance + found.more) * worth
    return money


def draws_of(
    model: Model, open_deals: OpenDeals, edges: Floats, *, draws: int, seed: int,
    worth: Floats | None = None, common: Floats | None = None,
) -> Draws:  # fmt: skip
    """Return posterior draws of the rates, each with a common factor for every period.

    The factors are evenly spaced quantiles of a Gamma variable of mean 1, so that few draws already have the
    right mean and spread; draws of much and of little money get high and low ones alike.

    Args:
        model: its counts, levers and `win_spread`.
        open_deals: the pipeline, for the money of a draw.
        edges: (periods + 1,) days since the as-of date.
        draws: how many.
        seed: of all of them.
        worth: (deals,) what each deal brings if it wins; its own amount by default.
        common: the factors of another model's draws, where both are to have the same luck.
    """
    rates = draw_rates(model, draws, stream(seed, "rates"))
    if common is None:
        worth = amounts(model, open_deals) if worth is None else worth
        common = _common(model, open_deals, worth, edges, rates, seed)
    dates = draw_dates(model, draws, stream(seed, "dates"))
    return Draws(rates, common) if dates is None else Draws(rates, common, *dates)


def _common(
    model: Model, open_deals: OpenDeals, worth: Floats, edges: Floats, rates: Floats, seed: int
) -> Floats:
    """Return the common factors on winning, (draws, periods)."""
    from scipy.special import gammaincinv

    draws, periods = len(rates), len(edges) - 1
    if model.win_spread <= 0 or draws < 2:
        return np.ones((draws, periods))
    shape = 1 / model.win_spread**2
    even = gammaincinv(shape, (np.arange(draws) + 0.5) / draws) / shape
    money = _rough_money(model, open_deals, worth, edges[:2], Draws(rates, np.ones((draws, 1))))
    common: Floats = (even / even.mean())[even_pairs(money, periods, stream(seed, "wins"))]
    return common


def _rough_money(model: Model, open_deals: OpenDeals, worth: Floats, edges: Floats, drawn: Draws) -> Floats:
    """Return about the money that each draw expects in the first period, (draws,), on a coarse lattice.

    It only ranks the draws; more periods do not move it. Levers are left out, so that a plan has the luck of
    the present: by their own ranks two plans would get common factors that are not each other's.
    """
    step = max(model.funnel.step, float(edges[1] - edges[0]) / ROUGH_STEPS)
    values = replace(model.values, signing=())
    present = replace(model, due=None, levers=(), table=model.table.first_era, values=values)
    found = intensities(present, open_deals, edges, replace(drawn, rates=drawn.rates[:, :1]), step=step)
    sold = found.chance[:, :, 0] @ worth
    money: Floats = sold + found.new_money[:, 0]
    return money


def even_pairs(money: Floats, periods: int, rng: np.random.Generator) -> Integers:
    """Return, for each draw and period, the rank of its common factor, spread evenly over draws of all sizes.

    Draws are ranked by their money; the ranks of the factors follow from these by a lattice, rank x step mod
    draws with a shift by chance, so that no seed pairs the high draws with the high factors; of all shifts
    one of the eighth that leaves the least correlation of money and factor.

    Returns:
        (draws, periods), each column a permutation.

    Source: rank-1 lattices, Niederreiter 1992, doi:10.1137/1.9781611970081.
    """
    draws = len(money)
    rank = np.empty(draws, dtype=np.int64)
    rank[np.argsort(money, kind="stable")] = np.arange(draws)
    steps = [step for step in range(1, draws + 1) if math.gcd(step, draws) == 1]
    golden = sorted(steps, key=lambda step: abs(step / draws % 1 - GOLDEN_STEP))
    columns = []
    for period in range(periods):
        along = rank * golden[period % len(golden)]
        shifts = along + np.arange(draws)[:, None]
        together = np.abs((money - money.mean()) @ (shifts % draws).T)
        best = np.argsort(together, kind="stable")[: max(draws // SHIFTS, 1)]
        columns.append(shifts[rng.choice(best)] % draws)
    return np.stack(columns, axis=1)
