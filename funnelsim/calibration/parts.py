"""Calibration of a history larger than memory: its parts are read one by one, and what they count adds up."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from funnelsim.arrays import Codes, Floats
from funnelsim.calibration.calibrate import (
    ALL,
    Basis,
    basis_of,
    check_request,
    group_sizes,
    large_groups,
    model_of,
    open_pipeline,
)
from funnelsim.calibration.counting import Visits, count_visits, funnel_of, group_numbers, visits_of
from funnelsim.calibration.values import sized
from funnelsim.errors import FunnelError
from funnelsim.history.large_file import (
    ROWS,
    Common,
    Reading,
    Stored,
    agreed,
    history_of_part,
    in_parts,
    stored_part,
    with_places,
)
from funnelsim.history.log import DAY, WINS, History, bookings, shows_amounts, spells
from funnelsim.history.quality import Quality, most_first
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import SIZE, Model, OpenDeals, Sizes
from funnelsim.model.rates import DEFAULT_BINS

# Convention: even where one lead in a hundred wins, amounts of 3,000 wins tell their distribution.
LEADS_FOR_AMOUNTS = 300_000
AMOUNTS = ("lead", "stage", "start", "exit", "value")
PATIENCE = 10  # seconds until a cluster has to answer
Counted = TypeVar("Counted")


@dataclass(frozen=True)
class Part:
    """What is kept of a part of a history.

    Args:
        rest: what a forecast needs beside a model.
        leads: how many leads it had.
        names: groups and channels that it shows; numbers below are places in this list.
        visits: its visits; `exit` is the number of the place entered next, `group` the number of its name.
        entries: the visits by which leads came in: columns stage, start, group, channel (numbers).
        moves: the pairs (stage, place entered next) that occur.
        sizes: leads of each group.
        groups: (open leads,) number of the name of each one's group.
        sample: visits and wins, in the parts from which amounts are learnt.
    """

    rest: Remains
    leads: int
    names: tuple[str, ...]
    visits: Visits
    entries: pd.DataFrame
    moves: frozenset[tuple[str, str]]
    sizes: pd.Series
    groups: Codes
    sample: tuple[pd.DataFrame, pd.DataFrame] | None


@dataclass(frozen=True)
class Remains:
    """What a forecast needs of a history that is not held: facts, open leads, and wins.

    Args:
        facts: what holds for all leads; no rows.
        deals: the leads that are in a stage now.
        wins: at, stage, value (nan where none was shown).
        amounts: whether any lead shows an amount.
    """

    facts: History
    deals: OpenDeals
    wins: pd.DataFrame
    amounts: bool

    @property
    def booked(self) -> tuple[pd.DataFrame, str]:
        """Past wins and their currency; where no lead shows an amount, a win counts 1."""
        if self.amounts:
            return self.wins, self.facts.currency
        return self.wins.assign(value=1.0), WINS


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
    period: float | Callable[[History], float] = 91.0,
    spend: pd.DataFrame | None = None,
    rows: int = ROWS,
    client: Any = None,
) -> tuple[Model, Remains]:
    """Return the model of a history that is too large to be held, and what else a forecast needs of it.

    The model is the one that `fit_model` would fit, but for two things: amounts are learnt from the leads of
    the first parts only, some 300,000 chosen by a hash of their names (all, where there are fewer), kinds by
    amount from the first part; and expected dates are not looked at, so that all leads win by age.
    Memory grows by some forty bytes a visit.

    Args:
        path, mapping, as_of, source, anonymise, rows: as `in_parts` takes them.
        groups, bins, half_life, period, spend: as `fit_model` takes them; days of a period may be told by the
            facts that were read.
        client: of a Dask cluster whose workers read and count the parts; None: one after the other, here.

    Raises:
        FunnelError: as `in_parts` and `fit_model`.
    """
    check_request(groups, half_life, 91.0 if callable(period) else period)
    with in_parts(path, mapping, as_of, source, anonymise=anonymise, rows=rows) as (task, places):
        first = _first(task, places)
        sizes = basis_of(first, groups, bins, half_life).sizes if len(spells(first)) else None
        parts = _each(task, places, partial(_part, grouped_by=groups, sizes=sizes), client)
    if not any(len(part.visits) for part in parts):
        raise FunnelError(f"{path}: no lead was in any stage: nothing to learn from")
    notes = _notes(parts)
    basis, rest = _join(parts, groups if sizes is None else SIZE, bins, half_life, sizes)
    length = period(rest.facts) if callable(period) else period
    model = model_of(basis, half_life, length, spend)
    return replace(model, notes=(*notes, *model.notes)), rest


def remains_of(
    path: str | Path,
    model: Model,
    mapping: str | Path | Dictionary[str, object] | None = None,
    as_of: str | datetime.date | pd.Timestamp | None = None,
    source: str | None = None,
    *,
    anonymise: str | None = None,
    rows: int = ROWS,
    client: Any = None,
) -> Remains:
    """Return what a forecast needs, beside a model that is known already, of a history too large to be held.

    Args:
        path, mapping, as_of, source, anonymise, rows: as `in_parts` takes them.
        model: whose numbers of stages and groups the open leads get.
        client: as in `calibrate_large`.
    """
    with in_parts(path, mapping, as_of, source, anonymise=anonymise, rows=rows) as (task, places):
        return _joined(_each(task, places, partial(_remains, model=model), client))


def dask_client(address: str) -> Any:
    """Return the client of a Dask cluster.

    Raises:
        FunnelError: Dask is not installed, or no cluster answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise FunnelError("--dask needs Dask: pip install 'funnelsim[dask]'") from None
    try:
        return Client(address, timeout=PATIENCE)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError):
        raise FunnelError(
            f"dask '{address}': no cluster answers there; expected an address like tcp://10.0.0.5:8786"
        ) from None


