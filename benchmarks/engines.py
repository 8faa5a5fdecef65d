"""How quick the engines are, side by side with a well-written SimPy model and a straight C loop.

    python benchmarks/engines.py [--leads 365000] [--rounds 5] [--simpy-leads 365000] [--growth]

Processor seconds of the simulation alone, engines in turn, medians of the rounds; ratios are taken within a
round, so that what else the machine does cancels out. W1: leads enter one of four stages, wait a lognormal
time (median 5 days, sigma 1) in each, and pass or drop out; past the last they are won. W2: stages 3 and 4
first need one of 50 reps, first come first served. W2 by value: the most valuable lead is served first, reps
ramp up and leads lose patience.

The exact pass answers W1 without luck, whatever the number of leads; its wins by quarter are compared with
those of a Poisson network whose lognormal stays are convolved numerically.
"""

from __future__ import annotations

import argparse
import math
import random
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import simpy
from scipy import stats
from scipy.signal import fftconvolve

from funnelsim.forecasting.exact import chances, from_entries
from funnelsim.model.dwell import stated_rates
from funnelsim.model.funnel import Draw, Funnel, Pool, Work
from funnelsim.model.model import Cell, Entries, Model, Values, nobody
from funnelsim.model.rates import constant_table
from funnelsim.simulation.run import lives_of

DAYS, ENTRY, PASS = 365.0, (0.60, 0.20, 0.15, 0.05), (0.6, 0.5, 0.5, 0.4)
EDGES = np.linspace(0.0, DAYS, 5)
REPS = 50
LEADS = (1e5, 1e6, 1e7)
PAIRS = (
    ("W1 plain SimPy", "W1 compiled"), ("W2 plain SimPy", "W2 compiled"),
    ("W2 by value plain SimPy", "W2 by value compiled"), ("W1 compiled", "W1 C"), ("W2 compiled", "W2 C"),
    ("W1 our SimPy", "W1 plain SimPy"), ("W2 our SimPy", "W2 plain SimPy"),
)  # fmt: skip


def w1(leads: float) -> Model:
    """Return W1 as a stated model."""
    law = stats.lognorm(1.0, scale=5.0)
    stages = [stated_rates([(chance, law), (1 - chance, law)]) for chance in PASS]
    funnel = Funnel(
        "w1", ("A", "B", "C", "D"), ("Won", "Lost"),
        (("B", "Lost"), ("C", "Lost"), ("D", "Lost"), ("Won", "Lost")), {"Won": 1.0},
    )  # fmt: skip
    table = constant_table(
        np.array([[edges for edges, _ in stages]]), np.array([[rates for _, rates in stages]])
    )
    entries = Entries(tuple(Cell(i, 0) for i in range(4)), np.array(ENTRY), np.full(365, leads / DAYS))
    amounts = stats.lognorm(0.8, scale=1e4).ppf((np.arange(1000) + 0.5) / 1000)
    return Model(
        funnel, ("all",), table, entries, Values(amounts[None], np.ones(1)), pd.Timestamp("2026-01-01")
    )


def w2(leads: float) -> Model:
    """Return W2: stages C and D need one of 50 reps for a lognormal time, the load being the same."""
    law = stats.lognorm(0.5, scale=0.0625 * 365_000 / leads * math.exp(-0.125))
    time_ = Draw(np.append(law.ppf(np.linspace(0, 1, 2001)[:-1]), law.ppf(1 - 1e-5)))
    pool = Pool("reps", np.array([-np.inf]), np.array([REPS]))
    return replace(w1(leads), pools=(pool,), work=(Work(2, 0, time_), Work(3, 0, time_)))


def w2_by_value(leads: float) -> Model:
    """Return W2 served by value, with patience, and ten of the reps hired on day 30."""
    model = w2(leads)
    pool = Pool(
        "reps", np.array([-np.inf, 30.0]), np.array([REPS - 10, REPS]), "value", ramp=np.array([0.35, 0.65])
    )
    patient = Draw(np.linspace(0.5, 20.0, 101))
    return replace(
        model, pools=(pool,), work=tuple(replace(one, patience=patient, gives_up_to=5) for one in model.work)
    )


