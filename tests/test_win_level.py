"""The level of wins and its spread, wins before the first one, and the calendar of wins: each by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal, poisson

from funnelsim.calibration.counting import Visits, count_visits
from funnelsim.calibration.shocks import (
    Level,
    excess_spread,
    level_of,
    past_windows,
    win_calendar,
    win_level,
)
from funnelsim.calibration.shocks import wins_before_the_first as before_the_first
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Calendar
from funnelsim.model.rates import DEFAULT_BINS, Counts

ALONE = Funnel("alone", ("Open",), ("Won",), (("Won",),), {"Won": 1.0})
# With half a pseudo-event at their own rate, n leavers in T days have the rate n / T: here a fifth per day.
FIFTH = Counts(np.array([0.0]), np.array([[[[20.0]]]]), np.array([[[100.0]]]))


def visits_to_one_stage(start: list[float], dwell: list[float], won: list[bool]) -> Visits:
    zero = np.zeros(len(start), dtype=np.int64)
    exits = np.where(won, 0, -1)
    return Visits(zero, zero, exits, np.array(start), np.zeros(len(start)), np.array(dwell))


def windows_with(observed: list[int], expected: list[float]) -> Visits:
    """Visits that win in each window of 28 days, latest first, where a fifth a day would give `expected`."""
    start, dwell = [], []
    for back, (wins, mean) in enumerate(zip(observed, expected, strict=True)):
        start += [-28.0 * (back + 1)] * wins
        dwell += [5 * mean / wins] * wins
    return visits_to_one_stage(start, dwell, [True] * len(start))


def test_wins_and_what_the_rates_expect_by_window() -> None:
    visits = windows_with([20, 10, 12], [10.0, 10.0, 6.0])
    observed, expected = past_windows(visits, ALONE, FIFTH, 28.0, -84.0)
    assert observed.tolist() == [20, 10, 12]
    assert_allclose(expected, [10, 10, 6])
    observed, _ = past_windows(visits, ALONE, FIFTH, 28.0, -83.0)
    assert observed.tolist() == [20, 10], "a window that began before the record is not whole"


def seen(observed: list[float], expected: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """What counts tell of the logs of their ratios, and its variance: exact sums over a Poisson's counts."""
    logs, variance = [], []
    for number, fair in zip(observed, expected, strict=True):
        count = np.arange(1000)
        chance, told = poisson(fair).pmf(count), np.log(count + 0.5)
        above = poisson(fair * 1.0001).pmf(count) - poisson(fair / 1.0001).pmf(count)
        slope = (above * told).sum() / (2 * np.log(1.0001))
        first = (chance * told).sum()
        logs.append((np.log(number + 0.5) - first) / slope)
        variance.append(((chance * told**2).sum() - first**2) / slope**2)
    return np.array(logs), np.array(variance)


ODDS = {0.03: 4, 0.1: 2, 0.3: 1}


def level_by_hand(observed: list[float], expected: list[float], ahead: int, luck: float = 1.0) -> Level:
    """The law of all logs at once, each shape a part of its covariance, oldest first."""
    old_first, fair = [0.0, *observed[::-1]], [1e-6, *expected[::-1]]
    logs, variance = seen(old_first, fair)
    past = len(logs)
    size, late = past + ahead, slice(past, past + ahead)
    block = np.arange(size)
    shapes = [0.0 * block, *[1.0 * (block < first) for first in range(1, past)]]
    shapes += [1.0 * (block == one) for one in range(past)]
    weight, middle, within, ratio = [], [], [], []
    for walk, noise in itertools.product([0.03, 0.1, 0.3], repeat=2):
        for number, shape in enumerate(shapes):
            law = 0.1 + walk**2 * np.minimum(block[:, None], block) + np.outer(shape, shape)
            law = law + noise**2 * np.eye(size)
            centre = -(0.1 + noise**2) / 2
            known = multivariate_normal(np.full(past, centre), law[:past, :past] + luck * np.diag(variance))
            gain = np.linalg.solve(known.cov, law[:past, late]).T
            rest = law[late, late] - gain @ law[:past, late]
            coming = centre + gain @ (logs - centre)
            share = np.exp(coming) / np.exp(coming).sum()
            prior = ODDS[walk] * ODDS[noise] * (1 / 60 if number else 1.0)
            weight.append(prior * np.exp(known.logpdf(logs)))
            middle.append(np.log(np.exp(coming).sum()))
            within.append(share @ rest @ share)
            ratio.append(1 + (gain @ (np.divide(old_first, fair) - 1)).mean())
    w = np.array(weight) / sum(weight)
    of_sum = w @ np.array(within) + w @ (np.array(middle) - w @ np.array(middle)) ** 2
    return Level(float(w @ np.array(ratio)), float(np.sqrt(np.expm1(of_sum))), len(observed))


