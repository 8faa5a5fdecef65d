"""Calibration of a history larger than memory: its parts are read one by one, and what they count adds up."""

from __future__ import annotations

import datetime
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from funnelsim.arrays import Codes, Floats
from funnelsim.calibration.calibrate import ALL, Basis, check_request, group_sizes, large_groups, model_of
from funnelsim.calibration.counting import Visits, count_visits, funnel_of, group_numbers, visits_of
from funnelsim.errors import FunnelError
from funnelsim.history.large_file import ROWS, read_in_parts
from funnelsim.history.log import DAY, History, bookings, spells
from funnelsim.history.quality import Quality, most_first
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Model, OpenDeals
from funnelsim.model.rates import DEFAULT_BINS

# Convention: even where one lead in a hundred wins, amounts of 3,000 wins tell their distribution.
LEADS_FOR_AMOUNTS = 300_000
AMOUNTS = ("lead", "stage", "start", "exit", "value")


@dataclass(frozen=True)
class Part:
    """What is kept of a part of a history.

    Args:
        facts: the part without its rows, and how many leads it had.
        visits: its visits; `exit` is the number of the place entered next, `group` the number of its name.
        entries: the visits by which leads came in: columns stage, start, group, channel (numbers).
        moves: the pairs (stage, place entered next) that occur.
        sizes: leads of each group.
        wins: moments of wins.
        open: the leads in a stage now: columns lead, stage, group (numbers), age, value.
        sample: visits and wins, in the parts from which amounts are learnt.
    """

    facts: History
    leads: int
    visits: Visits
    entries: pd.DataFrame
    moves: frozenset[tuple[str, str]]
    sizes: pd.Series
    wins: pd.Series
    open: pd.DataFrame
    sample: tuple[pd.DataFrame, pd.DataFrame] | None


def calibrate_large(
    path: str | Path,
    mapping: str | Path | Dictionary[str, object] | None = None,
    as_of: str | datetime.date | pd.Timestamp | None = None,
    source: str | None = None,
    *,
    anonymise: str | None = None,
    groups: str = "segment",
    bins: Sequence[float] | Floats = DEFAULT_BINS,
    half_life: float = 365.0,
    period: float = 91.0,
    spend: pd.DataFrame | None = None,
    rows: int = ROWS,
) -> tuple[Model, OpenDeals]:
    """Return the model of a history that is too large to be held, and its open leads.

    The model is the one that `fit_model` would fit, but for two things: amounts are learnt from the leads of
    the first parts only, some 300,000 chosen by a hash of their names (all, where there are fewer), and
    expected dates are not looked at, so that all leads win by age.
    Memory grows by some forty bytes a visit.

    Args:
        path, mapping, as_of, source, anonymise, rows: as `read_in_parts` takes them.
        groups, bins, half_life, period, spend: as `fit_model` takes them.

    Raises:
        FunnelError: as `read_in_parts` and `fit_model`.
    """
    check_request(groups, half_life, period)
    names: dict[str, int] = {}
    parts: list[Part] = []
    for history in read_in_parts(path, mapping, as_of, source, anonymise=anonymise, rows=rows):
        sampled = sum(part.leads for part in parts)
        parts.append(_part(history, groups, names, keep=sampled < LEADS_FOR_AMOUNTS))
    if not any(len(part.visits) for part in parts):
        raise FunnelError(f"{path}: no lead was in any stage: nothing to learn from")
    notes = _notes(parts)
    basis, deals = _join(parts, groups, names, bins, half_life)
    model = model_of(basis, half_life, period, spend)
    return replace(model, notes=(*notes, *model.notes)), deals


def _part(history: History, grouped_by: str, names: dict[str, int], keep: bool) -> Part:
    """Return what is kept of a part; `names` grows by the groups and channels that it shows."""
    visited, booked = spells(history), bookings(history)
    places = history.waits + history.ends
    wide = Funnel("parts", history.waits, history.ends, (places,) * len(history.waits), {})
    began = float((history.began - history.until) / DAY)
    visits = visits_of(visited, wide, began=began)
    group = _numbers(visited[grouped_by], names) if grouped_by else visits.group
    came = (visited["entry"] | visited["reopened"]).to_numpy()
    channel = _numbers(visited["channel"][came], names)
    ways = {"stage": visits.stage[came], "start": visits.start[came], "group": group[came]}
    still = np.flatnonzero(visits.exit < 0)
    lead = visited["lead"].iloc[still].astype(object).to_numpy()
    shown = history.leads["value"].reindex(lead) if "value" in history.leads.columns else np.nan
    here = {"lead": lead, "stage": visits.stage[still], "group": group[still], "age": -visits.start[still]}
    pairs = visited[["stage", "exit"]].drop_duplicates().astype(object)
    return Part(
        facts=_without_rows(history),
        leads=len(history.leads),
        visits=_compact(replace(visits, group=group)),
        entries=pd.DataFrame({**ways, "channel": channel}).astype({"stage": "int16", "group": "int32"}),
        moves=frozenset(zip(pairs["stage"], pairs["exit"], strict=True)),
        sizes=group_sizes(visited, grouped_by) if grouped_by else pd.Series(dtype="int64"),
        wins=booked["at"].copy(),
        open=pd.DataFrame(here).assign(value=np.asarray(shown, dtype=np.float64)),
        sample=(visited[list(dict.fromkeys([*AMOUNTS, grouped_by or "segment"]))], booked) if keep else None,
    )


