"""Scenarios side by side: same state, same luck, same draws, so that a difference is never noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.cards import card
from funnelsim.errors import FunnelError
from funnelsim.forecasting.forecast import (
    ENGINES,
    check_luck,
    choose_engine,
    draws_of,
    engine_for,
    forecast_periods,
    intensities,
    totals,
)
from funnelsim.forecasting.periods import Period, Targets, days_of
from funnelsim.forecasting.situation import Situation
from funnelsim.model.levers import Scenario, apply_scenario
from funnelsim.model.model import Draws, Model, OpenDeals, amounts
from funnelsim.model.scenario import WhatIf, is_words, scenario_file, scenario_of
from funnelsim.show import words
from funnelsim.simulation.run import period_sums

FEWEST_DRAWS = 20  # below it the parts of a gain are more noise than gain
MOST_WORK = 3200  # forecasts that a split may take, draws x sets of levers: about as long as the comparison
BASE = "as planned"
# The same wins added up in another order, or by another machine: sums of thousands agree to twelve digits.
SAME = 1e-11


@dataclass(frozen=True)
class Comparison:
    """What scenarios change against the present plan.

    Args:
        table: rows scenario x period: mean, difference, low and high (80 % interval of the difference),
            p_better, futures, and quantiles of revenue; the first scenario is the present plan.
        parts: scenario -> its levers and their parts of the gain (Shapley), where it has several.
        currency: three letters, or nothing.
        notes: what to beware of, a sentence each.
        plans: scenario -> its levers, whose `sentence` says what it changes.
    """

    table: pd.DataFrame
    parts: dict[str, pd.DataFrame]
    currency: str
    notes: tuple[str, ...] = ()
    plans: dict[str, Scenario] = field(default_factory=dict)

    @property
    def best(self) -> str:
        """The scenario with the largest expected gain over all periods; the plan itself if none gains."""
        gain = self.table.groupby("scenario", sort=False)["difference"].sum()
        return str(gain.idxmax())

    def __str__(self) -> str:
        name = self.best
        if name == BASE:
            return "No scenario is expected to bring more than the present plan."
        rows = self.table[self.table["scenario"] == name]
        gain = words.money(float(rows["difference"].sum()), self.currency, sign=True)
        most = rows.iloc[int(rows["difference"].to_numpy().argmax())]
        return (
            f"'{words.name(name)}' is expected to bring most: {gain} over all periods; "
            f"in {most['period']} {words.verdict(float(most['p_better']), float(most['futures']))}."
        )

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        shown = self.table[["scenario", "period", "mean", "difference", "low", "high", "p_better"]]
        return card(str(self), shown)


def scenario_names(asked: Sequence[WhatIf]) -> dict[str, WhatIf]:
    """Return name -> scenario: its words, or a file's stem, or its whole path where two have the same stem.

    >>> from pathlib import Path
    >>> list(scenario_names([Path("a/up.yaml"), Path("b/up.yaml"), Path("c.yaml"), "price  +5%"]))
    ['a/up.yaml', 'b/up.yaml', 'c', 'price +5%']
    """
    found: list[tuple[str, str, WhatIf]] = []
    for one in asked:
        if isinstance(one, Scenario) or is_words(one):
            name = one.name if isinstance(one, Scenario) else " ".join(str(one).split())
            named = (name, name, one)
        else:
            file = scenario_file(one)
            named = (file.stem, file.as_posix(), file)
        found += [named] if named not in found else []
    short = [name for name, _, _ in found]
    unique = {name for name in short if short.count(name) == 1 and name != BASE}
    names = [name if name in unique else long for name, long, _ in found]
    for name in names:
        if names.count(name) > 1 or name == BASE:
            raise FunnelError(
                f"compare: more than one scenario is called '{name}'; give each a name of its own"
            )
    return dict(zip(names, (one for _, _, one in found), strict=True))


def compare_models(
    models: Mapping[str, Model],
    open_deals: OpenDeals,
    periods: tuple[Period, ...],
    *,
    booked: pd.DataFrame | None = None,
    draws: int = 200,
    seed: int = 1,
    engine: str | None = None,
    target: Targets | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Compare scenarios with the first of them, period by period.

    Every scenario is lived through by the same leads with the same luck and the same posterior draw
    in each replication; the interval and the chance to be better are over these pairs. Where the
    exact engine fits, expected revenue and its quantiles come from it. How leads answer to spend is taken
    at its estimate: the interval does not hold the error of an elasticity (that of `best_budget` does).

    Args:
        models: name -> model under that scenario; the first is what the others are compared with.
        draws: replications, each with a posterior draw of its own.

    Returns:
        Rows scenario x period: mean, difference, low and high (80 % interval of the difference),
        p_better (of the futures in which the two differ, the share that earns more than the first; .5 where
        none differs), futures (how many differ), and quantiles of revenue.

    Raises:
        FunnelError: fewer than two scenarios, or scenarios that start from different dates.
    """
    if len(models) < 2:
        raise FunnelError("compare: name at least one scenario to compare with the present plan")
    check_luck(draws, seed)
    first = next(iter(models.values()))
    edges = days_of(periods, first.as_of)
    if engine is None:  # one for all: two engines' noise would be taken for a difference of plans
        engine = max((engine_for(model, edges) for model in models.values()), key=ENGINES.index)
    shared = draws_of(first, open_deals, edges, draws=draws, seed=seed)
    paired, levels = {}, {}
    for name, model in models.items():
        drawn = shared
        if model is not first:
            drawn = draws_of(model, open_deals, edges, draws=draws, seed=seed, common=shared.common)
        paired[name] = _lived(model, open_deals, edges, drawn, seed, progress)
        levels[name] = forecast_periods(
            model, open_deals, periods, booked=booked, draws=draws, seed=seed, target=target,
            engine=engine, drawn=drawn, progress=progress,
        )  # fmt: skip
    base = next(iter(models))
    rows = []
    for name, found in levels.items():
        total = totals(found)
        expected = _gap(total["mean"].to_numpy(), totals(levels[base])["mean"].to_numpy())
        for k, row in enumerate(total.to_dict("records")):
            gap = _gap(paired[name][:, k], paired[base][:, k])
            parts = {"difference": expected[k]} | _spread(gap, expected[k])
            kept = {key: value for key, value in row.items() if key not in {"origin", "measure", "sd"}}
            rows.append({"scenario": name} | kept | parts)
    return pd.DataFrame(rows)


