"""What a history says against its own model: leavers and wins, observed over expected."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.calibrate.exits import Visits, count_visits, visits_of
from funnelsim.calibrate.posterior import posterior_table, winning_exits
from funnelsim.errors import FunnelError, nearest
from funnelsim.history.log import DAY, History, spells
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Model
from funnelsim.model.rates import Counts

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SLICINGS = ("age", "segment", "month", "cohort")
PACES = ("fast", "middling", "slow")
FEW_LEAVERS = 15.0


@dataclass(frozen=True)
class Record:
    """A history beside the rates that were fitted to it.

    Args:
        frame: one row per stage visit (see `history.spells`).
        visits: the same as arrays.
        counts: leavers and days at risk, every observation weighing alike.
        rate: (groups, stages, exits, bins) fitted rates per day.
        funnel: the map.
        groups: names of the groups.
        until: the as-of moment.
    """

    frame: pd.DataFrame
    visits: Visits
    counts: Counts
    rate: Floats
    funnel: Funnel
    groups: tuple[str, ...]
    until: pd.Timestamp


def record_of(history: History, model: Model) -> Record:
    """Put a history beside the model that was fitted to it.

    Raises:
        FunnelError: the model was stated and not fitted, so there is nothing to compare.
    """
    if model.counts is None:
        raise FunnelError(f"the model '{model.funnel.name}' was stated, not fitted: nothing to compare with")
    frame = spells(history)
    began = (history.began - history.until) / DAY
    column = model.grouped_by or "segment"
    visits = visits_of(frame, model.funnel, model.groups, grouped_by=column, began=began)
    counts = count_visits(visits, model.counts.events.shape[:3], model.counts.edges)
    rate = posterior_table(model.counts, model.funnel)
    return Record(frame, visits, counts, rate, model.funnel, model.groups, history.until)


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


def observed_expected(record: Record, by: str) -> pd.DataFrame:
    """Return leavers and wins, observed and expected under the fitted rates, slice by slice.

    Args:
        record: a history beside its model.
        by: "age" (in the stage), "segment" (the model's groups), "month" (of the move) or "cohort"
            (quarter in which the lead came).

    Returns:
        One row per slice: `by`, leavers, leavers_expected, wins, wins_expected, ratio (of leavers),
        wins_ratio, z and wins_z: (observed - expected) / sqrt(expected).

    Raises:
        FunnelError: an unknown slicing.
    """
    if by not in SLICINGS:
        raise FunnelError(f"slices by '{by}' are unknown; {nearest(by, SLICINGS)}")
    wins = winning_exits(record.funnel)[:, :, None]
    rows = []
    for label, observed, expected in _slices(record, by):
        won, due = float((observed * wins).sum()), float((expected * wins).sum())
        rows.append((label, float(observed.sum()), float(expected.sum()), won, due))
    table = pd.DataFrame(rows, columns=[by, "leavers", "leavers_expected", "wins", "wins_expected"])
    for name, seen, due_name in (("", "leavers", "leavers_expected"), ("wins_", "wins", "wins_expected")):
        due_of = table[due_name].where(table[due_name] > 0)
        table[f"{name}ratio"] = table[seen] / due_of
        table[f"{name}z"] = (table[seen] - due_of) / np.sqrt(due_of)
    return table


def previous_dwell(record: Record) -> pd.DataFrame:
    """Test whether the time that a lead took in its previous stage tells how it leaves the present one.

    Visits that followed another stage are divided into thirds by how long that one took, among visits
    of the same group and previous stage. Within group, previous stage and age bin all thirds should
    leave alike: X2 = sum (O - E)^2 / E over thirds and exits with at least 15 leavers, with two degrees of
    freedom an exit. The rates know nothing of earlier stages, so a small p is a caution.

    Returns:
        One row per stage, exit and third: stage, exit, previous (fast, middling, slow), leavers, expected,
        ratio, p (of the stage).

    Source: the log-rank test for several groups, Peto and Peto 1972, doi:10.2307/2344317.
    """
    columns = ["stage", "exit", "previous", "leavers", "expected", "ratio", "p"]
    known, third, stratum, strata = _thirds(record)
    if not known.any():
        return pd.DataFrame(columns=columns)
    bins, (stages, exits) = _finer(record.counts.edges), record.funnel.targets.shape
    part = _chosen(record.visits, known, group=third * strata + stratum)
    counted = count_visits(part, (3 * strata, stages, exits), bins)
    shape = (3, strata, stages, exits, bins.size)
    events = counted.events.reshape(shape)
    units = at_risk(counted).reshape(3, strata, stages, 1, bins.size)
    # Where all leave at the very edge of a bin nobody spends time in it: the leavers were at risk.
    units = np.where(units.sum(0) > 0, units, events.sum(axis=3, keepdims=True))
    share = np.divide(units, units.sum(0), out=np.zeros_like(units), where=units.sum(0) > 0)
    observed, expected = (x.sum(axis=(1, 4)) for x in (events, share * events.sum(0)))
    rows = [row for stage in range(stages) for row in _by_third(record.funnel, stage, observed, expected)]
    return pd.DataFrame(rows, columns=columns)


def past_visits(record: Record, stage: NDArray[np.int64], age: Floats) -> NDArray[np.int64]:
    """Return how many past visits to a stage were watched at an age, and lasted longer, for each pair.

    Args:
        stage: (leads,) stage numbers.
        age: (leads,) days in the stage.
    """
    found = np.zeros(len(age), dtype=np.int64)
    for number in np.unique(stage):
        mine, here = stage == number, record.visits.stage == number
        dwell, since = np.sort(record.visits.dwell[here]), np.sort(record.visits.since[here])
        lasted = len(dwell) - np.searchsorted(dwell, age[mine], side="right")
        unseen = len(since) - np.searchsorted(since, age[mine], side="right")
        found[mine] = lasted - unseen
    return found


def _slices(record: Record, by: str) -> list[tuple[str, Floats, Floats]]:
    """Return label, observed and expected leavers, each (..., stages, exits, ...), of every slice."""
    seen, due = record.counts.events, expected_leavers(record.counts, record.rate)
    if by == "age":
        edges = record.counts.edges
        labels = [f"{a:g} to {b:g} days" for a, b in itertools.pairwise(edges)]
        labels.append(f"{edges[-1]:g} days and more")
        return [(label, seen[..., [b]], due[..., [b]]) for b, label in enumerate(labels)]
    if by == "segment":
        return [(name, seen[[g]], due[[g]]) for g, name in enumerate(record.groups)]
    shape = record.counts.events.shape[:3]
    if by == "cohort":
        came = record.until + record.frame.groupby("lead")["start"].transform("min") * DAY
        quarter = came.dt.to_period("Q").astype(str).str.replace("Q", " Q").to_numpy()
        parts = [(str(name), _chosen(record.visits, quarter == name)) for name in np.unique(quarter)]
        counted = [(name, count_visits(part, shape, record.counts.edges)) for name, part in parts]
    else:
        counted = [
            (label, count_visits(record.visits, shape, record.counts.edges, window=window))
            for label, window in _months(record)
        ]
    return [(label, found.events, expected_leavers(found, record.rate)) for label, found in counted]


def _months(record: Record) -> list[tuple[str, tuple[float, float]]]:
    first = record.until + float((record.visits.start + record.visits.since).min()) * DAY
    starts = pd.date_range(first.normalize().replace(day=1), record.until, freq="MS", inclusive="left")
    edges = np.append(np.asarray((starts - record.until) / DAY, dtype=np.float64), 0.0)
    return [(f"{month:%Y-%m}", (edges[k], edges[k + 1])) for k, month in enumerate(starts)]


def _chosen(visits: Visits, rows: Mask, group: NDArray[np.int64] | None = None) -> Visits:
    """Return some of the visits, with other group numbers if these are given."""
    part = visits.rows(np.flatnonzero(rows))
    return part if group is None else replace(part, group=group[rows])


def _thirds(record: Record) -> tuple[Mask, NDArray[np.int64], NDArray[np.int64], int]:
    """Return which visits follow one watched in full, their third and stratum, and the number of strata."""
    frame, visits = record.frame, record.visits
    lead, stage = pd.factorize(frame["lead"])[0], frame["stage"].to_numpy(dtype=object)
    before = np.arange(len(frame)) - 1
    known = (lead == lead[before]) & (frame["exit"].to_numpy(dtype=object)[before] == stage)
    known &= visits.since[before] == 0
    known[:1] = False
    pair = pd.Series(visits.group * len(record.funnel.stages) + visits.stage[before])
    took = pd.Series(visits.dwell[before]).where(known)
    rank = took.groupby([pair, visits.stage]).rank(method="average")
    size = took.groupby([pair, visits.stage]).transform("count")
    third = np.clip(np.ceil(3 * rank / (size + 1)) - 1, 0, 2).fillna(0).astype(np.int64)
    stratum, names = pd.factorize(pair.to_numpy())
    return known, np.asarray(third), stratum.astype(np.int64), len(names)


def _finer(edges: Floats) -> Floats:
    """Return bins four times as fine: where most leave early in a wide bin, O - E varies by more than E."""
    ends = np.append(edges, 2 * edges[-1] + 1)
    finer: Floats = np.append((edges[:, None] + np.diff(ends)[:, None] * np.arange(4) / 4).ravel(), ends[-1])
    return finer


def _by_third(
    funnel: Funnel, stage: int, observed: Floats, expected: Floats
) -> list[tuple[str, str, str, float, float, float, float]]:
    """Return the rows of one stage; observed and expected are (thirds, stages, exits)."""
    from scipy.stats import chi2

    enough = [x for x in range(len(funnel.exits[stage])) if observed[:, stage, x].sum() >= FEW_LEAVERS]
    seen, due = observed[:, stage, enough], np.maximum(expected[:, stage, enough], 1e-9)
    p = float(chi2.sf(((seen - due) ** 2 / due).sum(), 2 * len(enough))) if enough else 1.0
    return [
        (funnel.stages[stage], funnel.exits[stage][x], pace, seen[k, i], due[k, i], seen[k, i] / due[k, i], p)
        for i, x in enumerate(enough)
        for k, pace in enumerate(PACES)
    ]