def ours(model: Model, engine: str = "compiled", log: bool = False) -> tuple[float, float, int]:
    """Return transitions, processor seconds, and rows of the log."""
    began = time.process_time()
    _, _, lives = lives_of(model, EDGES, nobody(), 1, 0, engine, None, None, log=log)
    seconds = time.process_time() - began
    return float(np.sum(lives.rows.number[:, 3] > 0)), seconds, len(lives.rows.moment)


def exact_wins(model: Model) -> tuple[np.ndarray, float]:
    """Return expected wins by quarter from the exact pass in steps of half a day, and processor seconds."""
    began = time.process_time()
    found = chances(model.funnel, model.table, EDGES, step=0.5)
    days = model.entries.path[: int(DAYS)]
    wins = [from_entries(found, 0, stage, share * days) for stage, share in enumerate(ENTRY)]
    return np.sum(wins, axis=0), time.process_time() - began


def convolved(leads: float, step: float) -> tuple[np.ndarray, float]:
    """Return W1's expected wins by quarter, and transitions, with an error of O(step ** 2).

    Flows are convolved with the stays. What leaves a stage k steps after it came in, evenly over a step, is
    the second difference of the integral of the stay's distribution, x F(x) - E[X; X <= x].
    """
    steps = round(DAYS / step)
    edge = step * np.arange(1, steps + 1)
    z = np.log(edge / 5.0)
    integral = edge * stats.norm.cdf(z) - 5.0 * math.exp(0.5) * stats.norm.cdf(z - 1.0)
    leaving = np.diff(np.concatenate([[0.0, 0.0], integral]), 2) / step
    flow, moves = np.zeros(steps), 0.0
    for share, passes in zip(ENTRY, PASS, strict=True):
        left = fftconvolve(flow + leads / DAYS * step * share, leaving)[:steps]
        moves += left.sum()
        flow = passes * left
    total = np.append(0.0, np.cumsum(flow))
    return np.diff(np.interp(EDGES, step * np.arange(steps + 1), total)), moves


def exactness(leads: float, rounds: int) -> None:
    """Print the seconds of the exact pass, and how far its wins are from the convolution's."""
    model = w1(leads)
    wins = exact_wins(model)[0]
    seconds = [exact_wins(model)[1] for _ in range(rounds)]
    # The error of the convolution is quadratic in its step, so two steps give a better third.
    coarse, fine = convolved(leads, 1 / 32)[0], convolved(leads, 1 / 64)[0]
    truth = fine + (fine - coarse) / 3.0
    quarter, year = np.abs(wins / truth - 1).max(), abs(wins.sum() / truth.sum() - 1)
    print(
        f"{'W1 exact':24} {statistics.median(seconds) * 1e3:10.2f} ms   {min(seconds) * 1e3:.2f} at best; "
        f"wins off by {year:.1e} in all, {quarter:.1e} in a quarter"
    )


def plain_simpy(leads: float, reps: int, by_value: bool = False) -> tuple[float, float]:
    """Return transitions and processor seconds of a plain SimPy model: a process per lead, a resource."""
    rng, moves = random.Random(1), [0]
    log_work = math.log(0.0625 * 365_000 / leads) - 0.125
    clock = simpy.Environment()
    team = simpy.PriorityResource(clock, reps) if by_value else simpy.Resource(clock, reps) if reps else None

    def lead(stage: int) -> Iterator[simpy.Event]:
        value = rng.lognormvariate(math.log(1e4), 0.8) if by_value else 0.0
        while True:
            if team is not None and stage >= 2:
                with team.request(priority=-value) if by_value else team.request() as turn:
                    yield turn | clock.timeout(rng.uniform(0.5, 20.0)) if by_value else turn
                    if not turn.triggered:
                        return
                    yield clock.timeout(rng.lognormvariate(log_work, 0.5))
            yield clock.timeout(rng.lognormvariate(math.log(5.0), 1.0))
            moves[0] += 1
            if rng.random() >= PASS[stage] or stage == 3:
                return
            stage += 1

    def arrivals() -> Iterator[simpy.Event]:
        while True:
            yield clock.timeout(rng.expovariate(leads / DAYS))
            clock.process(lead(rng.choices(range(4), ENTRY)[0]))

    began = time.process_time()
    clock.process(arrivals())
    clock.run(until=DAYS)
    return float(moves[0]), time.process_time() - began


