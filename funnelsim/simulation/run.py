"""The door to simulation: lives of leads as a log, or their sums by period over many replications."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from tqdm import tqdm

from funnelsim.arrays import MOST_SEED, Floats
from funnelsim.cards import card
from funnelsim.errors import FunnelError, nearest
from funnelsim.model.funnel import winning_exits
from funnelsim.model.model import (
    Draws,
    Model,
    OpenDeals,
    Pace,
    kind_numbers,
    nobody,
    pace_of,
    typical_due,
    with_common,
)
from funnelsim.model.rates import era_hits, era_leaving
from funnelsim.simulation.births import Start, families_of, start_of
from funnelsim.simulation.compiled import Lives, Scope, live_all
from funnelsim.simulation.crew import crew_of
from funnelsim.simulation.luck import MOST_REPLICATES, shock
from funnelsim.simulation.queues import live_with_reps
from funnelsim.simulation.record import Run, Sums, run_of
from funnelsim.simulation.step import Dates, Rules, dates_of, rules_of

SIMULATORS = ("compiled", "simpy")
TASK_SIZE = 8  # replications of a worker's task: long beside its way there, short beside a person's patience
ROUND = 64  # replications between two looks at the precision
Z_95 = 1.959963984540054  # the normal variable that is exceeded, on either side, with a chance of 5 %


def run_model(
    model: Model, days: float, *, seed: int = 1, replicate: int = 0, open_deals: OpenDeals | None = None,
    engine: str = "compiled",
) -> Run:  # fmt: skip
    """Return the lives of all leads, open and not yet born, over so many days.

    The common factor on winning (`model.win_spread`) is drawn for each window of `model.win_window` days.

    Args:
        model: the model.
        days: days to simulate from the as-of moment on.
        seed: of all luck, 0 <= seed < 2 ** 64; the same seed gives the same lives in every engine.
        replicate: another number gives other, independent lives.
        open_deals: leads that are in a stage already; none by default.
        engine: "compiled" or "simpy".

    Raises:
        FunnelError: an unknown engine, a seed or a number of days out of range, a deal listed twice.
    """
    deals = nobody() if open_deals is None else open_deals
    _check(days, seed, engine)
    windows = np.arange(0.0, days + model.win_window, model.win_window)
    common = common_factors(model, seed, replicate, len(windows) - 1)
    pace = pace_of(model, windows, common) if days > 0 else None
    edges = np.array([0.0, days])
    start, rules, lives = lives_of(model, edges, deals, seed, replicate, engine, None, pace, log=True)
    return run_of(model, days, deals, rules, start, lives)


def period_sums(
    model: Model, edges: ArrayLike, *, open_deals: OpenDeals | None = None, replications: int = 200,
    seed: int = 1, engine: str = "compiled", drawn: Draws | None = None, progress: bool = False,
) -> Sums:  # fmt: skip
    """Return what each of many replications books in each period.

    Args:
        model: the model.
        edges: (periods + 1,) ends of the periods in days since the as-of moment, ascending.
        open_deals: leads that are in a stage already; none by default.
        replications: how many; replicate r has the luck of seed and r.
        seed: of all luck, 0 <= seed < 2 ** 64.
        engine: "compiled" or "simpy".
        drawn: rates and common factors of each replicate; by default the model's own rates, and factors
            drawn here.
        progress: whether to show a progress bar.

    Raises:
        FunnelError: an unknown engine, edges that do not ascend, draws of another shape.
    """
    deals = nobody() if open_deals is None else open_deals
    ends = period_ends(model, edges, seed, engine, replications, drawn)
    numbers = tqdm(range(replications), desc="simulating", disable=not progress, leave=False)
    return sums_of(model, ends, deals, seed, numbers, engine, drawn)


def sums_of(
    model: Model, ends: Floats, deals: OpenDeals, seed: int, numbers: Collection[int], engine: str,
    drawn: Draws | None,
) -> Sums:  # fmt: skip
    """Return what the numbered replications book in each period; `drawn` has a draw for each of them."""
    revenue, wins = (np.zeros((len(numbers), ends.size - 1, 2)) for _ in range(2))
    calm = pace_of(model, ends)
    for row, number in enumerate(numbers):
        draw = None if drawn is None else drawn.some(np.array([row]))
        common = common_factors(model, seed, number, ends.size - 1) if drawn is None else drawn.common[row]
        pace = with_common(calm, ends, common)
        _, _, lives = lives_of(model, ends, deals, seed, number, engine, draw, pace, log=False)
        revenue[row], wins[row] = lives.revenue, lives.wins
    return Sums(revenue, wins)


def common_factors(model: Model, seed: int, replicate: int, periods: int) -> Floats:
    """Return a replicate's common factor on winning in each of some periods, shape (periods,)."""
    return np.array([shock(seed, replicate, model.win_spread, 1 + period) for period in range(periods)])


