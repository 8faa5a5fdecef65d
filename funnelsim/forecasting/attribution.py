"""What a plan hangs on: what each lever brings, weak and strong, break-even, costs, and when it pays."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import factorial
from typing import Any, cast

import numpy as np
import pandas as pd
from tqdm import tqdm

from funnelsim.arrays import Floats, Integers
from funnelsim.calibration.posterior import stream
from funnelsim.forecasting.forecast import choose_engine
from funnelsim.forecasting.intensity import Intensity, deal_money, draws_of, fares, intensities
from funnelsim.forecasting.periods import days_of
from funnelsim.forecasting.situation import Situation
from funnelsim.model.funnel import Pool
from funnelsim.model.levers import (
    CostsLever,
    Lever,
    OddsLever,
    RepsLever,
    Scenario,
    SpendLever,
    ValueLever,
    apply_scenario,
    by_channel,
    span_of,
    spent_on,
)
from funnelsim.model.model import Draws, Model, OpenDeals, amounts
from funnelsim.model.scenario import WhatIf, scenario_of
from funnelsim.model.units import per_day
from funnelsim.simulation.run import period_sums

FEWEST_DRAWS = 20  # below it the parts of a gain are more noise than gain
MOST_WORK = 3200  # forecasts that a split may take, draws x sets of levers: about as long as the comparison
MOST_EXACT = 8  # levers whose every set is tried: 256; more are split by some orders
# Of lives: no question about a plan takes more than so many times the lives of the plan itself. Three levers
# (eight sets) and a break-even (eight prices) then have as many lives as the comparison, and the same luck.
MOST_TIMES = 8
FEWEST_PAIRS = 8  # orders and their reverses: fewer say nothing on their own error
FARTHEST = 4.0  # odds beyond a quarter or four times today's: no price is worth asking about there
TENTH = 1.2816  # deviations from the mean to the 10th and 90th percentile of a bell curve
# Odds at which a plan's gain is worked out for its break-even: the polynomial through eight is as good as the
# curve itself (1e-5), and all plans that only move prices share what is found there.
NODES = 8
# Of lives the same eight are noisy: a cubic through their midst bends as odds do (at most .0006 beside what
# the exact engine finds for prices from -10 % to +50 %), and lets the noise of single ones pass by.
CUBIC = 3
# The same wins added up in another order, or by another machine: sums of thousands agree to twelve digits.
SAME = 1e-11
MOST_HELD = 16_000_000  # chances of plans that are held for others: 128 MB
WEAK, STRONG = 0.5, 1.5  # of a lever's change, where nobody knows its error


def shared_luck(
    model: Model, open_deals: OpenDeals, edges: Floats, *, draws: int, seed: int,
    common: Floats | None = None, progress: bool = False,
) -> Floats:  # fmt: skip
    """Return simulated revenue of each period under the luck that all scenarios share, (draws, periods)."""
    drawn = draws_of(model, open_deals, edges, draws=draws, seed=seed, common=common)
    return lived_revenue(model, open_deals, edges, drawn, seed, progress)


def lived_revenue(
    model: Model, open_deals: OpenDeals, edges: Floats, drawn: Draws, seed: int, progress: bool
) -> Floats:
    """Return simulated revenue of each period, a life for each draw, (draws, periods)."""
    sums = period_sums(
        model, edges, open_deals=open_deals, replications=len(drawn), seed=seed, drawn=drawn,
        progress=progress,
    )  # fmt: skip
    total: Floats = sums.revenue.sum(axis=2)
    return total


@dataclass(frozen=True)
class Bench:
    """Where plans are tried: the same open deals, periods, draws, common factors and luck.

    What was found of one plan serves others whose leads fare alike, as prices and intake move no rate.
    """

    model: Model
    deals: OpenDeals
    edges: Floats
    draws: int
    seed: int
    common: Floats

    @classmethod
    def of(cls, model: Model, deals: OpenDeals, edges: Floats, draws: int, seed: int) -> Bench:
        """Return the bench of a model, with common factors of its own draws."""
        common = draws_of(model, deals, edges, draws=draws, seed=seed).common
        return cls(model, deals, edges, draws, seed, common)

    @cached_property
    def _known(self) -> dict[tuple[object, ...], tuple[Model, Intensity]]:
        return {}

    def drawn(self, model: Model) -> Draws:
        """Return the draws of a model on this bench."""
        return draws_of(model, self.deals, self.edges, draws=self.draws, seed=self.seed, common=self.common)

    def found(self, model: Model, progress: bool = False, cuts: tuple[float, ...] = ()) -> Intensity:
        """Return the chances under a model that a scenario makes of the bench's own; see `intensities`."""
        key = (*fares(model), cuts)
        like = self._known.get(key)
        found = intensities(
            model, self.deals, self.edges, self.drawn(model), whole=True, progress=progress,
            like=None if like is None else like[1], cuts=cuts,
        )  # fmt: skip
        held = found.chance if found.parts is None else found.parts.chance
        if like is None and (len(self._known) + 1) * held.size <= MOST_HELD:
            self._known[key] = model, found
        return found

    def cost(self, scenario: Scenario) -> float:
        """Return what a plan costs more than today, all periods together."""
        return sum(float(one.within(self.edges).sum()) for one in outlays(self.model, scenario))

    def today(self, lived: bool) -> Floats:
        """Return the revenue of all periods of each draw, or life, without a plan, (draws,)."""
        if lived not in self._today:
            self._today[lived] = self.by_draw(Scenario("today"), lived)
        return self._today[lived]

    @cached_property
    def _today(self) -> dict[bool, Floats]:
        return {}

    def by_draw(self, scenario: Scenario, lived: bool) -> Floats:
        """Return what each draw expects, or each life brings, of all periods together, (draws,)."""
        found: Floats = self.money(apply_scenario(self.model, scenario), lived).sum(axis=1)
        return found

    def money(self, model: Model, lived: bool = False) -> Floats:
        """Return the revenue that each draw expects (or each life brings) in each period."""
        if lived or choose_engine(model, None) != "exact":
            return lived_revenue(model, self.deals, self.edges, self.drawn(model), self.seed, False)
        return revenue_by_draw(model, self.deals, self.found(model))


