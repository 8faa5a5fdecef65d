"""The distribution of a period's money: weighted coins for open deals, compound Poisson for leads to come.

The characteristic function is
phi(theta) = prod_i (1 - q_i + q_i phi_i(theta)) * exp(Lambda (phi_X(theta) - 1)),
or with a common Gamma factor of mean 1 and shape 1 / spread^2 in place of the exponential; parameter
uncertainty is its mean over posterior draws; the fast Fourier transform turns it into chances.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from funnelsim.arrays import Complexes, Flags, Floats, Integers
from funnelsim.simulation.jit import instead, strict

# A few thousand points hold means exactly and standard deviations of a hundred deals within a few per mille.
POINTS = 4096
# Up to this many deals that dwarf the rest are taken out and lived through one by one: 2 ** 5 mixtures.
MOST_GIANTS = 5
# A deal dwarfs the rest where a grid without it would be four times as fine; below that nothing is gained.
FINER = 4.0
# Up to r = q / (1 - q) = .6 (a chance of .375) the logarithm's series is quicker than a product: 50 terms
# leave 1e-13 a deal, fewer do for smaller chances, and one transform serves all deals.
MOST_RATIO, LEFT_OUT, MOST_TERMS = 0.6, 1e-13, 60
# Of very many deals six cumulants tell the sum: with no amount over .15 of its deviation the seventh moves
# the logarithm by 3e-5 at most at three deviations. Where frequency reaches nine, nothing is left (e^-40).
ORDERS, SHARE_OF_DEVIATION, FAR_OUT = 6, 0.15, 9.0
# Of a characteristic function, and its logarithm: a hundredth of what 1 is rounded by.
NOTHING, LOG_NOTHING = 1e-18, -41.4
MOST_POINTS = 1 << 15
_FINE = float(1 << 20)  # parts of a grid's step between which an exact amount is shared: as good as exact
_DRAWS = 50  # draws at once
_BLOCK = 64  # frequencies at once: their sines and cosines of all deals stay in the cache


@dataclass(frozen=True)
class Lump:
    """Everything that can bring money in one period.

    Args:
        amount: (deals,) money that each open deal brings if it wins.
        chance: (draws, deals) its chance, for each posterior draw.
        mean_new: (draws, kinds) expected number of wins of leads not yet born, by kind (group).
        atoms: (kinds, atoms) equally likely amounts of such a win.
        spread: standard deviation of the common factor on the number of leads not yet born.
        prices: so many coins in a row are one deal, which wins with one of them at most: at one of so many
            prices, each with its chance.
    """

    amount: Floats
    chance: Floats
    mean_new: Floats
    atoms: Floats
    spread: float = 0.0
    prices: int = 1

    @property
    def by_deal(self) -> tuple[Floats, Floats]:
        """Amounts, (deals, prices), and chances, (draws, deals, prices)."""
        shape = (self.amount.size // self.prices, self.prices)
        return self.amount.reshape(shape), self.chance.reshape(len(self.chance), *shape)

    @property
    def expected(self) -> Floats:
        """The money that each draw expects, (draws,)."""
        money: Floats = self.chance @ self.amount + self.mean_new @ self.atoms.mean(axis=1)
        return money


@dataclass(frozen=True)
class Distribution:
    """Chances on a grid of money, with exact mean, variance and its parts.

    Args:
        grid: (points,) money, ascending.
        chance: (points,) chances, summing to 1.
        mean: expected money, mean over draws.
        chance_variance: variance that remains when the parameters are known (mean over draws).
        parameter_variance: variance of the expected money over draws and common factors.
    """

    grid: Floats
    chance: Floats
    mean: float
    chance_variance: float
    parameter_variance: float

    @property
    def sd(self) -> float:
        """Standard deviation, from both parts."""
        return float(np.sqrt(self.chance_variance + self.parameter_variance))


def distributions(lump: Lump) -> dict[str, Distribution]:
    """Return the distributions of open, new and total money of one period.

    Leads not yet born get a grid of their own, which may be much finer than that of the total.

    >>> nobody = (np.zeros((1, 1)), np.ones((1, 1)))
    >>> coins = Lump(np.array([10.0, 20.0, 40.0]), np.array([[0.5, 0.25, 0.1]]), *nobody)
    >>> total = distributions(coins)["total"]
    >>> np.interp([0, 10, 20], total.grid, total.chance).round(4).tolist()
    [0.3375, 0.3375, 0.1125]
    """
    moments = _moments(lump)
    rest, likely, shift = _apart(lump)
    alone = _without(lump, np.ones(len(lump.amount) // lump.prices, dtype=bool))
    grid, finer = _grid(rest), _grid(alone)
    spectra = _spectra(rest, alone, grid, finer, likely)
    return {
        "open": _mixed(grid, spectra["open"], shift, moments["open"]),
        "new": _mixed(finer, spectra["new"], np.zeros(1), moments["new"]),
        "total": _mixed(grid, spectra["total"], shift, moments["total"]),
    }


def _spectra(
    rest: Lump, alone: Lump, grid: tuple[float, int], finer: tuple[float, int], likely: Floats
) -> dict[str, Complexes]:
    """Return means over draws of characteristic functions, (sets of giants that win, frequencies).

    A few draws at a time: their frequencies stay in the cache, and memory does not grow with the draws.

    Args:
        rest: without giants; `alone`: leads to come only, on the finer grid.
        likely: (sets, draws) chance of each set of giants.
    """
    draws, sets = len(rest.chance), len(likely)
    found = {
        "open": np.zeros((sets, grid[1] // 2 + 1), dtype=np.complex128),
        "new": np.zeros((1, finer[1] // 2 + 1), dtype=np.complex128),
        "total": np.zeros((sets, grid[1] // 2 + 1), dtype=np.complex128),
    }
    for begin in range(0, draws, _DRAWS):
        part = slice(begin, begin + _DRAWS)
        some, new = (
            replace(lump, chance=lump.chance[part], mean_new=lump.mean_new[part]) for lump in (rest, alone)
        )
        coins = _coins(some, grid)
        live = np.flatnonzero(np.abs(coins).max(axis=0, initial=0.0) > NOTHING)
        found["open"] += likely[:, part] @ coins / draws
        found["total"][:, live] += likely[:, part] @ (coins[:, live] * _births(some, grid, live)) / draws
        found["new"] += _births(new, finer).sum(axis=0) / draws
    return found


def _apart(lump: Lump) -> tuple[Lump, Floats, Floats]:
    """Return the lump without giants and, of each set of giants that may win, chance and money.

    Returns:
        The rest, (sets, draws) chances, (sets,) money.
    """
    giants = _giants(lump)
    amount, chance = (one[..., giants, :] for one in lump.by_deal)
    which = np.arange(len(amount))
    sets = np.array(list(product(range(lump.prices + 1), repeat=len(amount))), dtype=np.int64)
    none = 1 - chance.sum(axis=2, keepdims=True)
    likely = np.concatenate([none, chance], axis=2)[:, which, sets].prod(axis=2).T
    money = np.hstack([np.zeros((len(amount), 1)), amount])[which, sets].sum(axis=1)
    return _without(lump, giants), likely, money


def _without(lump: Lump, gone: Flags) -> Lump:
    """Return the lump without some deals, (deals,)."""
    kept = np.repeat(~gone, lump.prices)
    return replace(lump, amount=lump.amount[kept], chance=lump.chance[:, kept])


def _giants(lump: Lump) -> Flags:
    """Return which open deals dwarf the rest, (deals,): a grid that reaches over them would be too coarse."""
    largest = lump.by_deal[0].max(axis=1, initial=0.0)
    giants = np.zeros(len(largest), dtype=bool)
    step = _grid(lump)[0]
    for deal in np.argsort(-largest, kind="stable")[:MOST_GIANTS]:
        giants[deal] = True
        if step > FINER * _grid(_without(lump, giants))[0]:
            return giants
    return np.zeros(len(largest), dtype=bool)


def _mixed(
    grid: tuple[float, int], spectra: Complexes, shift: Floats, moments: tuple[float, ...]
) -> Distribution:
    """Return the distribution of small money and giants: for each set of giants that win, shifted by them.

    Args:
        grid: step and points of the small money.
        spectra: (sets, frequencies) of the small money, times the chance of the set.
        shift: (sets,) what the giants of each set bring.
    """
    step, points = grid
    small, money, weight = step * np.arange(float(points)), [], []
    for spectrum, more in zip(spectra, shift, strict=True):
        mass = float(spectrum[0].real)  # at frequency 0 stands the sum of all chances
        if mass > 0:
            weight.append(mass * _invert(spectrum))
            money.append(small + more)
    every, chances = np.concatenate(money), np.concatenate(weight)
    order = np.argsort(every, kind="stable")
    mean, by_chance, by_parameter = moments
    return Distribution(every[order], chances[order] / chances.sum(), mean, by_chance, by_parameter)


def quantiles(found: Distribution, levels: Floats) -> Floats:
    """Return the smallest money that is reached or stayed below with each chance, shape (levels,).

    >>> die = Distribution(np.arange(1.0, 7.0), np.full(6, 1 / 6), 3.5, 35 / 12, 0.0)
    >>> quantiles(die, np.array([0.01, 0.5, 0.99])).tolist()
    [1.0, 3.0, 6.0]
    """
    place = np.searchsorted(np.cumsum(found.chance), levels - 1e-12)
    return found.grid[np.minimum(place, len(found.grid) - 1)]


def at_least(found: Distribution, money: float) -> float:
    """Return the chance that at least `money` comes in.

    >>> die = Distribution(np.arange(1.0, 7.0), np.full(6, 1 / 6), 3.5, 35 / 12, 0.0)
    >>> round(at_least(die, 5.0), 4)
    0.3333
    """
    width = (found.grid[-1] - found.grid[0]) / len(found.grid)
    return float(np.clip(found.chance[found.grid >= money - 1e-6 * width].sum(), 0.0, 1.0))


def reached(lump: Lump, money: float) -> Floats:
    """Return, for each draw, the chance that at least `money` comes in, (draws,); their mean is `at_least`'s.

    >>> nobody = (np.zeros((2, 1)), np.ones((1, 1)))
    >>> reached(Lump(np.array([10.0]), np.array([[0.5], [0.25]]), *nobody), 10.0).round(4).tolist()
    [0.5, 0.25]
    """
    rest, likely, shift = _apart(lump)
    step, points = _grid(rest)
    missing = money - shift
    found = np.empty(len(lump.chance))
    for begin in range(0, len(found), _DRAWS):
        part = slice(begin, begin + _DRAWS)
        some = replace(rest, chance=rest.chance[part], mean_new=rest.mean_new[part])
        spectra = _coins(some, (step, points)) * _births(some, (step, points))
        chance = np.clip(np.fft.irfft(spectra, points, axis=1), 0.0, None)
        above = np.cumsum(chance[:, ::-1], axis=1)[:, ::-1] / chance.sum(axis=1, keepdims=True)
        above = np.hstack([above, np.zeros((len(above), 1))])
        cell = np.clip(np.ceil(missing / step - 1e-6), 0, points).astype(np.int64)
        found[part] = (above[:, cell] * likely[:, part].T).sum(axis=1)
    return np.clip(found, 0.0, 1.0)


def width_parts(lump: Lump) -> tuple[float, float]:
    """Return the variances of all money of a period by chance, and by parameters and common factors.

    >>> nobody = (np.zeros((2, 1)), np.ones((1, 1)))
    >>> width_parts(Lump(np.array([10.0]), np.array([[0.5], [0.3]]), *nobody))
    (23.0, 1.0)
    """
    return _moments(lump)["total"][1:]


def _moments(lump: Lump) -> dict[str, tuple[float, float, float]]:
    """Return mean, chance variance and parameter variance of each origin, in closed form.

    The common factor on intake is no luck of single leads: it counts as parameter."""
    first, second = lump.atoms.mean(axis=1), (lump.atoms**2).mean(axis=1)
    open_mean = lump.chance @ lump.amount
    open_variance = _luck_of_deals(lump)
    new_mean = lump.mean_new @ first
    new_variance = lump.mean_new @ second
    common = float(((lump.spread * new_mean) ** 2).mean())
    parts = {
        "open": (open_mean, open_variance, 0.0),
        "new": (new_mean, new_variance, common),
        "total": (open_mean + new_mean, open_variance + new_variance, common),
    }
    return {name: (float(m.mean()), float(v.mean()), float(m.var()) + c) for name, (m, v, c) in parts.items()}


def _luck_of_deals(lump: Lump) -> Floats:
    """Return the variance of the open deals' money in each draw, (draws,): a^2 q (1 - q) at one price."""
    if lump.prices == 1:
        by_chance: Floats = (lump.chance * (1 - lump.chance)) @ lump.amount**2
        return by_chance
    amount, chance = lump.by_deal
    found: Floats = lump.chance @ lump.amount**2 - ((chance * amount).sum(axis=2) ** 2).sum(axis=1)
    return found


