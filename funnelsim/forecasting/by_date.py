"""Leads that win at the date they state: open ones survive to it, new ones are picked up by days ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers
from funnelsim.calibration.posterior import PRIOR_CASES, draw_counts
from funnelsim.model.funnel import Funnel, winning_exits
from funnelsim.model.model import REACH, Draws, Due, Model, OpenDeals, kind_numbers
from funnelsim.model.rates import era_hits, era_leaving

LEAST = 1e-9  # a Beta needs both of its counts above 0


@dataclass(frozen=True)
class ByDate:
    """What leads with a date bring, for every draw.

    Args:
        rows: (deals,) whether an open deal states a date.
        chance: (draws, deals, periods) its chance to win in each period, 0 without a date.
        born: (draws, groups, prices, periods) expected wins of leads not yet born that will state one.
        price: (prices,) factor on the amounts of these.
    """

    rows: NDArray[np.bool_]
    chance: Floats
    born: Floats
    price: Floats


def draw_dates(model: Model, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats] | None:
    """Return posterior draws of how leads with a date leave and win, under the model's levers.

    Returns:
        leaving and hits as in `Draws`; None without a clock of expected dates.
    """
    due, funnel = model.due, model.funnel
    if due is None:
        return None
    wins = winning_exits(funnel)
    leaving = draw_counts(due.counts, draws, rng, funnel) * ~wins[:, :, None]
    if due.spread > 0:
        shape = 1 / due.spread**2
        lost = (funnel.targets >= len(funnel.stages))[:, :, None]
        common = rng.gamma(shape, 1 / shape, draws)[:, None, None, None, None]
        leaving = leaving * np.where(lost, common, 1.0)
    hits = _hit_chance(due, draws, rng)
    if due.hit_spread > 0:
        shape = 1 / due.hit_spread**2
        hits = np.minimum(hits * rng.gamma(shape, 1 / shape, draws)[:, None, None], 1.0)
    kinds = kind_numbers(model)
    return era_leaving(model.levers, leaving[:, kinds], wins), era_hits(model.levers, hits[:, kinds], wins)


def steady(model: Model) -> bool:
    """Return whether leads with a date leave alike at all times to come, so that one path holds for all.

    Levers on their winning may begin and end when they like.
    """
    wins = winning_exits(model.funnel)
    others = (one for one in model.levers if one.exit < 0 or not wins[one.stage, one.exit])
    return model.due is None or all(one.start <= 0 and np.isinf(one.end) for one in others)


def by_dates(model: Model, deals: OpenDeals, per_day: Floats, edges: Floats, drawn: Draws) -> ByDate | None:
    """Return the chances of open deals with a date, and the wins of leads to come that will state one.

    With S_r the chance that a lead is in stage r when its day begins, p_r that it then wins, and w the share
    of wins that come so many days late, a deal wins in period k with sum_r S_r p_r W_k / (p_r W + 1 - p_r),
    where W sums w over the days that are left and W_k over those in the period.

    Args:
        model: without a clock of expected dates there is nothing to return.
        deals: open deals.
        per_day: (cells, days) expected leads of each way in on each coming day.
        edges: (periods + 1,) days since the as-of date.
        drawn: rates of leaving and chances to win, see `draw_dates`.
    """
    due = model.due
    if due is None or drawn.leaving is None or drawn.hits is None:
        return None
    days = per_day.shape[1] + REACH + 1
    starts = model.table.starts
    now = int(np.searchsorted(starts, 0.0, side="right")) - 1
    given = np.full(len(deals), np.nan) if deals.due is None else deals.due
    rows = np.isfinite(given)
    left, inside = on_time(due.late, given[rows], edges)
    there, way = _ways(model, due, deals, rows, drawn.leaving[:, now], days)
    era = np.searchsorted(starts, np.maximum(given[rows], 0.0), side="right") - 1
    wins = np.zeros((len(drawn), int(rows.sum())))
    for last in range(len(model.funnel.stages)):
        hit = drawn.hits[:, era, deals.group[rows], last]
        wins += there[:, last] * hit / np.maximum(hit * left + 1 - hit, 1e-12)
    chance = np.zeros((len(drawn), len(deals), len(edges) - 1))
    chance[:, rows] = wins[:, :, None] * inside
    leads = np.zeros((*due.stated.shape, per_day.shape[1]))
    for cell, row in zip(model.entries.cells, per_day, strict=True):
        leads[cell.group, cell.stage] += row * due.stated[cell.group, cell.stage]
    price, kinds = np.unique(prices_on(due, 2 * days), return_inverse=True)
    born = picked_up(due, way, drawn.hits, starts, leads, edges, kinds)
    used = born.any(axis=(0, 1, 3))
    return ByDate(rows, chance, born[:, :, used], price[used])


def _ways(
    model: Model, due: Due, deals: OpenDeals, rows: NDArray[np.bool_], leaving: Floats, days: int
) -> tuple[Floats, Floats]:
    """Return where open deals with a date are when its day begins, and the ways of leads to come to theirs.

    Leads whose lead times have the same factor go the same ways.

    Args:
        rows: (deals,) which state a date.
        leaving: (draws, groups, stages, exits, bins) per day, before that factor.
        days: how far ahead.

    Returns:
        chances (draws, stages then, rows), and (draws, groups, stages, stages then, days ahead), the mean of
        the ways of that many days and of one less.
    """
    stages, far = len(model.funnel.stages), min(due.ahead.shape[1], days - REACH - 1)
    at, group, stage = np.clip(_of(deals.due, rows), 0.0, days), deals.group[rows], deals.stage[rows]
    mine, soon = due.haste_at(_of(deals.lead_time, rows)), due.haste_at(np.arange(float(far)))
    there = np.empty((len(leaving), stages, len(at)))
    way = np.empty((*leaving.shape[:3], stages, far))
    for haste in np.unique(np.append(mine, soon)):
        path = paths(leaving * haste, due.counts.edges, model.funnel, days)
        own, ahead = np.flatnonzero(mine == haste), np.flatnonzero(soon == haste)
        low = np.minimum(at[own].astype(np.int64), days - 1)
        part = at[own] - low
        for last in range(stages):
            sooner, later = (path[:, group[own], stage[own], last, low + one] for one in (0, 1))
            there[:, last, own] = sooner * (1 - part) + later * part
        way[..., ahead] = (path[..., ahead] + path[..., np.maximum(ahead - 1, 0)]) / 2
    return there, way


def _of(column: Floats | None, rows: NDArray[np.bool_]) -> Floats:
    """Return some rows of what may not be known of anybody."""
    return np.full(int(rows.sum()), np.nan) if column is None else column[rows]


def prices_on(due: Due, days: int) -> Floats:
    """Return the factor on the amounts of leads to come with a date on each of the next days, (days,)."""
    price = np.ones(days)
    known = min(days, len(due.price))
    price[:known] = due.price[:known]
    return price


def leads_without_dates(model: Model, per_day: Floats) -> Floats:
    """Return the leads per day, (cells, days), that will state no date: all, without a clock of dates."""
    if model.due is None:
        return per_day
    share = np.array([1.0 - model.due.stated[cell.group, cell.stage] for cell in model.entries.cells])
    rest: Floats = per_day * share[:, None]
    return rest


def with_dates(
    chance: Floats, born: Floats, atoms: Floats, found: ByDate | None
) -> tuple[Floats, Floats, Floats]:
    """Return chances and births by age, and amounts, with those of leads with a date in their place or added.

    Args:
        chance: (draws, deals, periods).
        born: (draws, groups, periods).
        atoms: (groups, atoms) equally likely amounts of a win.

    Returns:
        chance; born (draws, kinds, periods) and atoms (kinds, atoms), a kind being a group and a price.
    """
    if found is None:
        return chance, born, atoms
    mixed = np.where(found.rows[:, None], found.chance, chance)
    plain = found.price == 1.0
    dated = found.born[:, :, ~plain].reshape(len(born), -1, born.shape[2])
    dear = (atoms[:, None] * found.price[~plain, None]).reshape(-1, atoms.shape[1])
    return mixed, np.hstack([born + found.born[:, :, plain].sum(axis=2), dated]), np.vstack([atoms, dear])


def paths(leaving: Floats, edges: Floats, funnel: Funnel, days: int) -> Floats:
    """Return the chance to be in each stage when the date's day begins, by stage and days before that.

    S(0) is the identity; one day earlier S(u + 1) = exp(Q) S(u), with Q the rates between stages in the bin
    of u and, on the diagonal, less all rates of leaving.

    Args:
        leaving: (draws, groups, stages, exits, bins) per day.
        edges: (bins,) left edges of the bins of days to the date.

    Returns:
        (draws, groups, stages, stages then, days + 1), for 0, 1 ... days.
    """
    stages = len(funnel.stages)
    flow = np.zeros((*leaving.shape[:2], leaving.shape[-1], stages, stages))
    for r, targets in enumerate(funnel.targets):
        flow[..., r, r] -= leaving[:, :, r, targets >= 0].sum(axis=2)
        for x in np.flatnonzero((targets >= 0) & (targets < stages)):
            flow[..., r, targets[x]] += leaving[:, :, r, x]
    a_day = matrix_exponential(flow)
    path = np.empty((days + 1, *leaving.shape[:2], stages, stages))
    path[0] = np.eye(stages)
    for day in range(days):
        place = int(np.searchsorted(edges, day, side="right")) - 1
        path[day + 1] = a_day[:, :, place] @ path[day]
    return np.moveaxis(path, 0, -1)


def matrix_exponential(matrices: Floats) -> Floats:
    """Return exp of each matrix (..., n, n): a Taylor sum of a fraction 2^-k of it, squared k times.

    Many small ones at once, where SciPy takes them one by one.

    >>> matrix_exponential(np.array([[-2.0, 2.0], [0.0, 0.0]])).round(6).tolist()
    [[0.135335, 0.864665], [0.0, 1.0]]
    """
    size = float(np.abs(matrices).sum(axis=-1).max(initial=0.0))
    halvings = max(int(np.ceil(np.log2(max(size, 1e-9)))) + 4, 0)
    part, same = matrices / 2.0**halvings, np.eye(matrices.shape[-1])
    found = np.broadcast_to(same, matrices.shape)
    for order in range(8, 0, -1):
        found = same + part @ found / order
    for _ in range(halvings):
        found = found @ found
    return found


def on_time(late: Floats, due: Floats, edges: Floats) -> tuple[Floats, Floats]:
    """Return the share of wins that can still come, (deals,), and that which comes in each period.

    A win counts at the noon of its day, one of today from now on.

    Args:
        late: (2 REACH + 1,) share of wins by days after the date.
        due: (deals,) days until the date's day begins.
        edges: (periods + 1,) days.

    >>> punctual = np.eye(2 * REACH + 1)[REACH]
    >>> on_time(punctual, np.array([-3.0, 0.0, 40.0]), np.array([0.0, 30.0, 60.0]))[1].tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    day = due[:, None] + np.arange(-REACH, REACH + 1)
    share = np.where(day + 1 > 0, late, 0.0)
    period = np.searchsorted(edges, np.maximum(day + 0.5, 0.0), side="right") - 1
    inside = np.stack([(share * (period == k)).sum(axis=1) for k in range(len(edges) - 1)], axis=1)
    return share.sum(axis=1), inside


