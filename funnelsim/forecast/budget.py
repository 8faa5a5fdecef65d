"""Where the next euro should go: how spend turns into revenue by channel, and the best split of a budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.calibrate.response import PRIOR_ERROR
from funnelsim.errors import FunnelError, nearest
from funnelsim.forecast.channels import Worth, worth_of_channels
from funnelsim.forecast.curves import Curve, Power, best_split, saturation_through
from funnelsim.forecast.forecast import check_luck
from funnelsim.forecast.planner import Situation
from funnelsim.model.entries import Spend
from funnelsim.model.units import days_in
from funnelsim.show import words

Floats = NDArray[np.float64]
CURVES = ("power", "saturation")
USUAL = (0.7, 1.3)
LEAST_ELASTICITY, MOST_ELASTICITY = 0.01, 0.95
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Budget:
    """The best split of a budget, and how sure its gain is.

    Args:
        table: one row per channel, money of the whole window: channel, spend_now, spend_best, leads_now,
            leads_best, value_per_lead, return_now and return_best (revenue per extra euro), elasticity,
            error, lag_days, quality, flag.
        total: money that is split.
        days: days over which it is spent.
        until: the moment until which revenue counts.
        gain, low, high: revenue above that of the same total split as now: mean and 80 % interval.
        p_better: share of the draws in which the best split earns more.
        multiplier: revenue that one more euro of the total would bring, well spent.
        currency: three letters.
        notes: what to mind, one sentence each.
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


def best_budget(
    place: Situation,
    *,
    total: float | None = None,
    per: str = "quarter",
    bounds: tuple[float, float] = USUAL,
    curve: str = "power",
    draws: int = 200,
    seed: int = 1,
) -> Budget:
    """Return the best split of what is spent on the channels from the as-of date on.

    Revenue counts to the end of the situation's last period, so a lead that comes late is worth what it
    can still earn. The curves go through today's spend with today's leads; revenue is averaged over
    draws of rates, of the channels' quality and of the elasticities. The interval of the gain is over
    these draws: it holds what is not known, not the luck of single deals.

    Args:
        place: a situation whose model knows the spend: `situation(history, spend=...)`.
        total: money to split over the window; today's by default.
        per: the window: "week", "month" or "quarter".
        bounds: least and most spend of a channel, as factors on its spend now.
        curve: "power" or "saturation" (Michaelis-Menten); the same near today, more careful far away.

    Raises:
        FunnelError: no spend in the model, an unknown curve, or bounds that do not allow the total.
    """
    if curve not in CURVES:
        raise FunnelError(f"curve '{curve}' is unknown; {nearest(curve, CURVES)}")
    if not 0 <= bounds[0] <= bounds[1]:
        raise FunnelError(
            f"bounds {bounds[0]:g} to {bounds[1]:g}: expected the smaller factor first, 0 or more"
        )
    check_luck(draws, seed)
    known = tuple(one for one in place.model.entries.spend if one.per_day > 0)
    if not known:
        raise FunnelError(
            "budget: what is spent on the channels is not known; give a table with --spend FILE"
        )
    days, until = days_in(per), (place.periods[-1].end - place.model.as_of) / DAY
    lag = np.array([one.lag_days for one in known])
    names = tuple(one.channel for one in known)
    worth = worth_of_channels(place, names, lag, days, until, draws=draws, seed=seed)
    now = days * np.array([one.per_day for one in known])
    money = float(now.sum()) if total is None else float(total)
    elasticity = drawn_elasticities(known, draws, np.random.default_rng(seed + 2))
    make = Power if curve == "power" else saturation_through
    earned: Curve = make(worth.revenue, now, elasticity)
    best, multiplier = best_split(
        lambda spend: earned.slope(spend).mean(axis=0), money, bounds[0] * now, bounds[1] * now
    )
    gain = (earned.revenue(best) - earned.revenue(now * money / now.sum())).sum(axis=1)
    low, high = np.quantile(gain, [0.1, 0.9])
    return Budget(
        _table(known, worth, earned, now, best, bounds), money, days, place.periods[-1].end,
        float(gain.mean()), float(low), float(high), float((gain > 0).mean() + (gain == 0).mean() / 2),
        multiplier, place.model.currency, _notes(lag, days, until),
    )  # fmt: skip


def budget_words(found: Budget) -> str:
    """Return the finding in one sentence: the gain, how sure it is, and where the next euro goes."""
    unit = found.currency
    gain = words.money(found.gain, unit, sign=True)
    low, high = words.short(found.low, sign=True), words.short(found.high, sign=True)
    first = found.table.sort_values("return_now").iloc[-1]
    return (
        f"The best split of {words.money(found.total, unit)} earns {gain} against today's, until "
        f"{last_day(found)} (80 % interval {low} to {high}): {words.verdict(found.p_better)}. "
        f"The next {unit} brings most in {words.name(first['channel'])}: "
        f"{words.digits(float(first['return_now']))} {unit}."
    )


def last_day(found: Budget) -> str:
    """Return the last day on which revenue counts."""
    return f"{found.until - DAY:%Y-%m-%d}"


def budget_rows(found: Budget) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the table as people read it, the next euro's best place first, and the kind of each column."""
    back = f"back per extra {found.currency}"
    named = {
        "channel": ("channel", "text"),
        "spend_now": ("spend now", "money"),
        "spend_best": ("spend best", "money"),
        "leads_now": ("leads now", "count"),
        "leads_best": ("leads best", "count"),
        "value_per_lead": ("value per lead", "money"),
        "return_now": (f"{back} now", "number"),
        "return_best": (f"{back} best", "number"),
        "flag": ("mind", "text"),
    }
    ranked = found.table.sort_values("return_now", ascending=False, kind="stable")[list(named)]
    ranked = ranked.round({"leads_now": 0, "leads_best": 0})
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
    bounds: tuple[float, float],
) -> pd.DataFrame:
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
            "return_best": earned.slope(best).mean(axis=0),
            "elasticity": [one.elasticity for one in known],
            "error": [one.error for one in known],
            "lag_days": [one.lag_days for one in known],
            "quality": worth.quality,
            "flag": [_flag(one, ratio, bounds) for one, ratio in zip(known, best / now, strict=True)],
        }
    )


def _flag(one: Spend, ratio: float, bounds: tuple[float, float]) -> str:
    said = []
    if ratio < USUAL[0] - 1e-6 or ratio > USUAL[1] + 1e-6:
        said.append(f"outside {USUAL[0]:g} to {USUAL[1]:g} of now: extrapolation")
    elif ratio < bounds[0] + 1e-6 or ratio > bounds[1] - 1e-6:
        said.append("at its lower bound" if ratio < bounds[0] + 1e-6 else "at its upper bound")
    if one.error > 0.99 * PRIOR_ERROR:
        said.append("answer assumed, not seen")
    return "; ".join(said)


def _notes(lag: Floats, days: float, until: float) -> tuple[str, ...]:
    notes = [
        "Leads are taken not to disturb each other: with full reps a further lead is worth less than shown.",
        "Revenue is not profit: a euro that brings less than it costs to serve should stay where it is.",
    ]
    if (lag + days > until).any():
        notes.append(
            "Some money brings its leads after the last day that counts: look further ahead (--periods)."
        )
    return tuple(notes)
