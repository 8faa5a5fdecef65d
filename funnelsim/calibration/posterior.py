"""From counts to rates: a Gamma posterior shrunk to the stage, and groups shrunk to the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers
from funnelsim.model.funnel import Funnel, winning_exits
from funnelsim.model.model import Model, kind_numbers
from funnelsim.model.rates import Counts, RateTable, era_rates

# From groups that have hardly anything in common to none that differ, in steps of 17 %: the likelihood of a
# strength is flat within one.
# What chance is needed for; a purpose keeps its place in this list, or its numbers would change.
PURPOSES = ("rates", "wins", "dates", "spend", "quality", "resamples", "orders", "people")
# Of the draws' number: so many variables are freed of correlations. On the sample, 16 seeds, a quarter leaves
# the 10 % quantile a standard deviation of .43 % by the rates alone, a half .31, four fifths .32.
TURNED = 0.5
LEAST_VALUE = 1e-3  # of an eigenvalue: with three or four draws two variables can be one
SMALLEST = 1e-12  # of a Gamma's shape: its draws are 0, as those of an exit that does not exist must be
STRENGTHS = np.geomspace(0.3, 3000.0, 61)
# Half an event, as in Jeffreys' prior of a Poisson rate. That it lies at the rate of the bin before, not at
# the stage's, was chosen on 160 made-up companies: wins expected of open deals fell from 1.9 to 1.3 times
# what came, the log score of single deals rose by ten standard errors; totals on real logs cannot tell, nor
# whether it is a quarter or a whole one (benchmarks/constants.py).
PRIOR_EVENTS = 0.5
# Where few are shrunk to many, so many tell half: wins of a level, of a weekday and of a group's amounts,
# leads of a group's hits and days ahead. One number for eight that were 5 to 50; errors are flat in each but
# the level's, of which twice as many cost 1 % (benchmarks/constants.py).
PRIOR_CASES = 10.0
# Conventions: ten times as many leavers as the bin before would give are no neighbours of it, and a leaver is
# at risk for a minute and a half at least, or all leaving at once would be an infinite rate.
FAR, LEAST_DAYS = 10.0, 1e-3
# Keeps logarithms and quotients finite.
LEAST_RATE = 1e-9


# Sets of draws: those of a comparison, of its split, and of what a budget asks; and posteriors.
MOST_REMEMBERED = 4
# Counts and funnel are held as well, so that no other ones can come to have their identity.
_LATEST: dict[tuple[int, int, int, str], tuple[Counts, Funnel, Floats, Any]] = {}
_POSTERIORS: dict[tuple[int, int], tuple[Counts, Funnel | None, Posterior]] = {}


@dataclass(frozen=True)
class Posterior:
    """Gamma posterior of the pooled rates, and how groups and ages deviate from it.

    rate[g, s, x, b] = pooled[s, x, b] * theta[g, s, x] * phi[g, s, x, b], with
    pooled ~ Gamma(shape, 1 / scale of exposure), theta ~ Gamma(k + observed, k + expected), and phi
    likewise within the group, so that a group with many leads has an age profile of its own.

    Args:
        shape, exposure: (stages, exits, bins) Gamma shape (events) and rate (days at risk) of the pool.
        events: (groups, stages, exits, bins) leavers of each group.
        at_risk: (groups, stages, bins) days at risk of each group.
        by_group: (stages, exits) strength k of the shrinkage of a group to the pool.
        by_age: (groups, stages, exits) strength k of the shrinkage of a group's age profile to the pool's;
            a group's own, since a large group is the pool and would hide how much a small one differs.
    """

    shape: Floats
    exposure: Floats
    events: Floats
    at_risk: Floats
    by_group: Floats
    by_age: Floats


def posterior(counts: Counts, funnel: Funnel | None = None) -> Posterior:
    """Return the posterior of the rates, as it was found if it was asked for lately: it is asked for often.

    Each age bin of a stage has half a pseudo-event at the rates of the bin before it, the first one at
    the stage's pooled rate: leads that have waited long are like those that have waited almost as long, and
    not like new ones. Multipliers of groups are shrunk as in Clayton and Kaldor.

    Args:
        counts: leavers and days at risk.
        funnel: says which exits a stage has; without it, those that somebody took.

    Source: Clayton and Kaldor, Biometrics 1987, doi:10.2307/2532003.
    """
    key = (id(counts), id(funnel))
    known = _POSTERIORS.get(key)
    if known is None:
        while len(_POSTERIORS) >= MOST_REMEMBERED:
            _POSTERIORS.pop(next(iter(_POSTERIORS)), None)
        known = _POSTERIORS[key] = (counts, funnel, _posterior(counts, funnel))
    return known[2]


def _posterior(counts: Counts, funnel: Funnel | None) -> Posterior:
    pooled = all_together(counts)
    at_risk = effective_exposure(counts)
    days = effective_exposure(pooled)[0]
    events = pooled.events[0]
    possible = events.sum(-1) > 0 if funnel is None else funnel.targets >= 0
    split = _exit_split(events, possible)
    stage_rate = np.maximum(events.sum((1, 2)), PRIOR_EVENTS) / np.maximum(days.sum(-1), 1.0)
    shape, exposure = _along_ages(events, days, split * stage_rate[:, None])
    rate = shape / exposure
    expected = (rate[None] * at_risk[:, :, None, :]).sum(-1)
    by_group = strength(counts.events.sum(-1), expected)
    theta = _multiplier(by_group, counts.events.sum(-1), expected)
    own = rate * theta[..., None] * at_risk[:, :, None, :]
    by_age = strength(np.moveaxis(counts.events, -1, 0), np.moveaxis(own, -1, 0))
    return Posterior(shape, exposure, counts.events, at_risk, by_group, by_age)


def all_together(counts: Counts) -> Counts:
    """Return the counts of all groups as those of one."""
    spent = None if counts.spent is None else counts.spent.sum(0, keepdims=True)
    return Counts(
        counts.edges, counts.events.sum(0, keepdims=True), counts.exposure.sum(0, keepdims=True), spent
    )


def posterior_table(counts: Counts, funnel: Funnel | None = None) -> Floats:
    """Return the posterior mean rates per day, shape (groups, stages, exits, bins).

    >>> counts = Counts(np.array([0.0]), np.array([[[[19.0]]]]), np.array([[[80.0]]]))
    >>> posterior_table(counts).round(4).item()
    0.2375
    """
    return mean_rates(posterior(counts, funnel))


def mean_rates(pool: Posterior) -> Floats:
    """Return the mean of a posterior, rates per day, shape (groups, stages, exits, bins)."""
    rate = pool.shape / pool.exposure
    if len(pool.events) == 1:
        return rate[None]
    expected = rate * pool.at_risk[:, :, None, :]
    theta = _multiplier(pool.by_group, pool.events.sum(-1), expected.sum(-1))[..., None]
    phi = _multiplier(pool.by_age[..., None], pool.events, expected * theta)
    mean: Floats = rate * theta * phi
    return mean


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Return the generator of one purpose, spawned from a seed; others share nothing with it.

    >>> stream(1, "rates").random() == stream(1, "rates").random() != stream(2, "rates").random()
    True
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(PURPOSES.index(purpose),)))


def even_chances(importance: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Return chances of variables over draws, each with one value in every stratum of chance.

    A Latin hypercube: variable by variable, the chances (permutation + uniform) / draws are even, so that
    means over the draws are nearly exact. Between variables they are independent but for luck, and the most
    important ones have been turned until that luck is gone as well, so that the spread of what they make
    together does not depend on the seed.

    Args:
        importance: (variables,) which to turn first: about what each adds to the variance of the outcome.

    Returns:
        (draws, variables).

    Source: McKay, Beckman and Conover, Technometrics 1979, doi:10.2307/1268522; Iman and Conover,
        Communications in Statistics 1982, doi:10.1080/03610918208812265.
    """
    variables = importance.size
    places = rng.permuted(np.broadcast_to(np.arange(draws)[:, None], (draws, variables)), axis=0)
    first = np.argsort(-importance, kind="stable")[: int(draws * TURNED)]
    first = first[importance[first] > 0]
    if first.size > 1:
        places[:, first] = _turned(places[:, first])
    chance: Floats = (places + rng.random((draws, variables))) / draws
    return chance


