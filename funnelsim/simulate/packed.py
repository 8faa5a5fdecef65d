"""A plan and a crew each in one array: Python hands it to compiled code several times as quickly as ten."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from funnelsim.simulate import crew as crews
from funnelsim.simulate import step
from funnelsim.simulate.crew import Crew
from funnelsim.simulate.jit import bare, inlined
from funnelsim.simulate.luck import W32, W64
from funnelsim.simulate.step import Plan

Integers = NDArray[np.int64]
HEAD = 48


def pack(arrays: Sequence[NDArray[np.generic]], numbers: Sequence[int]) -> Integers:
    """Return arrays as the bits of one: first numbers, where each array begins, and its shape; then data.

    Args:
        arrays: of 8-byte elements.
        numbers: a few whole numbers to begin with.
    """
    head = [*numbers]
    begin = HEAD
    for array in arrays:
        head += [begin, *array.shape]
        begin += array.size
    data = [np.ascontiguousarray(array).reshape(-1).view(np.int64) for array in arrays]
    return np.concatenate([np.pad(np.array(head, dtype=np.int64), (0, HEAD - len(head))), *data])


def of_plan(plan: Plan) -> Integers:
    """Return a plan in one array."""
    arrays = (
        plan.cuts, plan.guide.astype(np.int64), plan.split, plan.starts, plan.speed, plan.targets, plan.group,
        plan.booked, plan.amounts,
    )  # fmt: skip
    seed = int(np.array(plan.seed, dtype=np.uint64).astype(np.int64))
    return pack(arrays, [seed, int(plan.replicate), *plan.shape])


def of_crew(crew: Crew) -> Integers:
    """Return a crew in one array."""
    return pack(crew, [])


@inlined
def plan_in(packed: Integers) -> Plan:
    """Return the plan that an array holds."""
    h, real = packed[:HEAD], packed.view(np.float64)
    return Plan(
        W64(h[0]), W32(h[1]), (h[2], h[3]),
        real[h[4] : h[8]].reshape((h[5], h[6], h[7])),
        packed[h[8] : h[11]].reshape((h[9], h[10])),
        real[h[11] : h[15]].reshape((h[12], h[13], h[14])),
        real[h[15] : h[17]],
        real[h[17] : h[20]].reshape((h[18], h[19])),
        packed[h[20] : h[23]].reshape((h[21], h[22])),
        packed[h[23] : h[25]],
        real[h[25] : h[27]],
        real[h[27] :].reshape((h[28], h[29])),
    )  # fmt: skip


@inlined
def crew_in(packed: Integers) -> Crew:
    """Return the crew that an array holds."""
    h, real = packed[:HEAD], packed.view(np.float64)
    return Crew(
        packed[h[0] : h[3]].reshape((h[1], h[2])),
        real[h[3] : h[6]].reshape((h[4], h[5])),
        real[h[6] : h[9]].reshape((h[7], h[8])),
        real[h[9] : h[12]].reshape((h[10], h[11])),
        packed[h[12] : h[14]],
        packed[h[14] : h[17]].reshape((h[15], h[16])),
        real[h[17] :],
    )  # fmt: skip


@bare
def move(plan: Integers, lead: W64, visit: int, kind: int, age: float, now: float) -> tuple[float, int]:
    """Do `step.move`."""
    return step.move(plan_in(plan), lead, visit, kind, age, now)


@bare
def needs(plan: Integers, crew: Integers, task: int, lead: W64, visit: int) -> tuple[float, float]:
    """Do `crew.needs`."""
    return crews.needs(plan_in(plan), crew_in(crew), task, lead, visit)


@bare
def opening(crew: Integers, pool: int, moment: float) -> float:
    """Do `crew.opening`."""
    return crews.opening(crew_in(crew), pool, moment)


@bare
def finish(crew: Integers, pool: int, begin: float, work: float) -> float:
    """Do `crew.finish`."""
    return crews.finish(crew_in(crew), pool, begin, work)