CASES = [[20, 10, 14, 9, 21], [60, 10, 11, 12, 10], [2, 30, 31, 29, 35], [20, 10], [7], []]


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize("observed", CASES)
def test_the_level_is_that_of_the_whole_normal_law(observed: list[int], ahead: int) -> None:
    expected = [10.0, 12.0, 15.0, 11.0, 13.0][: len(observed)]
    visits = windows_with(observed, expected)
    if observed:
        found = win_level(visits, ALONE, FIFTH, ahead=ahead, began=-28.0 * len(observed))
    else:
        found = level_of(np.zeros(0), np.zeros(0), ahead)
    known = level_by_hand(observed, expected, ahead)
    assert_allclose([found.factor, min(known.spread, 0.6)], [known.factor, found.spread], rtol=1e-4)
    assert found.windows == len(observed)


def test_leads_that_are_decided_have_less_luck() -> None:
    observed, expected = [20.0, 10.0, 14.0, 9.0], [10.0, 12.0, 15.0, 11.0]
    found = level_of(np.array(observed), np.array(expected), luck=0.5)
    known = level_by_hand(observed, expected, 1, luck=0.5)
    assert_allclose([found.factor, found.spread], [known.factor, known.spread], rtol=1e-4)


def test_windows_that_differ_each_by_itself_make_a_calmer_quarter() -> None:
    """Noise of 30 % a window: three windows differ by .3 / sqrt 3, one by .3."""
    rng = np.random.default_rng(5)
    spread = {1: [], 3: []}
    for _ in range(40):
        wins = rng.poisson(400 * np.exp(rng.normal(0, 0.3, 26))).astype(float)
        for ahead, found in spread.items():
            found.append(level_of(wins, np.full(26, wins.mean()), ahead).spread)
    assert 0.26 < np.mean(spread[1]) < 0.36
    assert 0.15 < np.mean(spread[3]) < 0.25


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize(("wins", "windows"), [(2.0, 26), (6.0, 13), (20.0, 6)])
def test_a_record_that_says_nothing_moves_no_level(wins: float, windows: int, noise: float) -> None:
    """Windows as the rates expect, by Poisson luck alone or with noise of 30 % as well, have ratios 1."""
    rng = np.random.default_rng(8)
    fair = np.full(windows, wins)
    factors = [
        level_of(rng.poisson(fair * np.exp(rng.normal(-(noise**2) / 2, noise, windows))), fair, 3).factor
        for _ in range(300)
    ]
    assert abs(np.mean(factors) - 1) < 3 * np.std(factors) / 300**0.5


@pytest.mark.parametrize(("wins", "fair"), [(150, 300), (2, 4), (15, 20), (6, 4), (450, 300)])
def test_a_level_that_holds_is_found_as_ten_wins_let_it(wins: int, fair: float) -> None:
    """A Gamma law that knows as ten wins do says (O + 10) / (E + 10); breaks and noise move that little."""
    found = level_of(np.full(12, float(wins)), np.full(12, float(fair)), 3).factor
    assert_allclose(np.log(found), np.log((12 * wins + 10) / (12 * fair + 10)), atol=0.1)


def test_a_level_is_never_more_than_threefold() -> None:
    """Deals paid to the day are never at risk on it: rates expect none of them, and are wrong."""
    assert level_of(np.full(12, 25.0), np.full(12, 0.3)).factor == 3.0
    assert level_of(np.zeros(12), np.full(12, 300.0)).factor == 1 / 3