def _turned(places: Integers) -> Integers:
    """Return ranks, shape (draws, variables), close to the given ones and without correlations.

    Ranks as normal scores Z go over to Z C^(-1/2), C being their correlations, and are ranked again; a
    second time, since ranking brings a little of C back.
    """
    from scipy.special import ndtri

    draws = len(places)
    for _ in range(2):
        scores = ndtri((places + 0.5) / draws)
        scores /= scores.std(axis=0)
        values, vectors = np.linalg.eigh(scores.T @ scores / draws)
        places = (
            (scores @ (vectors / np.sqrt(np.maximum(values, LEAST_VALUE))) @ vectors.T)
            .argsort(axis=0)
            .argsort(axis=0)
        )
    return places


def gamma_at(shape: Floats, chance: Floats) -> Floats:
    """Return quantiles of Gamma variables of scale 1, (draws, *shape), at chances (draws, variables)."""
    from scipy.special import gammaincinv

    there = np.flatnonzero(shape > SMALLEST)
    found: Floats = np.zeros(chance.shape)
    found[:, there] = gammaincinv(shape.ravel()[there], chance[:, there])
    return found.reshape(-1, *shape.shape)


def draw_counts(counts: Counts, draws: int, rng: np.random.Generator, funnel: Funnel | None = None) -> Floats:
    """Return draws from the posterior of the rates, shape (draws, groups, stages, exits, bins)."""
    pool = posterior(counts, funnel)
    groups = len(counts.events) > 1
    k, ages = pool.by_group, pool.by_age[..., None]
    # Of an exit that does not exist nothing need be drawn: its rate is 0 whatever its groups do.
    there = pool.shape > SMALLEST
    own, by_age = (k + pool.events.sum(-1)) * there.any(-1), (ages + pool.events) * there
    shapes = [pool.shape, *([own, by_age] * groups)]
    chance = even_chances(_importance(pool, groups), draws, rng)
    ends = np.cumsum([shape.size for shape in shapes])
    drawn = [gamma_at(*pair) for pair in zip(shapes, np.split(chance, ends[:-1], axis=1), strict=True)]
    rate = drawn[0] / pool.exposure
    if not groups:
        return rate[:, None]
    expected = rate[:, None] * pool.at_risk[:, :, None, :]
    theta = (drawn[1] / (k + expected.sum(-1)))[..., None]
    phi = drawn[2] / (ages + expected * theta)
    rates: Floats = rate[:, None] * theta * phi
    return rates


