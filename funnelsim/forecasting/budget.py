"""Where the next euro should go: how spend turns into revenue by channel, and the best split of a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.calibration.counting import group_numbers
from funnelsim.calibration.posterior import draw_rates, stream, strength
from funnelsim.calibration.response import PRIOR_ERROR, Curve, Power, saturation_through
from funnelsim.calibration.values import sized
from funnelsim.cards import card
from funnelsim.errors import FunnelError, check_word, nearest
from funnelsim.forecasting.allocation import (
    DealLuck,
    best_of_worst,
    best_split,
    best_splits,
    best_to_reach,
    worst_weights,
)
from funnelsim.forecasting.by_date import by_dates, draw_dates, leads_without_dates
from funnelsim.forecasting.forecast import check_luck, refuse_signing
from funnelsim.forecasting.kept import find_frame, keep_frame, print_of
from funnelsim.forecasting.situation import Situation
from funnelsim.history.log import spells
from funnelsim.model.model import Draws, Model, Spend, expected, nobody, pace_of
from funnelsim.model.units import days_in, quantity
from funnelsim.show import words

CURVES = ("power", "saturation")
AIMS = ("mean", "target", "worst")
SOME = 0.005  # of the money: less is no per cent
WORST = 0.2  # share of the draws whose mean is wanted high where the aim is "worst"
USUAL = (0.7, 1.3)  # of today's spend: what a history that hardly moved its spend can vouch for
# Nobody's money brings nothing at all, nor as much from every further euro: the curve is concave.
LEAST_ELASTICITY, MOST_ELASTICITY = 0.01, 0.95
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Plan:
    """The best split of a budget, and how sure its gain is.

    Args:
        table: one row per channel, money of the whole window: channel, spend_now, spend_best, leads_now,
            leads_best, value_per_lead, return_now and return_best (revenue per extra euro), return_low and
            return_high (80 % interval of return_now), elasticity, error, lag_days, quality, late (share of
            the money that brings its leads after the last day that counts), flag.
        total: money that is split.
        days: days over which it is spent.
        until: the moment until which revenue counts.
        gain, low, high: revenue above that of the same total split as now: mean and 80 % interval.
        p_better: share of the draws in which the best split earns more.
        multiplier: revenue that one more euro of the total would bring, well spent.
        currency: three letters, "" where none is stated.
        notes: what to mind, one sentence each.
        extra: money on top of today's whose gain is told; 0 where today's total is split anew.
        aim: what is largest: "mean" revenue over the draws, the chance of a "target", or the mean of the
            "worst" fifth of the draws (CVaR).
        target: revenue of these channels that is wanted, nan where none is.
        told: of the best split, and of today's: mean, worst (mean of the worst fifth), and reach (chance to
            reach the target, the luck of single deals included).
        regret, regret_high: by how much the best split of each draw, if it were known, would earn more than
            this one: mean and 90th percentile over the draws.
        idle: channels whose leads cost nothing that is known: channel, leads_now, value_per_lead.
    """

    table: pd.DataFrame
    total: float
    days: float
    until: pd.Timestamp
    gain: float
    low: float
    high: float
    p_better: float
    multiplier: float
    currency: str
    notes: tuple[str, ...]
    extra: float = 0.0
    aim: str = "mean"
    target: float = np.nan
    told: pd.DataFrame = field(default_factory=pd.DataFrame)
    regret: float = 0.0
    regret_high: float = 0.0
    idle: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __str__(self) -> str:
        return budget_words(self)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(str(self), budget_rows(self)[0])


def best_budget(
    place: Situation,
    *,
    total: float | None = None,
    extra: float | None = None,
    least: Mapping[str, float] | None = None,
    most: Mapping[str, float] | None = None,
    per: str = "quarter",
    bounds: tuple[float, float] = USUAL,
    curve: str = "power",
    aim: str = "mean",
    target: float | None = None,
    draws: int = 200,
    seed: int = 1,
) -> Plan:
    """Return the best split of what is spent on the channels from the as-of date on.

    Revenue counts to the end of the situation's last period, so a lead that comes late is worth what it
    can still earn. The curves go through today's spend with today's leads; revenue is averaged over
    draws of rates, of the channels' quality and of the elasticities. The interval of the gain is over
    these draws: it holds what is not known, not the luck of single deals.

    Args:
        place: a situation whose model knows the spend: `situation(history, spend=...)`.
        total: money to split over the window; today's by default.
        extra: instead, money that comes on top of today's: each channel keeps what it has, and the gain is
            what the extra money brings.
        least, most: channel -> money over the window: what contracts bind, and what it can take; they go
            before the bounds.
        per: the window: "week", "month" or "quarter".
        bounds: least and most spend of a channel, as factors on its spend now.
        curve: "power" or "saturation" (Michaelis-Menten); the same near today, more careful far away.
        aim, target: see `Plan`; a target is revenue of the leads of these channels.

    Raises:
        FunnelError: no spend in the model, an unknown curve, aim or channel, or bounds that do not fit the
            total.
    """
    check_word("curve", curve, CURVES)
    check_aim(aim, target)
    check_extra(total, extra)
    if not 0 <= bounds[0] <= bounds[1]:
        raise FunnelError(
            f"bounds {bounds[0]:g} to {bounds[1]:g}: expected the smaller factor first, 0 or more"
        )
    check_luck(draws, seed)
    refuse_signing(place.model, "budget")
    known = tuple(one for one in place.model.entries.spend if one.per_day > 0)
    if not known:
        raise FunnelError(
            "budget: what is spent on the channels is not known; give a table with --spend FILE"
        )
    days, until = days_in(per), (place.periods[-1].end - place.model.as_of) / DAY
    names = tuple(one.channel for one in known)
    every = (*known, *_without_spend(place.model, names))
    worth, idle = _split_off(_worth_once(place, every, days, until, draws, seed), names)
    now = days * np.array([one.per_day for one in known])
    money = float(now.sum()) + (extra or 0.0) if total is None else float(total)
    ends = (bounds[0] * now, bounds[1] * now) if extra is None else (now, now + extra)
    ends = _bound(names, *ends, least or {}, most or {})
    elasticity = drawn_elasticities(known, draws, stream(seed, "spend"))
    make = Power if curve == "power" else saturation_through
    earned: Curve = make(worth.revenue, now, elasticity)
    best, multiplier = best_split(lambda spend: earned.slope(spend).mean(axis=0), money, *ends)
    if aim == "worst":
        best = best_of_worst(earned, WORST, money, *ends)
    elif target is not None:
        best = best_to_reach(earned, target, money, *ends, luck=worth.luck)
    before = now if extra is not None else now * money / now.sum()
    both = {"best": earned.revenue(best), "today": earned.revenue(before)}
    plan, today = (each.sum(axis=1) for each in both.values())
    ideal = earned.revenue(best_splits(earned.slope, money, *ends, rows=draws)[0]).sum(axis=1)
    gain, missed = plan - today, np.maximum(ideal - plan, 0.0)
    low, high = np.quantile(gain, [0.1, 0.9])
    wanted = np.nan if target is None else float(target)
    late = np.array([1 - acts_on(int(np.ceil(until)), days, one).sum() / days for one in known])
    made = Plan(
        _table(known, worth, earned, now, best, ends, late), money, days,
        place.periods[-1].end, float(gain.mean()), float(low), float(high),
        float((gain > 0).mean() + (gain == 0).mean() / 2), multiplier, place.model.currency,
        _notes(late), extra or 0.0, aim, wanted, _told(both, worth, wanted), float(missed.mean()),
        float(np.quantile(missed, 0.9)), idle,
    )  # fmt: skip
    return replace(made, notes=(regret_words(made), *made.notes))


def _told(both: Mapping[str, Floats], worth: Worth, wanted: float) -> pd.DataFrame:
    """Return the table `told` of a plan from revenue of two splits, each (draws, channels)."""
    rows = []
    for name, each in both.items():
        money = each.sum(axis=1)
        reach = np.nan if np.isnan(wanted) else worth.reach(each, wanted)
        worst = float(worst_weights(money, WORST) @ money)
        rows.append({"split": name, "mean": money.mean(), "worst": worst, "reach": reach})
    return pd.DataFrame(rows).set_index("split")


def _without_spend(model: Model, names: tuple[str, ...]) -> list[Spend]:
    """Return the channels that bring leads and whose spend is not known."""
    return [
        Spend(name, 0.0, 0.0)
        for name in sorted({cell.channel for cell in model.entries.cells} - {*names, ""})
    ]


def _split_off(worth: Worth, names: tuple[str, ...]) -> tuple[Worth, pd.DataFrame]:
    """Return what the channels with spend are worth, and a table of the others."""
    count = len(names)
    own = replace(
        worth, channels=names, leads=worth.leads[:count], revenue=worth.revenue[:, :count],
        quality=worth.quality[:count], shares=worth.shares[:count],
    )  # fmt: skip
    each = {"channel": worth.channels, "leads_now": worth.leads, "value_per_lead": worth.per_lead}
    return own, pd.DataFrame(each)[count:].reset_index(drop=True)


def acts_on(count: int, days: float, one: Spend) -> Floats:
    """Return which part of what a channel's money does on each coming day is that of a window's, (count,).

    >>> acts_on(4, 2.0, Spend("search", 1.0, 0.3, lag_days=1.5)).tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    ends = np.arange(count + 1.0)
    part: Floats = np.diff(one.effect_until(ends) - one.effect_until(ends - days))
    return part


