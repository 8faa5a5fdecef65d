"""What companies use today: each rule by hand, and its dressing with past errors."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from funnelsim.forecasting.baselines import (
    NAMES,
    Smoothing,
    View,
    cohort_rates,
    conversion,
    dressed,
    exponential_smoothing,
    last_period,
    points,
    same_period_last_year,
    stage_weighted,
)

LEVELS = np.array([0.1, 0.5, 0.9])
# Lead, days of entering and leaving the one stage, how it ended, amount. Periods of 10 days, from day -40.
ROWS = [
    ("a", -38, -34, "Won", 100.0),
    ("b", -36, -25, "Won", 300.0),
    ("c", -28, -27, "Lost", 50.0),
    ("d", -22, -12, "Won", 200.0),
    ("e", -15, -8, "Won", 400.0),
    ("f", -14, 0, "", 80.0),
    ("g", -5, 0, "", np.nan),
    ("h", -31, -3, "Lost", 70.0),
]


def view(rows: list[tuple[str, float, float, str, float]] = ROWS, periods: int = 2) -> View:
    spells = pd.DataFrame(rows, columns=["lead", "start", "stop", "exit", "value"])
    spells["stage"], spells["entry"] = "Open", True
    won = spells[spells["exit"] == "Won"]
    edges, ahead = np.arange(-40.0, 1.0, 10.0), np.arange(0.0, 10.0 * periods + 1, 10.0)
    return View(spells, won["stop"].to_numpy(), won["value"].to_numpy(), ("Won",), edges, ahead, 2)


def test_the_series_is_what_each_past_period_brought() -> None:
    revenue, wins = view().series
    assert revenue.tolist() == [100, 300, 200, 400]
    assert wins.tolist() == [1, 1, 1, 1]


def test_last_period_and_last_year() -> None:
    series = np.array([1.0, 2, 3, 4, 5])
    assert last_period(series, 2, 4).tolist() == [5, 5]
    assert same_period_last_year(series, 5, 4).tolist() == [2, 3, 4, 5, 2]
    assert np.isnan(same_period_last_year(series[:3], 2, 4)).all()
    assert np.isnan(last_period(series[:0], 2, 4)).all()


def test_ets_follows_a_level_and_a_season() -> None:
    flat = np.full(12, 40.0) + np.array([1, -1] * 6)
    assert_allclose(exponential_smoothing(flat, 2, 52), 40, atol=2)
    season = np.tile([10.0, 20, 30, 20], 5) + np.random.default_rng(1).normal(0, 0.5, 20)
    assert_allclose(exponential_smoothing(season, 4, 4), [10, 20, 30, 20], atol=2)
    assert np.isnan(exponential_smoothing(flat[:5], 2, 52)).all()


def other_fit(series: np.ndarray, shape: Smoothing) -> tuple[np.ndarray, float]:
    """The forecast and its AICc as statsmodels has them."""
    words: dict[str, object] = {"trend": "add", "damped_trend": True} if shape.trend else {}
    if shape.season > 1:
        words |= {"seasonal": "add", "seasonal_periods": shape.season}
    found = ETSModel(series, **words).fit(disp=False, maxiter=200)
    return np.asarray(found.forecast(5)), float(found.aicc)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(6))
def test_smoothing_is_that_of_statsmodels(seed: int) -> None:
    """Of a season two searches may end in different places: then neither likelihood is far better."""
    rng = np.random.default_rng(seed)
    times = np.arange((9, 12, 16, 23, 41, 50)[seed])
    series = 1 + 0.3 * np.sin(times * np.pi / 2) + 0.1 * np.cumsum(rng.normal(0, 1, len(times))) * (seed % 2)
    series += rng.normal(0, 0.1, len(times))
    for shape in (Smoothing(), Smoothing(trend=True), Smoothing(season=4)):
        if len(series) < 2 * shape.season:
            continue
        (ours, worth), (theirs, least) = shape.fit(series, 5), other_fit(series, shape)
        if shape.season == 1 or abs(worth - least) < 1e-3:
            assert_allclose(ours, theirs, atol=2e-3 if shape.season > 1 else 1e-4)
        assert worth == least or worth < least + 0.1


def test_smoothing_by_hand() -> None:
    """alpha .5 and 10 before: 12 is 2 above, so 11; 9 is 2 below, so 10 is expected of all that comes."""
    errors, ahead = Smoothing()._path(np.array([12.0, 9.0]), np.array([[0.5], [10.0]]), 2)
    assert errors[:, 0].tolist() == [2, -2]
    assert ahead[:, 0].tolist() == [10, 10]


def test_stage_weighted_pipeline_by_hand() -> None:
    """4 of 6 closed leads won. Winners waited 4, 11, 10, 7, on average 8: f (14) is due now, g (5) in 3."""
    revenue, wins = stage_weighted(view())
    assert_allclose(wins, [2 * 4 / 6, 0])
    assert_allclose(revenue, [(80 + 250) * 4 / 6, 0])


def test_cohort_rates_by_hand() -> None:
    """Entered 0, 1, 2, 3 periods ago: g | e, f | c, d | a, b, h. Won at once: a; one period after: b, d, e.

    Rates: 1/8 and 3/7. Next period: g at 3/7, older ones at 0; new: one lead at 1/8.
    """
    assert_allclose(cohort_rates(view()), [1 * 3 / 7 + 1 / 8, 1 / 8 + 3 / 7])


def test_pipeline_conversion_by_hand() -> None:
    """At -40 nothing is open. At -30: b, h open, b won. At -20: h, d open, d won. At -10: e, f, h, e won.

    So 3 of 7 open deals win in the next period; of new leads a won in its own (1 in 4 periods).
    """
    assert_allclose(conversion(view())[0], 2 * 3 / 7 + 1 / 4)


def test_every_baseline_has_a_point_for_both_measures() -> None:
    found = points(view())
    assert tuple(found) == NAMES
    assert all(point.shape == (2, 2) for point in found.values())
    assert_allclose(found["cohort win rates"][0], 250 * found["cohort win rates"][1])


@pytest.mark.parametrize("number", [0, 1, 2])
def test_hardly_any_history_gives_numbers_or_nan_but_no_crash(number: int) -> None:
    found = points(view(ROWS[:number], periods=6))
    assert all(point.shape == (2, 6) for point in found.values())
    assert np.isfinite(found["cohort win rates"]).all()


def test_a_dressed_forecast_is_lognormal_about_its_shifted_point() -> None:
    """Past forecasts were always half of what came: the shift is log 2 * 12 / 16."""
    past, actual = np.full(12, 50.0), np.full(12, 100.0)
    shift = np.log(2) * 12 / 16
    sd = np.sqrt((12 * (np.log(2) - shift) ** 2 + 0.16) / 13)
    assert_allclose(
        dressed(80.0, past, actual, 1e-12, LEVELS), 80 * np.exp(shift + sd * norm.ppf(LEVELS)), rtol=1e-6
    )


def test_larger_past_errors_make_wider_forecasts() -> None:
    calm = dressed(50.0, np.full(9, 50.0), np.linspace(45, 55, 9), 0.5, LEVELS)
    wild = dressed(50.0, np.full(9, 50.0), np.linspace(10, 120, 9), 0.5, LEVELS)
    assert wild[2] - wild[0] > 2 * (calm[2] - calm[0])
    assert (dressed(0.0, np.zeros(5), np.zeros(5), 0.5, LEVELS) >= 0).all()