def _importance(pool: Posterior, groups: bool) -> Floats:
    """Return about what each variable of the draws adds to the variance of the log of a flow.

    Of an exit that n leavers took in all, those of one age, n_b, carry the share n_b / n, and their rate is
    known to 1 / n_b: the square of the share over n_b is n_b / n^2. What nobody took does not matter.
    """

    def of(events: Floats) -> Floats:
        found: Floats = (events / (1.0 + events.sum(-1, keepdims=True)) ** 2).ravel()
        return found

    pooled = of(pool.events.sum(0))
    if not groups:
        return pooled
    return np.concatenate([pooled, of(pool.events.sum(-1)[..., None]), of(pool.events)])


def draw_rates(model: Model, draws: int, rng: np.random.Generator) -> Floats:
    """Return posterior draws of the model's rates, each under the levers of the model's scenario.

    A stated model has no posterior: its rates repeat.

    Returns:
        Rates per day of age, shape (draws, eras, groups, stages, exits, bins).
    """
    if model.counts is None:
        return np.broadcast_to(model.table.rate, (draws, *model.table.rate.shape))
    drawn = _drawn_once(model.counts, draws, rng, model.funnel)
    drawn = drawn[:, kind_numbers(model)] if model.alike else drawn
    return era_rates(model.levers, raise_wins(drawn, model.funnel, model.win_level))