def check_aim(aim: str, target: float | None) -> None:
    """Refuse an aim that is none, or a target that does not go with it.

    Raises:
        FunnelError: it is.
    """
    check_word("aim", aim, AIMS)
    if (aim == "target") != (target is not None):
        raise FunnelError(
            f"aim '{aim}', target {target}: a target goes with the aim 'target', and it needs one"
        )
    if target is not None and not (np.isfinite(target) and target > 0):
        raise FunnelError(f"target {target:g}: expected money above 0")


def check_extra(total: float | None, extra: float | None) -> None:
    """Refuse extra money that is none, or that stands beside a total.

    Raises:
        FunnelError: it is.
    """
    if extra is None:
        return
    if total is not None:
        raise FunnelError(f"total {total:g} and extra {extra:g}: two ways to say what is split; give one")
    if not (np.isfinite(extra) and extra > 0):
        raise FunnelError(f"extra {extra:g}: expected money above 0, on top of what is spent now")


def _bound(
    names: Sequence[str], low: Floats, high: Floats, least: Mapping[str, float], most: Mapping[str, float]
) -> tuple[Floats, Floats]:
    """Return the least and most spend of each channel, what is said of single ones going first."""
    low, high = low.copy(), high.copy()
    for word, said, ends in (("least", least, low), ("most", most, high)):
        for name, money in said.items():
            if name not in names:
                raise FunnelError(f"{word} '{name}': no channel whose spend is known; {nearest(name, names)}")
            if not (np.isfinite(money) and money >= 0):
                raise FunnelError(f"{word} '{name}': {money:g} given, expected money, 0 or more")
            ends[names.index(name)] = money
    for row, name in enumerate(names):
        if name in least and name in most and low[row] > high[row]:
            raise FunnelError(f"least '{name}': {low[row]:,.0f} is more than its most, {high[row]:,.0f}")
        low[row] = min(low[row], high[row]) if name in most and name not in least else low[row]
        high[row] = max(low[row], high[row])
    return low, high


