"""Coins and compound Poisson money meet hand-made tables, closed moments and plain Monte Carlo."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from funnelsim.forecasting.distribution import Lump, _coins, at_least, distributions, quantiles

NO_COINS = (np.zeros(0), np.zeros((1, 0)))


def test_three_coins() -> None:
    coins = Lump(np.array([10.0, 20, 40]), np.array([[0.5, 0.25, 0.1]]), np.zeros((1, 1)), np.ones((1, 1)))
    total = distributions(coins)["total"]
    known = [0.3375, 0.3375, 0.1125, 0.1125, 0.0375, 0.0375, 0.0125, 0.0125]
    assert_allclose(np.interp(np.arange(0, 80, 10), total.grid, total.chance), known, atol=1e-12)
    assert_allclose(at_least(total, 40.0), 0.1, atol=1e-12)


def test_compound_poisson() -> None:
    money = distributions(Lump(*NO_COINS, np.array([[2.0]]), np.array([[1.0, 2.0]])))["new"]
    known = [0.13533528, 0.13533528, 0.20300292, 0.15789116, 0.14097425, 0.09135132]
    assert_allclose(np.interp(np.arange(6), money.grid, money.chance), known, atol=1e-8)


def test_known_rates_and_uncertain_rates_split_the_variance() -> None:
    shape, exposure, horizon = 20, 100, 30
    from scipy.stats import gamma

    even = gamma.ppf((np.arange(20_000) + 0.5) / 20_000, shape, scale=1 / exposure)
    draws = (even * horizon)[:, None]
    found = distributions(Lump(np.zeros(0), np.zeros((len(draws), 0)), draws, np.ones((1, 1))))["total"]
    assert_allclose([found.mean, found.chance_variance], [6.0, 6.0], rtol=1e-4)
    assert_allclose(found.parameter_variance, 1.8, rtol=2e-3)


def test_common_factor_is_negative_binomial() -> None:
    from scipy.stats import nbinom

    found = distributions(Lump(*NO_COINS, np.array([[10.0]]), np.ones((1, 1)), spread=0.5))["new"]
    known = nbinom.pmf(np.arange(40), 4, 4 / 14)
    assert_allclose(np.interp(np.arange(40), found.grid, found.chance), known, atol=1e-10)
    assert_allclose(found.sd**2, 10 + 25)


def test_generic_money_agrees_with_monte_carlo_and_with_its_own_moments() -> None:
    rng = np.random.default_rng(5)
    amount, chance = rng.lognormal(9, 1.2, 60), rng.beta(1, 3, (3, 60))
    born, atoms = rng.gamma(5, 1, (3, 2)), np.sort(rng.lognormal(9, 0.8, (2, 50)), axis=1)
    total = distributions(Lump(amount, chance, born, atoms))["total"]
    mean = total.chance @ total.grid
    assert_allclose(mean, total.mean, rtol=1e-9)
    assert_allclose(np.sqrt(total.chance @ (total.grid - mean) ** 2), total.sd, rtol=1e-3)
    sample = monte_carlo(rng, amount, chance, born, atoms, 40_000)
    for level in (0.05, 0.5, 0.95):
        money = quantiles(total, np.array([level]))[0]
        assert abs((sample <= money).mean() - level) < 4 * np.sqrt(level * (1 - level) / len(sample)) + 1e-3


def monte_carlo(rng, amount, chance, born, atoms, runs):  # type: ignore[no-untyped-def]
    draw = rng.integers(0, len(chance), runs)
    money = (rng.random((runs, len(amount))) < chance[draw]) @ amount
    for kind in range(born.shape[1]):
        number = rng.poisson(born[draw, kind])
        money += [rng.choice(atoms[kind], n).sum() for n in number]
    return money


def test_nothing_open_and_nobody_coming_is_surely_nothing() -> None:
    found = distributions(Lump(*NO_COINS, np.zeros((1, 1)), np.ones((1, 1))))
    for origin in found.values():
        assert quantiles(origin, np.array([0.01, 0.99])).tolist() == [0.0, 0.0]
        assert origin.sd == 0.0


def test_quantiles_never_fall() -> None:
    rng = np.random.default_rng(2)
    found = distributions(
        Lump(rng.random(300) * 1e6, rng.random((4, 300)) * 0.3, np.ones((4, 1)), np.ones((1, 1)))
    )
    levels = quantiles(found["total"], np.linspace(0.01, 0.99, 99))
    assert (np.diff(levels) >= 0).all()


def test_deals_of_small_chance_are_multiplied_by_their_logarithms() -> None:
    rng = np.random.default_rng(5)
    amount, chance = rng.random(4000) * 1e4, rng.random((3, 4000)) * 0.0199
    quick = distributions(Lump(amount, chance, np.ones((3, 1)), np.full((1, 1), 50.0)))["total"]
    # One draw that lifts a deal's chance above the limit sends it through the plain product.
    lifted = np.vstack([chance, np.full((1, 4000), 0.0201)])
    both = distributions(Lump(amount, lifted, np.ones((4, 1)), np.full((1, 1), 50.0)))["total"]
    top = distributions(Lump(amount, lifted[3:], np.ones((1, 1)), np.full((1, 1), 50.0)))["total"]
    levels = np.array([0.05, 0.5, 0.95])
    mixed = np.interp(both.grid, top.grid, np.cumsum(top.chance)) / 4
    mixed += np.interp(both.grid, quick.grid, np.cumsum(quick.chance)) * 3 / 4
    assert_allclose(np.cumsum(both.chance), mixed, atol=2e-3)
    assert_allclose(quantiles(quick, levels), sampled(amount, chance, levels, rng), rtol=0.01)


def test_a_grid_of_few_points_is_wrapped_round_by_the_series() -> None:
    found = distributions(Lump(np.array([1.0]), np.array([[0.37]]), np.zeros((1, 1)), np.ones((1, 1))))
    assert found["open"].chance[:2] == pytest.approx([0.63, 0.37], abs=1e-12)


@pytest.mark.parametrize("unit", [1.0, 3158.37])
def test_the_series_of_the_logarithm_is_the_product_of_the_coins(unit: float) -> None:
    # Amounts on the grid and between its points; chances to the limit of the series and beyond.
    rng = np.random.default_rng(8)
    place = rng.integers(1, 400, 60) + (0.0 if unit == 1.0 else rng.random(60))
    chance = np.vstack([rng.random(60) * top for top in (0.01, 0.1, 0.375, 0.9)])
    step, points = unit, 4096
    found = _coins(Lump(place * step, chance, np.zeros((4, 1)), np.ones((1, 1))), (step, points))
    theta = 2 * np.pi * np.arange(points // 2 + 1) / points
    low, part = np.floor(place), place - np.floor(place)
    waves = (1 - part[:, None]) * np.exp(-1j * np.outer(low, theta))
    waves += part[:, None] * np.exp(-1j * np.outer(low + 1, theta))
    for row, spectrum in zip(chance, found, strict=True):
        product = np.prod(1 - row[:, None] + row[:, None] * waves, axis=0)
        assert_allclose(spectrum, product, rtol=0, atol=1e-11)


def test_draws_in_blocks_are_the_mixture_of_all() -> None:
    # Giants and small deals, three draws more than two blocks: the mean of what each draw alone would say.
    rng = np.random.default_rng(9)
    amount = np.append(rng.random(40) * 100, [5e4, 9e4])
    chance = rng.random((53, 42)) * 0.5
    nobody = np.zeros((53, 1)), np.ones((1, 1))
    both = distributions(Lump(amount, chance, *nobody))["open"]
    alone = [
        distributions(Lump(amount, row[None], np.zeros((1, 1)), np.ones((1, 1))))["open"] for row in chance
    ]
    for money in (1000.0, 51_000.0, 95_000.0):
        each = [float(one.chance[one.grid < money].sum()) for one in alone]
        assert float(both.chance[both.grid < money].sum()) == pytest.approx(np.mean(each), abs=5e-3)


def sampled(
    amount: np.ndarray, chance: np.ndarray, levels: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    luck = [
        (rng.random(4000) < row) @ amount + 50.0 * rng.poisson(1.0) for row in chance for _ in range(4000)
    ]
    return np.quantile(luck, levels)


def test_deals_that_dwarf_the_rest_do_not_blur_it() -> None:
    # A hundred deals of about 1,000 with odd cents, and one of 3,000,000 at 5 %: beside a million futures.
    rng = np.random.default_rng(3)
    amount = np.append(rng.normal(1000, 150, 100).round(2), 3e6)
    chance = np.append(np.full(100, 0.3), 0.05)
    found = distributions(Lump(amount, chance[None], np.zeros((1, 1)), np.ones((1, 1))))["total"]
    futures = (rng.random((1_000_000, 101)) < chance) @ amount
    for target in (26_000.0, 30_000.0, 34_000.0, 3_030_000.0):
        assert abs(at_least(found, target) - (futures >= target).mean()) < 0.002
    assert_allclose(found.chance.sum(), 1.0, rtol=1e-12)
    assert_allclose(found.grid @ found.chance, found.mean, rtol=1e-6)


def test_giants_whose_chance_differs_by_draw_keep_mean_and_variance() -> None:
    rng = np.random.default_rng(4)
    amount, chance = np.append(rng.uniform(10, 20, 30).round(2), [9e4, 5e4]), rng.uniform(0.05, 0.6, (7, 32))
    found = distributions(Lump(amount, chance, np.full((7, 1), 2.0), np.array([[3.0, 30.0]]), 0.2))["total"]
    mean = found.grid @ found.chance
    assert_allclose(mean, found.mean, rtol=1e-6)
    assert_allclose(((found.grid - mean) ** 2) @ found.chance, found.sd**2, rtol=1e-3)