def _gap(one: Floats, other: Floats) -> Floats:
    """Return by how much one sum of money exceeds another, 0 where only their last bits differ.

    >>> _gap(np.array([0.1 + 0.2 + 0.3, 5.0]), np.array([0.3 + 0.2 + 0.1, 4.0])).tolist()
    [0.0, 1.0]
    """
    gap = one - other
    clear: Floats = np.where(np.abs(gap) > SAME * np.maximum(np.abs(one), np.abs(other)), gap, 0.0)
    return clear


def _spread(gap: Floats, mean: float) -> dict[str, float]:
    """Return the 80 % interval and the chance to be better of a simulated gap whose mean is known exactly.

    The interval reaches to the mean at least: where a rare large win makes it, few lives have seen one.
    Futures in which nothing differs say nothing on which is better: they are left out.

    >>> _spread(np.array([0.0, 0.0, 2.0, 3.0, 4.0]), 5.0)
    {'low': 0.0, 'high': 5.0, 'p_better': 1.0, 'futures': 3.0}
    """
    low, high = np.quantile(gap, [0.1, 0.9])
    differ = int((gap != 0).sum())
    better = float((gap > 0).sum() / differ) if differ else 0.5
    ends = {"low": float(min(low, mean)), "high": float(max(high, mean))}
    return ends | {"p_better": better, "futures": float(differ)}