def _drawn_once(counts: Counts, draws: int, rng: np.random.Generator, funnel: Funnel) -> Floats:
    """Do `draw_counts`, but remember the latest draws: scenarios of one history differ by their levers only.

    Draws are told by the very counts, funnel and state of the generator, which is left as if it had drawn.
    """
    key = (id(counts), id(funnel), draws, repr(rng.bit_generator.state))
    if key not in _LATEST:
        drawn = draw_counts(counts, draws, rng, funnel)
        while len(_LATEST) >= MOST_REMEMBERED:
            _LATEST.pop(next(iter(_LATEST)), None)
        _LATEST[key] = (counts, funnel, drawn, rng.bit_generator.state)
    _, _, drawn, state = _LATEST[key]
    rng.bit_generator.state = state
    return drawn


def raise_wins(rate: Floats, funnel: Funnel, level: float) -> Floats:
    """Return rates (..., stages, exits, bins) with those of the winning exits multiplied by `level`."""
    higher: Floats = rate * np.where(winning_exits(funnel), level, 1.0)[:, :, None]
    return higher


def table_of(counts: Counts, funnel: Funnel | None = None, win_level: float = 1.0) -> RateTable:
    """Return the rate table of the posterior mean, with one era, wins multiplied by a level."""
    rate = posterior_table(counts, funnel)
    if funnel is not None:
        rate = raise_wins(rate, funnel, win_level)
    edges = np.broadcast_to(counts.edges, (*rate.shape[:2], counts.edges.size)).copy()
    return RateTable(edges, rate[None], np.array([-np.inf]), np.ones((1, *rate.shape[:2])))


