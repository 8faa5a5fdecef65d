"""Scenarios side by side: same state, same luck, same draws, so that a difference is never noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.cards import card
from funnelsim.errors import FunnelError
from funnelsim.forecasting.attribution import (
    FEWEST_DRAWS,
    TENTH,
    Bench,
    any_lived,
    break_even,
    by_month,
    clear_gap,
    cost_of,
    lever_parts,
    lived_revenue,
    revenue_by_draw,
    swing,
    width_by_source,
)
from funnelsim.forecasting.distribution import reached, width_parts
from funnelsim.forecasting.fates import Side as Fates
from funnelsim.forecasting.fates import fate_gaps, ways_like
from funnelsim.forecasting.forecast import (
    ENGINES,
    MOST_AT_ONCE,
    Forecast,
    check_luck,
    engine_for,
    forecast_periods,
)
from funnelsim.forecasting.intensity import (
    Intensity,
    joined,
    revenue_lump,
)
from funnelsim.forecasting.periods import TOTAL, Period, Targets, days_of, targets_of, within
from funnelsim.forecasting.situation import Situation
from funnelsim.model.levers import RateLever, Scenario, ValueLever, apply_scenario
from funnelsim.model.model import Model, OpenDeals, amounts
from funnelsim.model.scenario import WhatIf, is_words, scenario_file
from funnelsim.show import words

BASE = "as planned"
NO_SPEND = "What is spent on a channel today is not known, and so is what the plan costs; add 'today'."


@dataclass(frozen=True)
class Comparison:
    """What scenarios change against the present plan.

    Args:
        table: rows scenario x period, and all periods together as "total": see `compare_models`.
        parts: scenario -> its levers and their parts of the gain (Shapley), where it has several.
        currency: three letters, or nothing.
        notes: what to beware of, a sentence each.
        plans: scenario -> its levers, whose `sentence` says what it changes.
        worth: one row per scenario, all periods together: difference, low, high, p_better, futures, cost, net
            (gain: difference less cost), net_low, net_high, p_net (chance that it is above 0), lives (futures
            in all), roi (net / cost), roi_low, roi_high, pays (first month from whose end on the cumulated
            expected net gain stays above 0, "" if none), break_even and break_even_error (see there).
        months: of plans with costs: scenario, month, gain, cost, and net, cumulated.
        swings: scenario -> its levers, weak and strong (what the plan then earns more than today), their
            error, and what weak and strong mean.
        place: what all scenarios start from.
    """

    table: pd.DataFrame
    parts: dict[str, pd.DataFrame]
    currency: str
    notes: tuple[str, ...] = ()
    plans: dict[str, Scenario] = field(default_factory=dict)
    worth: pd.DataFrame = field(default_factory=pd.DataFrame)
    months: pd.DataFrame = field(default_factory=pd.DataFrame)
    swings: dict[str, pd.DataFrame] = field(default_factory=dict)
    place: Situation | None = field(default=None, repr=False)

    @property
    def whole(self) -> pd.DataFrame:
        """All periods together of each scenario: the rows called "total", or those of the only period."""
        total = self.table[self.table["period"] == TOTAL]
        return total if len(total) else self.table

    @property
    def rounded(self) -> pd.DataFrame:
        """The table with differences and their ends rounded to what is known of them, for people."""
        errors = {"difference": "error", "net": "error", "low": "low_error", "net_low": "low_error"}
        errors |= {"high": "high_error", "net_high": "high_error"}
        return _rounded(self.table, errors)

    @property
    def rounded_swings(self) -> dict[str, pd.DataFrame]:
        """The swings with both ends rounded to what is known of them, for people."""
        return {
            name: _rounded(frame, {"weak": "error", "strong": "error"}) for name, frame in self.swings.items()
        }

    @property
    def rounded_parts(self) -> dict[str, pd.DataFrame]:
        """The parts of levers, where they have an error rounded to it, for people."""
        return {
            name: _rounded(frame, {"part": "error"}) if "error" in frame else frame
            for name, frame in self.parts.items()
        }

    @property
    def best(self) -> str:
        """The scenario with the largest expected net gain; the plan itself if none gains."""
        net = self.whole.set_index("scenario")["net"]  # nan: nobody knows what it costs
        return str(net.fillna(-np.inf).idxmax())

    @property
    def span(self) -> str:
        """The periods in words, as in "2026 Q3 to 2026 Q4"."""
        names = list(dict.fromkeys(self.table.loc[self.table["period"] != TOTAL, "period"]))
        return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"

    @property
    def best_row(self) -> dict[str, Any]:
        """The best scenario's row of all periods together."""
        return _row_of(self.whole, self.best)

    @property
    def pays(self) -> str:
        """The month from which on the best scenario pays, "" if none."""
        return str(_row_of(self.worth, self.best)["pays"])

    @property
    def widths(self) -> pd.DataFrame:
        """How wide revenue is by chance, parameters and the choice of a plan; see `width_by_source`."""
        return width_by_source(self.table)

    @property
    def where_from(self) -> str:
        """What makes the width of revenue of all periods together, in a sentence."""
        row = self.widths.iloc[-1]
        if not row["total"] > 0:
            return ""
        parts = {name: row[name] ** 2 / row["total"] ** 2 for name in ("chance", "parameter", "scenario")}
        share = {name: words.percent(part) for name, part in parts.items() if np.isfinite(part)}
        known = f"chance makes {share['chance']}, not knowing the parameters {share.get('parameter')}"
        both = f"chance and not knowing the parameters make {share['chance']}"
        told = known if "parameter" in share else both
        among = "the choice among these plans, if all were equally likely,"
        return f"Of the width of revenue, {self.span} (its variance), {told}, {among} {share['scenario']}."

    @property
    def answer(self) -> str:
        """Which plan, how much and how sure, in a sentence."""
        if self.best == BASE:
            return f"No plan is expected to earn more than the present one, {self.span}."
        row = self.best_row
        gain = words.money(words.to_error(row["difference"], row["error"]), self.currency, sign=True)
        ends = (words.to_error(row[end], row[f"{end}_error"]) for end in ("low", "high"))
        low, high = (words.money(end, self.currency, sign=True) for end in ends)
        sure = words.verdict(row["p_better"], row["futures"], row["p_mean"])
        best = "brings most" if len(self.plans) > 1 else "brings"
        told = f"'{words.name(self.best)}' {best}: {gain}, {self.span}"
        return f"{told} (80 %: {low} to {high}), {sure}."

    def __str__(self) -> str:
        return self.answer if self.best == BASE else f"{self.answer} {self._cost()}"

    def _cost(self) -> str:
        """Say what the best plan costs, and when it pays."""
        row = self.best_row
        if row["cost"] == 0:
            return "No costs are stated."
        if not np.isfinite(row["cost"]):
            return "What it costs is not known."
        when = f"it pays from {self.pays} on" if self.pays else "it does not pay within the span"
        verb, cost = ("costs", row["cost"]) if row["cost"] > 0 else ("saves", -row["cost"])
        net = words.money(words.to_error(row["net"], row["error"]), self.currency, sign=True)
        above = f"above 0 in {words.futures(row['p_net'], row['lives'])}"
        return f"It {verb} {words.money(cost, self.currency)}: net {net}, {above}; {when}."

    @property
    def findings(self) -> tuple[str, ...]:
        """Break-even prices, and by how much plans move the chance to reach the target."""
        told = [self._limit(row) for row in self.worth.to_dict("records") if np.isfinite(row["break_even"])]
        told += [
            self._reach(row)
            for row in self.whole.to_dict("records")
            if row["scenario"] != BASE and np.isfinite(row["target_gain"]) and row["target_gain"] != 0
        ]
        return tuple(told)

    @property
    def cautions(self) -> tuple[str, ...]:
        """How exact the intervals are, and the notes."""
        off = float(self.whole[["low_error", "high_error"]].to_numpy().max())
        if off == 0:
            return self.notes
        known = f"to within {words.money(float(f'{off:.2g}'), self.currency)} or less"
        lives = f"by {self.table['lives'].iloc[0]:,.0f} futures, and rounded to that"
        return (f"Ends of the intervals are known {known}, {lives}; more draws narrow it.", *self.notes)

    def _reach(self, row: Mapping[Any, Any]) -> str:
        """Say by how much a plan moves the chance to reach the target."""
        low, mean, high = (100 * row[name] for name in ("target_low", "target_gain", "target_high"))
        before, after = words.percent(row["p_target"] - row["target_gain"]), words.percent(row["p_target"])
        moved = f"moves the chance of {words.money(row['target'], self.currency)} from {before} to {after}"
        return f"'{row['scenario']}' {moved}: {mean:+.0f} points (80 %: {low:+.0f} to {high:+.0f})."

    def _limit(self, row: Mapping[Any, Any]) -> str:
        """Say how far the odds of winning may fall, or must rise, until a plan earns what today's does."""
        change, name, off = row["break_even"], row["scenario"], row["break_even_error"]
        known = f" (standard error {100 * off:.1g} points, by {row['lives']:,.0f} futures)" if off else ""
        if 2 * off > abs(change):
            return f"By how much odds may fall until '{name}' earns nothing more is not known{known}."
        levers = self.plans[name].changes
        moved = any(getattr(one, "odds", 1.0) != 1.0 or isinstance(one, RateLever) for one in levers)
        prices = [one for one in levers if isinstance(one, ValueLever)]
        then = " in the days of its price" if all(one.deals == "signed" for one in prices) else ""
        further = " further" if moved else ""
        share = words.percent(words.to_error(abs(change), off))
        odds = f"the odds of winning{then}"
        if change < 0:
            return f"'{name}' pays as long as {odds} fall{further} by less than {share}{known}."
        return f"'{name}' pays only if {odds} rise{further} by more than {share}{known}."

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        shown = self.table[["scenario", "period", "mean", "difference", "low", "high", "p_better"]]
        return card(str(self), shown)


