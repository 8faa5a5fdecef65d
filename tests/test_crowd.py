"""Very many open deals are forecast in blocks: the same totals, and memory that does not grow with them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import funnelsim as fs
from funnelsim.forecasting import forecast as module
from funnelsim.forecasting import split
from funnelsim.forecasting.distribution import (
    Crowd,
    Lump,
    coin_cumulants,
    crowd_distributions,
    distributions,
    quantiles,
    too_large,
)
from funnelsim.forecasting.forecast import forecast_periods
from funnelsim.forecasting.situation import Situation, situation
from funnelsim.sample import sample_path

LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])


@pytest.fixture(scope="module")
def place() -> Situation:
    return situation(sample_path(), period="month", periods=2)


def in_blocks(monkeypatch: pytest.MonkeyPatch, place: Situation, size: int, draws: int = 20) -> fs.Forecast:
    for room in (module, split):
        monkeypatch.setattr(room, "MOST_AT_ONCE", size)
    return forecast_periods(place.model, place.deals, place.periods, booked=place.booked, draws=draws)


def test_totals_of_the_sample_are_those_of_the_whole_pass(
    place: Situation, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = forecast_periods(place.model, place.deals, place.periods, booked=place.booked, draws=20)
    for size in (97, 500):
        found = in_blocks(monkeypatch, place, size)
        for column in ("mean", "sd"):
            assert_allclose(found.periods[column], whole.periods[column], rtol=1e-9, atol=1e-9)
        for column in ("chance", "parameter", "total"):
            assert_allclose(found.widths[column], whole.widths[column], rtol=1e-9)
        for column in (name for name in whole.deals if name.startswith("P(win ") or name == "expected"):
            one, two = (frame.set_index("lead")[column] for frame in (found.deals, whole.deals))
            assert_allclose(one.reindex(two.index), two, atol=0.011)
        near = whole.periods["sd"].to_numpy()[:, None] * 0.03 + 1.05  # wins are whole numbers there
        wide = [name for name in whole.periods if name in ("0.10", "0.50", "0.90")]
        assert (abs(found.periods[wide] - whole.periods[wide]).to_numpy() < near).all()


def test_the_size_of_a_block_changes_nothing(place: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (in_blocks(monkeypatch, place, size, draws=6).periods for size in (100, 250))
    assert_allclose(one["mean"], two["mean"], rtol=1e-12)
    assert_allclose(one["0.90"], two["0.90"], rtol=1e-6)


def test_nodes_tell_the_chance_of_every_deal(place: Situation) -> None:
    from funnelsim.forecasting.intensity import draws_of, intensities
    from funnelsim.forecasting.periods import days_of

    nodes = split.nodes_of(place.model, place.deals)
    edges = days_of(place.periods, place.model.as_of)
    drawn = draws_of(place.model, place.deals, edges, draws=2, seed=1)
    single = intensities(place.model, place.deals, edges, drawn).chance
    there = intensities(place.model, nodes.deals, edges, drawn).chance
    mixed = there[:, nodes.low] * (1 - nodes.part[:, None]) + there[:, nodes.low + 1] * nodes.part[:, None]
    assert_allclose(mixed, single, rtol=1e-10, atol=1e-15)
    assert len(nodes.deals) < 2 * len(place.deals)


def test_cumulants_are_those_of_a_weighted_coin() -> None:
    amount, chance = np.array([3.0, 0.5]), np.array([[0.2, 0.7]])
    theta = 1e-2
    logs = np.log(1 - chance + chance * np.exp(1j * theta * amount)).sum()
    factorial = np.cumprod(np.arange(1.0, 7.0))
    series = (coin_cumulants(amount, chance)[0] * (1j * theta) ** np.arange(1, 7) / factorial).sum()
    assert abs(series - logs) < 1e-12


def test_a_crowd_has_the_distribution_of_its_coins() -> None:
    rng = np.random.default_rng(3)
    deals, draws = 3_000, 4
    amount = np.exp(rng.normal(3.0, 1.2, deals))
    chance = np.clip(rng.beta(1.0, 6.0, deals) * rng.normal(1.0, 0.05, (draws, 1)), 0.0, 1.0)
    new, atoms = (
        np.full((draws, 1), 60.0),
        np.quantile(np.exp(rng.normal(3.0, 1.0, 9_000)), (np.arange(200) + 0.5) / 200),
    )
    large = too_large(amount, chance.mean(axis=0))
    assert 0 < large.sum() < deals / 5
    crowd = Crowd(
        coin_cumulants(amount[~large], chance[:, ~large]),
        amount[large],
        chance[:, large],
        new,
        atoms[None],
        0.2,
    )
    found = crowd_distributions(crowd)
    exact = distributions(Lump(amount, chance, new, atoms[None], 0.2))
    wins = rng.random((20_000, deals)) < chance[rng.integers(0, draws, 20_000)]
    sums = wins @ amount
    for origin in ("open", "new", "total"):
        assert_allclose(
            (found[origin].mean, found[origin].sd), (exact[origin].mean, exact[origin].sd), rtol=1e-10
        )
        grid, weight = found[origin].grid, found[origin].chance
        assert_allclose(weight @ grid, found[origin].mean, rtol=1e-4)
        assert_allclose(np.sqrt(weight @ (grid - found[origin].mean) ** 2), found[origin].sd, rtol=2e-3)
        assert_allclose(quantiles(found[origin], LEVELS), quantiles(exact[origin], LEVELS), rtol=0.01)
    error = sums.std() / np.sqrt(len(sums)) * 4 * 1.8
    assert_allclose(quantiles(found["open"], LEVELS), np.quantile(sums, LEVELS), atol=error)


def test_nothing_open_and_nothing_to_come_is_nothing() -> None:
    none = Crowd(np.zeros((2, 6)), np.zeros(0), np.zeros((2, 0)), np.zeros((2, 1)), np.ones((1, 1)))
    assert crowd_distributions(none)["total"].mean == 0.0
    assert quantiles(crowd_distributions(none)["total"], LEVELS).tolist() == [0.0] * len(LEVELS)
