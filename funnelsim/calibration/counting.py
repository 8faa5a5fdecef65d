"""From stage visits to counts: leads that left each stage by each exit, and the days they were at risk."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from funnelsim.arrays import Codes, Floats, Integers
from funnelsim.errors import FunnelError
from funnelsim.model.funnel import Funnel
from funnelsim.model.rates import DEFAULT_BINS, Counts

OTHER = "other"
# A hundred thousand visits by a dozen bins take 10 MB an array: what is worked out at once stays small.
BLOCK = 100_000


@dataclass(frozen=True)
class Visits:
    """Stage visits as arrays, one element per visit; ages in days since the lead entered the stage.

    Args:
        stage, group: numbers.
        exit: position among the stage's exits, -1 while open (or after a move the funnel does not know).
        start: day of entry, in days since the as-of date (so at most 0).
        since: age from which the visit was under observation (0: from its start; late entry: later).
        dwell: age at which the lead left, or at which we stopped looking.
    """

    stage: Codes
    group: Codes
    exit: Codes
    start: Floats
    since: Floats
    dwell: Floats

    def __len__(self) -> int:
        return len(self.stage)

    def rows(self, which: slice | Integers) -> Visits:
        """Return some of the visits."""
        return Visits(
            self.stage[which], self.group[which], self.exit[which],
            self.start[which], self.since[which], self.dwell[which],
        )  # fmt: skip

    def blocks(self) -> Iterator[tuple[int, Visits]]:
        """Yield the visits block by block, each with the number of its first; once where there is none."""
        for first in range(0, max(len(self), 1), BLOCK):
            yield first, self.rows(slice(first, first + BLOCK))


def funnel_of(
    spells: pd.DataFrame,
    stages: Sequence[str],
    won: Sequence[str],
    lost: Sequence[str],
    name: str = "history",
    handed_over: Sequence[str] = (),
) -> Funnel:
    """Return the funnel that a history's visits draw: its stages, and the exits that were ever taken.

    The first of `won` is an exit of the last stage even before anything was won, so that a young
    company's leads can win.

    Args:
        spells: one row per visit with columns stage and exit ("" while open).
        stages: stage names in their usual order.
        won, lost: names of the ends; entering a won place books the lead's value. Where leads win again,
            the won places are among the stages.
        handed_over: names of further ends, at which others take the lead on.

    >>> spells = pd.DataFrame({"stage": ["Lead", "Lead"], "exit": ["Lost", ""]})
    >>> funnel_of(spells, ["Lead"], ["Won"], ["Lost"]).exits
    (('Won', 'Lost'),)
    """
    taken = set(spells[["stage", "exit"]].drop_duplicates().itertuples(index=False, name=None))
    if stages and won and not any((stage, end) in taken for stage in stages for end in won):
        taken.add((next((stage for stage in reversed(stages) if stage not in won), stages[-1]), won[0]))
    ends = tuple(place for place in won if place not in stages) + tuple(lost) + tuple(handed_over)
    places = tuple(stages) + ends
    exits = tuple(tuple(place for place in places if (stage, place) in taken) for stage in stages)
    return Funnel(name, tuple(stages), ends, exits, dict.fromkeys(won, 1.0), handed_over=tuple(handed_over))


def group_numbers(names: pd.Series | None, groups: Sequence[str], length: int) -> Integers:
    """Return the group number of each name; unknown and missing names go to "other", else to the first.

    >>> group_numbers(pd.Series(["big", None, "small"]), ("big", "small", "other"), 3)
    array([0, 2, 1])
    """
    if names is None or len(groups) == 1:
        return np.zeros(length, dtype=np.int64)
    numbers = {name: number for number, name in enumerate(groups)}
    return numbers_of(names, numbers, numbers.get(OTHER, 0))


def numbers_of(names: pd.Series, numbers: Mapping[str, int], absent: int) -> Integers:
    """Return the number of each name, `absent` for those that have none; one look-up for each name.

    >>> numbers_of(pd.Series(["a", None, "b", "a"]), {"a": 5}, -1)
    array([ 5, -1, -1,  5])
    """
    codes, kinds = pd.factorize(names)
    known = np.array([*(numbers.get(name, absent) for name in kinds), absent], dtype=np.int64)
    looked_up: Integers = known[codes]
    return looked_up


def visits_of(
    spells: pd.DataFrame,
    funnel: Funnel,
    groups: Sequence[str] = ("all",),
    *,
    grouped_by: str = "segment",
    began: float = -np.inf,
) -> Visits:
    """Turn the frame of visits into arrays, with the age from which each was under observation.

    Args:
        spells: columns stage, start, stop (days since the as-of date), exit ("" while open), the column
            that groups come from, and optionally since (age in days at which observation began).
        groups: group names; a name not among them goes to "other", or to the first group.
        began: day on which recording began; time before it is neither event nor exposure.

    Raises:
        FunnelError: a visit is in a stage that the funnel does not have, or stops before it starts.
    """
    number = {stage: row for row, stage in enumerate(funnel.stages)}
    stage = spells["stage"].astype(object).map(number)
    if stage.isna().any():
        raise FunnelError(f"stage '{spells['stage'][stage.isna()].iloc[0]}' is no stage of '{funnel.name}'")
    start: Floats = np.asarray(spells["start"], dtype=np.float64)
    dwell = np.round(np.asarray(spells["stop"], dtype=np.float64) - start, 9)
    if (dwell < 0).any():
        row = int(np.argmin(dwell))
        raise FunnelError(
            f"visit {row} to '{spells['stage'].iloc[row]}' stops {-dwell[row]:g} days before it starts"
        )
    known = {(s, place): x for s, row in enumerate(funnel.exits) for x, place in enumerate(row)}
    rows: Integers = np.asarray(stage, dtype=np.int64)
    pairs = zip(rows.tolist(), spells["exit"].astype(object).tolist(), strict=True)
    taken = np.array([known.get(pair, -1) for pair in pairs], dtype=np.int64)
    since: Floats = np.asarray(np.round(np.clip(began - start, 0.0, None), 9), dtype=np.float64)
    if "since" in spells:
        since = np.maximum(since, np.asarray(spells["since"], dtype=np.float64))
    group = group_numbers(spells.get(grouped_by), groups, len(spells))
    return Visits(rows, group, taken, start, since, dwell)


def blocks_back(day: Floats, length: float) -> Integers:
    """Return in which block of days back from the as-of date each day lies, 0 being the latest.

    Half-open, as every window of the package: a block owns its first moment, not its end.

    >>> blocks_back(np.array([-0.5, -7.0, -7.5, -14.0]), 7.0)
    array([0, 0, 1, 1])
    """
    back: Integers = np.maximum(np.ceil(-day / length) - 1, 0).astype(np.int64)
    return back


def counts_between(day: Floats, edges: Floats, amounts: Floats | None = None) -> Floats:
    """Return how many days, or what amounts, lie in each period [edge, next edge).

    NumPy's histogram would count a day on the last edge as well.

    >>> counts_between(np.array([-2.0, -1.0, 0.0]), np.array([-2.0, -1.0, 0.0]))
    array([1., 1.])
    """
    place = np.searchsorted(edges, day, side="right") - 1
    inside = (place >= 0) & (place < len(edges) - 1)
    weight = np.ones(len(day)) if amounts is None else np.asarray(amounts, dtype=np.float64)
    return np.bincount(place[inside], weight[inside], len(edges) - 1).astype(np.float64)


def count_visits(
    visits: Visits,
    shape: tuple[int, int, int],
    bins: Sequence[float] | Floats = DEFAULT_BINS,
    half_life: float = np.inf,
    window: tuple[float, float] = (-np.inf, np.inf),
) -> Counts:
    """Count leavers and days at risk by group, stage, exit and age bin.

    Every event, and every instant of exposure, weighs 2^(t / half_life), t being the day on which it
    happened (negative: before the as-of date). With an infinite half-life these are plain counts.

    Args:
        visits: the visits.
        shape: numbers of groups, stages and exits.
        bins: left edges of the age bins in days, first 0; the last bin is open-ended.
        half_life: days after which an observation weighs half.
        window: first day (included) and last day (not) of what is counted, in days since the as-of date.

    Returns:
        Counts with events (groups, stages, exits, bins) and exposure (groups, stages, bins).

    Source: occurrence / exposure rates: Holford, Biometrics 1980, doi:10.2307/2529982.

    >>> funnel = Funnel("one", ("Open",), ("Won",), (("Won",),), {"Won": 1.0})
    >>> days = {"start": [-9.0, -4.0], "stop": [-4.0, 0.0]}
    >>> spells = pd.DataFrame({"stage": "Open", **days, "exit": ["Won", ""]})
    >>> counts = count_visits(visits_of(spells, funnel), (1, 1, 1), bins=(0, 2))
    >>> counts.events[0, 0, 0].tolist(), counts.exposure[0, 0].tolist()
    ([0.0, 1.0], [4.0, 5.0])
    """
    edges = _edges(bins)
    return functools.reduce(
        operator.add, (_count_block(block, shape, edges, half_life, window) for _, block in visits.blocks())
    )


def _count_block(
    visits: Visits,
    shape: tuple[int, int, int],
    edges: Floats,
    half_life: float,
    window: tuple[float, float],
) -> Counts:
    """Count as many visits at a time as memory is sure to hold."""
    groups, stages, exits = shape
    since = np.maximum(visits.since, window[0] - visits.start)
    until = np.minimum(visits.dwell, window[1] - visits.start)
    at_risk = until >= since
    limits = np.clip(np.append(edges, np.inf)[None, :], since[:, None], np.maximum(until, since)[:, None])
    days = np.diff(weighed_days(visits.start[:, None] + limits, half_life), axis=1)
    place = visits.group.astype(np.int64) * stages + visits.stage
    left = at_risk & (visits.exit >= 0) & (visits.dwell < window[1] - visits.start)
    age_bin = np.searchsorted(edges, visits.dwell, side="right") - 1
    full = (groups, stages, len(edges))
    exposure = np.stack([np.bincount(place, days[:, b], groups * stages) for b in range(len(edges))], axis=-1)
    exit_cell = ((place * exits + visits.exit) * len(edges) + age_bin)[left]
    stop = visits.start[left] + visits.dwell[left]
    weight = np.ones(len(stop)) if np.isinf(half_life) else 2.0 ** (stop / half_life)
    own = days[np.flatnonzero(left), age_bin[left]]
    return Counts(
        edges,
        _sums(exit_cell, weight, (groups, stages, exits, len(edges))),
        exposure.reshape(full).astype(np.float64),
        _sums((place * len(edges) + age_bin)[left], own, full),
    )


def _edges(bins: Sequence[float] | Floats) -> Floats:
    edges = np.asarray(bins, dtype=float)
    if edges.ndim != 1 or edges.size == 0 or edges[0] != 0 or (np.diff(edges) <= 0).any():
        raise FunnelError(f"age bins must start at 0 and ascend, not {list(bins)}")
    return edges


def _sums(cell: Integers, weight: Floats, shape: tuple[int, ...]) -> Floats:
    """Return the sum of the weights of each cell, given by its number."""
    return np.bincount(cell, weight, int(np.prod(shape))).reshape(shape).astype(np.float64)


def weighed_days(day: Floats, half_life: float) -> Floats:
    """Return the integral of 2^(t / half_life) up to a day, but for a constant."""
    if np.isinf(half_life):
        return day
    scale = half_life / np.log(2.0)
    weight: Floats = scale * np.exp(day / scale)
    return weight