def period_ends(
    model: Model, edges: ArrayLike, seed: int, engine: str, replications: int, drawn: Draws | None
) -> Floats:
    """Return the ends of the periods as an array, or refuse what cannot be simulated."""
    ends = np.asarray(edges, dtype=np.float64)
    if ends.size < 2 or np.any(np.diff(ends) <= 0) or ends[0] < 0:
        raise FunnelError(f"the ends of the periods are {ends.tolist()}; expected ascending days from 0 on")
    _check(float(ends[-1]), seed, engine)
    if not 0 < replications <= MOST_REPLICATES:
        raise FunnelError(f"{replications} replications; expected a whole number from 1 on")
    if drawn is None:
        return ends
    expected = (replications, *model.table.rate.shape)
    if drawn.rates.shape != expected:
        raise FunnelError(f"rates of shape {drawn.rates.shape}; expected {expected}, one draw per replicate")
    if drawn.common.shape != (replications, ends.size - 1):
        raise FunnelError(
            f"common factors of shape {drawn.common.shape}; expected {(replications, ends.size - 1)}, "
            "one per replicate and period"
        )
    return ends


def lives_of(
    model: Model, edges: Floats, deals: OpenDeals, seed: int, replicate: int, engine: str,
    draw: Draws | None, pace: Pace | None, *, log: bool,
) -> tuple[Start, Rules, Lives]:  # fmt: skip
    """Return the lives of one replicate by an engine, and the leads and rules that it began with.

    Args:
        draw: a single one; by default the model's own rates.
        pace: of winning.
    """
    rate = None if draw is None else draw.rates[0]
    rules = rules_of(model, seed, replicate, rate, pace, _dates(model, deals, draw))
    start = start_of(model, rules, float(edges[-1]), deals)
    scope = Scope(float(edges[-1]), edges, log)
    families, crew = families_of(model), crew_of(model, float(edges[-1]))
    if engine == "simpy":
        from funnelsim.simulation.simpy_engine import live_in_simpy

        return start, rules, live_in_simpy(rules, start, families, crew, scope)
    if model.work:
        return start, rules, live_with_reps(rules, start, families, crew, scope)
    return start, rules, live_all(rules, start, families, scope)


def _dates(model: Model, deals: OpenDeals, draw: Draws | None) -> Dates | None:
    """Return the clock of expected dates by a draw, or at its mean rates; None where the model has none."""
    if model.due is None:
        return None
    if draw is not None and draw.leaving is not None and draw.hits is not None:
        return dates_of(model, model.due, deals, draw.leaving[0], draw.hits[0])
    (leaving, hits), wins = typical_due(model.due), winning_exits(model.funnel)
    kinds = kind_numbers(model)
    leaving, hits = np.where(wins[:, :, None], 0.0, leaving)[kinds], hits[kinds]
    return dates_of(
        model, model.due, deals, era_leaving(model.levers, leaving, wins), era_hits(model.levers, hits, wins)
    )