def bounds_said(option: str, lines: Sequence[str]) -> dict[str, float]:
    """Return money of channels as it is said at a terminal: "events=50k" -> money over the window.

    >>> bounds_said("--least", ["events=50k", "trade fairs=1.5M"])
    {'events': 50000.0, 'trade fairs': 1500000.0}
    """
    found = {}
    for line in lines:
        name, sign, amount = line.rpartition("=")
        if not sign or not name.strip():
            raise FunnelError(f"{option} '{line}': expected CHANNEL=MONEY, such as 'events=50k'")
        try:
            found[name.strip()] = quantity(amount.strip())
        except FunnelError as error:
            raise FunnelError(f"{option} '{line}': {error}") from None
    return found


def budget_words(found: Plan) -> str:
    """Return the finding in one sentence: the gain, how sure it is, and where the next euro goes."""
    unit = found.currency
    gain = words.money(found.gain, unit, sign=True)
    low, high = words.short(found.low, sign=True), words.short(found.high, sign=True)
    first = found.table.sort_values("return_now").iloc[-1]
    what = f"The best split of {words.money(found.total, unit)} earns {gain} against today's"
    if found.extra:
        what = f"{words.money(found.extra, unit)} more, best split, earns {gain}"
    return _aim_words(found) + (
        f"{what}, until {last_earning_day(found)} (80 % interval {low} to {high}): "
        f"{words.verdict(found.p_better)}. "
        f"The next {unit or 'unit of money'} brings most in {words.name(first['channel'])}: "
        f"{words.digits(float(first['return_now']))} {unit}".rstrip()
        + "."
    )