def test_a_window_of_which_nothing_was_expected_tells_nothing() -> None:
    wins, fair = np.array([12.0, 9.0, 11.0]), np.array([10.0, 10.0, 10.0])
    with_none = level_of(np.insert(wins, 1, 0.0), np.insert(fair, 1, 0.0))
    assert_allclose(with_none.factor, level_of(wins, fair).factor, rtol=0.02)


@pytest.mark.parametrize("at_once", [0, 10, 20, 30])
def test_wins_at_once_are_expected_as_often_as_they_come(at_once: int) -> None:
    """Of forty leads a window some win in the minute in which they come, one in ten later: no level differs.

    Leads that leave at once are no days at risk, so days at risk alone would expect too few of them.
    """
    start = -np.arange(1.0, 13441.0) / 40
    kind = np.arange(13440) % 40
    dwell = np.where(kind < at_once, 1e-3, np.where(kind < at_once + 4, 12.5, 80.0))
    won = (kind < at_once + 4) & (dwell <= -start)
    visits = visits_to_one_stage(list(start), list(np.minimum(dwell, -start)), list(won))
    counts = count_visits(visits, (1, 1, 1), DEFAULT_BINS)
    observed, expected = past_windows(visits, ALONE, counts, 28.0, -336.0)
    assert_allclose(expected.sum(), observed.sum(), rtol=0.03)
    assert_allclose(win_level(visits, ALONE, counts, began=-336.0).factor, 1.0, atol=0.05)


def test_the_spread_leaves_poisson_luck_out_and_fades() -> None:
    """Four windows are given to the prior; a window in which less than one was expected says nothing."""
    assert_allclose(excess_spread(np.array([14.0]), np.array([10.0]), 0.1), np.sqrt((0.06 + 0.04) / 5))
    two = excess_spread(np.array([10.0, 18.0]), np.array([10.0, 10.0]), 0.2)
    assert_allclose(two, np.sqrt((-0.1 + 0.8 * 0.54 + 4 * 0.04) / 5.8))
    assert_allclose(excess_spread(np.array([9.0, 14.0]), np.array([0.9, 10.0]), 0.2), np.sqrt(0.208 / 4.8))
    assert_allclose(excess_spread(np.array([4.0]), np.array([1.0]), 0.0), 0.6)
    assert excess_spread(np.array([10.0]), np.array([10.0]), 0.0) == 0.0


def test_wins_expected_before_the_first() -> None:
    """From day -50 on five win in 250 days at risk; before, ten leads were there for 50 days each."""
    visits = visits_to_one_stage([-100.0] * 10, [50.0] * 5 + [100.0] * 5, [True] * 5 + [False] * 5)
    assert_allclose(before_the_first(visits, ALONE, np.array([0.0]), 1), (5 / 250 * 500, -50.0))
    never = visits_to_one_stage([-9.0], [9.0], [False])
    assert before_the_first(never, ALONE, np.array([0.0]), 1) == (0.0, 0.0)


MONDAY = pd.Timestamp("2024-01-01")
TEN_WEEKS = MONDAY + pd.Timedelta(weeks=10)


def on_weekdays(numbers: list[int]) -> pd.Series:
    days = [MONDAY + pd.Timedelta(days=7 * (i % 10) + day) for day, n in enumerate(numbers) for i in range(n)]
    return pd.Series(days)


def test_weekday_factors_are_shrunk_by_ten_wins() -> None:
    """70 wins, all on Mondays: (70 + 10/7) / (10 + 10/7) = 6.25; the other days (10/7) / (80/7) = .125."""
    found, notes = win_calendar(on_weekdays([70, 0, 0, 0, 0, 0, 0]), MONDAY, TEN_WEEKS)
    assert_allclose(found.week, [6.25] + [0.125] * 6)
    assert found.rush == 1.0 and "hardly any on Tuesday and Wednesday and" in notes[0]


