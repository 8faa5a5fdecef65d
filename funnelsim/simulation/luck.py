"""Every random number as a pure function of seed, replicate, lead, visit and purpose.

So a lead has the same luck in every scenario, engine and process, and adding a lead changes no other.
The generator is Philox 4x32-10: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, Parallel random
numbers: as easy as 1, 2, 3, SC '11, doi 10.1145/2063384.2063405.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Words
from funnelsim.errors import FunnelError
from funnelsim.simulation.jit import inlined, instead, kernel

W32 = np.uint32
W64 = np.uint64
HALF = W64(32)
LOW, ALL = 2**32 - 1, 2**64 - 1
MOVE, BIRTH, WORK, REFER, INTAKE, SHOCK, DATE, FATE = range(8)
# As many as the bits of a counter, a key and a lead's identity have room for: `words`, `born_lead`,
# `referred_lead`.
MOST_REPLICATES = 2**32
MOST_WAYS_IN = 2**16
MOST_DAYS = 2**15
MOST_REFERRALS = 16
# Moments are whole multiples of 2 ** -32 day (20 microseconds), so that sums and differences of them
# are exact; adding and taking away 1.5 * 2 ** 20 rounds a float to such a multiple.
TICK = 2.0**-32
ROUNDER = 1.5 * 2.0**20
# A Poisson count of mean 64 is below 160 but for a chance of 1e-23, so that its table is short.
CHUNK = 64.0


@inlined
def philox(c0: W32, c1: W32, c2: W32, c3: W32, k0: W32, k1: W32) -> tuple[W32, W32, W32, W32]:
    """Return the four 32-bit words that Philox 4x32-10 makes of a counter and a key."""
    for _ in range(10):
        left = W64(0xD2511F53) * W64(c0)
        right = W64(0xCD9E8D57) * W64(c2)
        c0, c1, c2, c3 = W32(right >> HALF) ^ c1 ^ k0, W32(right), W32(left >> HALF) ^ c3 ^ k1, W32(left)
        k0, k1 = W32(k0 + W32(0x9E3779B9)), W32(k1 + W32(0xBB67AE85))
    return c0, c1, c2, c3


def plain_words(seed: W64, replicate: W32, lead: W64, visit: int, purpose: int) -> tuple[W64, W64]:
    """Do `words` in Python's own integers, which are quicker where nothing is compiled."""
    c0, c1, c2, c3 = int(lead) & LOW, int(lead) >> 32, int(visit) | (purpose << 24), int(replicate)
    k0, k1 = int(seed) & LOW, int(seed) >> 32
    for _ in range(10):
        left, right = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (right >> 32) ^ c1 ^ k0, right & LOW, (left >> 32) ^ c3 ^ k1, left & LOW
        k0, k1 = (k0 + 0x9E3779B9) & LOW, (k1 + 0xBB67AE85) & LOW
    return W64(c0 << 32 | c1), W64(c2 << 32 | c3)


@instead(plain_words)
@inlined
def words(seed: W64, replicate: W32, lead: W64, visit: int, purpose: int) -> tuple[W64, W64]:
    """Return two random 64-bit words: the luck of one visit of one lead for one purpose."""
    a, b, c, d = philox(
        W32(lead),
        W32(lead >> HALF),
        W32(visit | (purpose << 24)),
        W32(replicate),
        W32(seed),
        W32(seed >> HALF),
    )
    return (W64(a) << HALF) | W64(b), (W64(c) << HALF) | W64(d)


@inlined
def uniform(word: W64) -> float:
    """Return a word as a number in [0, 1) of 53 bits."""
    return float(np.float64(np.int64(word >> W64(11))) * 2.0**-53)


@inlined
def unit_exponential(word: W64) -> float:
    """Return -log of a word as a number in (0, 1): an exponential variable of mean 1, never 0.

    The logarithm is written out (with the coefficients of Sun's fdlibm, error below one unit in the
    last place), because libraries differ between a vector loop and a single call.
    """
    number = (np.float64(np.int64(word >> W64(12))) + 0.5) * 2.0**-52
    bits = np.float64(number).view(np.int64) - 0x3FE6A09E00000000
    mantissa = np.int64((bits & 0xFFFFFFFFFFFFF) + 0x3FE6A09E00000000).view(np.float64)
    f = mantissa - 1.0
    s = f / (2.0 + f)
    z = s * s
    tail = 0.2222219843214978396 + z * (
        0.1818357216161805012 + z * (0.1531383769920937332 + z * 0.1479819860511658591)
    )
    series = z * (
        0.6666666666666735130 + z * (0.3999999999940941908 + z * (0.2857142874366239149 + z * tail))
    )
    square = 0.5 * f * f
    return float(-np.float64(bits >> 52) * 0.6931471805599453 - (f - (square - s * (square + series))))