def _each(
    task: Reading, places: Sequence[Path], work: Callable[[History, bool], Counted], client: Any
) -> list[Counted]:
    """Return what some work makes of every part, in their order, done here or by the workers of a cluster.

    The work is told whether amounts are to be learnt from the part.
    """
    if client is not None:
        return _by_workers(task, places, work, client)
    stored = [stored_part(task, number, place) for number, place in enumerate(places)]
    common = with_places(agreed(stored, task), stored[0])
    return [_done(one, common, keep, work) for one, keep in zip(stored, _learnt_from(stored), strict=True)]


def _by_workers(
    task: Reading, places: Sequence[Path], work: Callable[[History, bool], Counted], client: Any
) -> list[Counted]:
    """Return what some work makes of every part; rows go to the workers once and stay there."""
    shared, far = client.scatter(task, broadcast=True), []
    for number, place in enumerate(places):
        files = client.scatter([file.read_bytes() for file in sorted(place.iterdir())])
        far.append(client.submit(stored_part, shared, number, files, pure=False))
    told = client.gather(client.map(_without_rows_of, far, pure=False))
    common = with_places(agreed(told, task), far[0].result())
    agreed_on = [client.scatter(common, broadcast=True)] * len(far)
    made = client.map(_done, far, agreed_on, _learnt_from(told), [work] * len(far), pure=False)
    counted: list[Counted] = client.gather(made)
    return counted


def _first(task: Reading, places: Sequence[Path]) -> History:
    """Return the history of the first part alone."""
    stored = stored_part(task, 0, [file.read_bytes() for file in sorted(places[0].iterdir())])
    return history_of_part(stored, with_places(agreed([stored], task), stored))


def _without_rows_of(part: Stored) -> Stored:
    return replace(part, rows=b"")


def _done(part: Stored, common: Common, keep: bool, work: Callable[[History, bool], Counted]) -> Counted:
    return work(history_of_part(part, common), keep)


def _learnt_from(stored: Sequence[Stored]) -> list[bool]:
    """Return from which parts amounts are learnt: the first ones, until there are leads enough."""
    before = np.cumsum([0, *(part.leads for part in stored)])[:-1]
    return [bool(leads < LEADS_FOR_AMOUNTS) for leads in before]


def _remains(history: History, keep: bool, model: Model) -> Remains:  # noqa: ARG001
    """Return what a forecast needs of a part, by the numbers of a model."""
    won = bookings(history)[["at", "stage", "value"]]
    return Remains(_without_rows(history), open_pipeline(history, model), won, shows_amounts(history))


def _joined(parts: Sequence[Remains]) -> Remains:
    """Return what a forecast needs of all parts together."""
    deals = [part.deals for part in parts]
    known = [one.name for one in fields(OpenDeals) if getattr(deals[0], one.name) is not None]
    arrays = {name: np.concatenate([getattr(one, name) for one in deals]) for name in known}
    wins = pd.concat([part.wins for part in parts], ignore_index=True)
    quality = sum((part.facts.quality for part in parts), Quality())
    facts = replace(parts[0].facts, quality=quality)
    return Remains(facts, OpenDeals(**arrays), wins, any(part.amounts for part in parts))


def _part(history: History, keep: bool, grouped_by: str, sizes: Sizes | None) -> Part:
    """Return what is kept of a part."""
    if sizes is not None:
        history, grouped_by = sized(history, sizes), SIZE
    visited, booked = spells(history), bookings(history)
    places, names = history.waits + history.ends, dict[str, int]()
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
    value = np.asarray(np.broadcast_to(shown, len(still)), dtype=np.float64).copy()
    stage, age = visits.stage[still].astype(np.int64), -visits.start[still]
    deals = OpenDeals(lead, stage, np.zeros(len(still), dtype=np.int64), age, value)
    won, known = booked[["at", "stage", "value"]], shows_amounts(history)
    pairs = visited[["stage", "exit"]].drop_duplicates().astype(object)
    return Part(
        rest=Remains(_without_rows(history), deals, won.copy(), known),
        leads=len(history.leads),
        names=tuple(names),
        visits=_compact(replace(visits, group=group)),
        entries=pd.DataFrame({**ways, "channel": channel}).astype({"stage": "int16", "group": "int32"}),
        moves=frozenset(zip(pairs["stage"], pairs["exit"], strict=True)),
        sizes=group_sizes(visited, grouped_by) if grouped_by else pd.Series(dtype="int64"),
        groups=group[still],
        sample=(visited[list(dict.fromkeys([*AMOUNTS, grouped_by or "segment"]))], booked) if keep else None,
    )