def effective_exposure(counts: Counts) -> Floats:
    """Return days at risk, with those of the first bin such that its leaving chance is met.

    Many leads move on the day they come, most of them within minutes; a constant rate over that day
    would make too many leave. With n leads at the bin's start, d of them leaving within its width w,
    the rate must be -log(1 - d / n) / w, so the exposure is d over that.
    """
    if counts.spent is None or counts.edges.size < 2:
        return counts.exposure
    width = counts.edges[1]
    left = counts.events[..., 0].sum(axis=2)
    began = left + (counts.exposure - counts.spent)[..., 0] / width
    chance = np.minimum(left / np.maximum(began, LEAST_RATE), 1.0 - 0.5 / (began + 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(left > 0, left * width / -np.log1p(-chance), counts.exposure[..., 0])
    days = counts.exposure.copy()
    days[..., 0] = first
    return days


def at_risk(counts: Counts) -> Floats:
    """Return what leavers are compared with: leads that began the first bin, days at risk in the others.

    Many leads leave within minutes of coming; their days at risk say nothing, their number does.
    """
    units = counts.exposure.copy()
    if counts.spent is not None and counts.edges.size > 1:
        stayed = (counts.exposure - counts.spent)[..., 0] / counts.edges[1]
        units[..., 0] = counts.events[..., 0].sum(axis=2) + stayed
    return units


def expected_leavers(counts: Counts, rate: Floats) -> Floats:
    """Return leavers that rates expect of the leads at risk, shape (groups, stages, exits, bins).

    Args:
        counts: their leads at risk.
        rate: (groups, stages, exits, bins) per day.
    """
    chance = rate.copy()
    if counts.spent is not None and counts.edges.size > 1:
        total = rate[..., 0].sum(axis=2, keepdims=True)
        left = -np.expm1(-total * counts.edges[1])
        chance[..., 0] = rate[..., 0] * np.divide(left, total, out=np.zeros_like(total), where=total > 0)
    expected: Floats = chance * at_risk(counts)[:, :, None, :]
    return expected


def strength(observed: Floats, expected: Floats) -> Floats:
    """Return k of theta ~ Gamma(k, k) by maximum likelihood of Poisson counts, over the first axis.

    log L(k) = sum log Gamma(k + O) - log Gamma(k) + k log(k / (k + E)) + O log(E / (k + E)).

    Args:
        observed: (units, ...) counts O.
        expected: (units, ...) what the pool would give, E.

    Returns:
        k, shape (...): small when units differ, `STRENGTHS[-1]` when they do not.
    """
    best: Floats = STRENGTHS[_last_maximum(_log_likelihood(observed, expected))]
    return best


def likelier_apart(observed: Floats, expected: Floats) -> float:
    """Return by how much units with multipliers of their own are likelier, as a log, than all alike.

    The sum over all but the first axis of max_k log L(k) - log L(inf), see `strength`.

    Args:
        observed, expected: (units, ...) counts, and what the pool gives, scaled here to what all units had.

    >>> likelier_apart(np.array([30.0, 30.0]), np.array([20.0, 20.0]))
    0.0
    """
    fair = expected * observed.sum(axis=0) / np.maximum(expected.sum(axis=0), LEAST_RATE)
    found = _log_likelihood(observed, fair)
    return float((found.max(axis=0) - found[-1]).sum())


def _log_likelihood(observed: Floats, expected: Floats) -> Floats:
    """Return log L(k) of every strength, over the first axis, shape (strengths, ...)."""
    from scipy.special import gammaln

    k = STRENGTHS.reshape(-1, *([1] * observed.ndim))
    count, mean = observed[None], np.maximum(expected[None], LEAST_RATE)
    found: Floats = (
        gammaln(k + count) - gammaln(k) + k * np.log(k / (k + mean)) + count * np.log(mean / (k + mean))
    ).sum(axis=1)
    return found


def _last_maximum(values: Floats) -> NDArray[np.intp]:
    """Return the last index of the maximum along the first axis: no evidence is no difference."""
    flipped: NDArray[np.intp] = len(values) - 1 - np.argmax(values[::-1], axis=0)
    return flipped


def _multiplier(k: Floats, observed: Floats, expected: Floats) -> Floats:
    ratio: Floats = (k + observed) / (k + expected)
    return ratio


def _along_ages(events: Floats, days: Floats, first: Floats) -> tuple[Floats, Floats]:
    """Return Gamma shape and exposure of every bin, its prior being the posterior mean of the bin before.

    Where leavers, less two standard errors, are more than ten times what that would give (instalments due
    after thirty days, a reminder after sixty), the bin before is no guide: its pseudo-event counts at a tenth
    of their rate, or its days at risk would drown theirs.

    Args:
        events: (stages, exits, bins) leavers.
        days: (stages, bins) at risk.
        first: (stages, exits) rates that stand before the first bin.
    """
    shape, exposure = np.empty_like(events), np.empty_like(events)
    before = first
    for b in range(events.shape[-1]):
        left, here = events[..., b].sum(axis=1, keepdims=True), np.maximum(days[:, None, b], LEAST_RATE)
        sure = np.maximum(left - 2 * np.sqrt(left), 0.0) / here
        known = PRIOR_EVENTS / np.maximum(
            before.sum(axis=1, keepdims=True), np.maximum(sure / FAR, LEAST_RATE)
        )
        shape[..., b] = events[..., b] + known * before
        exposure[..., b] = np.maximum(days[:, None, b] + known, LEAST_DAYS * left)
        before = shape[..., b] / exposure[..., b]
    return shape, exposure


def _exit_split(events: Floats, possible: NDArray[np.bool_]) -> Floats:
    """Return the share of a stage's leavers by each exit, (stages, exits); no possible one is quite zero."""
    smoothed = np.where(possible, events.sum(-1) + PRIOR_EVENTS / possible.shape[-1], 0.0)
    split: Floats = smoothed / np.maximum(smoothed.sum(-1, keepdims=True), LEAST_RATE)
    return split
