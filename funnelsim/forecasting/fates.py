"""The same leads under two plans: their fates differ as seldom as their chances allow, and no life is lived.

A lead wins in one of the periods, or in none. Under two plans it has two rows of chances for that; of all
ways to give it both fates at once, the one is taken in which they agree most: in each period it wins under
both with the smaller of the two chances, and what is left of one plan goes to what is left of the other,
the earlier periods first. So a gap is the plans' own, and a period that no chance of moves differs by 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Words
from funnelsim.simulation.jit import inlined, strict
from funnelsim.simulation.luck import (
    CHUNK,
    FATE,
    SHOCK,
    W32,
    W64,
    born_lead,
    open_lead_numbers,
    poisson,
    uniform,
    words,
)

# Futures of each draw of the rates, a power of two. Sixteen leave a quarter of the error of a single one, and
# cost less than the exact pass; of more, the error of two hundred draws is soon the larger part.
FUTURES = 16


@dataclass(frozen=True)
class Side:
    """What a plan's leads may bring.

    Args:
        money: (deals, periods) what each open deal brings if it wins in each.
        chance: (draws, deals, periods) its chance to win in each period.
        ways: (draws, ways, periods) expected wins of leads to come, by way in.
        atoms: (ways, periods, atoms) equally likely amounts of such a win.
    """

    money: Floats
    chance: Floats
    ways: Floats
    atoms: Floats


def fate_gaps(before: Side, after: Side, names: NDArray[np.object_], *, spread: float, seed: int) -> Floats:
    """Return by how much revenue of each period differs in each future, (draws * FUTURES, periods).

    Args:
        before, after: the two plans, under the same draws.
        names: (deals,) of the open deals, whose luck hangs on them alone.
        spread: standard deviation of the common factor on the number of leads to come, which both share.
        seed: of all luck.

    >>> nobody = np.zeros((1, 1, 2)), np.ones((1, 2, 1))
    >>> one = Side(np.full((1, 2), 8.0), np.array([[[0.25, 0.25]]]), *nobody)
    >>> more = Side(np.full((1, 2), 8.0), np.array([[[0.25, 0.5]]]), *nobody)
    >>> gaps = fate_gaps(one, more, np.array(["a"], dtype=object), spread=0.0, seed=1)
    >>> gaps.mean(axis=0).tolist(), sorted(set(gaps[:, 1].tolist()))
    ([0.0, 2.0], [0.0, 8.0])
    """
    draws, _, periods = before.chance.shape
    gaps = np.zeros((draws * FUTURES, periods))
    _of_deals(
        before.money, after.money, before.chance, after.chance, open_lead_numbers(names), W64(seed), gaps
    )
    factor = _factors(spread, seed, len(gaps))
    _of_births(before.ways, after.ways, before.atoms, after.atoms, factor, W64(seed), gaps)
    return gaps


def ways_like(before: Floats, after: Floats, same: Sequence[int]) -> Floats:
    """Return the wins of a plan by the ways in of another, in which some are told apart by kind.

    A way's wins are split over its kinds as the other plan's are: of all that come in a period, that is how
    they can fare most alike.

    Args:
        before: (draws, ways, periods) expected wins.
        after: (draws, more ways, periods).
        same: (more ways,) number of the way that each is a kind of; empty: the same ways.

    >>> ways_like(np.array([[[8.0]]]), np.array([[[3.0], [1.0]]]), (0, 0)).tolist()
    [[[6.0], [2.0]]]
    """
    if not same:
        return before
    kinds = np.array(same)
    total = np.zeros_like(before)
    for row, kind in enumerate(same):
        total[:, kind] += after[:, row]
    whole, first = total[:, kinds], (np.arange(len(kinds)) == kinds)[:, None]
    part = np.divide(after, whole, out=np.zeros_like(after) + first, where=whole > 0)
    split: Floats = before[:, kinds] * part
    return split


def _factors(spread: float, seed: int, futures: int) -> Floats:
    """Return the common factor on the number of leads to come in each future, (futures,), of mean 1."""
    if spread <= 0:
        return np.ones(futures)
    from scipy.special import gammaincinv

    shape, lots = spread**-2, np.zeros(futures)
    _lots(W64(seed), lots)
    found: Floats = gammaincinv(shape, np.maximum(lots, 2.0**-53)) / shape
    return found


@strict
def _lots(seed: W64, lots: Floats) -> None:
    """Fill the luck of the common factor of each future: that which simulated lives have."""
    for future in range(lots.size):
        word, _ = words(seed, W32(future), W64(0), 0, SHOCK)
        lots[future] = uniform(word)


@inlined
def _agree(before: Floats, after: Floats, flow: Floats) -> None:
    """Fill the chances of each pair of fates, (fates, fates), from those of each plan, whose sums are equal.

    Fates are the periods in their order, and last none of them; `before` and `after` are used up."""
    fates = before.size
    for k in range(fates):
        for j in range(fates):
            flow[k, j] = 0.0
        flow[k, k] = min(before[k], after[k])
        before[k], after[k] = before[k] - flow[k, k], after[k] - flow[k, k]
    k, j = 0, 0
    while k < fates and j < fates:
        moved = min(before[k], after[j])
        flow[k, j] += moved
        before[k], after[j] = before[k] - moved, after[j] - moved
        if before[k] <= after[j]:
            k += 1
        else:
            j += 1


@strict
def _of_deals(
    old: Floats, new: Floats, before: Floats, after: Floats, lead: Words, seed: W64, gaps: Floats
) -> None:
    """Add what open deals bring more or less in each future.

    Over the futures of a draw a deal's luck is spread evenly: its chances are met as nearly as can be."""
    draws, deals, periods = before.shape
    one, two = np.zeros(periods + 1), np.zeros(periods + 1)
    flow = np.zeros((periods + 1, periods + 1))
    for d in range(draws):
        for i in range(deals):
            same = True
            for k in range(periods):
                same = same and old[i, k] == new[i, k] and before[d, i, k] == after[d, i, k]
            if same:
                continue
            one[periods], two[periods] = 1.0, 1.0
            for k in range(periods):
                one[k], two[k] = before[d, i, k], after[d, i, k]
                one[periods], two[periods] = one[periods] - one[k], two[periods] - two[k]
            _agree(one, two, flow)
            first, second = words(seed, W32(d), lead[i], 0, FATE)
            odd, ahead = np.int64(second & W64(FUTURES - 1)) | 1, np.int64(second >> W64(32)) & (FUTURES - 1)
            within = uniform(first)
            for future in range(FUTURES):
                luck = (float((odd * future + ahead) & (FUTURES - 1)) + within) / FUTURES
                _book_pair(flow, luck, old[i], new[i], gaps[d * FUTURES + future])