def _aim_words(found: Plan) -> str:
    """Return what the split was chosen for, where that is not the mean; a sentence and a blank."""
    if found.aim == "mean":
        return ""
    rows = found.told.loc[["best", "today"]].to_dict("records")
    if found.aim == "worst":
        ends = (words.money(float(row["worst"]), found.currency) for row in rows)
        return "In the worst fifth of what may be true the best split earns {}, today's {}. ".format(*ends)
    shares = (words.percent(float(row["reach"])) for row in rows)
    wanted = words.money(found.target, found.currency)
    told = "{}, today's with {}, the luck of single deals included. ".format(*shares)
    return f"The best split reaches {wanted} with a chance of {told}"


def regret_words(found: Plan) -> str:
    """Return what is lost as nobody knows which draw is true, in a sentence."""
    mean, most = (words.money(float(f"{x:.2g}"), found.currency) for x in (found.regret, found.regret_high))
    return (
        f"Who knew how channels truly answer would split better: by {mean} on average, and in one case of "
        f"ten by more than {most}."
    )


def last_earning_day(found: Plan) -> str:
    """Return the last day on which revenue counts."""
    return f"{found.until - DAY:%Y-%m-%d}"


def budget_rows(found: Plan) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the table as people read it, the next euro's best place first, and the kind of each column."""
    back = f"back per extra {found.currency or 'unit'}"
    named = {
        "channel": ("channel", "text"),
        "spend_now": ("spend now", "money"),
        "spend_best": ("spend best", "money"),
        "leads_now": ("leads now", "count"),
        "leads_best": ("leads best", "count"),
        "value_per_lead": ("value per lead", "money"),
        "return_now": (f"{back} now", "number"),
        "return_low": ("80 % from", "number"),
        "return_high": ("to", "number"),
        "return_best": (f"{back} best", "number"),
        "flag": ("mind", "text"),
    }
    ranked = found.table.sort_values("return_now", ascending=False, kind="stable")[list(named)]
    idle = found.idle.assign(spend_now=0.0, spend_best=0.0, flag="no spend known: left as it is")
    ranked = pd.concat([ranked, idle]) if len(idle) else ranked
    ranked = ranked[list(named)].round({"leads_now": 0, "leads_best": 0})
    shown = ranked.set_axis([name for name, _ in named.values()], axis=1).reset_index(drop=True)
    return shown, dict(named.values())


