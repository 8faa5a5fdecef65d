"""Small structural models of counts, block by block: level, walk, season, noise, breaks, pulses and luck."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, xlogy

from funnelsim.arrays import Floats

# Whole weeks, so that every block holds each weekday alike.
YEAR, MONTH, WEEK = 364, 28, 7
# Of four weeks: one grid of standard deviations of log counts for noise, for the walk's steps and for the
# season, the next larger one half as likely. Like all constants below chosen on 1,666 series of M1, Tourism
# and made-up companies (benchmarks/intake.py), where a finer or coarser grid changes errors (CRPS) by under
# 1 %. Alike likely ones cost 3 % of months and 6 to 9 % of quarters.
SIZES, LIKELIER = (0.03, 0.1, 0.3), 2.0
# Growth persists for most of a year.
PERSISTENCE = 0.9
# A convention for speed: 40 blocks instead change errors by under .5 %.
MOST_BLOCKS = 60
# Odds, against none, of a level that broke just before a block, and of a pulse in that block alone: one of
# each in the longest record; by a factor of e or so. No pulses cost 1 %, odds of .01 to .05 nothing, nor does
# a factor of e^2 in counts; breaks in the level of wins have to be that large, or noise is taken for them.
SUDDEN, JUMP = 1 / MOST_BLOCKS, 1.0
# Keeps the logarithm of an empty block finite: the usual half.
HALF = 0.5
# Conventions: half a year each way tells how large a block's luck is; of a hundred leads it is near normal.
BLOCKS_AROUND, MANY = 6, 100.0


@dataclass(frozen=True)
class Kind:
    """What a mixture may be made of.

    Args:
        level: standard deviation of the log of the level, about the mean of the logs or, where something is
            expected of each block, about that.
        growth: standard deviation of the slope.
        seasons: sizes of the season that are tried.
        temper: the power of the likelihood.
    """

    level: float
    growth: float
    seasons: tuple[float, ...]
    temper: float


# A level so wide that it is learnt from the counts alone: the error is flat in it. Without growth errors are
# the same, but what is far away would be as sure as what is near; three times as much costs 1 to 3 %. The
# likelihood to a power, as no model is the true one: 1 has the same error, but intervals that hold less.
OF_COUNTS = Kind(level=2.0, growth=0.01, seasons=SIZES, temper=0.5)


@dataclass(frozen=True)
class Mixture:
    """Each model's view of the coming blocks, given the past.

    Args:
        weight: (models, 2 blocks) summing to 1: sizes by shape, the shapes being none, a break after each
            block but the last, and a pulse in each block.
        mean: (models, 2 blocks, ahead) of the log of coming blocks.
        cover: (models, ahead, ahead) their covariance but for the shape, and `bend` (models, 2 blocks, ahead)
            what a shape adds to it, as outer products.
        level, season: (blocks + ahead,) parts of the log, averaged over all models.
        gain: (blocks, ahead) how much each coming block follows each past one, averaged likewise.
    """

    weight: Floats
    mean: Floats
    cover: Floats
    bend: Floats
    level: Floats
    season: Floats
    gain: Floats


def condition(
    counts: Floats,
    season: float,
    ahead: int,
    kind: Kind,
    fair: Floats | None = None,
    spread: float = 1.0,
) -> Mixture:
    """Condition every model on the past counts.

    With K the prior covariance of the past, with noise and luck, L L' = K, z the log counts but for the mean
    of luck, h a shape, w = L^-1 z, u = L^-1 h and d = 1 + u'u: by Sherman and Morrison's rule a shape changes
    the log likelihood by (w'u)^2 / 2d - log(d) / 2, and the mean (no shape reaches the future) by
    -F'u (w'u) / d, where F = L^-1 (covariance of past with future).

    Args:
        counts: (blocks,).
        season: blocks in a year.
        ahead: blocks.
        kind: which models.
        fair: (blocks,) what was expected of each; the log of a count is then told over it. By default 1.
        spread: variance of a count's luck over its mean; 1 of a Poisson variable.
    """
    number = len(counts)
    logs, luck = _seen(counts, fair)
    slow, steps, yearly = prior_parts(number + ahead, season, kind)
    walk, noise, swing = (np.square(one)[:, None, None] for one in sizes(kind))
    # Where something is expected of each block, all ratios together are 1: so is each model's mean ratio.
    centre = np.full_like(noise, logs.mean()) if fair is None else -(kind.level**2 + noise) / 2
    shapes = _shapes(number)
    whole = slow + walk * steps + swing * yearly
    known = whole[:, :number, :number] + noise * np.eye(number) + np.diag(spread * luck)
    root = np.linalg.inv(np.linalg.cholesky(known))
    w, u, forward = root @ (logs[:, None] - centre), root @ shapes, root @ whole[:, :number, number:]
    inner, size = (w.mT @ u)[:, 0], 1 + (u**2).sum(axis=1)
    plain = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1) - 0.5 * (w[:, :, 0] ** 2).sum(axis=1)
    weight = _weights(plain[:, None] - 0.5 * np.log(size) + 0.5 * inner**2 / size, kind)
    bend = (u.mT @ forward) / np.sqrt(size)[:, :, None]
    mean = centre + w.mT @ forward - bend * (inner / np.sqrt(size))[:, :, None]
    cover = whole[:, number:, number:] + noise * np.eye(ahead) - forward.mT @ forward
    jump = weight * inner / size
    pull = forward * weight.sum(axis=1)[:, None, None] - (u * (weight / size)[:, None]) @ (u.mT @ forward)
    own = root.mT @ (w * weight.sum(axis=1)[:, None, None] - u @ jump[:, :, None])
    told, walked, turned = (np.sum(own * one, axis=0)[:, 0] for one in (1.0, walk, swing))
    level = weight.sum(axis=1) @ centre[:, 0, 0] + slow[:, :number] @ told + steps[:, :number] @ walked
    level[:number] += shapes[:, :number] @ jump.sum(axis=0)[:number]
    gain = (root.mT @ pull).sum(axis=0)
    return Mixture(weight, mean, cover, bend, level, yearly[:, :number] @ turned, gain)


@functools.lru_cache(maxsize=64)
def prior_parts(size: int, season: float, kind: Kind) -> tuple[Floats, Floats, Floats]:
    """Return prior covariances of log counts: of level and growth; of a walk, and of a season, of size 1.

    Args:
        size: blocks, past and to come.
        season: blocks in a year.

    Returns:
        Three arrays (size, size), never to be changed.
    """
    block = np.arange(size)
    gap = np.abs(block[:, None] - block)
    months = _months(season)
    sums = months * np.tril(np.ones((size, size)), -1)
    slow = kind.level**2 + kind.growth**2 * sums @ PERSISTENCE ** (gap * months) @ sums.T
    apart = np.abs(gap / season - np.round(gap / season))
    yearly = np.exp(-0.5 * (apart * YEAR / MONTH) ** 2)
    return slow, months * np.minimum(block[:, None], block), yearly


def sizes(kind: Kind) -> tuple[Floats, Floats, Floats]:
    """Return walk, noise and season of all models, each (models,)."""
    walk, noise, season = np.meshgrid(SIZES, SIZES, kind.seasons, indexing="ij")
    return walk.ravel(), noise.ravel(), season.ravel()


def _months(season: float) -> float:
    """Return how many times four weeks a block lasts, from the number of blocks in a year."""
    return YEAR / MONTH / season


def _shapes(blocks: int) -> Floats:
    """Return nothing, a break before each block but the first, and a pulse in each, (blocks, 2 blocks)."""
    block = np.arange(blocks)
    return JUMP * np.column_stack([block[:, None] < block, np.eye(blocks)])


def _seen(counts: Floats, fair: Floats | None) -> tuple[Floats, Floats]:
    """Return what each count tells of the log of its mean over what is fair, and the luck (variance) in it.

    With m about the mean of a Poisson count N, log(N + 1/2) is E log(N + 1/2) + s (log mean - log m), of
    slope 1 but for small counts: a mean of 1 is not forecast 40 % too high. m is taken from the blocks
    around, or luck would be thought small where it was good. Where something is fair of each block, m is
    that, and s is cov(N, log(N + 1/2)), exact to the first order: a count where next to none was expected
    tells next to nothing. (Of counts alone that slope changes errors by under .2 %, and few leads are
    forecast too high.)
    """
    mean = _around(counts) if fair is None else fair
    few, count = np.minimum(mean, MANY), np.arange(2.0 * MANY)[:, None]
    chance = np.exp(xlogy(count, few) - few - gammaln(count + 1))
    logs = np.log(count + HALF)
    first = (chance * logs).sum(axis=0)
    second = (chance * logs**2).sum(axis=0) - first**2
    slope = np.ones(len(counts)) if fair is None else (chance * logs * (count - few)).sum(axis=0)
    told = np.where(mean < MANY, np.log(few) + (np.log(counts + HALF) - first) / slope, np.log(counts + HALF))
    over = 0.0 if fair is None else np.log(fair)
    return told - over, np.where(mean < MANY, second / slope**2, 1 / mean)


def _around(counts: Floats) -> Floats:
    """Return the mean of the blocks around each, half a count more in all, so that none is 0."""
    around = np.ones(2 * BLOCKS_AROUND + 1)
    inside = slice(BLOCKS_AROUND, BLOCKS_AROUND + len(counts))
    blocks = np.convolve(np.ones(len(counts)), around)[inside]
    mean: Floats = (np.convolve(counts, around)[inside] + HALF) / blocks
    return mean


def _weights(fit: Floats, kind: Kind) -> Floats:
    """Return prior x likelihood^power of each model and shape, (models, 2 blocks), from log likelihoods."""
    rarer = -np.log(LIKELIER) * sum(np.searchsorted(SIZES, one) for one in sizes(kind))
    odds = np.append(0.0, np.full(fit.shape[1] - 1, np.log(SUDDEN)))
    logs = rarer[:, None] + odds + kind.temper * fit
    weights = np.exp(logs - logs.max())
    shares: Floats = weights / weights.sum()
    return shares


def variance_of_sum(found: Mixture, span: int) -> float:
    """Return the variance of the log of the sum over the first blocks, within models and between them."""
    leads = np.exp(found.mean[:, :, :span])
    total = leads.sum(axis=2)
    share = leads / total[:, :, None]
    within = ((share @ found.cover[:, :span, :span]) * share).sum(axis=2)
    within += (share * found.bend[:, :, :span]).sum(axis=2) ** 2
    middle = (found.weight * np.log(total)).sum()
    return float((found.weight * (within + (np.log(total) - middle) ** 2)).sum())


def each_block(found: Mixture, season: float, kind: Kind) -> tuple[Floats, Floats, Floats]:
    """Return mean and variance of the log of each coming block, and of the latter the walk's coming part."""
    own = np.diagonal(found.cover, axis1=1, axis2=2)[:, None] + found.bend**2
    middle = np.einsum("kb,kbh->h", found.weight, found.mean)
    variance = np.einsum("kb,kbh->h", found.weight, own + (found.mean - middle) ** 2)
    step = float(found.weight.sum(axis=1) @ np.square(sizes(kind)[0])) * _months(season)
    return middle, variance, step * np.arange(1.0, len(middle) + 1)