def _grid(lump: Lump) -> tuple[float, int]:
    """Return step and number of points: a step that divides all amounts where that needs few points,
    else one that just covers the range."""
    mean, *parts = _moments(lump)["total"]
    new = lump.mean_new.max(axis=0)
    largest = max(lump.amount.max(initial=0.0), lump.atoms[new > 1e-9].max(initial=0.0))
    reach = max(mean, float(lump.expected.max())) + 9 * float(np.sqrt(sum(parts))) + largest
    if reach <= 0:
        return 1.0, 2
    amounts = np.concatenate([lump.amount, lump.atoms[new > 1e-9].ravel()])
    whole = amounts[amounts > 0]
    if whole.size and np.all(whole == np.round(whole)):
        unit = float(np.gcd.reduce(whole.astype(np.int64)))
        if unit * (POINTS - 1) >= reach:
            return unit, 1 << int(np.ceil(np.log2(reach / unit + 1)))
    return float(reach / (POINTS - 1)), POINTS


def _spectrum(atoms: Floats, step: float, points: int) -> Complexes:
    """Return the characteristic function of equally likely amounts, each shared by two grid points."""
    place = atoms / step
    low = np.floor(place + 1e-9)
    part = np.clip(place - low, 0.0, 1.0)
    weight = np.zeros(points)
    np.add.at(weight, low.astype(np.int64) % points, (1 - part) / len(atoms))
    np.add.at(weight, (low.astype(np.int64) + 1) % points, part / len(atoms))
    found: Complexes = np.fft.rfft(weight)
    return found