def drawn_elasticities(spend: tuple[Spend, ...], draws: int, rng: np.random.Generator) -> Floats:
    """Return elasticities drawn with their errors, shape (draws, channels), kept within 0.01 and 0.95."""
    mean, error = (np.array([getattr(one, name) for one in spend]) for name in ("elasticity", "error"))
    drawn = mean + error * rng.standard_normal((draws, len(spend)))
    kept: Floats = np.clip(drawn, LEAST_ELASTICITY, MOST_ELASTICITY)
    return kept


def _table(
    known: tuple[Spend, ...],
    worth: Worth,
    earned: Curve,
    now: Floats,
    best: Floats,
    bounds: tuple[Floats, Floats],
    late: Floats,
) -> pd.DataFrame:
    ends = np.stack(bounds, axis=1) / now[:, None]
    back_low, back_high = np.quantile(earned.slope(now), [0.1, 0.9], axis=0)
    money_now, money_best = (earned.revenue(spend).mean(axis=0) for spend in (now, best))
    more = money_best / np.where(money_now > 0, money_now, np.nan)
    return pd.DataFrame(
        {
            "channel": worth.channels,
            "spend_now": now,
            "spend_best": best,
            "leads_now": worth.leads,
            "leads_best": worth.leads * more,
            "value_per_lead": worth.per_lead,
            "return_now": earned.slope(now).mean(axis=0),
            "return_low": back_low,
            "return_high": back_high,
            "return_best": earned.slope(best).mean(axis=0),
            "elasticity": [one.elasticity for one in known],
            "error": [one.error for one in known],
            "lag_days": [one.lag_days for one in known],
            "quality": worth.quality,
            "late": late,
            "flag": [_flag(*row) for row in zip(known, best / now, ends, late, strict=True)],
        }
    )


def _flag(one: Spend, ratio: float, bounds: Floats, late: float) -> str:
    said = []
    if ratio < USUAL[0] - 1e-6 or ratio > USUAL[1] + 1e-6:
        said.append(f"outside {USUAL[0]:g} to {USUAL[1]:g} of now: extrapolation")
    elif ratio < bounds[0] + 1e-6 or ratio > bounds[1] - 1e-6:
        said.append("at its lower bound" if ratio < bounds[0] + 1e-6 else "at its upper bound")
    if one.error > 0.99 * PRIOR_ERROR:
        said.append("answer assumed, not seen")
    if late >= SOME:
        said.append(f"{late:.0%} of it acts too late")
    return "; ".join(said)


def _notes(late: Floats) -> tuple[str, ...]:
    notes = [
        "Leads are taken not to disturb each other: with full reps a further lead is worth less than shown.",
        "Revenue is not profit: a euro that brings less than it costs to serve should stay where it is.",
    ]
    if (late >= SOME).any():
        notes.append(
            "Some money brings its leads after the last day that counts: look further ahead (--periods)."
        )
    return tuple(notes)


@dataclass(frozen=True)
class Worth:
    """Leads of each channel that come in a window of days, and what they earn by a last day.

    Args:
        channels: names.
        leads: (channels,) expected leads.
        revenue: (draws, channels) expected money of these leads, under each posterior draw.
        quality: (channels,) wins of the channel's past leads over those expected, shrunk to 1.
        shares: (channels, groups) of a channel's money, by group of its leads.
        atoms: (groups, atoms) equally likely amounts of a win.
        spread: standard deviation of the common factor on the number of leads.
    """

    channels: tuple[str, ...]
    leads: Floats
    revenue: Floats
    quality: Floats
    shares: Floats
    atoms: Floats
    spread: float

    @property
    def per_lead(self) -> Floats:
        """Mean money that one lead of each channel earns, shape (channels,)."""
        each: Floats = self.revenue.mean(axis=0) / np.maximum(self.leads, 1e-12)
        return each

    @property
    def luck(self) -> DealLuck:
        """How far money may lie from what is expected, as single deals are won or not."""
        size = (self.atoms**2).mean(axis=1) / np.maximum(self.atoms.mean(axis=1), 1e-300)
        return DealLuck(self.shares @ size, self.spread)

    def reach(self, money: Floats, wanted: float) -> float:
        """Return the chance to reach a target, from the expected money of each draw, (draws, channels).

        Exactly: wins are a compound Poisson number of each group's amounts.
        """
        from funnelsim.forecasting.distribution import Lump, reached

        wins = money @ self.shares / np.maximum(self.atoms.mean(axis=1), 1e-300)
        coins = np.zeros(0), np.zeros((len(wins), 0))
        return float(reached(Lump(*coins, wins, self.atoms, self.spread), wanted).mean())