def c_loop(program: Path, work: str, leads: float) -> tuple[float, float]:
    """Return transitions and processor seconds of the C loop."""
    answer = subprocess.run(
        [program, work, str(leads), "1"], check=True, capture_output=True, text=True
    ).stdout
    moves, _, seconds = answer.split()
    return float(moves), float(seconds)


def built(folder: str) -> Path:
    """Compile the C loop."""
    program = Path(folder) / "loops"
    source = Path(__file__).with_name("loops.c")
    subprocess.run(["gcc", "-O3", "-march=native", "-ffast-math", "-o", program, source, "-lm"], check=True)
    return program


def measured(runs: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run everything in turn, `rounds` times, and return nanoseconds per transition."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(run())
    return found


def main() -> None:
    """Measure and print one line for each comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leads", type=float, default=365_000)
    parser.add_argument("--simpy-leads", type=float, default=365_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--growth", action="store_true", help="1e5 to 1e7 leads, with peak memory")
    given = parser.parse_args()
    if given.growth:
        growth(given.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(given.leads, given.simpy_leads, given.rounds, built(folder))


def compare(leads: float, few: float, rounds: int, program: Path) -> None:
    """Print nanoseconds per transition and the ratios that matter."""
    exactness(leads, rounds)
    models = {"W1": w1(leads), "W2": w2(leads), "W2 by value": w2_by_value(leads)}
    moves = {name: ours(model, log=True)[0] for name, model in models.items()}
    small = {"W1": w1(few), "W2": w2(few), "W2 by value": w2_by_value(few)}

    fewer = {name: ours(model, log=True)[0] for name, model in small.items()}

    def per(transitions: float, seconds: float) -> float:
        return seconds / transitions * 1e9

    def of_log() -> float:
        _, seconds, rows = ours(models["W1"], log=True)
        return seconds / rows * 1e9

    runs: dict[str, Callable[[], float]] = {}
    for name, model in models.items():
        runs[f"{name} compiled"] = lambda model=model, name=name: per(moves[name], ours(model)[1])
        reps = 0 if name == "W1" else REPS
        by_value = name == "W2 by value"
        runs[f"{name} plain SimPy"] = lambda reps=reps, by=by_value: per(*plain_simpy(few, reps, by))
        runs[f"{name} our SimPy"] = lambda name=name: per(fewer[name], ours(small[name], "simpy")[1])
    for name in ("W1", "W2"):
        runs[f"{name} C"] = lambda name=name: per(*c_loop(program, name.lower(), leads))
    runs["W1 log, a row"] = of_log
    found = measured(runs, rounds)
    for name, each in found.items():
        print(f"{name:24} {statistics.median(each):10,.1f} ns   {min(each):10,.1f} at best")
    for one, other in PAIRS:
        ratio = statistics.median(a / b for a, b in zip(found[one], found[other], strict=True))
        print(f"{one:24} / {other:24} {ratio:8.2f}")


def growth(rounds: int) -> None:
    """Print time per transition and peak memory as leads grow, and the growth against the fewest."""
    found: dict[float, list[float]] = {leads: [] for leads in LEADS}
    moves = {leads: convolved(leads, 1 / 16)[1] for leads in LEADS}
    ours(w1(1000))
    for leads in LEADS:
        model = w1(leads)
        for _ in range(rounds if leads < LEADS[-1] else 1 + rounds // 3):
            found[leads].append(ours(model)[1] / moves[leads] * 1e9)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        each = statistics.median(found[leads])
        print(
            f"{leads:12,.0f} leads {each:8.2f} ns a transition ({min(found[leads]):.2f} at best), "
            f"{each / statistics.median(found[LEADS[0]]):6.2f} times that of the fewest, {peak:8.0f} MiB"
        )


if __name__ == "__main__":
    main()