def _without_rows(history: History) -> History:
    """Return a history's facts; rows are taken, as a slice would keep all of them alive."""
    none = {name: getattr(history, name).iloc[[]] for name in ("events", "leads", "updates", "undone")}
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
    group, since = visits.group.astype(np.int32), _thin(visits.since)
    return replace(visits, stage=stage, exit=taken, group=group, start=visits.start.copy(), since=since)


def _thin(days: Floats) -> Floats:
    """Return the same days; where all are 0, as when recording began with the first lead, in no memory."""
    return days if days.any() else np.broadcast_to(np.float64(0.0), days.shape)


def _join(
    parts: list[Part], grouped_by: str, bins: Sequence[float] | Floats, half_life: float, rule: Sizes | None
) -> tuple[Basis, Remains]:
    """Return what calibration needs of all parts, which are used up, and what else a forecast needs."""
    rest, names = _joined([part.rest for part in parts]), dict[str, int]()
    facts, pairs = rest.facts, frozenset[tuple[str, str]]().union(*(part.moves for part in parts))
    moved = pd.DataFrame(sorted(pairs), columns=["stage", "exit"])
    funnel = funnel_of(moved, facts.waits, facts.won, facts.lost, handed_over=facts.handed_over)
    sizes = pd.concat([part.sizes for part in parts]).groupby(level=0).sum()
    kinds = large_groups(most_first(sizes)) if grouped_by else (ALL,)
    if rule is not None:
        kinds = rule.names
    ours = [_numbers(pd.Series(part.names, dtype=object), names) for part in parts]
    known = group_numbers(pd.Series(list(names), dtype=object), kinds, len(names))
    entries = [
        part.entries.assign(
            channel=mine[part.entries["channel"]],
            **({"group": mine[part.entries["group"]]} if grouped_by else {}),
        )
        for part, mine in zip(parts, ours, strict=True)
    ]
    groups = [
        known[mine[part.groups]] if grouped_by else part.groups
        for part, mine in zip(parts, ours, strict=True)
    ]
    deals = replace(rest.deals, group=np.concatenate(groups).astype(np.int64))
    samples = [part.sample for part in parts if part.sample is not None]
    arrays = [
        replace(
            part.visits,
            group=(known[mine] if grouped_by else np.zeros(1))[part.visits.group].astype(np.int16),
        )
        for part, mine in zip(parts, ours, strict=True)
    ]
    parts.clear()
    visits = _join_visits(arrays, funnel)
    counts = count_visits(visits, (len(kinds), *funnel.targets.shape), bins, half_life)
    basis = Basis(
        facts, funnel, kinds, grouped_by, visits, counts,
        entries=_entry_frame(pd.concat(entries, ignore_index=True), funnel, grouped_by, list(names)),
        spells=pd.concat([visited for visited, _ in samples], ignore_index=True),
        bookings=pd.concat([booked for _, booked in samples], ignore_index=True),
        wins=rest.wins["at"], sizes=rule,
    )  # fmt: skip
    if not rest.amounts:
        deals = replace(deals, value=np.full(len(deals), np.nan))
    return basis, replace(rest, deals=deals)


def _join_visits(parts: list[Visits], funnel: Funnel) -> Visits:
    """Return the visits of all parts, which are used up, with the model's numbers of exits."""
    position = np.full((len(funnel.stages), len(funnel.places) + 1), -1, dtype=np.int16)
    for stage, exits in enumerate(funnel.exits):
        position[stage, [funnel.places.index(place) for place in exits]] = np.arange(len(exits))
    names = [one.name for one in fields(Visits)]
    columns = {name: [getattr(part, name) for part in parts] for name in names}
    columns["exit"] = [position[part.stage, part.exit] for part in parts]
    parts.clear()
    return Visits(**{name: _end_to_end(columns.pop(name)) for name in names})


def _end_to_end(arrays: Sequence[Any]) -> Any:
    """Return arrays one behind the other; where all are zeros in no memory, so is what they make."""
    if all(one.strides == (0,) for one in arrays):
        return np.broadcast_to(np.float64(0.0), sum(map(len, arrays)))
    return np.concatenate(arrays)


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
    tally = sum((part.rest.facts.quality for part in parts), Quality())
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