def _worth_once(
    place: Situation, acting: Sequence[Spend], days: float, until: float, draws: int, seed: int
) -> Worth:
    """Do `worth_of_channels`, or take what is kept of it: other totals, bounds and curves ask the same."""
    model = print_of(place.model) if place.key else ""
    channels = tuple(one.channel for one in acting)
    when = [(one.lag_days, one.carry_over) for one in acting]
    about = ("worth by group", model, channels, when, days, until, draws, seed)
    kept = find_frame(place.key, *about)
    groups = len(place.model.groups)
    if kept is None:
        first = np.array([one.lag_days for one in acting])
        lasting = [one.carry_over for one in acting]
        worth = worth_of_channels(
            place, channels, first, days, until, draws=draws, seed=seed, carry_over=lasting
        )
        rows = np.vstack([worth.leads, worth.quality, worth.shares.T, worth.revenue])
        keep_frame(pd.DataFrame(rows, columns=list(channels)), place.key, *about)
        return worth
    leads, quality, *rest = kept[list(channels)].to_numpy(dtype=np.float64)
    shares, revenue = np.array(rest[:groups]).T, np.array(rest[groups:])
    return Worth(
        channels, leads, revenue, quality, shares, place.model.values.amounts, place.model.entries.spread
    )


def worth_of_channels(
    place: Situation,
    channels: tuple[str, ...],
    first: Floats,
    days: float,
    until: float,
    *,
    draws: int,
    seed: int,
    carry_over: Sequence[float] | None = None,
) -> Worth:
    """Return what the leads of some channels earn until a day: one that comes late earns what it still can.

    revenue of a channel = sum over its ways in and days of leads(day) x P(win by `until` | enters on day) x
    mean value of the segment x quality of the channel. Leads disturb nobody; with full reps each is worth
    less.

    Args:
        place: the company's situation.
        channels: names.
        first: (channels,) first day on which leads count, days since the as-of date.
        days: for how many days they count; where money goes on acting, for how many it is spent.
        until: last day on which a win counts.
        draws: posterior draws of rates and qualities.
        seed: of the draws.
        carry_over: of each channel, see `Spend`; 0 by default.
    """
    from funnelsim.forecasting.exact import chances, from_entries

    model, end = place.model, int(np.ceil(until))
    lasting = [0.0] * len(channels) if carry_over is None else carry_over
    acting = [
        Spend(name, 0.0, 0.0, lag_days=float(lag), carry_over=share)
        for name, lag, share in zip(channels, first, lasting, strict=True)
    ]
    leads = expected(model.entries, end)
    share = {name: acts_on(end, days, one) for name, one in zip(channels, acting, strict=True)}
    for row, cell in enumerate(model.entries.cells):
        leads[row] *= share.get(cell.channel, 0.0)
    edges = np.array([0.0, until])
    pace = pace_of(model, edges)

    undated = leads_without_dates(model, leads)

    def one(rate: Floats) -> Floats:
        found = chances(model.funnel, model.table.with_rate(rate), edges, pace=pace)
        earned = np.zeros((len(channels), len(model.groups)))
        for row, cell in enumerate(model.entries.cells):
            if cell.channel in channels:
                wins = from_entries(found, cell.group, cell.stage, undated[row])[0]
                earned[channels.index(cell.channel), cell.group] += wins * model.values.mean[cell.group]
        return earned

    rates = draw_rates(model, draws, stream(seed, "rates"))
    one(rates[0])
    with ThreadPoolExecutor(2) as pool:
        by_group = np.array(list(pool.map(one, rates)))
    by_group += _earned_by_date(model, channels, leads, edges, rates, seed)
    revenue, shares = by_group.sum(axis=2), by_group.mean(axis=0)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    quality, drawn = channel_quality(place, channels, draws, stream(seed, "quality"))
    came = [
        sum(leads[r].sum() for r, c in enumerate(model.entries.cells) if c.channel == name)
        for name in channels
    ]
    return Worth(
        channels, np.array(came), revenue * drawn, quality, shares, model.values.amounts, model.entries.spread
    )


