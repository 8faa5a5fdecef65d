"""What rates alone do not tell: periods in which everything wins more, or less, and wins never recorded."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc, stdtr  # `scipy.stats` has the tests whole, but takes a second to load

from funnelsim.arrays import Floats
from funnelsim.calibration.counting import Visits, count_visits
from funnelsim.calibration.posterior import PRIOR_CASES, expected_leavers, posterior_table
from funnelsim.calibration.structural import YEAR, Kind, condition, variance_of_sum
from funnelsim.model.funnel import Funnel, winning_exits
from funnelsim.model.model import Calendar, in_rush
from funnelsim.model.rates import Counts

# Of losses on the clock of dates, and of what alerts and goals watch, which have no walk of their own:
# conventions, in which errors are flat. .8^26 is .3 %: older windows would weigh nothing.
DISCOUNT, PRIOR_SPREAD, PRIOR_WINDOWS, MOST_WINDOWS = 0.8, 0.05, 4.0, 26
# Rates that were counted from the same wins know their level as ten wins would; they need no growth and no
# season of their own (with both the CRPS of six real sets is 2 % larger), and the plain likelihood.
OF_WINS = Kind(level=PRIOR_CASES**-0.5, growth=0.0, seasons=(0.0,), temper=1.0)
# A window of which so little was expected tells nothing.
LEAST_FAIR = 1e-6
# Caps by convention: a common factor that differs by more is no common factor, but another company; and where
# three times as many win as the rates say, the rates are wrong, as of deals paid to the day, never at risk.
LARGEST_SPREAD, LARGEST_LEVEL = 0.6, 3.0
# Clean records gave about 0 on the prototype's sets, those whose wins were recorded late 150 to 440.
SUSPICIOUS_WINS = 10.0
# Fifty wins are seven a weekday, enough for a chi-squared test (five is the usual least). Phases of a quarter
# paid in the prototype's back-tests only from four quarters and p < .01 on.
FEWEST_WINS, FEWEST_QUARTERS, CLEAR = 50, 4, 0.01
# Words only: a weekday with under three tenths of its share of wins is called quiet.
QUIET = 0.3
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Level:
    """How wins of late ran against the fitted rates, and how much single periods differ.

    Args:
        factor: what the next period's wins are expected to be, over what the rates alone say.
        spread: standard deviation of a common factor on the win intensity of that period.
        windows: number of past windows that both rest on.
    """

    factor: float
    spread: float
    windows: int


def win_level(
    visits: Visits,
    funnel: Funnel,
    counts: Counts,
    *,
    window: float = 28.0,
    ahead: int = 1,
    began: float = -np.inf,
) -> Level:
    """Return the level and spread of wins against the rates, from past windows.

    In each window wins are compared with those that the rates expect of the days that leads really spent
    at risk. Their ratio is forecast like the intake, by a mixture of small structural models (`condition`):

    log (observed / expected)(i) = level + walk(i) + noise(i) + luck(i) (+ a break, or a pulse)

    with level ~ N(-v / 2, v = 1 / 10), and noise likewise, so that ratios are 1 on average. These laws say
    how much each of the next `ahead` windows follows each past one, g(i); it then has the expected ratio
    1 + sum g(i) (observed(i) / expected(i) - 1), right on average whether windows are noisy or not, which the
    mean of a log-normal is not. The level is the mean of these ratios, the spread that of the windows' sum,
    beyond Poisson luck: a walk and a level not yet known move all together, noise each by itself.

    Args:
        visits: the visits that the rates were fitted to.
        counts: the counts of the fit.
        window: days of a window.
        ahead: windows that the period to be forecast lasts.
        began: first day of the record.
    """
    return level_of(*past_windows(visits, funnel, counts, window, began), ahead, window=window)


def level_of(
    observed: Floats, expected: Floats, ahead: int = 1, luck: float = 1.0, window: float = 28.0
) -> Level:
    """Return level and spread from what was observed, and expected, in past windows, latest first.

    Args:
        observed, expected: (windows,) wins.
        ahead, window: as of `win_level`, which says how.
        luck: variance of a number of wins over its mean; of leads that are decided, less than a Poisson's 1.

    >>> round(level_of(np.full(12, 60.0), np.full(12, 40.0)).factor, 1)
    1.5
    """
    # One window more, of which nothing was expected, stands for a record without any.
    old_first = np.append(0.0, observed[::-1])
    fair = np.maximum(np.append(0.0, expected[::-1]), LEAST_FAIR)
    in_a_year = YEAR / window
    found = condition(old_first, in_a_year, ahead, OF_WINS, fair, luck)
    spread = float(np.sqrt(np.expm1(variance_of_sum(found, ahead))))
    factor = 1.0 + float(((old_first / fair - 1.0) @ found.gain).mean())
    factor = min(max(factor, 1 / LARGEST_LEVEL), LARGEST_LEVEL)
    return Level(factor, min(spread, LARGEST_SPREAD), len(observed))


def past_windows(
    visits: Visits, funnel: Funnel, counts: Counts, window: float, began: float
) -> tuple[Floats, Floats]:
    """Return wins observed, and expected under the rates, in past windows, latest first."""
    first = max(began, float(visits.start.min(initial=0.0)))
    rate = posterior_table(counts, funnel)
    pairs = [_in_window(visits, funnel, counts, rate, one) for one in latest_windows(first, window)]
    observed, expected = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return observed, expected


def latest_windows(first: float, length: float) -> list[tuple[float, float]]:
    """Return the first day and the end of past windows that lie whole after a day, latest first.

    >>> latest_windows(-20.0, 7.0)
    [(-7.0, -0.0), (-14.0, -7.0)]
    """
    number = int(min(-first // length, MOST_WINDOWS))
    return [(-length * (back + 1), -length * back) for back in range(number)]


def excess_spread(observed: Floats, expected: Floats, prior: float = PRIOR_SPREAD) -> float:
    """Return how much past windows, latest first, differ from what was expected, beyond Poisson luck.

    The mean of ((observed - expected)^2 - expected) / expected^2, weights falling by 0.8 a window.

    Args:
        observed, expected: (windows,) wins, or other events.
        prior: the spread that four windows more would show.
    """
    weights = DISCOUNT ** np.arange(len(expected)) * (expected >= 1.0)
    relative = ((observed - expected) ** 2 - expected) / np.maximum(expected, 1.0) ** 2
    variance = ((weights * relative).sum() + PRIOR_WINDOWS * prior**2) / (weights.sum() + PRIOR_WINDOWS)
    return float(np.sqrt(np.clip(variance, 0.0, LARGEST_SPREAD**2)))


def won_visits(visits: Visits, funnel: Funnel) -> NDArray[np.int64]:
    """Return the numbers of the visits that ended in a win."""
    wins = funnel.booked[funnel.targets] > 0
    rows: NDArray[np.int64] = np.concatenate(
        [
            first + np.flatnonzero(wins[part.stage, part.exit] & (part.exit >= 0))
            for first, part in visits.blocks()
        ]
    )
    return rows


def wins_before_the_first(visits: Visits, funnel: Funnel, bins: Floats, groups: int) -> tuple[float, float]:
    """Return wins that the fitted rates expect before the first recorded win, and the day of that win.

    Rates are those of the time from that win on. A clean record gives about 0; one whose wins were
    recorded only from some date on gives dozens: its leads seem to have waited for nothing.
    """
    shape = (groups, *funnel.targets.shape)
    won = won_visits(visits, funnel)
    if not len(won):
        return 0.0, 0.0
    first = float((visits.start[won] + visits.dwell[won]).min())
    after = count_visits(visits, shape, bins, window=(first, np.inf))
    before = count_visits(visits, shape, bins, window=(-np.inf, first))
    return expected_by(winning_exits(funnel), before, posterior_table(after, funnel)), first


def expected_by(exits: NDArray[np.bool_], counts: Counts, rate: Floats) -> float:
    """Return how many of the leads at risk are expected to leave by some exits.

    Args:
        exits: (stages, exits) which.
        counts: the leads at risk.
        rate: (groups, stages, exits, bins) per day.
    """
    return float((expected_leavers(counts, rate) * exits[:, :, None]).sum())


def wins_by_day(
    visits: Visits, funnel: Funnel, counts: Counts, days: int, until_midnight: float = 0.0
) -> Floats:
    """Return the wins that the rates expect of the leads at risk on each of the last days, (days,).

    Args:
        visits: the visits that the rates were fitted to.
        counts: the counts of the fit.
        days: calendar days of the record, the last of which is not over before the as-of moment.
        until_midnight: days from the as-of moment to the end of the last day.
    """
    rate = win_rates(posterior_table(counts, funnel), funnel)
    whole, after = np.zeros(days + 1), np.zeros(days + 2)
    lefts = np.append(counts.edges, np.inf)
    for _, part in visits.blocks():
        start = part.start - until_midnight
        for bin_, (left, right) in enumerate(itertools.pairwise(lefts)):
            begin = start + np.maximum(part.since, left)
            end = start + np.minimum(part.dwell, right)
            rows = np.flatnonzero(end > begin)
            weight = rate[part.group[rows], part.stage[rows], bin_]
            for moment, sign in ((begin[rows], weight), (end[rows], -weight)):
                place = np.clip(moment + days, 0.0, days)
                day = place.astype(np.int64)
                whole += np.bincount(day, sign * (day + 1 - place), days + 1)
                after += np.bincount(day + 1, sign, days + 2)
    expected: Floats = np.maximum(whole + np.cumsum(after)[:-1], 0.0)[:-1]
    return expected


def win_rates(rate: Floats, funnel: Funnel) -> Floats:
    """Return the rate of winning per day, (groups, stages, bins), of rates (groups, stages, exits, bins)."""
    wins: Floats = (rate * winning_exits(funnel)[:, :, None]).sum(axis=2)
    return wins


def _in_window(
    visits: Visits, funnel: Funnel, counts: Counts, rate: Floats, window: tuple[float, float]
) -> tuple[float, float]:
    """Return wins observed, and expected, within a window of days."""
    alive = [
        first + np.flatnonzero((part.start < window[1]) & (part.start + part.dwell >= window[0]))
        for first, part in visits.blocks()
    ]
    part = visits.rows(np.concatenate(alive))
    inside = count_visits(part, counts.events.shape[:3], counts.edges, window=window)
    wins = winning_exits(funnel)
    return float((inside.events * wins[:, :, None]).sum()), expected_by(wins, inside, rate)


def win_calendar(
    won: pd.Series,
    began: pd.Timestamp,
    until: pd.Timestamp,
    first_month: int = 1,
    fair: Floats | None = None,
) -> tuple[Calendar, tuple[str, ...]]:
    """Return the calendar of wins, and what it says in words; what is not clear is left out.

    Wins of each kind of day are held against those that the rates expect of the leads at risk on it: after a
    quiet weekend more are waiting on Monday, and they are younger or older than on other days.

    Weekdays count when a chi-squared test finds them at p < .01, each shrunk by ten wins to an
    average day. The rush of a quarter's last ten days counts when, over four whole quarters or more,
    the log of its wins per day over those of the other days differs from 0 at p < .01 (t test).

    Args:
        won: moments of the wins.
        began, until: first and last moment of the record.
        first_month: month in which the fiscal year starts.
        fair: (days,) wins expected on each day of the record; by default as many on each.
    """
    days = pd.date_range(began.normalize(), until - pd.Timedelta(1, "ns"))
    at_risk = pd.Series(np.ones(len(days)) if fair is None else fair, index=days)
    week, week_note = _week(won, at_risk)
    rush, rush_note = _rush(won, at_risk, first_month)
    return Calendar(week, rush, first_month), (*week_note, *rush_note)


def _week(won: pd.Series, at_risk: pd.Series) -> tuple[tuple[float, ...], tuple[str, ...]]:
    exposed = np.bincount(pd.DatetimeIndex(at_risk.index).day_of_week, at_risk.to_numpy(), minlength=7)
    wins = np.bincount(pd.DatetimeIndex(won).day_of_week, minlength=7)
    if wins.sum() < FEWEST_WINS or (exposed <= 0).any():
        return (1.0,) * 7, ()
    fair = wins.sum() * exposed / exposed.sum()
    if chdtrc(6, ((wins - fair) ** 2 / fair).sum()) >= CLEAR:
        return (1.0,) * 7, ()
    factor = (wins + PRIOR_CASES * exposed / exposed.sum()) / (fair + PRIOR_CASES * exposed / exposed.sum())
    factor /= factor @ exposed / exposed.sum()
    quiet = [name for name, f in zip(WEEKDAYS, factor, strict=True) if f < QUIET]
    words = f"hardly any on {' and '.join(quiet)}" if quiet else f"most on {WEEKDAYS[int(factor.argmax())]}"
    return tuple(factor.tolist()), (
        f"Calendar: wins differ by weekday ({words}), and so do the coming days.",
    )


def _rush(won: pd.Series, at_risk: pd.Series, first_month: int) -> tuple[float, tuple[str, ...]]:
    ratios = _quarter_ratios(won, at_risk, first_month)
    if len(ratios) < FEWEST_QUARTERS or _chance_of_no_rush(ratios) >= CLEAR:
        return 1.0, ()
    rush = float(np.exp(ratios.mean() * len(ratios) / (len(ratios) + 1)))
    more = f"{rush:.1f} times as many wins of the leads at risk as other days"
    return rush, (f"Calendar: the last ten days of a quarter bring {more} ({len(ratios)} quarters).",)


def _chance_of_no_rush(ratios: Floats) -> float:
    """Return p of the t test, on both sides, that the logs differ from 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = ratios.mean() / (ratios.std(ddof=1) / np.sqrt(ratios.size))
    return float(2 * stdtr(ratios.size - 1, -np.abs(t)))


def _quarter_ratios(won: pd.Series, at_risk: pd.Series, first_month: int) -> Floats:
    """Return the log of wins over those expected in the last ten days, over the same of the other days, for
    each whole quarter."""
    days, fair = pd.DatetimeIndex(at_risk.index), at_risk.to_numpy()
    number = pd.DatetimeIndex(won).normalize().value_counts().reindex(days, fill_value=0).to_numpy()
    quarter = (days.year * 12 + days.month - first_month) // 3
    rush = in_rush(days, first_month)
    ratios = []
    for one in np.unique(quarter):
        mine = quarter == one
        last, rest = mine & rush, mine & ~rush
        enough = mine.sum() >= 90 and number[mine].sum() >= FEWEST_WINS / 2
        if enough and min(fair[last].sum(), fair[rest].sum()) > 0:
            ratios.append(
                np.log(
                    (number[last].sum() + 0.5)
                    / (number[rest].sum() + 0.5)
                    * fair[rest].sum()
                    / fair[last].sum()
                )
            )
    return np.array(ratios)
