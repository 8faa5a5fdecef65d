"""Spend -> leads: how many more leads come when more is spent on a channel, and how late."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Floats
from funnelsim.errors import FunnelError, missing, nearest
from funnelsim.history.log import History
from funnelsim.history.log import spells as visits_in
from funnelsim.history.spend import matched, spent_per_day
from funnelsim.model.model import Spend

# A belief, not a fit: published elasticities of sales to advertising are .12 within a period and .24 in the
# long run on average (Sethuraman, Tellis and Briesch 2011, doi:10.1509/jmkr.48.3.457); leads follow closer.
PRIOR, PRIOR_ERROR = 0.3, 0.2
WEEK, YEAR = 7, 364
# Conventions: money that acts after more than a month cannot be told from trend; a season needs two years;
# under twenty weeks, thirty leads or two percent of movement there is nothing to regress on.
MOST_LAG, SEASON_WEEKS, LEAST_WEEKS, LEAST_LEADS, LEAST_MOVE = 4, 100, 20, 30, 0.02
# Leads that come as by a timetable would have no error at all, and the prior no weight.
LEAST_DISPERSION = 0.01
# A week without spend counts as one with a twentieth of the usual: the power law has no leads without any.
LEAST_SPEND = 0.05
# Shares of what money does that last another week, tried first, and then a step around the best: half-lives
# of half a week to a month. The usual 95 % of a chi-square with one degree of freedom must speak for one.
SHARES, STEP, SURELY = (0.2, 0.4, 0.6, 0.8), 0.1, 3.84
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Answer:
    """How a series of leads answers to a series of spend: leads ~ spend ** elasticity.

    Args:
        elasticity: 0.3: ten percent more money bring about three percent more leads.
        error: standard error of the elasticity; inf where the record tells nothing.
        lag: periods after which the money brings its leads, the likeliest.
        dispersion: variance of the leads of a period over their mean, given everything else.
        deviance: of the likeliest lag; 0 where the record tells nothing.
        carry_over: share of what money does that it still does a period later.
    """

    elasticity: float
    error: float
    lag: int
    dispersion: float = 1.0
    deviance: float = 0.0
    carry_over: float = 0.0


NOTHING = Answer(PRIOR, np.inf, 0)


def fit_response(
    history: History,
    spend: pd.DataFrame,
    *,
    visits: pd.DataFrame | None = None,
    prior: float = PRIOR,
    prior_error: float = PRIOR_ERROR,
) -> tuple[Spend, ...]:
    """Return today's spend and elasticity of every channel that the spend table and the leads both name.

    Weekly leads of a channel are regressed on the logarithm of its spend some weeks before, a trend and
    (from two years on) the month; see `answer`. The estimate is then shrunk to the prior by its error:
    with precisions p = 1 / error ** 2, elasticity = (p e + p0 e0) / (p + p0). A budget that follows the
    demand it expects looks stronger than it is; only a budget that moved for other reasons tells.

    Args:
        history: what happened; leads need a channel.
        spend: channel, start, spend, as `read_spend` returns; rows from the as-of date on are not used.
        visits: the visits by which leads came in, where they are known already.
        prior, prior_error: what is believed of an elasticity before looking, mean and standard deviation.

    Returns:
        One `Spend` per channel, sorted by name: money per day as the mean of the last year (or of what
        is known), so that a season of the budget does not count as a level.

    Raises:
        FunnelError: no channel of the spend table is a channel of the leads.
    """
    visits = visits_in(history) if visits is None else visits
    rows = visits[visits["entry"] | visits["reopened"]]
    known = [name for name in rows["channel"].unique() if name]
    ours = matched(spend["channel"].unique(), known)
    if not ours:
        if not known:
            raise FunnelError("spend: the leads of this history name no channel; map the column that does")
        given = str(spend["channel"].iloc[0])
        hint = nearest(given, known)
        raise FunnelError(f"spend: no lead came from '{given}', nor from its other channels; {hint}")
    answers = []
    for theirs, name in sorted(ours.items(), key=lambda pair: pair[1]):
        came = rows.loc[rows["channel"] == name, "start"].to_numpy(dtype=np.float64)
        money = spend[(spend["channel"] == theirs) & (spend["start"] < history.until)]
        if len(money):
            answers.append(_channel(name, came, money, history, prior, prior_error))
    return tuple(answers)


def answer(leads: Floats, spend: Floats, years: Floats, months: NDArray[np.int64] | None = None) -> Answer:
    """Return how leads answer to spend, by a quasi-Poisson regression for every lag.

    log E[leads_t] = a + elasticity log spend_{t - lag} + trend years_t + month_t. Lags are weighed by
    their likelihoods (scaled by the dispersion), so that the error also holds the doubt about the lag.
    The error is the larger of the quasi-Poisson and the Newey-West one (weeks in a row are alike).

    Args:
        leads: (periods,) leads, or any amount of demand.
        spend: (lags, periods) money that was spent 0, 1, .. periods before; all above 0.
        years: (periods,) time in years, for the trend.
        months: (periods,) month numbers; None: no season.

    Returns:
        The unshrunken answer; `NOTHING` where spend did not move, or only with trend and season.

    Source: McCullagh and Nelder, Generalized Linear Models, 1989, chapter 9, doi:10.1201/9780203753736.
    """
    rest = _trend_and_season(leads, years, months)
    if leads.size < LEAST_WEEKS or leads.sum() < LEAST_LEADS or leads.size < rest.shape[1] + 10:
        return NOTHING
    logs = np.log(spend)
    moves = logs - (rest @ np.linalg.lstsq(rest, logs.T, rcond=None)[0]).T
    if moves.std(axis=1).min() < LEAST_MOVE:
        return NOTHING
    fits = [_glm(leads, np.column_stack([row, rest])) for row in logs]
    scale = np.array([fit.pearson_chi2 / fit.df_resid for fit in fits])
    dispersion = max(1.0, float(scale.min()))
    deviance = np.array([fit.deviance for fit in fits])
    weight = np.exp(-(deviance - deviance.min()) / 2 / dispersion)
    weight /= weight.sum()
    slope = np.array([fit.params[0] for fit in fits])
    mean = float(weight @ slope)
    best = int(np.argmin(deviance))
    errors = np.array([fit.bse[0] for fit in fits]) * np.sqrt(np.maximum(scale, LEAST_DISPERSION))
    alike = _glm(leads, np.column_stack([logs[best], rest]), cov_type="HAC", cov_kwds={"maxlags": 4}).bse[0]
    errors *= max(1.0, float(alike / errors[best]))
    error = float(np.sqrt(weight @ (errors**2 + (slope - mean) ** 2)))
    return Answer(mean, error, best, dispersion, float(deviance[best]))


def carried(money: Floats, share: float) -> Floats:
    """Return what money does in each period if a share of it lasts into the next (geometric adstock).

    a_t = (1 - share) money_t + share a_{t - 1}; before the first period that is known (not nan) it was spent
    as in the mean of the first year.

    Source: Broadbent, One way TV advertisements work, Journal of the Market Research Society 1979.

    >>> carried(np.array([np.nan, 8.0, 0.0, 8.0]), 0.5).tolist()
    [nan, 6.666666666666666, 3.333333333333333, 5.666666666666666]
    """
    found = money.astype(np.float64)
    known = np.flatnonzero(np.isfinite(money))
    if share == 0 or not known.size:
        return found
    before = float(np.nanmean(money[known[0] : known[0] + YEAR // WEEK]))
    for period in range(known[0], len(found)):
        before = (1 - share) * found[period] + share * before
        found[period] = before
    return found


def answer_carried(
    leads: Floats, money: Floats, lags: int, years: Floats, months: NDArray[np.int64] | None = None,
    carry_over: float | None = None, floor: float = 0.0,
) -> Answer:  # fmt: skip
    """Return how leads answer to money that may go on acting: the share that lasts has a profile likelihood.

    The share is first sought on a coarse grid, then around its best; one above 0 is believed where it lowers
    the deviance, over the dispersion, by more than 3.84: so much as luck does once in twenty times.

    Args:
        leads: (periods,).
        money: (lags + periods,) spent in each period from `lags` periods earlier on, all above 0; nan where
            that is not known, and such periods are left out.
        lags: most periods until money acts.
        years, months: as in `answer`.
        carry_over: share that lasts, where it is stated.
        floor: what stands for no money. Leads that come unpaid would look as if money lasted, so the share is
            sought in periods that were paid for.
    """

    def by_lag(series: Floats) -> Floats:
        return np.array([series[lags - lag : lags - lag + leads.size] for lag in range(lags + 1)])

    def fit(share: float, rows: NDArray[np.bool_]) -> Answer:
        season = None if months is None else months[rows]
        found = answer(leads[rows], by_lag(carried(money, share))[:, rows], years[rows], season)
        return replace(found, carry_over=share)

    known = np.asarray(np.isfinite(by_lag(money)).all(axis=0))
    if carry_over is not None:
        return fit(carry_over, known)
    paid = np.asarray(known & (np.nan_to_num(by_lag(money)) > floor).all(axis=0))
    plain, tried = fit(0.0, paid), {share: fit(share, paid) for share in SHARES[:2]}
    if min(one.deviance for one in tried.values()) >= plain.deviance or np.isinf(plain.error):
        return fit(0.0, known)
    tried |= {share: fit(share, paid) for share in SHARES[2:]}
    near = min(tried, key=lambda share: tried[share].deviance)
    tried |= {share: fit(share, paid) for share in np.round([near - STEP, near + STEP], 2).tolist()}
    tried = {share: one for share, one in tried.items() if np.isfinite(one.error)}
    best = min(tried.values(), key=lambda one: one.deviance, default=plain)
    surely = (plain.deviance - best.deviance) / best.dispersion > SURELY
    return fit(best.carry_over if surely else 0.0, known)


def fit_saturation(spend: Floats, response: Floats) -> tuple[float, float]:
    """Return top and half of response = top spend / (half + spend), by least squares: for tests of a budget.

    Unlike a history, where spend moves little, a test that tries quite different amounts shows the top.

    Args:
        spend: (tests,) money, 0 or more.
        response: (tests,) what it brought.

    Raises:
        FunnelError: fewer than three tests, or a response that does not bend.

    Source: Michaelis and Menten 1913; Bates and Watts, Nonlinear Regression, 1988, doi:10.1002/9780470316757.
    """
    from scipy.optimize import least_squares

    if spend.size < 3 or np.unique(spend).size < 2:
        raise FunnelError(
            f"{spend.size} tests of {np.unique(spend).size} amounts; expected at least three tests"
        )
    start = np.array([1.5 * float(response.max()), float(np.median(spend))])
    fit = least_squares(
        lambda x: x[0] * spend / (x[1] + spend) - response,
        start,
        x_scale=start,
        ftol=1e-14,
        xtol=1e-14,
        gtol=1e-14,
    )
    top, half = (float(value) for value in fit.x)
    if not fit.success or not 0 < half < 1000 * float(spend.max()):
        raise FunnelError("the response does not bend with spend: no saturation can be seen in these tests")
    return top, half


class Curve(Protocol):
    """Revenue as a function of spend, concave: more money brings more, but ever less per euro."""

    def revenue(self, spend: Floats) -> Floats:
        """Return revenue of spend (channels,), shape (..., channels)."""

    def slope(self, spend: Floats) -> Floats:
        """Return revenue per extra euro at spend (channels,), shape (..., channels)."""


@dataclass(frozen=True)
class Power:
    """revenue = today's revenue (spend / today's spend) ** elasticity; arrays (..., channels)."""

    at_today: Floats
    today: Floats
    elasticity: Floats

    def revenue(self, spend: Floats) -> Floats:
        """Return revenue of spend."""
        found: Floats = self.at_today * (spend / self.today) ** self.elasticity
        return found

    def slope(self, spend: Floats) -> Floats:
        """Return revenue per extra euro."""
        ratio = spend / self.today
        with np.errstate(divide="ignore"):
            found: Floats = self.at_today * self.elasticity / self.today * ratio ** (self.elasticity - 1)
        return found


@dataclass(frozen=True)
class Saturation:
    """revenue = top spend / (half + spend), Michaelis-Menten: never above top; arrays (..., channels)."""

    top: Floats
    half: Floats

    def revenue(self, spend: Floats) -> Floats:
        """Return revenue of spend."""
        found: Floats = self.top * spend / (self.half + spend)
        return found

    def slope(self, spend: Floats) -> Floats:
        """Return revenue per extra euro."""
        found: Floats = self.top * self.half / (self.half + spend) ** 2
        return found


def saturation_through(at_today: Floats, today: Floats, elasticity: Floats) -> Saturation:
    """Return the saturation curve with the revenue and the elasticity that are seen at today's spend.

    >>> curve = saturation_through(np.array([50.0]), np.array([10.0]), np.array([0.5]))
    >>> curve.top.tolist(), curve.half.tolist()
    ([100.0], [10.0])
    """
    return Saturation(at_today / (1 - elasticity), today * elasticity / (1 - elasticity))


def spend_words(answers: tuple[Spend, ...], spend: pd.DataFrame) -> tuple[str, ...]:
    """Return what the spend tells, one sentence per channel, and which channels of it were set aside."""
    sentences = [
        f"Spend: {one.channel}: {one.per_day * 365.25 / 12:,.0f} per month; 10 % more bring "
        f"{1.1**one.elasticity - 1:.1%} more leads after {one.lag_days:g} days{_lasting(one)} (elasticity "
        f"{one.elasticity:.2f} with a standard error of {one.error:.2f}"
        + (", assumed: the record tells nothing)." if one.error > 0.99 * PRIOR_ERROR else ").")
        for one in answers
    ]
    used = {one.channel.casefold() for one in answers}
    aside = [str(name) for name in spend["channel"].unique() if str(name).casefold() not in used]
    if aside:
        sentences.append(f"Spend: {', '.join(aside)}: set aside, as no lead names such a channel.")
    return tuple(sentences)


def _lasting(one: Spend) -> str:
    """Say how long money goes on acting, where it does."""
    return f", of whose effect {one.carry_over:.0%} last another week" if one.carry_over else ""


def _channel(
    name: str, came: Floats, money: pd.DataFrame, history: History, prior: float, prior_error: float
) -> Spend:
    """Return one channel's spend and answer, weeks beginning on the weekday on which its spend does."""
    begun = money["start"].iloc[0]
    stop = begun + (history.until - begun) // (WEEK * DAY) * (WEEK * DAY)
    weeks = max(int((stop - max(begun, history.began)) // (WEEK * DAY)), 0)
    start = stop - weeks * WEEK * DAY
    before = MOST_LAG * WEEK
    daily = spent_per_day(money, start - before * DAY, before + weeks * WEEK)
    weekly = daily.reshape(-1, WEEK).mean(axis=1)
    number = np.floor((came - (start - history.until) / DAY) / WEEK).astype(np.int64)
    leads = np.bincount(number[(number >= 0) & (number < weeks)], minlength=weeks).astype(np.float64)
    stated = money["carry_over"].iloc[-1] if "carry_over" in money else np.nan
    weekly_answer = _weekly_answer(leads, weekly, start, None if np.isnan(stated) else float(stated))
    weight = 0.0 if np.isinf(weekly_answer.error) else weekly_answer.error**-2.0
    precision = weight + prior_error**-2.0
    elasticity = (weight * weekly_answer.elasticity + prior * prior_error**-2.0) / precision
    year = spent_per_day(money, history.until - YEAR * DAY, YEAR)
    today = float(year[np.isfinite(year)].mean()) if np.isfinite(year).any() else 0.0
    lag, lasting = float(WEEK * weekly_answer.lag), weekly_answer.carry_over
    return Spend(name, today, max(elasticity, 0.0), precision**-0.5, lag, lasting)


def _weekly_answer(
    leads: Floats, weekly: Floats, start: pd.Timestamp, carry_over: float | None = None
) -> Answer:
    """Return the answer of weekly leads to weekly spend that begins `MOST_LAG` weeks earlier."""
    weeks = leads.size
    shifted = np.array([weekly[MOST_LAG - lag : MOST_LAG - lag + weeks] for lag in range(MOST_LAG + 1)])
    usable = np.isfinite(shifted).all(axis=0)
    if not usable.any() or not np.nanmax(weekly) > 0:
        return replace(NOTHING, carry_over=carry_over or 0.0)
    floor = LEAST_SPEND * float(np.mean(weekly[np.isfinite(weekly) & (weekly > 0)]))
    middle = start + pd.to_timedelta(WEEK * np.arange(weeks) + WEEK / 2, unit="D")
    months = middle.month.to_numpy() if usable.sum() >= SEASON_WEEKS else None
    years: Floats = (WEEK / 365.25) * np.arange(weeks, dtype=np.float64)
    return answer_carried(leads, np.maximum(weekly, floor), MOST_LAG, years, months, carry_over, floor)


def _trend_and_season(leads: Floats, years: Floats, months: NDArray[np.int64] | None) -> Floats:
    columns = [np.ones(leads.size), years - years.mean()]
    if months is not None:
        present = [month for month in np.unique(months) if leads[months == month].sum() > 0]
        columns += [(months == month).astype(np.float64) for month in present[1:]]
    return np.column_stack(columns)


def _glm(leads: Floats, design: Floats, **covariance: Any) -> Any:
    """Return a Poisson regression; errors of its coefficients are Poisson's unless a covariance is asked."""
    try:
        from statsmodels.genmod.families import Poisson
        from statsmodels.genmod.generalized_linear_model import GLM
        from statsmodels.tools.sm_exceptions import PerfectSeparationWarning
    except ModuleNotFoundError:
        raise missing("statsmodels", "what spend brings") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerfectSeparationWarning)  # leads as by a timetable are no mistake
        return GLM(leads, design, family=Poisson()).fit(**covariance)
