"""Leads that win at the date they state: open ones survive to it, new ones are picked up by days ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Floats
from funnelsim.calibration.posterior import draw_counts, stream
from funnelsim.model.funnel import Funnel, winning_exits
from funnelsim.model.model import REACH, Due, Model, OpenDeals

PRIOR_LEADS = 20.0  # leads that a group's hit rate is shrunk by to its stage's: a month of a small hotel
LEAST = 1e-9  # a Beta needs both of its counts above 0


@dataclass(frozen=True)
class ByDate:
    """What leads with a date bring, for every draw.

    Args:
        rows: (deals,) whether an open deal states a date.
        chance: (draws, deals, periods) its chance to win in each period, 0 without a date.
        born: (draws, groups, periods) expected wins of leads not yet born that will state one.
    """

    rows: NDArray[np.bool_]
    chance: Floats
    born: Floats


def by_dates(
    model: Model, deals: OpenDeals, per_day: Floats, edges: Floats, *, draws: int, seed: int
) -> ByDate | None:
    """Return the chances of open deals with a date, and the wins of leads to come that will state one.

    With P the chance that a lead is still there when its day begins and then wins, and w the share of
    wins that come so many days late, a deal wins in period k with P W_k / (P W + 1 - P), where W sums w over
    the days that are left and W_k over those in the period.

    Args:
        model: without a clock of expected dates there is nothing to return.
        deals: open deals.
        per_day: (cells, days) expected leads of each way in on each coming day.
        edges: (periods + 1,) days since the as-of date.
        draws: posterior draws.
        seed: of the draws.
    """
    due = model.due
    if due is None:
        return None
    days = per_day.shape[1] + REACH + 1
    there = survival(due, model.funnel, days, draws=draws, rng=stream(seed, "dates"))
    given = np.full(len(deals), np.nan) if deals.due is None else deals.due
    rows = np.isfinite(given)
    chance = np.zeros((draws, len(deals), len(edges) - 1))
    left, inside = on_time(due.late, given[rows], edges)
    at = np.clip(given[rows], 0.0, days)
    low = np.minimum(at.astype(np.int64), days - 1)
    group, stage = deals.group[rows], deals.stage[rows]
    alive = there[:, group, stage, low] * (1 - (at - low)) + there[:, group, stage, low + 1] * (at - low)
    chance[:, rows] = (alive / np.maximum(alive * left + 1 - alive, 1e-12))[:, :, None] * inside
    leads = np.zeros((*due.stated.shape, per_day.shape[1]))
    for cell, row in zip(model.entries.cells, per_day, strict=True):
        leads[cell.group, cell.stage] += row * due.stated[cell.group, cell.stage]
    return ByDate(rows, chance, picked_up(due, there, leads, edges))


def leads_without_dates(model: Model, per_day: Floats) -> Floats:
    """Return the leads per day, (cells, days), that will state no date: all, without a clock of dates."""
    if model.due is None:
        return per_day
    share = np.array([1.0 - model.due.stated[cell.group, cell.stage] for cell in model.entries.cells])
    rest: Floats = per_day * share[:, None]
    return rest


def with_dates(chance: Floats, born: Floats, found: ByDate | None) -> tuple[Floats, Floats]:
    """Return chances and births by age, with those of leads with a date in their place or added."""
    if found is None:
        return chance, born
    return np.where(found.rows[:, None], found.chance, chance), born + found.born


def survival(due: Due, funnel: Funnel, days: int, *, draws: int, rng: np.random.Generator) -> Floats:
    """Return the chance to be there when the date's day begins and then to win, by days before that.

    P(0) is the stage's chance to win; one day earlier P(u + 1) = exp(Q) P(u), with Q the rates between
    stages in the bin of u and, on the diagonal, less all rates of leaving.

    Returns:
        (draws, groups, stages, days + 1), for 0, 1 ... days.
    """
    rate = draw_counts(due.counts, draws, rng, funnel) * ~winning_exits(funnel)[:, :, None]
    stages = len(funnel.stages)
    if due.spread > 0:
        shape = 1 / due.spread**2
        lost = (funnel.targets >= stages)[:, :, None]
        rate = rate * np.where(lost, rng.gamma(shape, 1 / shape, draws)[:, None, None, None, None], 1.0)
    flow = np.zeros((*rate.shape[:2], rate.shape[-1], stages, stages))
    for r, targets in enumerate(funnel.targets):
        flow[..., r, r] -= rate[:, :, r, targets >= 0].sum(axis=2)
        for x in np.flatnonzero((targets >= 0) & (targets < stages)):
            flow[..., r, targets[x]] += rate[:, :, r, x]
    a_day = matrix_exponential(flow)
    path = np.empty((*rate.shape[:2], stages, days + 1))
    path[..., 0] = _hit_chance(due, draws, rng)
    for day in range(days):
        place = int(np.searchsorted(due.counts.edges, day, side="right")) - 1
        path[..., day + 1] = (a_day[:, :, place] @ path[..., day, None])[..., 0]
    return path


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


def picked_up(due: Due, there: Floats, leads: Floats, edges: Floats) -> Floats:
    """Return expected wins of leads to come, (draws, groups, periods): an additive pick-up.

    sum over days c of coming in and days ahead x of leads(c) ahead(x) P(x) times the share of wins that,
    being so many days late, come in the period; a lead comes in at noon, so P is taken between x - 1 and x.

    Args:
        there: (draws, groups, stages, days) see `survival`.
        leads: (groups, stages, days) that come in each day and state a date.
    """
    days = leads.shape[-1]
    far = min(due.ahead.shape[1], days)
    noon = np.searchsorted(edges, np.arange(days) + 0.5, side="right") - 1
    period = (noon[:, None] == np.arange(len(edges) - 1)).astype(np.float64)
    delayed = np.stack([leads[..., : days - wait] @ period[wait:] for wait in range(days)])
    reaching = np.zeros((far, *delayed.shape[1:]))
    for ahead in range(far):
        wait = np.maximum(ahead + np.arange(-REACH, REACH + 1), 0)
        known = wait < days
        reaching[ahead] = np.tensordot(due.late[known], delayed[wait[known]], axes=1)
    alive = there[..., :far].copy()
    alive[..., 1:] = (alive[..., 1:] + alive[..., :-1]) / 2
    weighted = alive * due.ahead[:, None, :far]
    born: Floats = np.einsum("dgsx,xgsk->dgk", weighted, reaching, optimize=True)
    return born


def _hit_chance(due: Due, draws: int, rng: np.random.Generator) -> Floats:
    """Return draws of the chance to win of a lead that is there on its day, (draws, groups, stages).

    A stage is shrunk to all by two leads, a group to its stage by twenty.
    """
    every = (due.hits.sum() + 1.0) / (due.reached.sum() + 2.0)
    stage = (due.hits.sum(axis=0) + 2.0 * every) / (due.reached.sum(axis=0) + 2.0)
    hits = due.hits + PRIOR_LEADS * stage
    misses = np.maximum(due.reached - due.hits, 0.0) + PRIOR_LEADS * (1.0 - stage)
    drawn: Floats = rng.beta(hits, np.maximum(misses, LEAST), (draws, *due.hits.shape))
    return drawn