def picked_up(
    due: Due, way: Floats, hits: Floats, starts: Floats, leads: Floats, edges: Floats, kinds: Integers
) -> Floats:
    """Return expected wins of leads to come, (draws, groups, kinds, periods): an additive pick-up.

    sum over days c of coming in and days ahead x of leads(c) ahead(x) P(x) times the share of wins that,
    being so many days late, come in the period; a lead comes in at noon, so the way to its date is taken
    between x - 1 and x days. The chance to win there is that of the date's era.

    Args:
        way: (draws, groups, stages, stages then, days ahead) see `_ways`.
        hits: (draws, eras, groups, stages) see `Draws`.
        starts: (eras,) day on which each era begins.
        leads: (groups, stages, days) that come in each day and state a date.
        kinds: (days,) number of the kind that dates on each day have.
    """
    days, far = leads.shape[-1], way.shape[-1]
    born = np.zeros((len(way), leads.shape[0], int(kinds.max()) + 1, len(edges) - 1))
    share = _shares_in(due, edges, far, days)
    on = np.arange(far)[:, None] + np.arange(days)
    era, kind = np.searchsorted(starts, on, side="right") - 1, kinds[on]
    for one in np.unique(era):
        alive = np.einsum("dgsrx,dgr->dgsx", way, hits[:, one]) * due.ahead[:, None, :far]
        for number in np.unique(kind[era == one]):
            reaching = share * ((era == one) & (kind == number))[:, :, None]
            wins = np.einsum("gsc,xck->xgsk", leads, reaching, optimize=True)
            born[:, :, number] += np.einsum("dgsx,xgsk->dgk", alive, wins, optimize=True)
    return born


