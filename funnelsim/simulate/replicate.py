"""Many replications on one core, processes or a cluster: the same numbers for any number of workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from funnelsim.errors import FunnelError
from funnelsim.model.model import Model, OpenDeals, nobody
from funnelsim.simulate.record import Sums
from funnelsim.simulate.run import checked_edges, sums_of

Floats = NDArray[np.float64]
CHUNK = 8
ROUND = 64
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Replications:
    """Sums of many replications, and whether they are all that was asked for.

    Args:
        sums: what each replicate booked.
        wanted: replications asked for; with "auto" the most that would have been made.
        half_width: widest 95 % half-width of the mean and of the quantiles of a period's total revenue,
            as a share of its mean.
        complete: whether all were made, or the wanted precision was reached; False after Ctrl-C.
    """

    sums: Sums
    wanted: int
    half_width: float
    complete: bool

    def __len__(self) -> int:
        return len(self.sums.wins)

    @property
    def label(self) -> str:
        """What to write beside a result."""
        made = f"{len(self):,} replications, half-width {self.half_width:.1%} of the mean"
        return made if self.complete else f"stopped early: {made} ({self.wanted:,} were asked for)"


@dataclass(frozen=True)
class Task:
    """What a worker needs to make some replications."""

    model: Model
    edges: Floats
    deals: OpenDeals
    seed: int
    engine: str


def replicate(
    model: Model, edges: ArrayLike, *, open_deals: OpenDeals | None = None, replications: int | str = 200,
    seed: int = 1, engine: str = "compiled", rates: Floats | None = None, workers: int = 1,
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
        rates: (replications, eras, groups, stages, exits, bins) a posterior draw for each replicate; with
            "auto" there are as many as `most`, or fewer, which are then repeated.
        workers: local processes; 1 works in this one.
        client: a Dask client to work on its cluster instead.
        precision, quantiles, most: see `replications`.
        progress: whether to show a progress bar.

    Raises:
        FunnelError: as `period_sums`; no such number of replications.
    """
    if not (replications == "auto" or (isinstance(replications, int) and replications > 0)):
        raise FunnelError(f"{replications!r} replications; expected a whole number from 1 on, or 'auto'")
    wanted = most if isinstance(replications, str) else replications
    ends = checked_edges(model, edges, seed, engine, 1 if rates is None else len(rates), rates)
    task = Task(model, ends, nobody() if open_deals is None else open_deals, seed, engine)
    size = min(ROUND, wanted) if replications == "auto" else wanted
    parts: list[Sums] = []
    reached = False
    with tqdm(total=wanted, desc="simulating", disable=not progress, leave=False) as bar:
        try:
            for first in range(0, wanted, size):
                for part in _made(task, range(first, min(first + size, wanted)), rates, workers, client):
                    parts.append(part)
                    bar.update(len(part.wins))
                reached = half_width(_joined(parts), quantiles) <= precision
                if replications == "auto" and reached:
                    break
        except KeyboardInterrupt:
            if not parts:
                raise
    sums = _joined(parts)
    done = len(sums.wins) == wanted or (replications == "auto" and reached)
    return Replications(sums, wanted, half_width(sums, quantiles), done)


def half_width(sums: Sums, quantiles: Sequence[float]) -> float:
    """Return the widest 95 % half-width of mean and quantiles of a period's revenue, by its mean.

    A quantile lies between the order statistics n q -+ 1.96 sqrt(n q (1 - q)), whatever the distribution.
    """
    total = np.sort(sums.revenue.sum(axis=2), axis=0)
    count, mean = len(total), total.mean(axis=0)
    if count < 2:
        return np.inf
    widest = NORMAL_95 * total.std(axis=0, ddof=1) / np.sqrt(count)
    for chance in quantiles:
        reach = NORMAL_95 * np.sqrt(count * chance * (1 - chance))
        low, high = np.floor(count * chance - reach), np.ceil(count * chance + reach)
        if low < 0 or high > count - 1:
            return np.inf
        widest = np.maximum(widest, (total[int(high)] - total[int(low)]) / 2)
    return float(np.max(np.divide(widest, mean, out=np.zeros_like(mean), where=mean > 0)))


def _made(task: Task, numbers: range, rates: Floats | None, workers: int, client: Any) -> Iterator[Sums]:
    """Make replications in chunks and give the chunks back in order."""
    chunks = [numbers[i : i + CHUNK] for i in range(0, len(numbers), CHUNK)]
    drawn = [None if rates is None else rates[np.array(chunk) % len(rates)] for chunk in chunks]
    if client is not None:
        shared = client.scatter(task, broadcast=True)
        futures = client.map(some, [shared] * len(chunks), chunks, drawn, pure=False)
        try:
            yield from (future.result() for future in futures)
        finally:
            client.cancel(futures)
    elif workers == 1:
        yield from (some(task, chunk, rate) for chunk, rate in zip(chunks, drawn, strict=True))
    else:
        from joblib import Parallel, delayed

        jobs = (delayed(some)(task, chunk, rate) for chunk, rate in zip(chunks, drawn, strict=True))
        yield from Parallel(n_jobs=workers, return_as="generator")(jobs)


def some(task: Task, numbers: range, rates: Floats | None) -> Sums:
    """Make some replications, as a worker does."""
    return sums_of(task.model, task.edges, task.deals, task.seed, numbers, task.engine, rates)


def _joined(parts: Sequence[Sums]) -> Sums:
    return Sums(
        np.concatenate([part.revenue for part in parts]), np.concatenate([part.wins for part in parts])
    )