@inlined
def on_grid(moment: float) -> float:
    """Return a moment rounded to the grid of ticks."""
    return (moment + ROUNDER) - ROUNDER


@inlined
def born_lead(cell: int, day: int, number: int) -> W64:
    """Return the identity of the number-th lead that a way in brings on a day."""
    return W64((1 << 31) | (day << 16) | cell) << HALF | W64(number)


def plain_mix(word: W64) -> W64:
    """Do `mix` in Python's own integers, which do not overflow."""
    number = int(word)
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & ALL
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & ALL
    return W64(number ^ (number >> 31))


@instead(plain_mix)
@inlined
def mix(word: W64) -> W64:
    """Return a well-mixed word, one-to-one (Stafford's mix 13, as in SplitMix64)."""
    word = (word ^ (word >> W64(30))) * W64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> W64(27))) * W64(0x94D049BB133111EB)
    return word ^ (word >> W64(31))


def plain_referred_lead(referrer: W64, visit: int, referral: int, number: int) -> W64:
    """Do `referred_lead` in Python's own integers, which do not overflow."""
    path = (int(visit) << 40) | (int(referral) << 32) | int(number)
    word = int(plain_mix(W64((int(plain_mix(referrer)) + 0x9E3779B97F4A7C15 + path) & ALL)))
    return W64((word >> 6) | ((16 + int(referral)) << 58 & ALL))


@instead(plain_referred_lead)
@inlined
def referred_lead(referrer: W64, visit: int, referral: int, number: int) -> W64:
    """Return the identity of the number-th lead that a lead brings at a visit by one kind of referral."""
    path = (W64(visit) << W64(40)) | (W64(referral) << W64(32)) | W64(number)
    word = mix(mix(referrer) + W64(0x9E3779B97F4A7C15) + path)
    return (word >> W64(6)) | (W64(16 + referral) << W64(58))


def open_lead_numbers(names: NDArray[np.object_]) -> Words:
    """Return the identities of open deals: a hash of each name, so that order and company do not matter.

    Raises:
        FunnelError: two open deals have the same name.

    >>> bool(open_lead_numbers(np.array(["a", "b"]))[1] == open_lead_numbers(np.array(["b"]))[0])
    True
    """
    texts = [str(name) for name in names]
    digests = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts)
    numbers = np.frombuffer(digests, dtype="<u8").astype(np.uint64) >> W64(2)
    if np.unique(numbers).size != numbers.size:
        twice = next((text for text in texts if texts.count(text) > 1), "")
        raise FunnelError(f"the open deal '{twice}' is listed twice; every deal needs a name of its own")
    return numbers


@inlined
def poisson(mean: float, chance: float) -> int:
    """Return the smallest count whose cumulative Poisson chance exceeds `chance`; mean up to 700."""
    term = np.exp(-mean)
    below = term
    count = 0
    while chance >= below and (count < mean or term > 1e-18):
        count += 1
        term *= mean / count
        below += term
    return count


@kernel
def intake(seed: W64, replicate: W32, mean: Floats) -> NDArray[np.int64]:
    """Return how many leads each way in brings on each day, Poisson and monotone in the mean.

    A mean is cut into chunks of 64, each with luck of its own, so that a higher mean only adds leads.

    Args:
        mean: (cells, days) expected leads.
    """
    counts = np.zeros(mean.shape, dtype=np.int64)
    below = np.cumsum(np.array([np.exp(-CHUNK + k * np.log(CHUNK) - _log_factorial(k)) for k in range(160)]))
    for cell in range(mean.shape[0]):
        for day in range(mean.shape[1]):
            left, chunk = mean[cell, day], 0
            while left > 0.0:
                word, _ = words(seed, replicate, born_lead(cell, day, chunk), 0, INTAKE)
                chance = uniform(word)
                if left >= CHUNK:
                    counts[cell, day] += np.searchsorted(below, chance, side="right")
                else:
                    counts[cell, day] += poisson(left, chance)
                left -= CHUNK
                chunk += 1
    return counts


@inlined
def _log_factorial(count: int) -> float:
    total = 0.0
    for factor in range(2, count + 1):
        total += np.log(float(factor))
    return total


def shock(seed: int, replicate: int, spread: float, number: int = 0) -> float:
    """Return a replicate's common Gamma factor of mean 1, given its standard deviation.

    Args:
        seed, replicate: the key of all luck.
        spread: standard deviation.
        number: 0 is the factor on all intake, 1, 2 ... those on winning in one period after another.
    """
    if spread <= 0:
        return 1.0
    from scipy.special import gammaincinv

    shape = spread**-2
    word, _ = words(W64(seed), W32(replicate), W64(0), number, SHOCK)
    return float(gammaincinv(shape, max(uniform(W64(word)), 2.0**-53)) / shape)