def _births(lump: Lump, grid: tuple[float, int], at: Integers | None = None) -> Complexes:
    """Return the characteristic function of compound Poisson money, or negative binomial with a spread.

    Args:
        at: which frequencies are wanted; all by default.
    """
    kinds = np.array([_spectrum(row, *grid) for row in lump.atoms]) - 1
    if at is not None:
        kinds = kinds[:, at]
    return _compound(lump.mean_new @ kinds.real, lump.mean_new @ kinds.imag, lump.spread)


def plain_compound(real: Floats, imag: Floats, spread: float) -> Complexes:
    """Do `_compound` with arrays in the place of loops."""
    sums = (real + 1j * imag).astype(np.complex128)
    found: Complexes = np.exp(-np.log(1 - sums * spread**2) / spread**2 if spread > 0 else sums)
    return found


@instead(plain_compound)
@strict
def _compound(real: Floats, imag: Floats, spread: float) -> Complexes:
    """Return exp(z), or (1 - z / k)^-k with k = 1 / spread^2, of z = real + i imag, (draws, frequencies)."""
    found = np.empty(real.shape, dtype=np.complex128)
    shape = 1 / spread**2 if spread > 0 else 0.0
    for d in range(real.shape[0]):
        for j in range(real.shape[1]):
            size, turn = real[d, j], imag[d, j]
            a, b = 1.0, 0.0
            if spread > 0:
                a, b = 1 - size / shape, -turn / shape
                size = -shape / 2 * np.log(a * a + b * b)
            if size < LOG_NOTHING:
                found[d, j] = 0.0
                continue
            if spread > 0:
                turn = -shape * np.arctan2(b, a)
            found[d, j] = np.exp(size) * complex(np.cos(turn), np.sin(turn))
    return found


