"""The door to simulation: lives of leads as a log, or their sums by period over many replications."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from funnelsim.errors import FunnelError, nearest
from funnelsim.model.model import Model, OpenDeals, nobody
from funnelsim.simulate.births import Start, families_of, start_of
from funnelsim.simulate.compiled import Asked, Told, live
from funnelsim.simulate.crew import crew_of
from funnelsim.simulate.luck import MOST_REPLICATES, MOST_SEED
from funnelsim.simulate.queues import live_with_reps
from funnelsim.simulate.record import Run, Sums, run_of
from funnelsim.simulate.step import Plan, plan

Floats = NDArray[np.float64]
ENGINES = ("compiled", "simpy")


def simulate(
    model: Model, days: float, *, seed: int = 1, replicate: int = 0, open_deals: OpenDeals | None = None,
    engine: str = "compiled",
) -> Run:  # fmt: skip
    """Return the lives of all leads, open and not yet born, over so many days.

    The common factor on wins (`model.win_spread`) belongs to forecasts and is not applied here.

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
    start, ready, told = told_by(model, np.array([0.0, days]), deals, seed, replicate, engine, None, log=True)
    return run_of(model, days, deals, ready, start, told)


def period_sums(
    model: Model, edges: ArrayLike, *, open_deals: OpenDeals | None = None, replications: int = 200,
    seed: int = 1, engine: str = "compiled", rates: Floats | None = None, progress: bool = False,
) -> Sums:  # fmt: skip
    """Return what each of many replications books in each period.

    Args:
        model: the model.
        edges: (periods + 1,) ends of the periods in days since the as-of moment, ascending.
        open_deals: leads that are in a stage already; none by default.
        replications: how many; replicate r has the luck of seed and r.
        seed: of all luck, 0 <= seed < 2 ** 64.
        engine: "compiled" or "simpy".
        rates: (replications, eras, groups, stages, exits, bins) a posterior draw for each replicate.
        progress: whether to show a progress bar.

    Raises:
        FunnelError: an unknown engine, edges that do not ascend, rates of another shape.
    """
    deals = nobody() if open_deals is None else open_deals
    ends = checked_edges(model, edges, seed, engine, replications, rates)
    numbers = tqdm(range(replications), desc="simulating", disable=not progress, leave=False)
    return sums_of(model, ends, deals, seed, numbers, engine, rates)


def sums_of(
    model: Model, ends: Floats, deals: OpenDeals, seed: int, numbers: Collection[int], engine: str,
    rates: Floats | None,
) -> Sums:  # fmt: skip
    """Return what the numbered replications book in each period; `rates` has a draw for each of them."""
    revenue, wins = (np.zeros((len(numbers), ends.size - 1, 2)) for _ in range(2))
    for row, number in enumerate(numbers):
        rate = None if rates is None else rates[row]
        _, _, told = told_by(model, ends, deals, seed, number, engine, rate, log=False)
        revenue[row], wins[row] = told.revenue, told.wins
    return Sums(revenue, wins)


def checked_edges(
    model: Model, edges: ArrayLike, seed: int, engine: str, replications: int, rates: Floats | None
) -> Floats:
    """Return the ends of the periods as an array, or refuse what cannot be simulated."""
    ends = np.asarray(edges, dtype=np.float64)
    if ends.size < 2 or np.any(np.diff(ends) <= 0) or ends[0] < 0:
        raise FunnelError(f"the ends of the periods are {ends.tolist()}; expected ascending days from 0 on")
    _check(float(ends[-1]), seed, engine)
    if not 0 < replications <= MOST_REPLICATES:
        raise FunnelError(f"{replications} replications; expected a whole number from 1 on")
    expected = (replications, *model.table.rate.shape)
    if rates is not None and rates.shape != expected:
        raise FunnelError(f"rates of shape {rates.shape}; expected {expected}, one draw per replicate")
    return ends


def told_by(
    model: Model, edges: Floats, deals: OpenDeals, seed: int, replicate: int, engine: str,
    rate: Floats | None, *, log: bool,
) -> tuple[Start, Plan, Told]:  # fmt: skip
    """Return what an engine tells of one replicate, and the leads and plan that it began with."""
    ready = plan(model, seed, replicate, rate)
    start = start_of(model, ready, float(edges[-1]), deals)
    asked = Asked(float(edges[-1]), edges, log)
    families, crew = families_of(model), crew_of(model, float(edges[-1]))
    if engine == "simpy":
        from funnelsim.simulate.simpy_engine import tell

        return start, ready, tell(ready, start, families, crew, asked)
    if model.work:
        return start, ready, live_with_reps(ready, start, families, crew, asked)
    return start, ready, live(ready, start, families, asked)


def _check(days: float, seed: int, engine: str) -> None:
    if engine not in ENGINES:
        raise FunnelError(f"the engine '{engine}' is unknown; {nearest(engine, ENGINES)}")
    if not 0 <= seed < MOST_SEED:
        raise FunnelError(f"the seed is {seed}; expected a whole number from 0 to 2 ** 64 - 1")
    if not 0 <= days < np.inf:
        raise FunnelError(f"{days:g} days to simulate; expected a number of days from 0 on")