@inlined
def _book_pair(flow: Floats, luck: float, old: Floats, new: Floats, gap: Floats) -> None:
    """Add to the gap of each period what a lead brings more or less; pairs without a gap come last."""
    last = gap.size
    for k in range(last + 1):
        for j in range(last + 1):
            if k == j and (k == last or old[k] == new[k]):
                continue
            luck -= flow[k, j]
            if luck < 0.0:
                if k == j:
                    gap[k] += new[k] - old[k]
                else:
                    if k < last:
                        gap[k] -= old[k]
                    if j < last:
                        gap[j] += new[j]
                return


@strict
def _of_births(
    before: Floats, after: Floats, old: Floats, new: Floats, factor: Floats, seed: W64, gaps: Floats
) -> None:
    """Add what leads to come bring more or less in each future: Poisson numbers of each pair of fates."""
    draws, ways, periods = before.shape
    one, two = np.zeros(periods + 1), np.zeros(periods + 1)
    flow = np.zeros((periods + 1, periods + 1))
    for way in range(ways):
        dearer = (old[way] != new[way]).any()
        for d in range(draws):
            if not dearer and (before[d, way] == after[d, way]).all():
                continue
            one[:periods], two[:periods] = before[d, way], after[d, way]
            one[periods] = max(two[:periods].sum() - one[:periods].sum(), 0.0)
            two[periods] = max(one[:periods].sum() - two[:periods].sum(), 0.0)
            _agree(one, two, flow)
            for k in range(periods + 1):
                for j in range(periods + 1):
                    if flow[k, j] > 0.0 and (k != j or (k < periods and (old[way, k] != new[way, k]).any())):
                        for future in range(d * FUTURES, (d + 1) * FUTURES):
                            _book_births(
                                flow[k, j] * factor[future], k, j, old[way], new[way],
                                born_lead(way, k * (periods + 1) + j, 0), seed, future, gaps[future],
                            )  # fmt: skip


@inlined
def _book_births(
    mean: float, k: int, j: int, old: Floats, new: Floats, lead: W64, seed: W64, future: int, gap: Floats
) -> None:
    """Add to a future's gap what a Poisson number of leads with the same pair of fates bring."""
    visit, left = 0, mean
    while left > 0.0:
        word, _ = words(seed, W32(future), lead, visit, FATE)
        count = poisson(min(left, CHUNK), uniform(word))
        left -= CHUNK
        for _ in range(count):
            visit += 1
            word, _other = words(seed, W32(future), lead, visit, FATE)
            atom = int(uniform(word) * old.shape[1])
            if k < gap.size:
                gap[k] -= old[k, atom]
            if j < gap.size:
                gap[j] += new[j, atom]
        visit += 1