def _check(days: float, seed: int, engine: str) -> None:
    if engine not in SIMULATORS:
        raise FunnelError(f"the engine '{engine}' is unknown; {nearest(engine, SIMULATORS)}")
    if not 0 <= seed < MOST_SEED:
        raise FunnelError(f"the seed is {seed}; expected a whole number from 0 to 2 ** 64 - 1")
    if not 0 <= days < np.inf:
        raise FunnelError(f"{days:g} days to simulate; expected a number of days from 0 on")


@dataclass(frozen=True)
class Replications:
    """Sums of many replications, and whether they are as many as they should be.

    Args:
        sums: what each replicate booked.
        goal: how many there should be; with "auto" the most that would have been made.
        half_width: widest 95 % half-width of the mean and of the quantiles of a period's total revenue,
            as a share of its mean.
        complete: whether all were made, or the wanted precision was reached; False after Ctrl-C.
        currency: three letters, or nothing where no currency is stated.
    """

    sums: Sums
    goal: int
    half_width: float
    complete: bool
    currency: str = ""

    def __len__(self) -> int:
        return len(self.sums.wins)

    @property
    def label(self) -> str:
        """What to write beside a result."""
        made = f"{len(self):,} replications, half-width {self.half_width:.1%} of the mean"
        return made if self.complete else f"stopped early: {made} ({self.goal:,} were asked for)"

    @property
    def frame(self) -> pd.DataFrame:
        """What each replicate booked over all periods: revenue and wins, and those of open leads."""
        columns: dict[str, object] = {"replication": np.arange(len(self))}
        for name, sums in (("revenue", self.sums.revenue), ("wins", self.sums.wins)):
            opened, total = sums[:, :, 0].sum(axis=1), sums.sum(axis=(1, 2))
            columns |= {name: total, f"{name} of open leads": opened}
        return pd.DataFrame(columns)

    @property
    def table(self) -> pd.DataFrame:
        """What is booked over all periods, by measure: mean, sd, and quantiles "0.10", "0.50" and "0.90"."""
        rows = []
        for measure, cells in self.frame.drop(columns="replication").items():
            spread = dict(zip(("0.10", "0.50", "0.90"), np.quantile(cells, (0.1, 0.5, 0.9)), strict=True))
            sd = float(cells.std(ddof=1)) if len(cells) > 1 else 0.0
            rows.append({"measure": measure, "mean": float(cells.mean()), "sd": sd} | spread)
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        revenue, wins = self.frame["revenue"], self.frame["wins"]
        return f"{revenue.mean():,.0f} of revenue and {wins.mean():,.1f} wins on average; {self.label}."

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(str(self), self.table)


@dataclass(frozen=True)
class Chunk:
    """What a worker needs to make some replications."""

    model: Model
    edges: Floats
    deals: OpenDeals
    seed: int
    engine: str


def replicate(
    model: Model, edges: ArrayLike, *, open_deals: OpenDeals | None = None, replications: int | str = 200,
    seed: int = 1, engine: str = "compiled", drawn: Draws | None = None, workers: int = 1,
    client: Any = None, precision: float = 0.01, quantiles: Sequence[float] = (0.1, 0.5, 0.9),
    most: int = 20_000, progress: bool = True,
) -> Replications:  # fmt: skip
    """Return what many replications book in each period, made by one or many workers.

    Replicate r is a function of seed and r alone, and results are put in order, so that they are equal
    bit for bit however many workers there are. Ctrl-C gives what is done so far, labelled so.

    Args:
        model, edges, open_deals, seed, engine: as in `period_sums`.
        replications: how many; or "auto": until the half-width of the 95 % interval of the mean and of
            the quantiles of each period's total revenue is at most `precision` of its mean.
        drawn: rates and common factors of each replicate; with "auto" there are as many as `most`, or
            fewer, which are then repeated.
        workers: local processes; 1 works in this one.
        client: a Dask client to work on its cluster instead.
        precision, quantiles, most: see `replications`.
        progress: whether to show a progress bar.

    Raises:
        FunnelError: as `period_sums`; no such number of replications.
    """
    check_replications(replications, workers, precision)
    goal = most if isinstance(replications, str) else replications
    ends = period_ends(model, edges, seed, engine, 1 if drawn is None else len(drawn), drawn)
    task = Chunk(model, ends, nobody() if open_deals is None else open_deals, seed, engine)
    size = min(ROUND, goal) if replications == "auto" else goal
    parts: list[Sums] = []
    reached = False
    with tqdm(total=goal, desc="simulating", disable=not progress, leave=False) as bar:
        try:
            for first in range(0, goal, size):
                for part in _in_chunks(task, range(first, min(first + size, goal)), drawn, workers, client):
                    parts.append(part)
                    bar.update(len(part.wins))
                reached = half_width(_together(parts), quantiles) <= precision
                if replications == "auto" and reached:
                    break
        except KeyboardInterrupt:
            if not parts:
                raise
    sums = _together(parts)
    done = len(sums.wins) == goal or (replications == "auto" and reached)
    return Replications(sums, goal, half_width(sums, quantiles), done, model.currency)


