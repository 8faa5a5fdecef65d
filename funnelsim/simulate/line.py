"""A rep stage in the compiled engine: joining the line, giving up, being served."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from funnelsim.simulate.births import Families, Start, worth_of
from funnelsim.simulate.blocks import KIND, WHO
from funnelsim.simulate.compiled import Asked, stages_of
from funnelsim.simulate.crew import AGE, CAPACITY, MOST, ORDER, POOL, VALUE, Crew, finish, opening, reps_at
from funnelsim.simulate.desk import (
    EXPIRE,
    JOINED,
    NONE,
    RANK,
    SERVE,
    SINCE,
    WHAT,
    Desk,
    expect,
    lead_of,
    new_item,
    stand,
)
from funnelsim.simulate.jit import bare, inlined, kernel
from funnelsim.simulate.luck import W64
from funnelsim.simulate.step import Plan

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

BACK, FRESH, AWAY = range(3)


class Scene(NamedTuple):
    """What does not change during a run; `stops`: kinds of lead that need a rep; flags as in `follow`."""

    plan: Plan
    start: Start
    families: Families
    crew: Crew
    asked: Asked
    noted: Flags
    stops: Flags
    onward: Flags


class Slots(NamedTuple):
    """What each pool's reps have free. A slot is one deal that one rep can carry: level * most + seat.

    Args:
        free: (pools, slots) heap of slots given back; in a plain pool, of moments at which slots get free.
        away: (pools, slots) slots given back whose rep has left.
        tally: (3, pools) how many are on that heap, how many were ever taken (the lowest first), and how
            many are away.
    """

    free: Floats
    away: Floats
    tally: Integers


@kernel
def scene_of(plan: Plan, start: Start, families: Families, crew: Crew, asked: Asked) -> Scene:
    """Return the scene of a run."""
    noted, stops, onward = plan.booked > 0.0, crew.task != NONE, stages_of(plan)
    noted[families.place] = True
    for kind in range(plan.group.size):
        stage = kind % plan.shape[1]
        noted[stage] |= stops[kind]
        onward[plan.group[kind] * plan.booked.size + stage] &= not stops[kind]
    return Scene(plan, start, families, crew, asked, noted | asked.log, stops, onward)


@kernel
def new_slots(crew: Crew) -> Slots:
    """Return the slots of all pools, all free."""
    pools, width = len(crew.pool), 1
    for pool in range(pools):
        width = max(width, crew.pool[pool, MOST] * crew.pool[pool, CAPACITY])
    return Slots(np.zeros((pools, width)), np.zeros((pools, width)), np.zeros((3, pools), dtype=np.int64))


@inlined
def serve_plainly(
    scene: Scene, desk: Desk, slots: Slots, item: int, patience: float, time: float
) -> tuple[float, float]:
    """Serve a lead of a plain pool as it joins, and return when work begins and is done; inf if it gives up.

    First come, first served by alike reps: work begins when the first slot gets free, known at once.
    """
    crew, joined = scene.crew, desk.moment[item, JOINED]
    pool = crew.work[crew.task[desk.number[item, KIND]], POOL]
    free, count = slots.free[pool], slots.tally[BACK, pool]
    fresh = (count == 0 or free[0] > joined) and count < crew.pool[pool, MOST] * crew.pool[pool, CAPACITY]
    if not fresh and not count:
        return np.inf, np.inf
    begin = opening(crew, pool, joined if fresh else max(joined, free[0]))
    if begin >= joined + patience:
        return np.inf, np.inf
    done = finish(crew, pool, begin, time)
    if fresh:
        push(free, count, done)
        slots.tally[BACK, pool] += 1
    else:
        replace_first(free, count, done)
    return begin, done


@inlined
def call(scene: Scene, desk: Desk, pool: int, now: float) -> None:
    """Ask a pool to serve its line as soon as it is working time, after all else of that moment."""
    moment = opening(scene.crew, pool, now)
    if desk.asked_for[pool] != moment and moment < scene.asked.horizon:
        desk.asked_for[pool] = moment
        expect(desk, moment, new_item(desk, SERVE, W64(0), NONE, pool, 0))


@inlined
def line_up(scene: Scene, desk: Desk, item: int, patience: float) -> None:
    """Let a lead that has joined wait in line."""
    crew, kind = scene.crew, desk.number[item, KIND]
    pool = crew.work[crew.task[kind], POOL]
    desk.moment[item, RANK] = 0.0
    if crew.pool[pool, ORDER] == VALUE:
        desk.moment[item, RANK] = -worth_of(
            scene.plan, scene.start, lead_of(desk, item), desk.number[item, WHO], kind
        )
    if crew.pool[pool, ORDER] == AGE:
        desk.moment[item, RANK] = desk.moment[item, SINCE]
    stand(desk, pool, item)
    if desk.moment[item, JOINED] + patience < scene.asked.horizon:
        desk.number[item, WHAT] = EXPIRE
        expect(desk, desk.moment[item, JOINED] + patience, item)
    call(scene, desk, pool, desk.moment[item, JOINED])


@inlined
def take_slot(scene: Scene, slots: Slots, pool: int, now: float) -> int:
    """Return the lowest free slot of a rep who is there, or NONE."""
    crew = scene.crew
    most, size = crew.pool[pool, MOST], reps_at(crew, pool, now)
    while slots.tally[BACK, pool] or slots.tally[FRESH, pool] < most * crew.pool[pool, CAPACITY]:
        back = slots.tally[BACK, pool]
        slot = int(slots.free[pool, 0]) if back else slots.tally[FRESH, pool]
        if back:
            slots.tally[BACK, pool] -= 1
            replace_first(slots.free[pool], back - 1, slots.free[pool, back - 1])
        else:
            slots.tally[FRESH, pool] += 1
        if slot % most < size:
            return slot
        slots.away[pool, slots.tally[AWAY, pool]] = slot
        slots.tally[AWAY, pool] += 1
    return NONE


@bare
def push(heap: Floats, size: int, value: float) -> None:
    """Put a value on a heap of `size` values, least first."""
    at = size
    while at and heap[(at - 1) // 2] > value:
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = value


@bare
def replace_first(heap: Floats, size: int, value: float) -> None:
    """Take the least of `size` values off a heap and put another on it."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = value
