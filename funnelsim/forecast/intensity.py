"""Chances of open deals and expected wins of leads to come: what a period's distribution is made of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from funnelsim.forecast.dated import Dated, dated, undated, with_dates
from funnelsim.forecast.exact import Chances, at_ages, chances, from_entries
from funnelsim.model.calendar import Calendar, booking_factors
from funnelsim.model.entries import expected
from funnelsim.model.model import Model, OpenDeals

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Intensity:
    """Chances and expected counts that a period's distribution is made of.

    Args:
        chance: (draws, deals, periods) chance of each open deal to win in each period.
        born: (draws, groups, periods) expected wins of leads not yet born.
        more: (draws, deals, periods) expected further wins of open deals in the same period; None where a
            lead wins at most once.
        dated: the part of them that wins at an expected date, on which no common factor acts.
    """

    chance: Floats
    born: Floats
    more: Floats | None = None
    dated: Dated | None = None


def further_share(model: Model, deals: OpenDeals, edges: Floats) -> float:
    """Return which share of expected wins follow another win of the same lead in the same period.

    The distribution takes these for independent of the win before, so it is right for few of them only.
    """
    if not model.funnel.wins_again:
        return 0.0
    wins, first = (_wins(model, deals, edges, once) for once in (False, True))
    return 1 - first / wins if wins > 0 else 0.0


def _wins(model: Model, deals: OpenDeals, edges: Floats, once: bool) -> float:
    """Return all expected wins at the model's own rates, at most one of a lead in a period if `once`."""
    oldest = float(deals.age.max(initial=0.0))
    found = chances(model.funnel, model.table, edges, oldest=oldest, once=once)
    per_day = expected(model.entries, int(np.ceil(edges[-1])))
    born = _births(found, model, per_day).sum()
    return float(at_ages(found, deals.group, deals.stage, deals.age).sum() + born)


def by_way(found: Chances, model: Model, per_day: Floats) -> Floats:
    """Return expected wins of leads to come by way in, (cells, periods); per_day is (cells, days)."""
    ways = zip(model.entries.cells, per_day, strict=True)
    wins = [from_entries(found, cell.group, cell.stage, leads) for cell, leads in ways]
    return np.array(wins).reshape(len(wins), found.at_entry.shape[-1])


def _births(found: Chances, model: Model, per_day: Floats) -> Floats:
    """Return expected wins of leads to come, (groups, periods); per_day is (cells, days)."""
    born = np.zeros((len(model.groups), found.at_entry.shape[-1]))
    for cell, wins in zip(model.entries.cells, by_way(found, model, per_day), strict=True):
        born[cell.group] += wins
    return born


def intensities(
    model: Model,
    open_deals: OpenDeals,
    edges: Floats,
    rates: Floats,
    *,
    progress: bool = False,
    seed: int = 1,
) -> Intensity:
    """Return chances of open deals and expected wins of leads to come, for every draw of the rates.

    Args:
        edges: (periods + 1,) days since the as-of date.
        rates: (draws, eras, groups, stages, exits, bins) per day.
        seed: of the draws of the clock of expected dates.
    """
    oldest = float(open_deals.age.max(initial=0.0))
    days = int(np.ceil(edges[-1]))
    per_day = expected(model.entries, days)
    clock = dated(model, open_deals, per_day, edges, draws=len(rates), seed=seed)
    per_day = undated(model, per_day)
    busy = booking_factors(model.calendar, model.as_of, days) if model.calendar != Calendar() else None

    chance = np.empty((len(rates), len(open_deals), len(edges) - 1))
    more = np.empty_like(chance) if model.funnel.wins_again else None
    births = np.empty((len(rates), len(model.groups), len(edges) - 1))

    def one(draw: int) -> None:
        table = model.table.with_rate(rates[draw])
        found = chances(model.funnel, table, edges, oldest=oldest, busy=busy)
        births[draw] = _births(found, model, per_day)
        chance[draw] = at_ages(found, open_deals.group, open_deals.stage, open_deals.age)
        if more is not None:
            first = chances(model.funnel, table, edges, oldest=oldest, busy=busy, once=True)
            wins = chance[draw].copy()
            chance[draw] = at_ages(first, open_deals.group, open_deals.stage, open_deals.age)
            more[draw] = np.clip(wins - chance[draw], 0.0, 1.0)

    one(0)
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(one, range(len(rates)))
        list(tqdm(done, total=len(rates), desc="draws", disable=not progress, leave=False))
    return Intensity(*with_dates(chance, births, clock), more, clock)


def shaken(found: Intensity, spread: float, rng: np.random.Generator) -> Intensity:
    """Return intensities with a common Gamma factor of mean 1 on the winning of each period and draw.

    The factors are evenly spaced quantiles in random order, so that few draws already have the
    right mean and spread.
    """
    from scipy.stats import gamma

    draws, _, periods = found.chance.shape
    if spread <= 0 or draws < 2:
        return found
    shape = 1 / spread**2
    even = gamma.ppf((np.arange(draws) + 0.5) / draws, shape, scale=1 / shape)
    even /= even.mean()
    factor = np.stack([rng.permutation(even) for _ in range(periods)], axis=1)
    chance = np.clip(found.chance, 0.0, 1 - 1e-12)
    np.log1p(np.negative(chance, out=chance), out=chance)
    chance *= factor[:, None, :]
    np.negative(np.expm1(chance, out=chance), out=chance)
    more = None if found.more is None else found.more * factor[:, None, :]
    born = (found.born if found.dated is None else found.born - found.dated.born) * factor[:, None, :]
    return Intensity(*with_dates(chance, born, found.dated), more, found.dated)