def _shares_in(due: Due, edges: Floats, far: int, days: int) -> Floats:
    """Return the share of wins in each period, (days ahead, days of coming in, periods).

    A lead that comes in on day c, x days ahead, wins at the noon of day c + x or so many days later, but not
    before it comes in.
    """
    noon = np.searchsorted(edges, np.arange(days) + 0.5, side="right") - 1
    period = (noon[:, None] == np.arange(len(edges) - 1)).astype(np.float64)
    period = np.vstack([period, np.zeros((far + REACH, len(edges) - 1))])
    share = np.zeros((far, days, len(edges) - 1))
    for late, part in zip(range(-REACH, REACH + 1), due.late, strict=True):
        if part > 0:
            share += part * period[np.arange(days) + np.maximum(np.arange(far) + late, 0)[:, None]]
    return share


def _hit_chance(due: Due, draws: int, rng: np.random.Generator) -> Floats:
    """Return draws of the chance to win of a lead that is there on its day, (draws, groups, stages).

    A stage is shrunk to all by two leads, a group to its stage by ten.
    """
    every = (due.hits.sum() + 1.0) / (due.reached.sum() + 2.0)
    stage = (due.hits.sum(axis=0) + 2.0 * every) / (due.reached.sum(axis=0) + 2.0)
    hits = due.hits + PRIOR_CASES * stage
    misses = np.maximum(due.reached - due.hits, 0.0) + PRIOR_CASES * (1.0 - stage)
    drawn: Floats = rng.beta(hits, np.maximum(misses, LEAST), (draws, *due.hits.shape))
    return drawn