def check_replications(replications: int | str, workers: int = 1, precision: float = 0.01) -> None:
    """Refuse a number of replications or of processes, or a precision, with which nothing could be done.

    Raises:
        FunnelError: a number is below 1, replications are another word than "auto", or no precision is asked.
    """
    if not (replications == "auto" or (isinstance(replications, int) and replications > 0)):
        raise FunnelError(f"{replications!r} replications; expected a whole number from 1 on, or 'auto'")
    if workers < 1:
        raise FunnelError(f"workers {workers}: expected a whole number from 1 on")
    if not precision > 0:
        raise FunnelError(f"precision {precision:g}: expected a share above 0, such as 0.01")


def half_width(sums: Sums, quantiles: Sequence[float]) -> float:
    """Return the widest 95 % half-width of mean and quantiles of a period's revenue, by its mean.

    A quantile lies between the order statistics n q -+ 1.96 sqrt(n q (1 - q)), whatever the distribution.
    """
    total = np.sort(sums.revenue.sum(axis=2), axis=0)
    count, mean = len(total), total.mean(axis=0)
    if count < 2:
        return np.inf
    widest = Z_95 * total.std(axis=0, ddof=1) / np.sqrt(count)
    for chance in quantiles:
        reach = Z_95 * np.sqrt(count * chance * (1 - chance))
        low, high = np.floor(count * chance - reach), np.ceil(count * chance + reach)
        if low < 0 or high > count - 1:
            return np.inf
        widest = np.maximum(widest, (total[int(high)] - total[int(low)]) / 2)
    return float(np.max(np.divide(widest, mean, out=np.zeros_like(mean), where=mean > 0)))


def _in_chunks(task: Chunk, numbers: range, drawn: Draws | None, workers: int, client: Any) -> Iterator[Sums]:
    """Make replications in chunks and give the chunks back in order."""
    chunks = [numbers[i : i + TASK_SIZE] for i in range(0, len(numbers), TASK_SIZE)]
    draws = [None if drawn is None else drawn.some(np.array(chunk) % len(drawn)) for chunk in chunks]
    if client is not None:
        shared = client.scatter(task, broadcast=True)
        futures = client.map(chunk_sums, [shared] * len(chunks), chunks, draws, pure=False)
        try:
            yield from (future.result() for future in futures)
        finally:
            client.cancel(futures)
    elif workers == 1:
        yield from (chunk_sums(task, chunk, rate) for chunk, rate in zip(chunks, draws, strict=True))
    else:
        from joblib import Parallel, delayed

        jobs = (delayed(chunk_sums)(task, chunk, rate) for chunk, rate in zip(chunks, draws, strict=True))
        yield from Parallel(n_jobs=workers, return_as="generator")(jobs)


def chunk_sums(task: Chunk, numbers: range, drawn: Draws | None) -> Sums:
    """Make some replications, as a worker does."""
    return sums_of(task.model, task.edges, task.deals, task.seed, numbers, task.engine, drawn)


def _together(parts: Sequence[Sums]) -> Sums:
    return Sums(
        np.concatenate([part.revenue for part in parts]), np.concatenate([part.wins for part in parts])
    )