def shapley(
    model: Model, scenario: Scenario, open_deals: OpenDeals, edges: Floats, *, draws: int = 20, seed: int = 1
) -> pd.DataFrame:
    """Split a scenario's gain in expected revenue among its levers, fairly.

    A lever's part is its mean gain over all orders in which the levers could be pulled
    (Shapley 1953, doi:10.1515/9781400881970-018); the parts add up to the whole gap. Of more than 8 levers
    some orders are drawn, each with its reverse, and the parts have a standard error. So have parts of lives:
    a part is worked out for each life, all sets of levers meeting the same luck.

    Returns:
        Columns lever (in words), part (money over all periods) and, of more than 8 levers or of lives, error.
    """
    bench = Bench.of(model, open_deals, edges, draws, seed)
    return split_of(bench, scenario)


def split_of(bench: Bench, scenario: Scenario, progress: bool = False) -> pd.DataFrame:
    """Do `shapley` on a bench."""
    scenario = scenario.only(i for i, c in enumerate(scenario.changes) if not isinstance(c, CostsLever))
    count = len(scenario.changes)
    lived = any_lived([bench.model, apply_scenario(bench.model, scenario)])
    pairs = max(FEWEST_PAIRS, MOST_WORK // (2 * bench.draws * count))
    told = pd.DataFrame({"lever": [change.sentence for change in scenario.changes]})
    known: dict[tuple[int, ...], Floats] = {}
    sets = 2**count if count <= MOST_EXACT else 2 * pairs * (count - 1) + 2
    with tqdm(total=sets, desc="sets of levers", disable=not progress, leave=False) as bar:

        def worth(chosen: Sequence[int]) -> Floats:
            key = tuple(sorted(chosen))
            if key not in known:
                own = bench.by_draw(scenario.only(key), lived)
                known[key] = own if lived else own.mean(keepdims=True)
                bar.update()
            return known[key]

        if count > MOST_EXACT:
            by_life, errors = _by_orders(worth, count, pairs, stream(bench.seed, "orders"))
        else:
            for size in range(count + 1):
                for chosen in combinations(range(count), size):
                    worth(chosen)
            by_life = np.array([_shapley_part(known, lever, count) for lever in range(count)])
            errors = np.zeros(count)
    told["part"] = by_life.mean(axis=1)
    if not lived and count <= MOST_EXACT:
        return told
    return told.assign(error=np.hypot(errors, by_life.std(axis=1) / np.sqrt(by_life.shape[1])))


def _by_orders(
    worth: Callable[[Sequence[int]], Floats], count: int, pairs: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return Shapley parts by random orders and their reverses, (levers, lives), and their standard errors.

    Source: Castro, Gomez and Tejada 2009, doi:10.1016/j.cor.2008.04.004; the reverses halve the error.
    """
    found = np.zeros((pairs, count, worth(()).size))
    for pair in range(pairs):
        order = rng.permutation(count)
        for one in (order, order[::-1]):
            levels = [worth(one[:size].tolist()) for size in range(count + 1)]
            found[pair, one] += np.diff(levels, axis=0) / 2
    return found.mean(axis=0), found.mean(axis=2).std(axis=0, ddof=1) / np.sqrt(pairs)


def lever_parts(
    place: Situation, scenarios: Mapping[str, WhatIf], *, draws: int = 20, seed: int = 1,
    benches: Mapping[int, Bench] | None = None, progress: bool = False,
) -> dict[str, pd.DataFrame]:  # fmt: skip
    """Return the levers of each scenario that has several, with their parts of its gain; see `shapley`.

    With the draws of `compare_models` the parts add up to its differences; where there are more than three
    levers, fewer draws, or lives, may be taken, and the sum is only near them.

    Args:
        benches: number of draws -> bench, where plans were tried before.
    """
    edges = days_of(place.periods, place.model.as_of)
    known, found = dict(benches or {}), {}
    for name, asked in scenarios.items():
        scenario = scenario_of(asked, place.model)
        count = sum(not isinstance(change, CostsLever) for change in scenario.changes)
        if count < 2:
            continue
        lived = any_lived([place.model, apply_scenario(place.model, scenario)])
        most = (MOST_TIMES * draws if lived else MOST_WORK) >> count
        number = min(draws, max(most, FEWEST_DRAWS))
        if number not in known:
            known[number] = Bench.of(place.model, place.deals, edges, number, seed)
        found[name] = split_of(known[number], scenario, progress)
    return found


def _shapley_part(worth: Mapping[tuple[int, ...], Floats], lever: int, count: int) -> Floats:
    part = np.zeros_like(worth[()])
    for chosen, value in worth.items():
        if lever not in chosen:
            weight = factorial(len(chosen)) * factorial(count - len(chosen) - 1) / factorial(count)
            part += weight * (worth[tuple(sorted((*chosen, lever)))] - value)
    return part


def revenue_by_draw(model: Model, deals: OpenDeals, found: Intensity) -> Floats:
    """Return the revenue that each draw expects of each period, (draws, periods)."""
    if found.parts is not None:
        dated: Floats = deal_money(model, deals, found).sum(axis=1) + found.new_money
        return dated
    chance = found.chance if found.more is None else found.chance + found.more
    money: Floats = np.einsum("dip,i->dp", chance, amounts(model, deals)) + found.new_money
    return money


def width_by_source(table: pd.DataFrame) -> pd.DataFrame:
    """Return how wide revenue is by chance, by not knowing the parameters, and by the choice of a plan.

    Law of total variance, plans being equally likely: variance = mean over plans of chance^2 + mean over
    plans of parameter^2 + variance over plans of the mean.

    Args:
        table: rows scenario x period with mean, chance and parameter (deviations; nan: chance holds both).

    Returns:
        One row per period: period, chance, parameter, scenario, total (deviations: their squares add up).
    """
    rows = []
    for period, own in table.groupby("period", sort=False):
        parts = {name: float(np.sqrt((own[name] ** 2).mean())) for name in ("chance", "parameter")}
        parts["scenario"] = float(own["mean"].std(ddof=0))
        total = float(np.sqrt(np.nansum(np.square(list(parts.values())))))
        rows.append({"period": period, **parts, "total": total})
    return pd.DataFrame(rows)


def break_even(bench: Bench, plan: Scenario, progress: bool = False) -> tuple[float, float]:
    """Return the change of the odds of every way to win at which a plan with other prices earns nothing more.

    Where only new deals, or those of some days, get another price, only their odds are changed. Of lives it
    has a standard error: that of the gain there, over the slope of the gain (delta method).

    Returns:
        As in -.11: pays as long as odds fall by less than 11 %; nan for a plan that moves no price, or that
        gains nothing; -.75 or 3 where it is beyond. And its standard error by lives, 0 by the exact engine.
    """
    if not any(isinstance(change, ValueLever) for change in plan.changes):
        return math.nan, 0.0
    funnel = bench.model.funnel
    ways = [(stage, place) for stage, ends in zip(funnel.stages, funnel.exits, strict=True) for place in ends]
    ways = [(stage, place) for stage, place in ways if place in funnel.earns]

    lived = any_lived([bench.model, apply_scenario(bench.model, plan)])

    def gain(log: float) -> Floats:
        changes = [_at_odds(one, log) for one in plan.changes]
        if any(isinstance(one, ValueLever) and not one.some for one in changes):
            odds = [OddsLever(odds={stage: place}, multiply=math.exp(log)) for stage, place in ways]
            changes += cast("list[Lever]", odds)
        other = replace(plan, changes=tuple(changes))
        return clear_gap(bench.by_draw(other, lived), bench.today(lived)) - bench.cost(other)

    first, far = gain(0.0), math.log(FARTHEST)
    level = float(first.mean())
    if not math.isfinite(level) or level == 0 or not ways:
        return math.nan, 0.0
    end = -far if level > 0 else far
    last = gain(end)
    if last.mean() * level > 0:
        return math.exp(end) - 1, 0.0
    places = end / 2 * (1 - np.cos(np.pi * np.arange(NODES) / (NODES - 1)))
    bar = tqdm(places[1:-1], desc="odds at break-even", disable=not progress, leave=False)
    gains = np.array([first, *(gain(float(log)) for log in bar), last])
    return _root(places, gains, lived)


def _root(places: Floats, gains: Floats, lived: bool) -> tuple[float, float]:
    """Return the change of odds at which the mean gain is 0, and its standard error by lives.

    Args:
        places: logarithms of the change of odds, from 0 on.
        gains: (places, draws or lives), whose means at both ends differ in sign.
    """
    means = gains.mean(axis=1)
    curve = np.polynomial.Chebyshev.fit(places, means, CUBIC if lived else NODES - 1)
    near, away = 0.0, float(places[-1])
    for _ in range(60):
        middle = (near + away) / 2
        near, away = (middle, away) if curve(middle) * means[0] > 0 else (near, middle)
    if not lived:
        return math.exp(near) - 1, 0.0
    off = float(gains[np.abs(places - near).argmin()].std() / np.sqrt(gains.shape[1]))
    return math.exp(near) - 1, math.exp(near) * off / abs(float(curve.deriv()(near)))


def _at_odds(change: Lever, log: float) -> Lever:
    """Return a lever on prices of some deals with other odds for them, by elasticity; any other as it is."""
    if not isinstance(change, ValueLever) or not change.some or change.multiply in (0.0, 1.0):
        return change
    return _with(change, elasticity=change.elasticity - log / math.log(change.multiply))


def swing(bench: Bench, plan: Scenario, progress: bool = False) -> pd.DataFrame:
    """Return what a plan earns more than today if one lever after the other does less, or more, than planned.

    A lever whose strength was fitted is set to the 10th and 90th percentile of it; any other to half and one
    and a half of its change.

    Returns:
        lever, weak, strong (money, net of costs), error (the larger standard error of the two, over draws or
        lives, which both sides share), at_weak, at_strong (in words), widest first.
    """
    lived = any_lived([bench.model, apply_scenario(bench.model, plan)])
    rows = []
    bar = tqdm(plan.changes, desc="levers weak and strong", disable=not progress, leave=False)
    for number, change in enumerate(bar):
        told: dict[str, Any] = {"lever": change.sentence, "error": 0.0}
        for name, (one, said) in zip(("weak", "strong"), _ends(change, bench.model), strict=True):
            moved = replace(plan, changes=(*plan.changes[:number], one, *plan.changes[number + 1 :]))
            gap = clear_gap(bench.by_draw(moved, lived), bench.today(lived))
            told |= {name: float(gap.mean()) - bench.cost(moved), f"at_{name}": said}
            told["error"] = max(told["error"], float(gap.std() / np.sqrt(len(gap))))
        rows.append(told)
    frame = pd.DataFrame(rows, columns=["lever", "weak", "strong", "error", "at_weak", "at_strong"])
    width = (frame["strong"] - frame["weak"]).abs()
    return frame.loc[width.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def any_lived(models: Iterable[Model]) -> bool:
    """Return whether any of the plans has to be lived: then all are, as one engine's noise is no gain."""
    return any(choose_engine(model, None) != "exact" for model in models)


def _ends(change: Lever, model: Model) -> list[tuple[Lever, str]]:
    """Return a lever at its weak and strong end, each with what that is."""
    if isinstance(change, SpendLever) and change.elasticity is None:
        own = change.own(model)
        if own is not None and own.error > 0:
            ends = np.clip(own.elasticity + TENTH * own.error * np.array([-1.0, 1.0]), 0.0, 2.0)
            return [(_with(change, elasticity=float(x)), f"elasticity {x:.2f}") for x in ends]
    return [(_part_of(change, part, model), said) for part, said in ((WEAK, "half"), (STRONG, "half more"))]


def _part_of(change: Lever, part: float, model: Model) -> Lever:
    """Return a lever with a part of its change, whole reps staying whole."""
    moved: dict[str, Any] = {}
    if isinstance(change, CostsLever):
        amount, _, unit = str(change.costs).partition(" per ")
        money = float(amount) * part
        return _with(change, costs=f"{money!r} per {unit}" if unit else money)
    if getattr(change, "multiply", 1.0) != 1.0:
        moved["multiply"] = max(1 + (change.multiply - 1) * part, 0.0)  # type: ignore[attr-defined]
    if isinstance(change, RepsLever):
        now = 0 if change.set is None else int(model.pools[change.pool(model)].size[0])
        more = ((change.add or 0 if change.set is None else change.set) - now) * part
        whole = int(more) if part < 1 else int(math.copysign(math.ceil(abs(more)), more))
        moved = {"add": whole} if change.set is None else {"set": max(now + whole, 0)}
    elif getattr(change, "add", None) is not None:
        moved["add"] = change.add * part  # type: ignore[attr-defined]
    return _with(change, **moved)


def _with(change: Lever, **moved: Any) -> Lever:
    """Return a lever with other values; `replace` would read them as those of a file."""
    made = copy.copy(change)
    for name, value in moved.items():
        object.__setattr__(made, name, value)
    return made


@dataclass(frozen=True)
class Outlay:
    """Money that a plan takes: per day from start to end, or once where these are one day; nan: unknown."""

    start: float
    end: float
    amount: float

    def within(self, edges: Floats) -> Floats:
        """Return what falls into each period, (periods,), from its ends in days since the as-of date."""
        if self.start == self.end:
            return np.where((edges[:-1] <= self.start) & (self.start < edges[1:]), self.amount, 0.0)
        days = np.minimum(edges[1:], self.end) - np.maximum(edges[:-1], self.start)
        return np.where(days > 0, self.amount * days, 0.0)


def outlays(model: Model, scenario: Scenario) -> list[Outlay]:
    """Return what a plan costs more than today's: what it says, spend on channels, and salaries of reps."""
    costs = [one for one in scenario.changes if isinstance(one, CostsLever)]
    found = []
    for one in costs:
        start, end = span_of(one.from_, one.to, model)
        per_time = isinstance(one.costs, str)
        amount = per_day(one.costs) if per_time else float(one.costs)
        found.append(Outlay(start, end if per_time else start, amount))
    for own in by_channel([one for one in scenario.changes if isinstance(one, SpendLever)]):
        known = own[0].today is not None or own[0].own(model) is not None
        now = own[0].now(model).per_day if known else np.nan
        found += [Outlay(start, end, spend - now) for start, end, spend in spent_on(model, own)]
    hires = [one for one in scenario.changes if isinstance(one, RepsLever)]
    pairs = zip(model.pools, RepsLever.act(model, hires).pools if hires else model.pools, strict=True)
    return [*found, *(one for before, after in pairs if before.salary for one in _wages(before, after))]


def _wages(before: Pool, after: Pool) -> Iterator[Outlay]:
    """Return what the reps of a pool cost more than before, from change to change of their number."""
    starts = sorted({0.0, *(day for day in (*before.starts, *after.starts) if day > 0)})
    for start, end in zip(starts, [*starts[1:], np.inf], strict=True):
        more = after.size_on(start) - before.size_on(start)
        if more:
            yield Outlay(start, end, more * before.salary)


def cost_of(model: Model, plan: Scenario, edges: Floats) -> Floats:
    """Return what a plan costs more than today's in each period, (periods,); nan where it is not known."""
    paid: Floats = sum((one.within(edges) for one in outlays(model, plan)), np.zeros(len(edges) - 1))
    return paid


def by_month(
    place: Situation, plans: Mapping[str, Scenario], *, draws: int = 200, seed: int = 1
) -> pd.DataFrame:
    """Return month by month what plans are expected to bring and to cost; net gains are cumulated.

    Returns:
        scenario, month, gain, cost, net.
    """
    if not plans:
        return pd.DataFrame()
    edges = days_of(place.periods, place.model.as_of)
    ends, months, names = _month_ends(place, edges)
    common = draws_of(place.model, place.deals, edges, draws=draws, seed=seed).common
    common = common[:, np.searchsorted(edges, ends[:-1], side="right") - 1]
    bench = Bench(place.model, place.deals, ends, draws, seed, common)

    def expected(model: Model) -> Floats:
        found: Floats = np.bincount(months, bench.money(model).mean(axis=0), len(names)).astype(np.float64)
        return found

    before = expected(place.model)
    frames = []
    for name, plan in plans.items():
        model = apply_scenario(place.model, plan)
        gain = clear_gap(before if model is place.model else expected(model), before)
        cost = np.bincount(months, cost_of(place.model, plan, ends), len(names))
        told = {"scenario": name, "month": names, "gain": gain, "cost": cost, "net": np.cumsum(gain - cost)}
        frames.append(pd.DataFrame(told))
    return pd.concat(frames, ignore_index=True)


def _month_ends(place: Situation, edges: Floats) -> tuple[Floats, Integers, list[str]]:
    """Return ends of months and periods in days, the number of the month between each two, and names."""
    as_of = place.model.as_of
    starts = pd.date_range(as_of, place.periods[-1].end, freq="MS", normalize=True)
    days = np.asarray((starts - as_of) / pd.Timedelta(days=1), dtype=np.float64)
    ends = np.unique(np.concatenate([edges, days[(days > 0) & (days < edges[-1])]]))
    middle = as_of + pd.to_timedelta((ends[:-1] + ends[1:]) / 2, unit="D")
    labels = middle.strftime("%Y-%m")
    codes, names = pd.factorize(labels)
    return ends, codes.astype(np.int64), list(names)


def clear_gap(one: Floats, other: Floats) -> Floats:
    """Return by how much one sum of money exceeds another, 0 where only their last bits differ.

    >>> clear_gap(np.array([0.1 + 0.2 + 0.3, 5.0]), np.array([0.3 + 0.2 + 0.1, 4.0])).tolist()
    [0.0, 1.0]
    """
    gap = one - other
    clear: Floats = np.where(np.abs(gap) > SAME * np.maximum(np.abs(one), np.abs(other)), gap, 0.0)
    return clear
