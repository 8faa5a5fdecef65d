"""Calendar and common factors are laws of a single lead: exact pass and lives give the same numbers."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from test_twins import some_calendar, some_deals

from funnelsim.forecasting.exact import chances
from funnelsim.forecasting.forecast import forecast_periods, totals
from funnelsim.forecasting.intensity import draws_of
from funnelsim.forecasting.periods import Period
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import (
    Calendar,
    Cell,
    Entries,
    Model,
    OpenDeals,
    Values,
    nobody,
    pace_of,
    run_until,
)
from funnelsim.model.rates import constant_table
from funnelsim.simulation.run import common_factors, period_sums, run_model

ONE = Funnel("one", ("Open",), ("Won", "Lost"), (("Won", "Lost"),), {"Won": 1.0})
CHAIN = Funnel(
    "chain", ("A", "B", "C"), ("Won", "Lost"),
    (("B", "C", "Lost"), ("C", "A", "Lost"), ("Won", "Lost")), {"Won": 1.0},
)  # fmt: skip
AS_OF = pd.Timestamp("2026-09-16")
WEEK = Calendar((1.5, 1.4, 1.3, 1.4, 1.3, 0.1, 0.0), rush=2.0)
REPLICATIONS = 400


def alone(win: float, lose: float, calendar: Calendar = WEEK, as_of: pd.Timestamp = AS_OF) -> Model:
    """Return a model of one stage with constant rates and nobody to come."""
    table = constant_table(np.zeros((1, 1, 1)), np.array([[[[win], [lose]]]]))
    entries = Entries((Cell(0, 0),), np.zeros(1), np.zeros(1))
    values = Values(np.array([[1000.0]]), np.ones(1))
    return Model(ONE, ("all",), table, entries, values, as_of, calendar=calendar)


def some_model(rng: np.random.Generator) -> Model:
    """Return a chain with loops, random rates by age, a calendar and both common factors."""
    edges = np.array([0.0, 2.0, 9.0, 30.0])
    rate = rng.gamma(1.0, 0.03, (1, 2, 3, 3, 4)) * (CHAIN.targets >= 0)[None, None, :, :, None]
    table = constant_table(np.broadcast_to(edges, (2, 3, 4)).copy(), rate[0])
    entries = Entries(
        (Cell(0, 0), Cell(1, 1)), np.array([0.7, 0.3]), rng.gamma(4, 1, 60), spread=float(rng.uniform(0, 0.4))
    )
    values = Values(np.sort(rng.lognormal(6, 0.5, (2, 9)), axis=1), np.ones(2))
    return Model(
        CHAIN, ("g", "h"), table, entries, values, AS_OF + pd.Timedelta(hours=int(rng.integers(24))),
        win_spread=float(rng.choice([0.0, 0.2, 0.5])), calendar=some_calendar(rng),
    )  # fmt: skip


def periods_of(model: Model, *days: int) -> tuple[Period, ...]:
    """Return adjoining periods that end so many days after the as-of day."""
    night = model.as_of.normalize()
    starts = [night, *(night + pd.Timedelta(days=day) for day in days)]
    return tuple(Period(f"P{k}", first, last) for k, (first, last) in enumerate(itertools.pairwise(starts)))


@pytest.mark.parametrize("hour", [0, 15])
def test_one_stage_wins_by_the_closed_form(hour: int) -> None:
    """P(win by t) = sum over stretches of S w f / (w f + q) (1 - exp(-(w f + q) days))."""
    model = alone(0.03, 0.02, as_of=AS_OF + pd.Timedelta(hours=hour))
    pace = pace_of(model, np.array([0.0, 40.0]))
    stay, won = 1.0, 0.0
    for days, factor in zip(np.diff(pace.cuts), pace.factor, strict=True):
        total = 0.03 * factor + 0.02
        won += stay * 0.03 * factor / total * -np.expm1(-total * days)
        stay *= np.exp(-total * days)
    step = 1 / 24
    found = chances(ONE, model.table, np.array([0.0, 40.0]), step=step, pace=pace).at_start[0, 0, 0, 0]
    assert_allclose(found, won, rtol=1e-9)
    many = OpenDeals(
        np.array([str(i) for i in range(4000)], dtype=object), *np.zeros((2, 4000), dtype=np.int64),
        np.zeros(4000), np.ones(4000),
    )  # fmt: skip
    wins = period_sums(model, [0.0, 40.0], open_deals=many, replications=20).wins[:, 0, 0]
    assert abs(wins.mean() / 4000 - won) < 4 * np.sqrt(won * (1 - won) / 80_000)


def test_lives_win_on_the_days_that_the_calendar_names() -> None:
    model = replace(alone(0.2, 0.0), entries=Entries((Cell(0, 0),), np.ones(1), np.full(70, 200.0)))
    log = run_model(model, 70, seed=3).log
    won = log.loc[(log["stage"] == "Won") & (log["at"] >= AS_OF + pd.Timedelta(days=21)), "at"]
    share = won.dt.day_of_week.value_counts(normalize=True).reindex(range(7), fill_value=0.0)
    assert share[6] == 0
    assert share[5] < 0.03 < 0.12 < share[:5].min()


def test_a_pace_of_one_changes_no_life() -> None:
    model = replace(alone(0.1, 0.1, Calendar()), entries=Entries((Cell(0, 0),), np.ones(1), np.full(9, 3.0)))
    wide = replace(model, win_spread=1e-12)  # its factors are all but 1, so lives go the other way round
    assert wide.win_spread > 0 and not np.all(common_factors(wide, 1, 0, 3) == 1.0)
    one, other = run_model(model, 30).log, run_model(wide, 30).log
    assert one["stage"].tolist() == other["stage"].tolist()
    assert ((one["at"] - other["at"]).abs() < pd.Timedelta("1s")).all()


@pytest.mark.parametrize("first", range(0, 50, 10))
def test_exact_and_simulated_agree_in_mean_and_width(first: int) -> None:
    """Each of 50 random models within 4 standard errors; the widths of ten together within 4 of theirs."""
    ratios = np.concatenate([ratios_of(np.random.default_rng(seed)) for seed in range(first, first + 10)])
    assert abs(ratios.mean()) < 4 * ratios.std() / np.sqrt(len(ratios)) < 0.03


def ratios_of(rng: np.random.Generator) -> np.ndarray:
    """Return logs of exact over simulated standard deviations of one random model."""
    model = some_model(rng)
    deals = some_deals(rng, 40, 3, 2)
    periods = periods_of(model, int(rng.integers(1, 9)), 31, 62)
    exact = forecast_periods(model, deals, periods, draws=200, engine="exact")
    lives = forecast_periods(model, deals, periods, draws=REPLICATIONS, engine="compiled")
    found = []
    for measure in ("revenue", "wins"):
        one, other = totals(exact, measure), totals(lives, measure)
        error = one["sd"] / np.sqrt(REPLICATIONS)
        assert (np.abs(one["mean"] - other["mean"]) < 4 * error + 2e-3 * one["mean"]).all()
        found += np.log(one["sd"] / other["sd"]).tolist()[1:]
    return np.array(found)


def test_common_factors_are_each_periods_own_and_the_same_in_every_engine() -> None:
    model = replace(alone(0.05, 0.0, Calendar()), win_spread=0.5)
    drawn = draws_of(model, nobody(), np.array([0.0, 30.0, 60.0]), draws=50, seed=1)
    sums = period_sums(model, [0.0, 30.0, 60.0], replications=50, drawn=drawn)
    again = period_sums(model, [0.0, 30.0, 60.0], replications=50, drawn=drawn, engine="simpy")
    np.testing.assert_array_equal(sums.wins, again.wins)


def test_the_pace_runs_on_at_one_beyond_its_end() -> None:
    pace = pace_of(alone(0.1, 0.1), np.array([0.0, 7.0]))
    assert_allclose(run_until(pace, np.array([10.0])) - run_until(pace, np.array([7.0])), 3.0)