def _coins(lump: Lump, grid: tuple[float, int]) -> Complexes:
    """Return the characteristic function of the open deals for every draw, shape (draws, frequencies)."""
    step, points = grid
    theta = 2 * np.pi * np.arange(points // 2 + 1) / points
    amount, chance = lump.by_deal
    place, most = lump.amount / step, chance[:, :, 0].max(axis=0, initial=0.0)
    # The series is one of a single amount.
    seldom = (most <= MOST_RATIO / (1 + MOST_RATIO)) & (lump.prices == 1)
    likely = np.flatnonzero(~seldom)
    mean = (amount * chance.mean(axis=0)).sum(axis=1)
    order = likely[np.argsort(-mean[likely], kind="stable")]
    rows = (order[:, None] * lump.prices + np.arange(lump.prices)).reshape(-1)
    found = _product(place[rows], np.ascontiguousarray(lump.chance[:, rows]), theta, lump.prices)
    if seldom.any():
        logs = _logarithms(place[seldom], np.ascontiguousarray(lump.chance[:, seldom].T), points)
        waves = np.fft.rfft(np.ascontiguousarray(logs.T), axis=1)
        found *= np.exp(waves, out=np.zeros_like(waves), where=waves.real > LOG_NOTHING)
    return found


def plain_logarithms(place: Floats, chance: Floats, points: int) -> Floats:
    """Do `_logarithms` with arrays in the place of the loops over draws."""
    found = np.zeros((points, chance.shape[1]))
    found[0] = np.log1p(-chance).sum(axis=0)
    for where, ratio in zip(place, -chance / (1 - chance), strict=True):
        low = int(np.floor(where + 1e-9))
        part = max(where - low, 0.0)
        most, left, n = float(-ratio.min()), 1.0, 0
        share, power = np.ones(1), -np.ones(ratio.size)
        while left * most > LEFT_OUT * (n + 1) and n < MOST_TERMS:
            left, n = left * most, n + 1
            share = np.convolve(share, [1 - part, part])
            power = power * ratio
            rows = (n * low + np.arange(n + 1)) % points
            np.add.at(found, rows[share > 0], (share[share > 0] / n)[:, None] * power)
    return found


@instead(plain_logarithms)
@strict
def _logarithms(place: Floats, chance: Floats, points: int) -> Floats:
    """Return, on the grid, what the logarithm of 1 - q + q z is for all deals together, (points, draws).

    log(1 - q + q z) = log(1 - q) + r z - r^2 z^2 / 2 + r^3 z^3 / 3 - ..., r = q / (1 - q) < 1, with as many
    terms as the largest r of a deal needs; z^n lies on n + 1 grid points where an amount lies between two.

    Args:
        place: (deals,) amounts in steps of the grid.
        chance: (deals, draws).
    """
    deals, draws = chance.shape
    found, share = np.zeros((points, draws)), np.zeros(MOST_TERMS + 1)
    ratio, power = np.empty(draws), np.empty(draws)
    for i in range(deals):
        low = int(np.floor(place[i] + 1e-9))
        part = max(place[i] - low, 0.0)
        most, left, n = 0.0, 1.0, 0
        for d in range(draws):
            ratio[d], power[d] = -chance[i, d] / (1 - chance[i, d]), -1.0
            found[0, d] += np.log1p(-chance[i, d])
            most = max(most, -ratio[d])
        share[0] = 1.0
        while left * most > LEFT_OUT * (n + 1) and n < MOST_TERMS:
            left, n = left * most, n + 1
            share[n] = part * share[n - 1]
            for j in range(n - 1, 0, -1):
                share[j] = (1 - part) * share[j] + part * share[j - 1]
            share[0] *= 1 - part
            for d in range(draws):
                power[d] *= ratio[d]
            for j in range(n + 1):
                if share[j] > 0:
                    row, weight = (n * low + j) % points, share[j] / n
                    for d in range(draws):
                        found[row, d] += power[d] * weight
    return found


def plain_product(place: Floats, chance: Floats, theta: Floats, prices: int) -> Complexes:
    """Do `_product` with arrays in the place of loops."""
    found = np.ones((len(chance), theta.size), dtype=np.complex128)
    for begin in range(0, theta.size, _BLOCK):
        turn, block = theta[begin : begin + _BLOCK], found[:, begin : begin + _BLOCK]
        deal = np.ones((len(chance), turn.size), dtype=np.complex128)
        for i in range(place.size):
            low = np.floor(place[i] + 1e-9)
            part = max(place[i] - low, 0.0)
            coin = (1 - part) * np.exp(-1j * turn * low) + part * np.exp(-1j * turn * (low + 1)) - 1.0
            deal += chance[:, i, None] * coin
            if i % prices == prices - 1:
                block *= deal
                deal[:] = 1.0
            if i % (16 * prices) == 16 * prices - 1 and (block.real**2 + block.imag**2).max() < 1e-34:
                break
    return found


@instead(plain_product)
@strict
def _product(place: Floats, chance: Floats, theta: Floats, prices: int) -> Complexes:
    """Multiply 1 - q + q exp(-i theta place), an amount between two grid points being shared by both.

    So many prices in a row are those of one deal, and their q (exp(-i theta place) - 1) add up. A block of
    frequencies is left as soon as all its products are below rounding."""
    draws, deals = chance.shape
    found = np.ones((draws, theta.size), dtype=np.complex128)
    real, imag = np.empty((deals, _BLOCK)), np.empty((deals, _BLOCK))
    u, v = np.empty(_BLOCK), np.empty(_BLOCK)
    for begin in range(0, theta.size, _BLOCK):
        size = min(_BLOCK, theta.size - begin)
        for i in range(deals):
            low = np.floor(place[i] + 1e-9)
            part = max(place[i] - low, 0.0)
            for j in range(size):
                one, two = theta[begin + j] * low, theta[begin + j] * (low + 1)
                real[i, j] = (1 - part) * np.cos(one) + part * np.cos(two) - 1.0
                imag[i, j] = -(1 - part) * np.sin(one) - part * np.sin(two)
        for d in range(draws):
            a, b = np.ones(size), np.zeros(size)
            for i in range(deals):
                q = chance[d, i]
                if prices == 1:
                    for j in range(size):
                        x, y = 1.0 + q * real[i, j], q * imag[i, j]
                        a[j], b[j] = a[j] * x - b[j] * y, a[j] * y + b[j] * x
                else:
                    if i % prices == 0:
                        u[:], v[:] = 1.0, 0.0
                    for j in range(size):
                        u[j], v[j] = u[j] + q * real[i, j], v[j] + q * imag[i, j]
                    if i % prices < prices - 1:
                        continue
                    for j in range(size):
                        a[j], b[j] = a[j] * u[j] - b[j] * v[j], a[j] * v[j] + b[j] * u[j]
                if i % (16 * prices) == 16 * prices - 1:
                    most = 0.0
                    for j in range(size):
                        most = max(most, a[j] * a[j] + b[j] * b[j])
                    if most < 1e-34:
                        break
            for j in range(size):
                found[d, begin + j] = complex(a[j], b[j])
    return found


def _invert(spectrum: Complexes) -> Floats:
    """Return chances on the grid from the half spectrum of the mixture."""
    chance = np.clip(np.fft.irfft(spectrum, 2 * (len(spectrum) - 1)), 0.0, None)
    found: Floats = chance / chance.sum()
    return found


@dataclass(frozen=True)
class Crowd:
    """What very many open deals, and leads to come, bring together in one period.

    Args:
        cumulants: (draws, ORDERS) cumulants 1, 2 .. of the open deals' money but for the large ones.
        amount: (large,) money of each deal too large to be one of many.
        chance: (draws, large) its chance, for each posterior draw.
        mean_new, atoms, spread: of leads not yet born, as in `Lump`.
    """

    cumulants: Floats
    amount: Floats
    chance: Floats
    mean_new: Floats
    atoms: Floats
    spread: float = 0.0


def coin_cumulants(amount: Floats, chance: Floats) -> Floats:
    """Return the sums of the cumulants of weighted coins, (draws, ORDERS).

    kappa_1 = q and kappa_{n + 1} = q (1 - q) d kappa_n / dq, each times the n-th power of the amount.

    Args:
        amount: (deals,) money.
        chance: (draws, deals).

    >>> coin_cumulants(np.array([2.0]), np.array([[0.5]]))[0, :4].tolist()
    [1.0, 1.0, 0.0, -2.0]
    """
    powers = amount[:, None] ** np.arange(1, ORDERS + 1)
    found, power = np.zeros((len(chance), ORDERS)), np.ones_like(chance)
    for degree in range(ORDERS):
        power *= chance
        found += (power @ powers) * _KAPPA[:, degree]
    return found


def _kappa() -> Floats:
    """Return the coefficients of the cumulants of a coin, (ORDERS, powers of q from 1 on)."""
    rows = np.zeros((ORDERS, ORDERS + 2))
    rows[0, 1] = 1.0
    for order in range(1, ORDERS):
        slope = rows[order - 1] * np.arange(ORDERS + 2)
        rows[order] += slope
        rows[order, 1:] -= slope[:-1]
    return rows[:, 1 : ORDERS + 1]


_KAPPA = _kappa()


def too_large(amount: Floats, chance: Floats) -> Flags:
    """Return which deals are too large to be one of many, (deals,): over a share of the many's deviation.

    The many are as many of the smallest as can be, such that none is larger than that share of the deviation
    of their own sum: beside that of all, large ones included, those left over could still be few and unlike.

    Args:
        amount, chance: (deals,) money, and the chance.

    >>> too_large(np.array([1.0] * 400 + [1.4, 50.0]), np.full(402, 0.5)).nonzero()[0].tolist()
    [401]
    """
    order = np.argsort(amount, kind="stable")
    deviation = np.sqrt(np.cumsum((chance * (1 - chance) * amount**2)[order]))
    many = np.flatnonzero(amount[order] <= SHARE_OF_DEVIATION * deviation)
    large: Flags = np.ones(len(amount), dtype=bool)
    large[order[: many.max(initial=-1) + 1]] = False
    return large


def crowd_distributions(crowd: Crowd) -> dict[str, Distribution]:
    """Return the distributions of open, new and total money of one period, of very many open deals.

    The characteristic function of the many is exp(sum_n kappa_n (i theta)^n / n!), that of large deals a
    product of coins; the grid lies around the mean, nine deviations to either side, as from 0 on it would be
    too coarse to see a sum whose deviation is a few per mille of its mean.
    """
    one = crowd.cumulants[:, :2] + coin_cumulants(crowd.amount, crowd.chance)[:, :2]
    first, second = crowd.atoms.mean(axis=1), (crowd.atoms**2).mean(axis=1)
    new = np.stack([crowd.mean_new @ first, crowd.mean_new @ second], axis=1)
    common = (crowd.spread * new[:, 0]) ** 2
    none = np.zeros(len(common))
    nobody = Lump(np.zeros(0), np.zeros((len(common), 0)), crowd.mean_new, crowd.atoms, crowd.spread)
    return {
        "open": _in_window(crowd, one, none),
        "new": distributions(nobody)["new"],
        "total": _in_window(crowd, one + new, common, births=True),
    }


def _in_window(crowd: Crowd, moments: Floats, common: Floats, births: bool = False) -> Distribution:
    """Return the distribution of the open deals, and of the leads to come if asked, around its mean.

    Args:
        moments: (draws, 2) mean and variance by chance.
        common: (draws,) variance by the common factor.
        births: whether leads to come count.
    """
    mean, deviation = moments[:, 0], np.sqrt(moments[:, 1] + common)
    figures = float(mean.mean()), float(moments[:, 1].mean()), float(mean.var() + common.mean())
    low, high = float((mean - 9 * deviation).min()), float((mean + 9 * deviation).max())
    if high - low <= 1e-9 * max(abs(high), 1.0):
        return Distribution(np.array([figures[0]]), np.ones(1), *figures)
    narrow = max(float(np.sqrt(moments[:, 1]).min()), (high - low) / MOST_POINTS)
    points = max(POINTS, 1 << int(np.ceil(np.log2(2 * (high - low) / narrow))))
    theta: Floats = 2 * np.pi * np.arange(points // 2 + 1.0) / (high - low)
    spectrum = np.exp(-1j * theta * low) * np.ones((len(mean), 1))
    spectrum *= _many(crowd, theta)
    if len(crowd.amount):
        part = (high - low) / points / _FINE
        spectrum *= _product(crowd.amount / part, np.ascontiguousarray(crowd.chance), theta * part, 1).conj()
    if births:
        spectrum *= _to_come(crowd, theta)
    chance = _invert(spectrum.mean(axis=0).conj())
    grid: Floats = low + (high - low) / points * np.arange(float(points))
    return Distribution(grid, chance, *figures)


def _many(crowd: Crowd, theta: Floats) -> Complexes:
    """Return the characteristic function of the open deals but for large ones, (draws, frequencies)."""
    found: Complexes = np.zeros((len(crowd.cumulants), theta.size), dtype=np.complex128)
    for order in range(ORDERS, 0, -1):
        found = (found + crowd.cumulants[:, order - 1, None]) * (1j * theta / order)
    beyond = theta * np.sqrt(np.maximum(crowd.cumulants[:, 1, None], 0.0)) > FAR_OUT
    waves: Complexes = np.where(beyond, 0.0, np.exp(np.where(beyond, 0.0, found)))
    return waves


def _to_come(crowd: Crowd, theta: Floats) -> Complexes:
    """Return the characteristic function of the money of leads to come, (draws, frequencies)."""
    kinds = np.array([np.exp(1j * theta[:, None] * atoms).mean(axis=1) - 1 for atoms in crowd.atoms])
    waves: Complexes = crowd.mean_new @ kinds
    if crowd.spread <= 0:
        return np.exp(waves)
    shape = 1 / crowd.spread**2
    found: Complexes = np.exp(-shape * np.log(1 - waves / shape))
    return found
