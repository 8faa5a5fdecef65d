"""The way back from a target: the smallest change that reaches it, the cheapest mix, what it hangs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from tqdm import tqdm

from funnelsim.arrays import Floats
from funnelsim.cards import card
from funnelsim.errors import FunnelError, nearest
from funnelsim.forecasting.attribution import Bench
from funnelsim.forecasting.deals import must_win
from funnelsim.forecasting.distribution import Lump, at_least, distributions
from funnelsim.forecasting.exact import chances
from funnelsim.forecasting.forecast import MOST_AT_ONCE, engine_for, forecast_periods
from funnelsim.forecasting.intensity import intensities, joined, revenue_lump
from funnelsim.forecasting.periods import TOTAL, days_of, within
from funnelsim.forecasting.situation import INSTANT, Situation
from funnelsim.model.levers import LEVERS, RepsLever, Scenario, apply_scenario, named_for
from funnelsim.model.model import Model, expected, pace_of
from funnelsim.model.scenario import together
from funnelsim.model.units import quantity
from funnelsim.show import words

MOST, LEAST = 2.0, 0.5  # beyond twice, or half, of what is, no fitted rate is believed
FINE = 1e-3  # changes are told in tenths of a per cent, rounded up so that the chance is kept
STEPS = 12  # of a lever's whole range in a mix: finer ones change its cost by under a tenth
LATE = 0.5  # a lead is late when it brings under half of what one brings today
NOTHING = 1e-9  # of a deviation: what is worth less has drowned in rounding
A_QUARTER = 91.0  # days that a sample of what is to come takes
MOST_MORE = 1000.0  # times today's leads; whoever needs more needs another plan
BY_DATE = "Leads win at their expected dates: how many more would do it is not worked out."
AT_SIGNING = "Prices change with the day of signing: leads needed and must-win deals are not worked out."
NOT_EXACT = "Leads queue, refer or win often: leads needed and must-win deals are not worked out."


@dataclass(frozen=True)
class Search:
    """What must change to reach a target, and what it hangs on.

    Args:
        target, sure: money wanted by the end of the span, and with what chance.
        until: the last moment of the span.
        now: the chance as things stand, and `mean` the money expected.
        levers: one row per lever: lever, change (a factor; nan where even the most does not do), words,
            chance (with the change, or with the most), cost (nan where none is stated).
        mix: the levers of the cheapest mix of those with a stated cost: lever, words, cost; empty without.
        leads: way in, leads expected, more (leads needed beside them), by (the last day on which a lead
            brings at least half of what one brings today).
        deals: the must-win list: lead, stage, value, P(win), P(target) now, if won, if lost.
        learn: what is worth finding out first: unknown, perfect, sample (money), of the mix's decision.
        currency: three letters, or nothing.
        notes: what to beware of.
    """

    target: float
    sure: float
    until: pd.Timestamp
    now: float
    mean: float
    levers: pd.DataFrame
    mix: pd.DataFrame
    leads: pd.DataFrame
    deals: pd.DataFrame
    learn: pd.DataFrame
    currency: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        goal = f"{words.money(self.target, self.currency)} by {self.until - INSTANT:%Y-%m-%d}"
        head = f"Chance of {goal}: {words.percent(self.now)}; {words.percent(self.sure)} wanted."
        if self.now >= self.sure:
            return f"{head} Nothing must change."
        enough = self.levers[self.levers["change"].notna()]
        if enough.empty:
            most = self.levers.iloc[0]
            return f"{head} No lever alone reaches it: {most['words']}."
        others = len(enough) - 1
        more = f", or one of {others} other levers" if others else ""
        return f"{head} Enough alone: {enough.iloc[0]['words']}{more}."

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(str(self), self.levers[["lever", "words", "chance"]])


@dataclass(frozen=True)
class _Ask:
    """A target of a situation, what of it is not booked yet, and the bench on which all is tried."""

    place: Situation
    target: float
    missing: float
    bench: Bench

    def lump(self, model: Model) -> Lump:
        """Return all that can bring money in the span, as one period."""
        bench = self.bench
        found = joined(intensities(model, bench.deals, bench.edges, bench.drawn(model), whole=True))
        return revenue_lump(model, bench.deals, found, 0)

    def reach(self, lump: Lump) -> float:
        return at_least(distributions(lump)["total"], self.missing)

    def chance(self, scenario: Scenario) -> float:
        """Return the chance to reach the target under some levers."""
        model, bench = apply_scenario(self.place.model, scenario), self.bench
        if self.exact(model):
            return self.reach(self.lump(model))
        found = forecast_periods(
            model, bench.deals, self.place.periods, booked=self.place.booked, draws=bench.draws,
            seed=bench.seed, target={TOTAL: self.target}, drawn=bench.drawn(model), whole=True,
        )  # fmt: skip
        return float(found.total_width["p_target"].iloc[0])

    def exact(self, model: Model) -> bool:
        bench = self.bench
        return engine_for(model, bench.edges[[0, -1]]) == "exact" and len(bench.deals) <= MOST_AT_ONCE


@dataclass(frozen=True)
class Candidate:
    """A lever that may be pulled: what it is called, how it changes with a factor, and how far it may go."""

    name: str
    pulled: Callable[[float], Scenario]
    most: float
    whole: bool = False

    @property
    def none(self) -> float:
        """What changes nothing: no rep more, or a factor of 1."""
        return 0.0 if self.whole else 1.0


def find_ways(
    place: Situation,
    target: float,
    *,
    chance: float = 0.8,
    costs: Mapping[str, float] | None = None,
    draws: int = 60,
    seed: int = 1,
    progress: bool = False,
) -> Search:
    """Return what must change so that a target is reached with a chance.

    Every lever is tried alone, from today on: the smallest factor f with P(total >= target | f) >= chance,
    by bisection, each trial with the same draws of the rates, the same common factors and the same luck.

    Args:
        place: where somebody stands; its periods are the span.
        target: money wanted in all periods together.
        chance: with which it is wanted.
        costs: lever -> money for each per cent of change (for reps: each rep), for the mix.
        draws: posterior draws in each trial.
        seed: of the draws.
        progress: whether to show a bar.

    Raises:
        FunnelError: a chance that is none, a target below 0, or a cost of an unknown lever.
    """
    check_wish(target, chance)
    model, edges = place.model, days_of(place.periods, place.model.as_of)
    if model.counts is None and model.win_spread <= 0 and engine_for(model, edges[[0, -1]]) == "exact":
        draws = 1  # stated rates: all draws are alike
    missing = target - within(place.booked, place.periods[0].start, model.as_of)[0]
    ask = _Ask(place, target, missing, Bench.of(model, place.deals, edges, draws, seed))
    known = list(candidates(model))
    prices = _prices(costs or {}, known)
    lump = ask.lump(model) if ask.exact(model) and not model.values.signing else None
    now = ask.chance(Scenario("as planned")) if lump is None else ask.reach(lump)
    rows = [
        _alone(ask, one, chance, now, prices.get(one.name, np.nan))
        for one in tqdm(known, desc="levers", disable=not progress, leave=False)
    ]
    levers = _in_order(rows)
    wanting = now < chance and prices
    mix = cheapest_mix(ask, known, prices, now, chance, levers) if wanting else pd.DataFrame()
    leads = deals = learn = pd.DataFrame()
    mean = np.nan
    notes: tuple[str, ...] = (AT_SIGNING if model.values.signing else NOT_EXACT,)
    if lump is not None:
        deals, notes = must_win(place, lump, ask.missing, now), ()
        if model.due is None:
            leads = leads_needed(ask, lump, chance)
        else:
            notes = (BY_DATE,)
        mean = float(lump.expected.mean()) + target - ask.missing
        if len(mix) and model.counts is not None:
            learn = worth_knowing(ask, lump, _mix_of(known, mix), float(mix["cost"].sum()))
    return Search(
        target, chance, place.periods[-1].end, now, mean, levers, mix, leads, deals, learn, model.currency,
        notes,
    )  # fmt: skip


def check_wish(target: float, chance: float) -> None:
    """Refuse a target or a chance that nothing can be sought for.

    Raises:
        FunnelError: a target that is no money above 0, or a chance outside 1 to 99 %.
    """
    if not (np.isfinite(target) and target > 0):
        raise FunnelError(f"target {target}: expected an amount of money above 0")
    if not 0.01 <= chance <= 0.99:
        raise FunnelError(f"chance {chance}: expected 0.01 to 0.99; nothing is sure")


def chance_said(text: str) -> float:
    """Return a chance as it is said: 80%, 80 % or 0.8.

    >>> chance_said("80%"), chance_said("0.8")
    (0.8, 0.8)
    """
    percent = text.strip().endswith("%")
    try:
        number = quantity(text.strip().removesuffix("%").strip(), money=False)
    except FunnelError:
        raise FunnelError(f"chance '{text}': expected a chance such as 80%") from None
    return number / 100 if percent else number


def costs_said(lines: Sequence[str]) -> dict[str, float]:
    """Return costs as they are said at a terminal: "leads search=900" -> money for each per cent.

    >>> costs_said(["odds Negotiation > Won=15k", "reps sales=8000"])
    {'odds Negotiation > Won': 15000.0, 'reps sales': 8000.0}
    """
    found = {}
    for line in lines:
        name, sign, amount = line.rpartition("=")
        if not sign or not name.strip():
            raise FunnelError(f"cost '{line}': expected LEVER=MONEY, such as 'leads search=900'")
        try:
            found[name.strip()] = quantity(amount.strip())
        except FunnelError as error:
            raise FunnelError(f"cost '{line}': {error}") from None
    return found


def candidates(model: Model) -> Iterator[Candidate]:
    """Return the levers that a model has: onward exits, stages, price, ways in, spend, pools of reps."""
    funnel = model.funnel
    for number, stage in enumerate(funnel.stages):
        for place in funnel.exits[number]:
            if place in funnel.stages[number + 1 :] or place in funnel.earns:
                yield _lever(f"odds {stage} > {place}", "odds", {stage: place})
        yield _lever(f"days {stage}", "days", stage, LEAST)
    if model.values.in_money:
        yield _lever("price", "value", "all")
    channels = named_for("channel", model)
    yield _lever("leads", "entries", "all")
    for channel in channels if len(channels) > 1 else ():
        yield _lever(f"leads {channel}", "entries", channel)
    for spend in model.entries.spend:
        if spend.elasticity > 0 and spend.per_day > 0:
            yield _lever(f"spend {spend.channel}", "spend", spend.channel)
    for pool in model.pools:
        yield Candidate(f"reps {pool.name}", _more_reps(pool.name), float(max(int(max(pool.size)), 1)), True)


def _lever(name: str, key: str, named: object, most: float = MOST) -> Candidate:
    def pulled(factor: float) -> Scenario:
        return Scenario(name, "", (LEVERS[key](**{key: named, "multiply": float(factor)}),))

    return Candidate(name, pulled, most)


def _more_reps(pool: str) -> Callable[[float], Scenario]:
    def pulled(number: float) -> Scenario:
        changes: tuple[RepsLever, ...] = () if number == 0 else (RepsLever(reps=pool, add=int(number)),)
        return Scenario(f"reps {pool}", "", changes)

    return pulled


def _prices(costs: Mapping[str, float], known: Sequence[Candidate]) -> dict[str, float]:
    """Return the cost of each lever by its name, whatever case and blanks it is said with."""
    names = {" ".join(one.name.casefold().split()): one.name for one in known}
    found = {}
    for said, cost in costs.items():
        key = " ".join(str(said).replace(">", " > ").casefold().split())
        if key not in names:
            raise FunnelError(f"cost '{said}': no such lever; {nearest(str(said), list(names.values()))}")
        if not (np.isfinite(cost) and cost >= 0):
            raise FunnelError(f"cost '{said}={cost}': expected money from 0 on, for each per cent of change")
        found[names[key]] = float(cost)
    return found


def _cost(one: Candidate, change: float, price: float) -> float:
    return price * (change if one.whole else 100 * abs(change - 1))


def _alone(ask: _Ask, one: Candidate, wanted: float, now: float, price: float) -> dict[str, object]:
    """Return what one lever alone must do: a row of `Search.levers`."""
    head = {"lever": one.name, "change": np.nan, "words": "", "chance": now, "cost": np.nan}
    if now >= wanted:
        return head | {"change": one.none, "words": "nothing must change", "cost": 0.0}
    most = one.pulled(one.most)
    top = ask.chance(most)
    if top < wanted:
        limit = "doubled" if one.most >= MOST else "halved"
        many = f"with {one.most:,.0f} more" if one.whole else f"even {limit}"
        return head | {"chance": top, "words": f"cannot: {many}, {words.percent(top)}"}
    change = _fewest(ask, one, wanted) if one.whole else _smallest(ask, one, wanted, now, top)
    scenario = one.pulled(change)
    told = scenario.changes[0].sentence if scenario.changes else "nothing must change"
    cost = _cost(one, change, price)
    return head | {"change": change, "words": told, "chance": ask.chance(scenario), "cost": cost}


def _fewest(ask: _Ask, one: Candidate, wanted: float) -> float:
    low, high = 0, int(one.most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if ask.chance(one.pulled(middle)) >= wanted else (middle, high)
    return float(high)


def _smallest(ask: _Ask, one: Candidate, wanted: float, now: float, top: float) -> float:
    """Return the smallest factor that reaches the wanted chance, to a tenth of a per cent, rounded up."""

    def missed(part: float) -> float:
        chance = now if part == 0 else top if part == 1 else ask.chance(one.pulled(one.most**part))
        return chance - wanted

    factor = one.most ** float(brentq(missed, 0.0, 1.0, xtol=FINE / 2))
    tenths = np.floor(factor / FINE) if one.most < 1 else np.ceil(factor / FINE)
    for _ in range(3):  # the root is known to half a tenth of a per cent
        if ask.chance(one.pulled(float(tenths) * FINE)) >= wanted:
            break
        tenths += -1 if one.most < 1 else 1
    return round(float(tenths) * FINE, 3)


def _in_order(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """Return the levers that do it, the smallest change first, then those that cannot, the best first."""
    table = pd.DataFrame(rows, columns=["lever", "change", "words", "chance", "cost"])
    effort = np.abs(np.log(table["change"].clip(lower=1e-9).to_numpy(dtype=np.float64)))
    order = np.lexsort((-table["chance"].to_numpy(dtype=np.float64), effort))
    return table.iloc[order].reset_index(drop=True)


def cheapest_mix(
    ask: _Ask, known: Sequence[Candidate], prices: Mapping[str, float], now: float, wanted: float,
    levers: pd.DataFrame,
) -> pd.DataFrame:  # fmt: skip
    """Return the cheapest mix of levers with a stated cost that does it: lever, words, change, cost.

    Step by step, always the lever that moves the chance (as a normal deviate) most for its cost; the last
    step is cut to what is needed. Where one lever alone is cheaper, it is the answer; empty where all
    together do not do it.
    """
    priced = [one for one in known if one.name in prices]
    steps, before, reached = np.zeros(len(priced)), np.zeros(len(priced)), now
    while reached < wanted:
        able = np.flatnonzero(steps < STEPS)
        if not len(able):
            return pd.DataFrame()
        tried = [steps + np.eye(len(priced))[one] for one in able]
        found = np.array([ask.chance(_mixed(priced, more)) for more in tried])
        bills = np.array([_bill(priced, more, prices) for more in tried]) - _bill(priced, steps, prices)
        best = int(np.argmax((_deviate(found) - _deviate(reached)) / np.maximum(bills, 1e-9)))
        before, steps, reached = steps, tried[best], float(found[best])
    changes = _changes(priced, _cut(ask, priced, before, steps, wanted))
    rows = [
        {"lever": one.name, "words": one.pulled(change).changes[0].sentence, "change": change,
         "cost": _cost(one, change, prices[one.name])}
        for one, change in zip(priced, changes, strict=True)
        if change != one.none
    ]  # fmt: skip
    mix = pd.DataFrame(rows)
    alone = levers[levers["cost"].notna() & levers["change"].notna()].nsmallest(1, "cost")
    if len(alone) and float(alone["cost"].iloc[0]) <= float(mix["cost"].sum()):
        return alone[["lever", "words", "change", "cost"]].reset_index(drop=True)
    return mix


def _deviate(chance: Floats | float) -> Floats:
    deviate: Floats = ndtri(np.clip(chance, 1e-9, 1 - 1e-9))
    return deviate


def _changes(priced: Sequence[Candidate], steps: Floats) -> list[float]:
    """Return the change of each lever at so many steps of its range."""
    parts = steps / STEPS
    return [
        float(np.ceil(one.most * part - 1e-9)) if one.whole else round(one.most**part, 4)
        for one, part in zip(priced, parts.tolist(), strict=True)
    ]


def _mixed(priced: Sequence[Candidate], steps: Floats) -> Scenario:
    """Return all levers pulled together."""
    pairs = zip(priced, _changes(priced, steps), strict=True)
    return together([one.pulled(change) for one, change in pairs if change != one.none])


def _bill(priced: Sequence[Candidate], steps: Floats, prices: Mapping[str, float]) -> float:
    changes = _changes(priced, steps)
    return sum(_cost(one, change, prices[one.name]) for one, change in zip(priced, changes, strict=True))


def _cut(ask: _Ask, priced: Sequence[Candidate], before: Floats, steps: Floats, wanted: float) -> Floats:
    """Return the steps with the last one cut to what is needed, found by halving."""
    low, high = 0.0, 1.0
    while high - low > 1 / 16:
        middle = (low + high) / 2
        enough = ask.chance(_mixed(priced, before + middle * (steps - before))) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return before + high * (steps - before)


def _mix_of(known: Sequence[Candidate], mix: pd.DataFrame) -> Scenario:
    """Return the scenario of a mix that was found."""
    by_name = {one.name: one for one in known}
    pairs = zip(mix["lever"], mix["change"], strict=True)
    return together([by_name[lever].pulled(change) for lever, change in pairs])


def leads_needed(ask: _Ask, lump: Lump, wanted: float) -> pd.DataFrame:
    """Return how many more leads of each way in would reach the chance, and by when they must come.

    The funnel turned round: n more leads of a channel, spread over the span as its leads are, bring n times
    their mean chance to win in it; leads of a stage are wanted there today. Chances are those of the
    posterior mean rates.

    Returns:
        way, leads (expected in the span), more, by (the last day on which a lead of it brings at least half
        of what one brings today); more is nan where a thousand times as many would not do.
    """
    model, edges = ask.place.model, ask.bench.edges[[0, -1]]
    found = chances(model.funnel, model.table, edges, pace=pace_of(model, edges))
    now, wins = found.at_entry[0, :, :, 0], (found.at_entry[1:, :, :, 0] + found.at_entry[:-1, :, :, 0]) / 2
    per_day, cells = expected(model.entries, int(np.ceil(edges[-1]))), model.entries.cells
    day = np.minimum((np.arange(len(wins)) * found.step).astype(np.int64), per_day.shape[1] - 1)
    rows = []
    for channel in named_for("channel", model) or ("",):
        leads = np.zeros_like(wins)
        for cell, coming in zip(cells, per_day, strict=True):
            if cell.channel == channel:
                leads[:, cell.group, cell.stage] += coming[day] * found.step
        each = (leads * wins).sum(axis=(0, 2)) / max(float(leads.sum()), 1e-12)
        by_time = (leads.sum(axis=0) * wins).sum(axis=(1, 2))
        way = f"by {channel}" if channel else "all leads"
        rows.append(_needed(ask, lump, way, float(leads.sum()), each, by_time, found.step, wanted))
    share = np.bincount([cell.group for cell in cells], model.entries.share, len(model.groups))
    for number, stage in enumerate(model.funnel.stages):
        each, by_time = share * now[:, number], wins[:, :, number] @ share
        rows.append(_needed(ask, lump, f"in {stage} today", np.nan, each, by_time, found.step, wanted))
    return pd.DataFrame(rows, columns=["way", "leads", "more", "by"])


def _needed(
    ask: _Ask, lump: Lump, way: str, leads: float, each: Floats, by_time: Floats, step: float, wanted: float
) -> dict[str, object]:
    """Return a row of `leads_needed`: its wins added to those to come."""

    def reach(number: float) -> float:
        return ask.reach(replace(lump, mean_new=lump.mean_new + number * each))

    late = np.flatnonzero(by_time < LATE * by_time[0])
    day = ask.place.model.as_of + pd.Timedelta(days=step * float(late[0] if len(late) else len(by_time) - 1))
    row = {"way": way, "leads": leads, "more": np.nan, "by": day.normalize()}
    low, high, most = 0.0, 1.0, MOST_MORE * max(leads if np.isfinite(leads) else 0.0, 100.0)
    while reach(high) < wanted:
        if high >= most or each.max(initial=0.0) <= 0:
            return row
        low, high = high, 4 * high
    few = max(0.005 * high, 0.5)  # leads: what is told is rounded up to whole ones anyway
    number = brentq(lambda n: reach(n) - wanted, low, high, xtol=few) if reach(low) < wanted else low
    return row | {"more": float(np.ceil(number))}


def information_value(mean: float, sd: float) -> float:
    """Return what it is worth to learn a normal gain before deciding, when doing nothing brings 0.

    sd (phi(z) - z (1 - Phi(z))), z = |mean| / sd: of perfect information with the gain's own deviation, of
    a sample with that of the mean after the sample, sd^2 / sqrt(sd^2 + error^2 / n).

    Source: Raiffa and Schlaifer 1961, chapter 5.

    >>> round(information_value(10, 20), 6), round(information_value(10, 400 / 800**0.5), 6)
    (3.955931, 1.996412)
    """
    if sd <= 0:
        return 0.0
    z = abs(mean) / sd
    value = float(sd * (np.exp(-z * z / 2) / np.sqrt(2 * np.pi) - z * ndtr(-z)))
    return value if value > NOTHING * sd else 0.0


def worth_knowing(ask: _Ask, plain: Lump, mix: Scenario, cost: float) -> pd.DataFrame:
    """Return what learning each unknown would be worth to the decision to pull the mix, or to leave it.

    The gain in expected money less the cost differs from draw to draw; its part that follows the rates of
    one stage, by least squares on their logarithms, is what knowing these would tell. A sample is what one
    more quarter of the same record would tell.

    Returns:
        unknown, perfect, sample (money), largest first.

    Source: Strong, Oakley and Brennan 2014, doi:10.1177/0272989X13505910.
    """
    model = ask.place.model
    gain = ask.lump(apply_scenario(model, mix)).expected - plain.expected - cost
    mean, rates, seen = float(gain.mean()), ask.bench.drawn(model).rates, _seen(ask)
    rows = []
    for number, stage in enumerate(model.funnel.stages):
        spread = _spread_by(rates[:, 0, :, number][:, :, model.funnel.targets[number] >= 0], gain)
        rows.append(
            {
                "unknown": f"rates of {stage}",
                "perfect": information_value(mean, spread),
                "sample": information_value(mean, spread * seen**0.5),
            }
        )
    table = pd.DataFrame(rows)
    return table.sort_values("perfect", ascending=False, kind="stable").reset_index(drop=True)


def _spread_by(rates: Floats, gain: Floats) -> float:
    """Return the deviation of the part of a gain, (draws,), that follows some rates.

    Args:
        rates: (draws, groups, exits, bins).
    """
    known = np.log(rates.mean(axis=(1, 3)) + 1e-12)
    parts = np.column_stack([np.ones(len(known)), known - known.mean(axis=0)])
    fitted = parts @ np.linalg.lstsq(parts, gain, rcond=None)[0]
    rest = float((gain - fitted).var()) / max(len(gain) - parts.shape[1], 1)
    by_luck = rest * (parts.shape[1] - 1)  # what columns without any meaning would seem to explain
    return float(np.sqrt(max(float(fitted.var()) - by_luck, 0.0)))


def _seen(ask: _Ask) -> float:
    """Return which share of all that will be known a quarter from now is new."""
    known = ask.place.history or ask.place.facts
    past = (known.until - known.began) / pd.Timedelta(days=1) if known is not None else np.inf
    return float(A_QUARTER / (A_QUARTER + past))