def _earned_by_date(
    model: Model, channels: tuple[str, ...], leads: Floats, edges: Floats, rates: Floats, seed: int
) -> Floats:
    """Return what the leads of each channel that will state a date earn, (draws, channels, groups)."""
    earned = np.zeros((len(rates), len(channels), len(model.groups)))
    dates = draw_dates(model, len(rates), stream(seed, "dates"))
    if dates is None:
        return earned
    drawn = Draws(rates, np.ones((len(rates), 1)), *dates)
    for column, name in enumerate(channels):
        own = np.array([cell.channel == name for cell in model.entries.cells])
        found = by_dates(model, nobody(), leads * own[:, None], edges, drawn)
        if found is not None:
            earned[:, column] = np.einsum("dgp,g,p->dg", found.born[..., 0], model.values.mean, found.price)
    return earned


def channel_quality(
    place: Situation, channels: tuple[str, ...], draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return how much oftener a channel's leads win than their segments and first stages say.

    theta ~ Gamma(k + observed, k + expected), where expected are the wins that the model gives the
    channel's past leads up to today, scaled so that all channels together have as many as were observed.

    A stated funnel has no past: its channels are as good as they are stated, factor 1.

    Returns:
        Posterior means, shape (channels,), and draws, shape (draws, channels).

    Source: Clayton and Kaldor, Biometrics 1987, doi:10.2307/2532003.
    """
    if place.history is None:
        return np.ones(len(channels)), np.ones((draws, len(channels)))
    visits = spells(sized(place.history, place.model.sizes))
    came = visits[visits["entry"] & (visits["since"] == 0)]
    chance = _won_by_now(place.model, came)
    won = came["lead"].isin(set(place.booked["lead"])).to_numpy(dtype=np.float64)
    sums = pd.DataFrame({"won": won, "chance": chance}).groupby(came["channel"].to_numpy()).sum()
    scale = won.sum() / chance.sum() if chance.sum() > 0 else 1.0
    sums = sums.reindex(list(channels), fill_value=0.0)
    observed, likely = sums["won"].to_numpy(), sums["chance"].to_numpy() * scale
    k = float(strength(observed, likely))
    return (k + observed) / (k + likely), rng.gamma(k + observed, 1.0, (draws, len(channels))) / (k + likely)


def _won_by_now(model: Model, came: pd.DataFrame) -> Floats:
    """Return the chance that the model gives each past lead to have won between its entry and today."""
    from funnelsim.forecasting.exact import chances

    age = -came["start"].to_numpy(dtype=np.float64)
    oldest = max(float(age.max(initial=1.0)), 1.0)
    found = chances(model.funnel, model.table, np.array([0.0, oldest]))
    number = {name: row for row, name in enumerate(model.funnel.stages)}
    stage = came["stage"].map(number).to_numpy(dtype=np.int64)
    group = group_numbers(came.get(model.grouped_by), model.groups, len(came))
    # Rates do not change with the date, so a lead of age a has had what one entering at oldest - a has left.
    entry = np.clip(((oldest - age) / found.step).round().astype(np.int64), 0, len(found.at_entry) - 1)
    chance: Floats = found.at_entry[entry, group, stage, 0]
    return chance