def shared_luck(
    model: Model, open_deals: OpenDeals, edges: Floats, *, draws: int, seed: int,
    common: Floats | None = None, progress: bool = False,
) -> Floats:  # fmt: skip
    """Return simulated revenue of each period under the luck that all scenarios share, (draws, periods)."""
    drawn = draws_of(model, open_deals, edges, draws=draws, seed=seed, common=common)
    return _lived(model, open_deals, edges, drawn, seed, progress)


def _lived(
    model: Model, open_deals: OpenDeals, edges: Floats, drawn: Draws, seed: int, progress: bool
) -> Floats:
    sums = period_sums(
        model, edges, open_deals=open_deals, replications=len(drawn), seed=seed, drawn=drawn,
        progress=progress,
    )  # fmt: skip
    total: Floats = sums.revenue.sum(axis=2)
    return total


def shapley(
    model: Model, scenario: Scenario, open_deals: OpenDeals, edges: Floats, *, draws: int = 20, seed: int = 1
) -> pd.DataFrame:
    """Split a scenario's gain in expected revenue among its levers, fairly.

    A lever's part is its mean gain over all orders in which the levers could be pulled
    (Shapley 1953, doi:10.1515/9781400881970-018); the parts add up to the whole gap.

    Returns:
        Columns lever (in words) and part (money over all periods).

    Raises:
        FunnelError: more than 8 levers, which would need too many forecasts.
    """
    count = len(scenario.changes)
    if count > 8:
        raise FunnelError(f"shapley: {count} levers; at most 8 can be split")
    common = draws_of(model, open_deals, edges, draws=draws, seed=seed).common
    worth = {
        chosen: expected_revenue(
            apply_scenario(model, scenario.only(chosen)),
            open_deals,
            edges,
            draws=draws,
            seed=seed,
            common=common,
        )
        for size in range(count + 1)
        for chosen in combinations(range(count), size)
    }
    parts = [_shapley_part(worth, lever, count) for lever in range(count)]
    return pd.DataFrame({"lever": [change.sentence for change in scenario.changes], "part": parts})


def lever_parts(
    place: Situation, scenarios: Mapping[str, WhatIf], *, draws: int = 20, seed: int = 1
) -> dict[str, pd.DataFrame]:
    """Return the levers of each scenario that has several, with their parts of its gain; see `shapley`.

    With the draws of `compare_models` the parts add up to its differences; where there are more than three
    levers, or lives to simulate, fewer draws are taken, and the sum is only near them.
    """
    edges = days_of(place.periods, place.model.as_of)
    exact = choose_engine(place.model, None) == "exact"
    found = {}
    for name, asked in scenarios.items():
        scenario = scenario_of(asked, place.model)
        if len(scenario.changes) < 2:
            continue
        most = MOST_WORK >> len(scenario.changes) if exact else FEWEST_DRAWS
        number = min(draws, max(most, FEWEST_DRAWS))
        found[name] = shapley(place.model, scenario, place.deals, edges, draws=number, seed=seed)
    return found


def expected_revenue(
    model: Model, open_deals: OpenDeals, edges: Floats, *, draws: int, seed: int, common: Floats | None = None
) -> float:
    """Return the expected revenue of all periods together: exact where that fits, else simulated."""
    if choose_engine(model, None) != "exact":
        sums = shared_luck(model, open_deals, edges, draws=draws, seed=seed, common=common)
        return float(sums.sum(axis=1).mean())
    drawn = draws_of(model, open_deals, edges, draws=draws, seed=seed, common=common)
    found = intensities(model, open_deals, edges, drawn)
    sold = found.chance.mean(axis=0).sum(axis=1) @ amounts(model, open_deals)
    return float(sold + found.new_money.mean(axis=0).sum())


def _shapley_part(worth: Mapping[tuple[int, ...], float], lever: int, count: int) -> float:
    part = 0.0
    for chosen, value in worth.items():
        if lever not in chosen:
            weight = factorial(len(chosen)) * factorial(count - len(chosen) - 1) / factorial(count)
            part += weight * (worth[tuple(sorted((*chosen, lever)))] - value)
    return part
