"""The compiled engine for leads that wait for reps: days in order, within a day events in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from funnelsim.simulate.births import Families, Start
from funnelsim.simulate.blocks import (
    BLOCK,
    KIND,
    VISIT,
    WHO,
    Rows,
    Served,
    follow,
    new_block,
    new_rows,
    with_room,
)
from funnelsim.simulate.compiled import Asked, Told, births, book, copy, fill, no_visits, refer
from funnelsim.simulate.crew import (
    CHANGE,
    CHANGE_END,
    MOST,
    PLAIN,
    POOL,
    Crew,
    finish,
    speed_of,
    times,
    work_time,
)
from funnelsim.simulate.desk import (
    DONE,
    EXPIRE,
    GONE,
    JOIN,
    JOINED,
    NONE,
    PATIENCE,
    RESIZE,
    SERVE,
    SERVED,
    TIME,
    WALK,
    WHAT,
    Desk,
    crowded,
    ensure_luck,
    expect,
    let_go,
    new_desk,
    new_item,
    next_event,
    next_moment,
    roomy,
    step_up,
    wake,
)
from funnelsim.simulate.jit import bare, inlined, kernel
from funnelsim.simulate.line import (
    AWAY,
    BACK,
    Scene,
    Slots,
    call,
    line_up,
    new_slots,
    push,
    scene_of,
    serve_plainly,
    take_slot,
)
from funnelsim.simulate.luck import W64
from funnelsim.simulate.step import Plan
from funnelsim.simulate.walk import admit, give_up, settle, walk

Floats = NDArray[np.float64]


@inlined
def note(served: Served, used: int, scene: Scene, desk: Desk, item: int, began: float, done: float) -> int:
    """Write what became of a lead's visit to a rep stage, and return how many visits there are."""
    served.number[used, 0], served.number[used, 1] = desk.number[item, WHO], desk.number[item, VISIT]
    served.number[used, 2] = scene.crew.task[desk.number[item, KIND]]
    served.moment[used, 0] = desk.moment[item, JOINED]
    served.moment[used, 1] = began if began < scene.asked.horizon else np.nan
    served.moment[used, 2] = done if done < scene.asked.horizon else np.nan
    return used + 1


@inlined
def serve(scene: Scene, desk: Desk, slots: Slots, pool: int, now: float) -> tuple[int, float]:
    """Give the first in a pool's line a free rep: return its item or NONE, and when work is done."""
    while desk.root[pool] != NONE and desk.number[desk.root[pool], WHAT] == GONE:
        let_go(desk, step_up(desk, pool))
    if desk.root[pool] == NONE:
        return NONE, np.inf
    slot = take_slot(scene, slots, pool, now)
    if slot == NONE:
        return NONE, np.inf
    crew, item = scene.crew, step_up(desk, pool)
    chance, other = desk.moment[item, TIME], desk.moment[item, PATIENCE]
    time, _ = times(crew, crew.task[desk.number[item, KIND]], chance, other)
    done = finish(crew, pool, now, work_time(time, speed_of(crew, pool, slot % crew.pool[pool, MOST], now)))
    desk.number[item, WHAT] = SERVED
    if done < scene.asked.horizon:
        expect(desk, done, new_item(desk, DONE, W64(0), NONE, pool, slot))
    if desk.root[pool] != NONE:
        expect(desk, now, new_item(desk, SERVE, W64(0), NONE, pool, 0))
    return item, done


@inlined
def after_pool_event(scene: Scene, desk: Desk, slots: Slots, item: int, now: float) -> None:
    """Take back a slot whose work is done, or all slots of reps who may be back, and ask to serve."""
    pool = desk.number[item, KIND]
    if desk.number[item, WHAT] == DONE:
        push(slots.free[pool], slots.tally[BACK, pool], float(desk.number[item, VISIT]))
        slots.tally[BACK, pool] += 1
    while desk.number[item, WHAT] == RESIZE and slots.tally[AWAY, pool]:
        slots.tally[AWAY, pool] -= 1
        push(slots.free[pool], slots.tally[BACK, pool], slots.away[pool, slots.tally[AWAY, pool]])
        slots.tally[BACK, pool] += 1
    call(scene, desk, pool, now)


@inlined
def outcome(scene: Scene, desk: Desk, slots: Slots, item: int, now: float) -> tuple[int, float, float, float]:
    """Let an event happen.

    Returns:
        The item of the lead whose wait is over (or NONE), when work began and is done, and when it gave up.
    """
    crew, what = scene.crew, desk.number[item, WHAT]
    if what == JOIN:
        task = crew.task[desk.number[item, KIND]]
        ensure_luck(desk, item, scene.plan.seed, scene.plan.replicate)
        time, patience = times(crew, task, desk.moment[item, TIME], desk.moment[item, PATIENCE])
        if not crew.pool[crew.work[task, POOL], PLAIN]:
            line_up(scene, desk, item, patience)
            return NONE, np.nan, np.inf, np.inf
        began, done = serve_plainly(scene, desk, slots, item, patience, time)
        desk.number[item, WHAT] = SERVED if began < np.inf else GONE
        return item, began, done, now + patience
    if what == EXPIRE:
        desk.number[item, WHAT] = GONE
        return item, np.inf, np.inf, now
    if what == SERVE:
        lead, done = serve(scene, desk, slots, desk.number[item, KIND], now)
        return lead, now, done, np.inf
    if what == WALK:
        return item, now, now, np.inf
    if what in (DONE, RESIZE):
        after_pool_event(scene, desk, slots, item, now)
    return NONE, np.inf, np.inf, np.inf