def _rounded(frame: pd.DataFrame, errors: Mapping[str, str]) -> pd.DataFrame:
    """Return a table with columns rounded to what is known of them: column -> that of its error."""
    told = {
        name: [words.to_error(value, off) for value, off in zip(frame[name], frame[error], strict=True)]
        for name, error in errors.items()
    }
    return frame.assign(**told)


def _row_of(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    """Return a scenario's only row."""
    rows = frame[frame["scenario"] == name].to_dict("records")
    return {str(key): value for key, value in rows[0].items()}


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


@dataclass(frozen=True)
class _Side:
    """One plan's futures: what is told of it, revenue by draw, and what its gaps are counted from.

    Args:
        rows: period, start, end, mean, target, p_target, and quantiles if asked.
        means: (draws, columns) expected revenue; None where lives alone tell.
        tails: (draws or lives, columns) chance to reach each target.
        lived: (lives, columns) revenue; None where the exact pass tells all.
        found: chances by the exact pass.
        variances: (columns, 2) of revenue, by chance and by parameters; nan where lives hold both as one.
    """

    model: Model
    rows: pd.DataFrame
    means: Floats | None
    tails: Floats
    lived: Floats | None
    found: Intensity | None
    variances: Floats


@dataclass(frozen=True)
class _Field:
    """What all plans share: the bench on which they are tried, periods, and what is asked of them.

    At its cuts some plan's prices change with the day of winning: periods are cut there under all plans, so
    that a lead's fates are told by part.
    """

    bench: Bench
    periods: tuple[Period, ...]
    booked: pd.DataFrame | None
    engine: str
    target: Targets | None
    quantiles: bool
    progress: bool
    cuts: tuple[float, ...] = ()

    @property
    def sure(self) -> float:
        """Revenue that is booked in the first period already."""
        if self.booked is None:
            return 0.0
        return within(self.booked, self.periods[0].start, self.bench.model.as_of)[0]

    @property
    def exact(self) -> bool:
        """Whether the chances of single deals are worked out."""
        return self.engine == "exact" and len(self.bench.deals) <= MOST_AT_ONCE

    def lives(self, model: Model) -> Floats:
        """Return the revenue of a life for each draw, (draws, columns)."""
        bench = self.bench
        drawn = bench.drawn(model)
        return _with_sum(lived_revenue(model, bench.deals, bench.edges, drawn, bench.seed, self.progress))


def compare_models(
    models: Mapping[str, Model],
    open_deals: OpenDeals,
    periods: tuple[Period, ...],
    *,
    booked: pd.DataFrame | None = None,
    costs: Mapping[str, Floats] | None = None,
    draws: int = 200,
    seed: int = 1,
    engine: str | None = None,
    target: Targets | None = None,
    progress: bool = False,
    quantiles: bool = True,
    bench: Bench | None = None,
) -> pd.DataFrame:
    """Compare scenarios with the first of them, period by period, and over all periods together.

    Every scenario has the same leads, the same luck and the same posterior draws; the interval and the
    chance to be better are over pairs of futures. Where the exact engine fits, expected revenue and its
    quantiles come from it, and so do the chances of the pairs (see `fate_gaps`); else every scenario is lived
    through. How leads answer to spend is taken
    at its estimate: the interval does not hold the error of an elasticity (that of `best_budget` does).

    Args:
        models: name -> model under that scenario; the first is what the others are compared with.
        costs: name -> money that it costs more than the first in each period, (periods,); nan: not known.
        draws: posterior draws, each with some futures of its own.
        quantiles: whether the quantiles of revenue are wanted, which take as long as all the rest.
        bench: on which plans of the first model were tried with these draws.

    Returns:
        Rows scenario x period, and "total" where there are several periods (a deal wins once in it): mean,
        difference and its standard error over draws, low and high (80 % interval of the difference) with the
        Monte Carlo errors of these ends, p_better (of the futures in which the two differ, the share that
        earns more than the first; .5 where none differs), futures (how many differ; infinitely many where a
        plan only moves prices, and so is surely better or worse) of lives, p_mean (of the draws, the share
        that expects more; nan where lives alone tell), cost, net, net_low, net_high, p_net, target, p_target,
        target_gain with target_low and target_high (80 % over draws), chance and parameter (deviations of
        revenue, as in `Forecast.widths`; where plans are lived chance holds both), and quantiles of revenue.

    Raises:
        FunnelError: fewer than two scenarios, or scenarios that start from different dates.
    """
    if len(models) < 2:
        raise FunnelError("compare: name at least one scenario to compare with the present plan")
    check_luck(draws, seed)
    first = next(iter(models.values()))
    edges = days_of(periods, first.as_of)
    engine = _one_engine(list(models.values()), edges, engine, len(open_deals))
    bench = bench or Bench.of(first, open_deals, edges, draws, seed)
    cuts = tuple(sorted({day for model in models.values() for day in model.values.signing_days}))
    ground = _Field(bench, periods, booked, engine, target, quantiles, progress, cuts)
    base = _side(ground, first)
    rows = []
    for name, model in models.items():
        other = base if model is first else _side(ground, model)
        cost = _with_sum(np.atleast_2d((costs or {}).get(name, np.zeros(len(periods)))))[0]
        rows += _rows(name, other, base, _gaps(ground, base, other), cost, _surely(first, model), draws)
    return pd.DataFrame(rows)


def _side(ground: _Field, model: Model) -> _Side:
    """Return a plan's futures; lives are lived where the exact pass does not tell all."""
    bench = ground.bench
    found = bench.found(model, ground.progress, ground.cuts) if ground.exact else None
    lived = None if found is not None and found.more is None else ground.lives(model)
    means = None if found is None else _with_sum(revenue_by_draw(model, bench.deals, found))
    tails = _tails(model, bench.deals, found, means, lived, _missing(ground))
    parts = _variances(model, bench.deals, found, lived)
    if means is not None and not ground.quantiles:
        return _Side(model, _plain_rows(ground, means, tails), means, tails, lived, found, parts)
    forecast = forecast_periods(
        model, bench.deals, ground.periods, booked=ground.booked, draws=bench.draws, seed=bench.seed,
        target=ground.target, engine=ground.engine, drawn=bench.drawn(model), found=found, whole=True,
        progress=ground.progress,
    )  # fmt: skip
    return _Side(model, _forecast_rows(forecast), means, tails, lived, found, parts)


def _variances(model: Model, deals: OpenDeals, found: Intensity | None, lived: Floats | None) -> Floats:
    """Return the variances of revenue by chance and by parameters, see `_Side`."""
    if found is None:
        every = cast(Floats, lived).var(axis=0)
        return np.stack([every, np.full_like(every, np.nan)], axis=1)
    lumps = [revenue_lump(model, deals, found, k) for k in range(found.chance.shape[2])]
    lumps += [revenue_lump(model, deals, joined(found), 0)] if len(lumps) > 1 else []
    return np.array([width_parts(lump) for lump in lumps])


def _forecast_rows(forecast: Forecast) -> pd.DataFrame:
    """Return what a forecast tells of total revenue."""
    periods, widths = forecast.with_total
    kept = periods[(periods["origin"] == "total") & (periods["measure"] == "revenue")]
    rows = kept.merge(widths[["period", "target", "p_target"]], on="period")
    return rows.drop(columns=["origin", "measure", "sd"])


def _plain_rows(ground: _Field, means: Floats, tails: Floats) -> pd.DataFrame:
    """Return what the exact pass tells of total revenue without its distribution."""
    spans = list(ground.periods)
    if len(spans) > 1:
        spans.append(Period(TOTAL, spans[0].start, spans[-1].end))
    goals, reach = targets_of(ground.target, ground.periods), tails.mean(axis=0)
    rows = [
        {
            "period": span.label, "start": span.start, "end": span.end,
            "mean": float(means[:, k].mean()) + (ground.sure if k in (0, len(ground.periods)) else 0.0),
            "target": goals.get(span.label, np.nan), "p_target": float(reach[k]),
        }
        for k, span in enumerate(spans)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _gaps(ground: _Field, base: _Side, side: _Side) -> Floats:
    """Return by how much a plan's revenue differs from the present one's, (futures, columns)."""
    if side.lived is not None and base.lived is not None:
        return clear_gap(side.lived, base.lived)
    one, two = (_fates(ground, plan) for plan in (base, side))
    if base.model.due is None:
        one = replace(one, ways=ways_like(one.ways, two.ways, side.model.entries.same))
        one = replace(one, atoms=one.atoms[list(side.model.entries.same)]) if side.model.entries.same else one
    if one.ways.shape != two.ways.shape:  # leads that state a date may come at other prices
        return clear_gap(ground.lives(side.model), ground.lives(base.model))
    bench = ground.bench
    spread = bench.model.entries.spread
    gaps = fate_gaps(one, two, bench.deals.name, spread=spread, seed=bench.seed)
    parts = cast(Intensity, side.found).parts
    return _with_sum(gaps if parts is None else parts.by_period(gaps))


def _fates(ground: _Field, side: _Side) -> Fates:
    """Return what a plan's leads may bring, by parts of periods where prices change within them."""
    found, deals = cast(Intensity, side.found), ground.bench.deals
    money, atoms = amounts(side.model, deals)[:, None], found.atoms[found.kind][:, None]
    if found.parts is None:
        every = np.ones(found.chance.shape[2])
        return Fates(money * every, found.chance, cast(Floats, found.ways), atoms * every[:, None])
    dear, price = found.parts.price, found.parts.price[found.kind]
    return Fates(money * dear[deals.group], found.parts.chance, found.parts.ways, atoms * price[:, :, None])


def _one_engine(models: Sequence[Model], edges: Floats, wanted: str | None, deals: int) -> str:
    """Return the engine of all plans: two engines' noise would be taken for a difference of plans."""
    if wanted is not None:
        return wanted
    spans = (edges, edges[[0, -1]])
    chosen = {engine_for(model, ends, deals=deals) for model in models for ends in spans}
    return max(chosen, key=ENGINES.index)


def _with_sum(columns: Floats) -> Floats:
    """Return the columns of periods, and, where there are several, their sum as one more."""
    if columns.shape[1] == 1:
        return columns
    return np.hstack([columns, columns.sum(axis=1, keepdims=True)])


def _missing(ground: _Field) -> Floats:
    """Return what targets still want beside what is booked, a column each, nan without a target."""
    periods, sure = ground.periods, ground.sure
    goals = targets_of(ground.target, periods)
    names = [period.label for period in periods] + ([TOTAL] if len(periods) > 1 else [])
    booked = np.array([sure if k in (0, len(periods)) else 0.0 for k in range(len(names))])
    wanted: Floats = np.array([goals.get(name, np.nan) for name in names]) - booked
    return wanted


def _tails(
    model: Model, deals: OpenDeals, found: Intensity | None, means: Floats | None, lived: Floats | None,
    missing: Floats,
) -> Floats:  # fmt: skip
    """Return the chance of each draw (of each life: 0 or 1) to reach each target, (draws, columns)."""
    draws = cast(Floats, lived if means is None else means)
    tails = np.full(draws.shape, np.nan)
    for k, wanted in enumerate(missing):
        if np.isnan(wanted):
            continue
        if found is None:
            tails[:, k] = draws[:, k] >= wanted
        elif k < found.chance.shape[2]:
            tails[:, k] = reached(revenue_lump(model, deals, found, k), wanted)
        else:
            tails[:, k] = reached(revenue_lump(model, deals, joined(found), 0), wanted)
    return tails


def _surely(first: Model, model: Model) -> int:
    """Return 1 where a plan earns more from every win it touches and moves no lead, -1 where less, else 0."""
    moved = [one.name for one in fields(model) if getattr(model, one.name) is not getattr(first, one.name)]
    if moved != ["values"]:
        return 0
    new, old = model.values, first.values
    days = np.array([0.0, *new.signing_days, *old.signing_days])
    prices = (new.signing_prices(days) - old.signing_prices(days)).ravel()
    gaps = np.concatenate([(new.amounts - old.amounts).ravel(), (new.ratio - old.ratio).ravel(), prices])
    return int(bool((gaps >= 0).all())) - int(bool((gaps <= 0).all()))


def _rows(
    name: str, side: _Side, base: _Side, gaps: Floats, cost: Floats, sure: int, draws: int
) -> list[dict[str, Any]]:
    """Return a scenario's rows: what it brings in each period, and against the first."""
    mine, theirs, rows = side.rows, base.rows, []
    level, before = (_summed(frame["mean"].to_numpy()) for frame in (mine, theirs))
    expected = _summed(clear_gap(level, before))
    for k, row in enumerate(mine.to_dict("records")):
        gap = gaps[:, k]
        told: dict[str, Any] = {"scenario": name} | {str(key): value for key, value in row.items()}
        told |= {"mean": level[k], "difference": expected[k]} | _spread(gap, expected[k], draws)
        told |= dict(zip(("chance", "parameter"), np.sqrt(side.variances[k]).tolist(), strict=True))
        told |= _on_average(side, base, k, gap)
        if sure and expected[k] != 0:
            told |= {"p_better": float(sure > 0), "futures": np.inf}
        told |= _net(told, gap, float(cost[k]))
        reach = row["p_target"] - theirs["p_target"].iloc[k]
        rows.append(told | _target_gap(side.tails[:, k], base.tails[:, k], reach, side.means is None))
    return rows


def _summed(columns: Floats) -> Floats:
    """Return expectations with that of all periods as the sum of theirs: that is exact, whoever simulates."""
    return columns if len(columns) == 1 else np.append(columns[:-1], columns[:-1].sum())


def _on_average(side: _Side, base: _Side, k: int, gap: Floats) -> dict[str, float]:
    """Return the standard error of a difference over the draws, and the share of draws that expect a gain."""
    if side.means is None or base.means is None:
        return {"error": float(gap.std() / np.sqrt(len(gap))), "p_mean": np.nan}
    means = clear_gap(side.means[:, k], base.means[:, k])
    better = float((means > 0).mean()) if means.any() else 0.5
    return {"error": float(means.std() / np.sqrt(len(means))), "p_mean": better}


def _net(told: Mapping[str, float], gap: Floats, cost: float) -> dict[str, float]:
    """Return what is left of a difference when the plan is paid."""
    found = {"cost": cost, "net": told["difference"] - cost}
    found |= {"net_low": told["low"] - cost, "net_high": told["high"] - cost}
    if cost == 0:
        return found | {"p_net": told["p_better"]}
    return found | {"p_net": float((gap > cost).mean()) if np.isfinite(cost) else np.nan}


def _target_gap(mine: Floats, theirs: Floats, reach: float, lived: bool) -> dict[str, float]:
    """Return by how much a chance to reach a target changes, with 80 % over draws (of lives: their error)."""
    gap = clear_gap(mine, theirs)
    if np.isnan(reach) or np.isnan(gap).any():
        return dict.fromkeys(("target_gain", "target_low", "target_high"), np.nan)
    if lived:
        half = TENTH * float(gap.std() / np.sqrt(len(gap)))
        return {"target_gain": reach, "target_low": reach - half, "target_high": reach + half}
    low, high = np.quantile(gap, [0.1, 0.9])
    reach = 0.0 if not gap.any() else reach
    return {
        "target_gain": reach,
        "target_low": float(min(low, reach)),
        "target_high": float(max(high, reach)),
    }


def _spread(gap: Floats, mean: float, draws: int = 0) -> dict[str, float]:
    """Return the 80 % interval and the chance to be better of a simulated gap whose mean is known exactly.

    The interval reaches to the mean at least: where a rare large win makes it, few futures have seen one.
    Futures in which nothing differs say nothing on which is better: they are left out. The error of an end is
    half the distance of the futures a standard deviation of their number above and below it.

    Args:
        gap: (futures,), those of a draw side by side.
        draws: of the rates; by default each future has one of its own.

    >>> _spread(np.array([0.0, 0.0, 2.0, 3.0, 4.0]), 5.0)["futures"]
    3.0
    """
    low, high = np.quantile(gap, [0.1, 0.9])
    differ, lives = int((gap != 0).sum()), len(gap)
    better = float((gap > 0).sum() / differ) if differ else 0.5
    below, above = (_number_off(gap, end, draws or lives) for end in (low, high))
    around = np.quantile(gap, np.clip([0.1 - below, 0.1 + below, 0.9 - above, 0.9 + above], 0.0, 1.0))
    ends = {"low": float(min(low, mean)), "high": float(max(high, mean))}
    errors = {"low_error": float(around[1] - around[0]) / 2, "high_error": float(around[3] - around[2]) / 2}
    return ends | errors | {"p_better": better, "futures": float(differ), "lives": float(lives)}


def _number_off(gap: Floats, end: float, draws: int) -> float:
    """Return the standard deviation of the share of futures beyond a decile.

    Futures of one draw are alike: the share of each draw's own futures tells by how much more than chance.
    """
    own = (gap.reshape(draws, -1) <= end).mean(axis=1)
    share = float(own.mean())
    by_chance = share * (1 - share) * draws / len(gap)
    alike = float(own.var()) / by_chance if by_chance > 0 else 1.0
    return float(np.sqrt(0.09 / len(gap) * max(alike, 1.0)))


def compared(
    place: Situation,
    plans: Mapping[str, Scenario],
    *,
    draws: int = 200,
    seed: int = 1,
    engine: str | None = None,
    target: Targets | None = None,
    progress: bool = False,
    quantiles: bool = True,
) -> Comparison:
    """Compare plans with the present one: what they bring, cost and hang on, and when they pay."""
    models = {BASE: place.model} | {name: apply_scenario(place.model, plan) for name, plan in plans.items()}
    edges = days_of(place.periods, place.model.as_of)
    costs = {name: cost_of(place.model, plan, edges) for name, plan in plans.items()}
    check_luck(draws, seed)
    whole = Bench.of(place.model, place.deals, edges, draws, seed)
    table = compare_models(
        models, place.deals, place.periods, booked=place.booked, costs=costs, draws=draws, seed=seed,
        engine=engine, target=target, progress=progress, quantiles=quantiles, bench=whole,
    )  # fmt: skip
    parts = lever_parts(place, plans, draws=draws, seed=seed, benches={draws: whole}, progress=progress)
    paid = {
        name: plan for name, plan in plans.items() if np.isfinite(costs[name]).all() and costs[name].any()
    }
    months = by_month(place, paid, draws=draws, seed=seed)
    few = Bench.of(place.model, place.deals, edges, min(draws, FEWEST_DRAWS), seed)
    # A few lives would be noise; all that the comparison has serve.
    bench = whole if any_lived(models.values()) else few
    swings = {
        name: swing(bench, plan, progress)
        for name, plan in plans.items()
        if plan.changes and np.isfinite(costs[name]).all()
    }
    limits = {name: break_even(bench, plan, progress) for name, plan in plans.items()}
    notes = tuple(dict.fromkeys(note for plan in plans.values() for note in plan.notes))
    if not all(np.isfinite(cost).all() for cost in costs.values()):
        notes = (*notes, NO_SPEND)
    made = Comparison(
        table, parts, place.model.currency, notes, dict(plans), months=months, swings=swings, place=place
    )
    return replace(made, worth=_worth(made, limits))


def _worth(made: Comparison, limits: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """Return the table `worth` of a comparison."""
    columns = ["scenario", "difference", "low", "high", "p_better", "futures", "cost"]
    columns += ["net", "net_low", "net_high", "p_net", "lives"]
    frame = made.whole.loc[made.whole["scenario"] != BASE, columns].reset_index(drop=True)
    cost = frame["cost"].where(frame["cost"] > 0)
    for name, of in (("roi", "net"), ("roi_low", "net_low"), ("roi_high", "net_high")):
        frame[name] = frame[of] / cost
    frame["pays"] = [_pays(made.months, name) for name in frame["scenario"]]
    for which, column in enumerate(("break_even", "break_even_error")):
        frame[column] = [limits[name][which] for name in frame["scenario"]]
    return frame


def _pays(months: pd.DataFrame, name: str) -> str:
    """Return the first month from whose end on a plan's cumulated net gain stays above 0, "" if none."""
    if not len(months):
        return ""
    rows = months[months["scenario"] == name]
    below = np.flatnonzero(rows["net"].to_numpy() <= 0)
    first = int(below[-1]) + 1 if len(below) else 0
    return str(rows["month"].iloc[first]) if first < len(rows) else ""
