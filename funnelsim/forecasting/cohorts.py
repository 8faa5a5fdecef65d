"""Why a period is expected to bring less than a past one: leads, conversion, timing and size of a win."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.errors import FunnelError, nearest
from funnelsim.forecasting.bridge import Bridge, origins_of, summed
from funnelsim.forecasting.forecast import Forecast
from funnelsim.forecasting.periods import Period, past_periods, within
from funnelsim.forecasting.situation import Situation
from funnelsim.history.log import DAY, History, first_moments
from funnelsim.model.model import expected
from funnelsim.show import words

FACTORS = ("intake", "conversion", "timing", "size")
LAGS = 8  # periods between coming in and winning that are told apart; two years of quarters
MOST_PAST = 60  # past periods that are looked through: fifteen years of quarters


@dataclass(frozen=True)
class Cohorts:
    """What a period's wins came from, by periods between coming in and winning.

    Args:
        leads: (LAGS,) leads that came 0, 1, 2 .. periods before, the last one and all before it together.
        wins: (LAGS,) wins of them in the period.
        size: money of a win.
    """

    leads: Floats
    wins: Floats
    size: float


def bridge_from_period(place: Situation, found: Forecast, than: str) -> Bridge:
    """Return why the first period is expected to bring another amount than a past one brought.

    revenue = size x conversion x sum over lags of leads x timing: the conversion adds up, over periods since
    coming in, the share of leads that won (as a total fertility rate adds up ages); timing is how it is
    spread over them. Each factor's part is its mean gain over all orders.

    Args:
        place, found: where the company stands, and its forecast.
        than: name of the past period, such as 2025Q3, or "last year".

    Raises:
        FunnelError: no such whole period is on record.
    """
    if place.history is None or found.engine != "exact":
        raise FunnelError(f"bridge: {place.name} has no past, or no chances of single deals, to compare with")
    period, before = place.periods[0], _past_period(place, than)
    old, new = past_cohorts(place, before), coming_cohorts(place, found)
    came = within(place.booked, before.start, before.end)[0]
    after = origins_of(found.periods, period)["total"]
    rows = [(factor, 0, change) for factor, change in zip(FACTORS, four_factors(old, new), strict=True)]
    parts = summed(pd.DataFrame(rows, columns=["part", "deals", "change"]), came, after)
    return Bridge(
        came, after, period.label, before.label, place.model.as_of, parts, found.currency, than=True,
        notes=cohort_words(old, new, period.label, before.label),
    )  # fmt: skip


def _past_period(place: Situation, than: str) -> Period:
    history = place.history
    assert history is not None  # noqa: S101 - told apart before
    past = past_periods(history.until, place.kind, MOST_PAST, history.period_start)
    known = [one for one in past if one.start >= history.began]
    wanted = "".join(than.split()).replace("-", "").casefold()
    if wanted == "lastyear":
        start = place.periods[0].start - pd.DateOffset(years=1)
        named = [one for one in known if abs((one.start - start) / DAY) < 4]  # weeks begin on other dates
    else:
        named = [one for one in known if one.label.replace(" ", "").replace("-", "").casefold() == wanted]
    if not named:
        labels = [one.label for one in known]
        raise FunnelError(f"than '{than}': no such whole {place.kind} is on record; {nearest(than, labels)}")
    return named[-1]


def _lags(period: Period, kind: str, came: pd.Series, history: History) -> Any:
    """Return how many periods before the period each moment lies, at most LAGS - 1."""
    past = past_periods(period.start, kind, LAGS - 1, history.period_start)
    starts = np.array([one.start for one in past] + [period.start], dtype="datetime64[ns]")
    place = np.searchsorted(starts, came.to_numpy(dtype="datetime64[ns]"), side="right")
    return np.minimum(len(starts) - place, LAGS - 1)


def past_cohorts(place: Situation, period: Period) -> Cohorts:
    """Return what the wins of a past period came from."""
    history = place.history
    assert history is not None  # noqa: S101 - told apart before
    came = first_moments(history)
    leads = _lags(period, place.kind, came[(came < period.end).to_numpy()], history)
    wins = place.booked
    inside = wins[((wins["at"] >= period.start) & (wins["at"] < period.end)).to_numpy()]
    lags = _lags(period, place.kind, came.reindex(inside["lead"]), history)
    count = np.bincount(lags, minlength=LAGS).astype(np.float64)
    money = float(inside["value"].fillna(0.0).sum())
    return Cohorts(
        np.bincount(leads, minlength=LAGS).astype(np.float64), count, money / max(count.sum(), 1e-300)
    )


def coming_cohorts(place: Situation, found: Forecast) -> Cohorts:
    """Return what the expected wins of the first period come from: booked, open deals, leads to come."""
    history, period = place.history, place.periods[0]
    assert history is not None  # noqa: S101 - told apart before
    now = past_cohorts(place, period)
    came, frame = first_moments(history), found.deals
    lags = _lags(period, place.kind, came.reindex(frame["lead"]), history)
    wins = now.wins + np.bincount(lags, frame[f"P(win {period.label})"].to_numpy(), minlength=LAGS)
    rows = found.periods[(found.periods["measure"] == "wins") & (found.periods["period"] == period.label)]
    mean = rows.set_index("origin")["mean"]
    wins[0] += float(mean["new"])
    wins *= float(mean["total"]) / max(float(wins.sum()), 1e-300)
    days = (period.end - place.model.as_of) / DAY
    per_day = expected(place.model.entries, int(np.ceil(days))).sum(axis=0)
    leads = now.leads + 0.0
    leads[0] += float(per_day.sum()) * days / max(len(per_day), 1)
    total = origins_of(found.periods, period)["total"]
    return Cohorts(leads, wins, total / max(float(wins.sum()), 1e-300))


def four_factors(old: Cohorts, new: Cohorts) -> list[float]:
    """Return the fair parts of intake, conversion, timing and size in the difference of revenue.

    >>> one = Cohorts(np.array([100.0]), np.array([10.0]), 5.0)
    >>> [round(part, 6) for part in four_factors(one, Cohorts(np.array([200.0]), np.array([20.0]), 5.0))]
    [50.0, 0.0, 0.0, 0.0]
    """
    rates = [np.divide(one.wins, one.leads, out=np.full_like(one.wins, np.nan), where=one.leads > 0)
             for one in (old, new)]  # fmt: skip
    rates = [np.where(np.isnan(mine), np.nan_to_num(other), mine)
             for mine, other in (rates, rates[::-1])]  # fmt: skip
    level = [float(rate.sum()) for rate in rates]
    spread = [rate / max(whole, 1e-300) for rate, whole in zip(rates, level, strict=True)]
    leads, size = (old.leads, new.leads), (old.size, new.size)

    def revenue(on: Sequence[int]) -> float:
        return size[on[3]] * level[on[1]] * float(leads[on[0]] @ spread[on[2]])

    parts = [0.0] * 4
    for order in permutations(range(4)):
        on = [0, 0, 0, 0]
        for factor in order:
            before = revenue(on)
            on[factor] = 1
            parts[factor] += (revenue(on) - before) / math.factorial(4)
    return parts


def cohort_words(old: Cohorts, new: Cohorts, period: str, before: str) -> tuple[str, ...]:
    """Return the four factors of both periods in words."""
    told = []
    for name, one in ((before, old), (period, new)):
        share = one.wins / np.maximum(one.leads, 1e-300)
        rate = float(np.where(one.leads > 0, share, 0.0).sum())
        first = one.wins[0] / max(float(one.wins.sum()), 1e-300)
        told.append(
            f"{name}: {one.leads[0]:,.0f} leads came, {words.percent(rate)} of leads win over all periods "
            f"since they came, {words.percent(first)} of the wins came in the same period, a win is "
            f"{words.short(one.size)}."
        )
    return tuple(told)