@bare
def happen(
    scene: Scene, desk: Desk, slots: Slots, until: float, rows: Rows, served: Served, seen: int
) -> tuple[int, int]:
    """Let events happen until none is left before a moment, or there is no room to go on.

    With referrals it stops at the first row, since a referred lead may join a line before the next event.

    Returns:
        How many rows and how many visits to rep stages there are.
    """
    used, most = 0, 0 if scene.families.place.size else rows.moment.size - 2
    while used <= most and next_moment(desk) < until:
        if crowded(desk) or seen == len(served.moment):
            break
        now = desk.when[0]
        item = next_event(desk)
        event = desk.number[item, WHAT]
        lead, began, done, left = outcome(scene, desk, slots, item, now)
        if lead != NONE and event != WALK:
            seen = note(served, seen, scene, desk, lead, began, done) if scene.asked.log else seen
        if lead != NONE and desk.number[lead, WHAT] == GONE:
            used = give_up(scene, desk, lead, left, rows, used)
        elif lead != NONE:
            kind, visit = desk.number[lead, KIND], desk.number[lead, VISIT]
            used = walk(scene, desk, lead, kind, visit, done, rows, used)
        if lead != NONE and event == SERVE:
            let_go(desk, lead)
        let_go(desk, item)
    return used, seen


@kernel
def still_waiting(scene: Scene, desk: Desk, served: Served, seen: int) -> tuple[Served, int]:
    """Write the visits of the leads that stand in a line at the horizon."""
    for pool in range(desk.root.size):
        while desk.root[pool] != NONE:
            item = step_up(desk, pool)
            served = more_visits(served, seen)
            if desk.number[item, WHAT] != GONE:
                seen = note(served, seen, scene, desk, item, np.inf, np.inf)
    return served, seen


@kernel
def more_visits(served: Served, seen: int) -> Served:
    """Return visits with room for more after the first `seen`, keeping those."""
    if seen < len(served.moment):
        return served
    larger = Served(np.empty((2 * seen + 1024, 3), dtype=np.int64), np.empty((2 * seen + 1024, 3)))
    larger.number[:seen], larger.moment[:seen] = served.number, served.moment
    return larger


@kernel
def plan_changes(crew: Crew, horizon: float, desk: Desk) -> Desk:
    """Put the moments at which pools change their size on the agenda."""
    for pool in range(len(crew.pool)):
        for change in range(crew.pool[pool, CHANGE] + 1, crew.pool[pool, CHANGE_END]):
            desk = roomy(desk, 8)
            if 0.0 <= crew.change[change, 0] < horizon:
                expect(desk, crew.change[change, 0], new_item(desk, RESIZE, W64(0), NONE, pool, 0))
    return desk


@kernel
def live_with_reps(plan: Plan, start: Start, families: Families, crew: Crew, asked: Asked) -> Told:
    """Live all lives where some wait for reps.

    A lead's moves between rep stages are its own, so they are made at once, ahead of time; what is
    ordered in time is joining lines, being served, giving up, and reps coming and going.

    Returns:
        Sums by period, and, if asked for, all rows and visits to rep stages, in no order.
    """
    periods, days = asked.edges.size - 1, start.counts.shape[1]
    told = Told(np.zeros((periods, 2)), np.zeros((periods, 2)), new_rows(0), no_visits())
    scene, slots = scene_of(plan, start, families, crew, asked), new_slots(crew)
    desk = plan_changes(crew, asked.horizon, new_desk(len(crew.pool), days, 4096))
    block, rows, brood, log, served = new_block(), new_rows(4 * BLOCK), new_rows(0), new_rows(0), no_visits()
    cursor, since = np.zeros(4, dtype=np.int64), np.zeros(BLOCK)
    waiting, written, seen = 0, 0, 0
    for day in range(1, days + 1):
        until = min(float(day), asked.horizon)
        wake(desk, day, plan.seed, plan.replicate)
        while waiting or cursor[1] < day or next_moment(desk) < until:
            first = cursor[0]
            count, waiting = fill(plan, start, asked.horizon, day, cursor, brood, waiting, block)
            used = 0
            if count:
                since[:] = block.now - block.age
                if asked.log:
                    rows, used = births(block, count, start.lead.size, rows)
                desk = roomy(desk, count)
                count = admit(scene, desk, block, count)
                rows, used = follow(plan, block, count, asked.horizon, scene.noted, scene.onward, rows, used)
                desk = roomy(desk, used)
                settle(scene, desk, rows, used, first, since)
            else:
                desk, served = roomy(desk, 8), more_visits(served, seen)
                used, seen = happen(scene, desk, slots, until, rows, served, seen)
            book(plan, start, asked, rows, used, told)
            if families.place.size:
                brood, waiting = refer(plan, families, asked.horizon, rows, used, brood, waiting)
            if asked.log:
                log, written = joined_to(log, written, rows, used)
    if asked.log:
        served, seen = still_waiting(scene, desk, served, seen)
    rows, served = (
        Rows(log.number[:written], log.moment[:written]),
        Served(served.number[:seen], served.moment[:seen]),
    )
    return Told(told.revenue, told.wins, rows, served)


@kernel
def joined_to(log: Rows, written: int, rows: Rows, used: int) -> tuple[Rows, int]:
    """Append rows to a log as they come."""
    log = with_room(log, written, used)
    for i in range(used):
        copy(log, written + i, rows, i)
    return log, written + used