def test_weekdays_of_unequal_number_are_compared_by_the_day() -> None:
    """Eight Mondays and seven of every other day: a win on each day is an even week."""
    found, _ = win_calendar(
        pd.Series(pd.date_range(MONDAY, periods=50)).repeat(3), MONDAY, MONDAY + pd.Timedelta(days=50)
    )
    assert found == Calendar()
    busy = on_weekdays([30, 10, 10, 10, 10, 10, 10])
    found, _ = win_calendar(busy, MONDAY, TEN_WEEKS + pd.Timedelta(days=1))
    fair, prior = 90 * np.array([11, *[10] * 6]) / 71, 10 * np.array([11, *[10] * 6]) / 71
    factor = (np.array([30, *[10] * 6]) + prior) / (fair + prior)
    assert_allclose(found.week, factor / (factor @ fair / fair.sum()))


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([21, 5, 5, 10, 9, 10, 10], "most on Monday"),  # chi-squared 17.2 of 6 degrees: p = .009
        ([20, 5, 5, 10, 10, 10, 10], ""),  # 15.0: p = .02
        ([50, 0, 0, 0, 0, 0, 0], "hardly any on Tuesday"),
        ([49, 0, 0, 0, 0, 0, 0], ""),
    ],
)
def test_weekdays_count_when_fifty_wins_say_so_clearly(numbers: list[int], told: str) -> None:
    found, notes = win_calendar(on_weekdays(numbers), MONDAY, TEN_WEEKS)
    assert (found == Calendar()) == (told == "")
    assert told in "".join(notes)


def quarters(last: list[int], rest: int = 1) -> pd.Series:
    """So many wins in the last ten days of each quarter from 2024 on, and `rest` on every other day."""
    days = []
    for number, wins in enumerate(last):
        begin = MONDAY + pd.DateOffset(months=3 * number)
        late = begin + pd.DateOffset(months=3) - pd.Timedelta(days=10)
        days += [*pd.date_range(begin, late, inclusive="left").repeat(rest)]
        days += [late + pd.Timedelta(days=i % 10) for i in range(wins)]
    return pd.Series(days)


def test_the_rush_is_the_mean_log_ratio_shrunk_by_a_quarter() -> None:
    """20 wins in ten days and one on each of the 81 or 82 others, four quarters: exp(4/5 of the mean log)."""
    found, notes = win_calendar(quarters([20] * 4), MONDAY, MONDAY + pd.DateOffset(months=12))
    logs = [np.log(2.05 / ((n + 0.5) / n)) for n in (81, 81, 82, 82)]
    assert_allclose(found.rush, np.exp(0.8 * np.mean(logs)))
    assert "1.8 times as many wins of the leads at risk as other days (4 quarters)" in notes[-1]


@pytest.mark.parametrize(
    ("last", "months"),
    [([20] * 3, 9), ([20] * 4, 11), ([20, 20, 20, 8], 12)],
    ids=["three quarters", "the fourth is not whole", "the fourth is like the rest"],
)
def test_a_rush_that_is_not_clear_does_not_count(last: list[int], months: int) -> None:
    until = MONDAY + pd.DateOffset(months=months)
    won = quarters(last)
    assert win_calendar(won[won < until], MONDAY, until)[0].rush == 1.0


def test_a_quarter_counts_from_twenty_five_wins_on() -> None:
    """Every other day a win is 45 or 46 a quarter; every fourth day is 22 or 23."""
    often = quarters([0] * 4)[::2]
    found, _ = win_calendar(often, MONDAY, MONDAY + pd.DateOffset(months=12))
    assert found.rush < 0.2
    assert win_calendar(often[::2], MONDAY, MONDAY + pd.DateOffset(months=12))[0].rush == 1.0


@pytest.mark.parametrize(("between", "low", "high"), [(0.0, 0.0, 0.065), (0.15, 0.13, 0.2)])
def test_months_of_leads_that_are_decided_differ_by_less_than_poisson_luck(
    between: float, low: float, high: float
) -> None:
    """300 leads a window, half of which win: the variance of their number is half its mean."""
    rng = np.random.default_rng(4)
    chance = np.clip(0.5 * (1.0 + between * rng.standard_normal((60, 26))), 0.0, 1.0)
    wins, expected = rng.binomial(300, chance).astype(float), np.full(26, 150.0)
    found = [level_of(row, expected, luck=0.5).spread for row in wins]
    assert low < np.mean(found) < high
    if between:
        assert np.mean([level_of(row, expected).spread for row in wins]) < np.mean(found)