def _without_rows(history: History) -> History:
    """Return a history's facts; rows are taken, as a slice would keep all of them alive."""
    none = {name: getattr(history, name).iloc[[]] for name in ("events", "leads", "updates")}
    return replace(history, **none)


def _numbers(cells: pd.Series, names: dict[str, int]) -> Codes:
    """Return each cell's number, the same in all parts."""
    codes, kinds = pd.factorize(cells)
    known = np.array([names.setdefault(str(name), len(names)) for name in kinds], dtype=np.int32)
    numbers: Codes = known[codes]
    return numbers


def _compact(visits: Visits) -> Visits:
    """Return the same visits in less memory, and without a view that keeps their frame alive."""
    stage, taken = visits.stage.astype(np.int16), visits.exit.astype(np.int16)
    return replace(visits, stage=stage, exit=taken, start=visits.start.copy())


def _join(
    parts: list[Part],
    grouped_by: str,
    names: dict[str, int],
    bins: Sequence[float] | Floats,
    half_life: float,
) -> tuple[Basis, OpenDeals]:
    """Return what calibration needs of all parts, which are used up, and the open leads."""
    facts = parts[0].facts
    pairs = pd.DataFrame(
        sorted(frozenset().union(*(part.moves for part in parts))), columns=["stage", "exit"]
    )
    funnel = funnel_of(pairs, facts.waits, facts.won, facts.lost, handed_over=facts.handed_over)
    sizes = pd.concat([part.sizes for part in parts]).groupby(level=0).sum()
    kinds = large_groups(most_first(sizes)) if grouped_by else (ALL,)
    known = group_numbers(pd.Series(list(names), dtype=object), kinds, len(names))
    entries = pd.concat([part.entries for part in parts], ignore_index=True)
    still = pd.concat([part.open for part in parts], ignore_index=True)
    samples = [part.sample for part in parts if part.sample is not None]
    wins = pd.concat([part.wins for part in parts], ignore_index=True)
    arrays = [part.visits for part in parts]
    parts.clear()
    visits = _join_visits(arrays, funnel, known)
    counts = count_visits(visits, (len(kinds), *funnel.targets.shape), bins, half_life)
    basis = Basis(
        facts, funnel, kinds, grouped_by, visits, counts,
        entries=_entry_frame(entries, funnel, grouped_by, list(names)),
        spells=pd.concat([visited for visited, _ in samples], ignore_index=True),
        bookings=pd.concat([booked for _, booked in samples], ignore_index=True),
        wins=wins,
    )  # fmt: skip
    deals = OpenDeals(
        still["lead"].to_numpy(dtype=object),
        still["stage"].to_numpy(dtype=np.int64),
        known[still["group"]] if len(kinds) > 1 else np.zeros(len(still), dtype=np.int64),
        still["age"].to_numpy(dtype=np.float64),
        still["value"].to_numpy(dtype=np.float64),
    )
    return basis, deals


def _join_visits(parts: list[Visits], funnel: Funnel, known: Codes) -> Visits:
    """Return the visits of all parts, which are used up, with the model's numbers of exits and groups."""
    position = np.full((len(funnel.stages), len(funnel.places) + 1), -1, dtype=np.int16)
    for stage, exits in enumerate(funnel.exits):
        position[stage, [funnel.places.index(place) for place in exits]] = np.arange(len(exits))
    names = [one.name for one in fields(Visits)]
    columns = {name: [getattr(part, name) for part in parts] for name in names}
    columns["exit"] = [position[part.stage, part.exit] for part in parts]
    if len(known):
        columns["group"] = [known.astype(np.int16)[part.group] for part in parts]
    parts.clear()
    return Visits(**{name: np.concatenate(columns.pop(name)) for name in names})


def _entry_frame(entries: pd.DataFrame, funnel: Funnel, grouped_by: str, names: list[str]) -> pd.DataFrame:
    """Return the visits by which leads came in as a frame of visits has them."""
    frame = pd.DataFrame({"start": entries["start"], "entry": True, "reopened": False})
    known = pd.Index(names)
    frame["stage"] = pd.Categorical.from_codes(entries["stage"].to_numpy(), pd.Index(funnel.stages))
    frame["channel"] = pd.Categorical.from_codes(entries["channel"].to_numpy(), known)
    if grouped_by:
        frame[grouped_by] = pd.Categorical.from_codes(entries["group"].to_numpy(), known)
    return frame


def _notes(parts: list[Part]) -> tuple[str, ...]:
    """Say how the file was read, and from how many leads amounts are learnt."""
    tally = sum((part.facts.quality for part in parts), Quality())
    aside = [line for line in tally.findings if line.done.startswith("set aside")]
    listed = "".join(f"; {line.count:,} set aside: {line.kind}" for line in aside)
    number = f"{len(parts)} part{'s' * (len(parts) > 1)}"
    sentences = [f"Read in {number}: {tally.read:,} rows, {tally.used:,} used{listed}."]
    leads = sum(part.leads for part in parts)
    learnt = sum(part.leads for part in parts if part.sample is not None)
    if learnt < leads:
        sentences.append(
            f"Values: learnt from {learnt:,} of {leads:,} leads, chosen by a hash of their names."
        )
    return tuple(sentences)
