"""A rep stage in the compiled engine: joining the line, giving up, being served."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from funnelsim.arrays import Flags, Floats, Integers
from funnelsim.simulation.agenda import (
    CHANCE,
    DONE,
    EXPIRE,
    GAVE_UP,
    JOIN,
    JOINED,
    LUCK,
    NONE,
    PATIENCE,
    RANK,
    RESIZE,
    SERVE,
    SERVED,
    SINCE,
    TIME,
    WALK,
    WHAT,
    Desk,
    ensure_luck,
    expect,
    is_full,
    lead_of,
    let_go,
    new_desk,
    new_item,
    next_event,
    next_moment,
    roomy,
    stand,
    step_up,
    wake,
)
from funnelsim.simulation.births import Families, Start, worth_of
from funnelsim.simulation.compiled import (
    BLOCK_SIZE,
    KIND,
    LEAD,
    PLACE,
    VISIT,
    WHO,
    Block,
    Lives,
    RepVisits,
    Rows,
    Scope,
    book,
    copy,
    fill,
    follow,
    new_block,
    new_rows,
    no_visits,
    refer,
    stages_of,
    with_room,
    write,
    write_births,
)
from funnelsim.simulation.crew import (
    BY_AGE,
    BY_VALUE,
    CAPACITY,
    CHANGE,
    CHANGE_END,
    GIVES_UP_TO,
    MOST,
    ORDER,
    PLAIN,
    POOL,
    Crew,
    finish,
    opening,
    reps_at,
    speed_of,
    times,
    work_time,
)
from funnelsim.simulation.jit import bare, inlined, kernel
from funnelsim.simulation.luck import W64
from funnelsim.simulation.step import Rules, depart, move

BACK, FRESH, AWAY = range(3)


class Scene(NamedTuple):
    """What does not change during a run; `stops`: kinds of lead that need a rep; flags as in `follow`."""

    rules: Rules
    start: Start
    families: Families
    crew: Crew
    scope: Scope
    notable: Flags
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
def scene_of(rules: Rules, start: Start, families: Families, crew: Crew, scope: Scope) -> Scene:
    """Return the scene of a run."""
    notable, stops, onward = rules.booked > 0.0, crew.task != NONE, stages_of(rules)
    notable[families.place] = True
    for kind in range(rules.group.size):
        stage = kind % rules.shape[1]
        notable[stage] |= stops[kind]
        onward[rules.group[kind] * rules.booked.size + stage] &= not stops[kind]
    return Scene(rules, start, families, crew, scope, notable | scope.log, stops, onward)


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
    if desk.last_call[pool] != moment and moment < scene.scope.horizon:
        desk.last_call[pool] = moment
        expect(desk, moment, new_item(desk, SERVE, W64(0), NONE, pool, 0))


@inlined
def line_up(scene: Scene, desk: Desk, item: int, patience: float) -> None:
    """Let a lead that has joined wait in line."""
    crew, kind = scene.crew, desk.number[item, KIND]
    pool = crew.work[crew.task[kind], POOL]
    desk.moment[item, RANK] = 0.0
    if crew.pool[pool, ORDER] == BY_VALUE:
        desk.moment[item, RANK] = -worth_of(
            scene.rules, scene.start, lead_of(desk, item), desk.number[item, WHO], kind
        )
    if crew.pool[pool, ORDER] == BY_AGE:
        desk.moment[item, RANK] = desk.moment[item, SINCE]
    stand(desk, pool, item)
    if desk.moment[item, JOINED] + patience < scene.scope.horizon:
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


@inlined
def join(desk: Desk, lead: W64, who: int, kind: int, visit: int, moment: float, since: float) -> None:
    """Let a lead come to a rep stage; the desk must have room."""
    item = new_item(desk, JOIN, lead, who, kind, visit)
    desk.moment[item, JOINED], desk.moment[item, SINCE] = moment, since
    expect(desk, moment, item)


@bare
def settle(scene: Scene, desk: Desk, rows: Rows, used: int, first: int, since: Floats) -> None:
    """Let the leads of rows that entered a rep stage come there; the desk must have room.

    Args:
        first: number of the lead whose moment of entering the funnel is the first of `since`.
    """
    stages = scene.rules.shape[1]
    for i in range(used):
        place, visit = rows.number[i, PLACE], rows.number[i, VISIT]
        kind = scene.rules.group[rows.number[i, KIND]] * stages + place
        if visit and place < stages and scene.stops[kind]:
            who, lead = rows.number[i, WHO], W64(rows.number[i, LEAD])
            join(desk, lead, who, kind, visit, rows.moment[i], since[who - first])


@bare
def admit(scene: Scene, desk: Desk, block: Block, count: int) -> int:
    """Let leads of a block that are born at a rep stage join its line, and return how many others remain."""
    kept = 0
    for i in range(count):
        if scene.stops[block.kind[i]] and block.who[i] >= scene.start.lead.size:
            join(desk, block.lead[i], block.who[i], block.kind[i], 0, block.now[i], block.now[i])
            continue
        block.lead[kept], block.who[kept], block.kind[kept] = block.lead[i], block.who[i], block.kind[i]
        block.age[kept], block.now[kept] = block.age[i], block.now[i]
        kept += 1
    return kept


@inlined
def walk(
    scene: Scene, desk: Desk, item: int, kind: int, visit: int, now: float, rows: Rows, used: int
) -> int:
    """Move an item's lead, fresh in a stage, until it ends, joins a line, or time or room for rows ends.

    Returns:
        How many rows there are.
    """
    rules, lead, who = scene.rules, lead_of(desk, item), desk.number[item, WHO]
    luck, chance = desk.moment[item, LUCK], desk.moment[item, CHANCE]
    known = luck >= 0.0 and visit == desk.number[item, VISIT]
    while now < scene.scope.horizon and used < rows.moment.size:
        if known:
            now, place = depart(rules, lead, who, kind, 0.0, now, luck, chance)
        else:
            now, place = move(rules, lead, who, visit, kind, 0.0, now)
        known = False
        if now >= scene.scope.horizon:
            return used
        visit += 1
        if scene.notable[place]:
            used = write(rows, used, lead, who, kind, visit, place, now)
        kind = rules.group[kind] * rules.shape[1] + place
        if place >= rules.shape[1]:
            return used
        if scene.stops[kind]:
            join(desk, lead, who, kind, visit, now, desk.moment[item, SINCE])
            return used
    if now < scene.scope.horizon:
        later = new_item(desk, WALK, lead, who, kind, visit)
        desk.moment[later, SINCE] = desk.moment[item, SINCE]
        expect(desk, now, later)
    return used


@inlined
def give_up(scene: Scene, desk: Desk, item: int, now: float, rows: Rows, used: int) -> int:
    """Send a lead that has lost its patience on its way, and return how many rows there are."""
    if now >= scene.scope.horizon:
        return used
    rules, kind, visit = scene.rules, desk.number[item, KIND], desk.number[item, VISIT] + 1
    lead, who = lead_of(desk, item), desk.number[item, WHO]
    place = scene.crew.work[scene.crew.task[kind], GIVES_UP_TO]
    if scene.notable[place]:
        used = write(rows, used, lead, who, kind, visit, place, now)
    after = rules.group[kind] * rules.shape[1] + place
    if place < rules.shape[1] and scene.stops[after]:
        join(desk, lead, who, after, visit, now, desk.moment[item, SINCE])
    elif place < rules.shape[1]:
        used = walk(scene, desk, item, after, visit, now, rows, used)
    return used


@inlined
def note(visits: RepVisits, used: int, scene: Scene, desk: Desk, item: int, began: float, done: float) -> int:
    """Write what became of a lead's visit to a rep stage, and return how many visits there are."""
    visits.number[used, 0], visits.number[used, 1] = desk.number[item, WHO], desk.number[item, VISIT]
    visits.number[used, 2] = scene.crew.task[desk.number[item, KIND]]
    visits.moment[used, 0] = desk.moment[item, JOINED]
    visits.moment[used, 1] = began if began < scene.scope.horizon else np.nan
    visits.moment[used, 2] = done if done < scene.scope.horizon else np.nan
    return used + 1


@inlined
def serve(scene: Scene, desk: Desk, slots: Slots, pool: int, now: float) -> tuple[int, float]:
    """Give the first in a pool's line a free rep: return its item or NONE, and when work is done."""
    while desk.root[pool] != NONE and desk.number[desk.root[pool], WHAT] == GAVE_UP:
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
    if done < scene.scope.horizon:
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
        ensure_luck(desk, item, scene.rules.seed, scene.rules.replicate)
        time, patience = times(crew, task, desk.moment[item, TIME], desk.moment[item, PATIENCE])
        if not crew.pool[crew.work[task, POOL], PLAIN]:
            line_up(scene, desk, item, patience)
            return NONE, np.nan, np.inf, np.inf
        began, done = serve_plainly(scene, desk, slots, item, patience, time)
        desk.number[item, WHAT] = SERVED if began < np.inf else GAVE_UP
        return item, began, done, now + patience
    if what == EXPIRE:
        desk.number[item, WHAT] = GAVE_UP
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
    scene: Scene, desk: Desk, slots: Slots, until: float, rows: Rows, visits: RepVisits, seen: int
) -> tuple[int, int]:
    """Let events happen until none is left before a moment, or there is no room to go on.

    With referrals it stops at the first row, since a referred lead may join a line before the next event.

    Returns:
        How many rows and how many visits to rep stages there are.
    """
    used, most = 0, 0 if scene.families.place.size else rows.moment.size - 2
    while used <= most and next_moment(desk) < until:
        if is_full(desk) or seen == len(visits.moment):
            break
        now = desk.when[0]
        item = next_event(desk)
        event = desk.number[item, WHAT]
        lead, began, done, left = outcome(scene, desk, slots, item, now)
        if lead != NONE and event != WALK:
            seen = note(visits, seen, scene, desk, lead, began, done) if scene.scope.log else seen
        if lead != NONE and desk.number[lead, WHAT] == GAVE_UP:
            used = give_up(scene, desk, lead, left, rows, used)
        elif lead != NONE:
            kind, visit = desk.number[lead, KIND], desk.number[lead, VISIT]
            used = walk(scene, desk, lead, kind, visit, done, rows, used)
        if lead != NONE and event == SERVE:
            let_go(desk, lead)
        let_go(desk, item)
    return used, seen


@kernel
def still_waiting(scene: Scene, desk: Desk, visits: RepVisits, seen: int) -> tuple[RepVisits, int]:
    """Write the visits of the leads that stand in a line at the horizon."""
    for pool in range(desk.root.size):
        while desk.root[pool] != NONE:
            item = step_up(desk, pool)
            visits = more_visits(visits, seen)
            if desk.number[item, WHAT] != GAVE_UP:
                seen = note(visits, seen, scene, desk, item, np.inf, np.inf)
    return visits, seen


@kernel
def more_visits(visits: RepVisits, seen: int) -> RepVisits:
    """Return visits with room for more after the first `seen`, keeping those."""
    if seen < len(visits.moment):
        return visits
    larger = RepVisits(np.empty((2 * seen + 1024, 3), dtype=np.int64), np.empty((2 * seen + 1024, 3)))
    larger.number[:seen], larger.moment[:seen] = visits.number, visits.moment
    return larger


@kernel
def expect_changes(crew: Crew, horizon: float, desk: Desk) -> Desk:
    """Put the moments at which pools change their size on the agenda."""
    for pool in range(len(crew.pool)):
        for change in range(crew.pool[pool, CHANGE] + 1, crew.pool[pool, CHANGE_END]):
            desk = roomy(desk, 8)
            if 0.0 <= crew.change[change, 0] < horizon:
                expect(desk, crew.change[change, 0], new_item(desk, RESIZE, W64(0), NONE, pool, 0))
    return desk


@kernel
def live_with_reps(rules: Rules, start: Start, families: Families, crew: Crew, scope: Scope) -> Lives:
    """Live all lives where some wait for reps.

    A lead's moves between rep stages are its own, so they are made at once, ahead of time; what is
    ordered in time is joining lines, being served, giving up, and reps coming and going.

    Returns:
        Sums by period, and, if the scope says so, all rows and visits to rep stages, in no order.
    """
    periods, days = scope.edges.size - 1, start.counts.shape[1]
    lives = Lives(np.zeros((periods, 2)), np.zeros((periods, 2)), new_rows(0), no_visits())
    scene, slots = scene_of(rules, start, families, crew, scope), new_slots(crew)
    desk = expect_changes(crew, scope.horizon, new_desk(len(crew.pool), days, 4096))
    block, rows, brood, log = new_block(), new_rows(4 * BLOCK_SIZE), new_rows(0), new_rows(0)
    visits = no_visits()
    cursor, since = np.zeros(4, dtype=np.int64), np.zeros(BLOCK_SIZE)
    waiting, written, seen = 0, 0, 0
    for day in range(1, days + 1):
        until = min(float(day), scope.horizon)
        wake(desk, day, rules.seed, rules.replicate)
        while waiting or cursor[1] < day or next_moment(desk) < until:
            first = cursor[0]
            count, waiting = fill(rules, start, scope.horizon, day, cursor, brood, waiting, block)
            used = 0
            if count:
                since[:] = block.now - block.age
                if scope.log:
                    rows, used = write_births(block, count, start.lead.size, rows)
                desk = roomy(desk, count)
                count = admit(scene, desk, block, count)
                rows, used = follow(
                    rules, block, count, scope.horizon, scene.notable, scene.onward, rows, used
                )
                desk = roomy(desk, used)
                settle(scene, desk, rows, used, first, since)
            else:
                desk, visits = roomy(desk, 8), more_visits(visits, seen)
                used, seen = happen(scene, desk, slots, until, rows, visits, seen)
            book(rules, start, scope, rows, used, lives)
            if families.place.size:
                brood, waiting = refer(rules, families, scope.horizon, rows, used, brood, waiting)
            if scope.log:
                log, written = append_rows(log, written, rows, used)
    if scope.log:
        visits, seen = still_waiting(scene, desk, visits, seen)
    rows, visits = (
        Rows(log.number[:written], log.moment[:written]),
        RepVisits(visits.number[:seen], visits.moment[:seen]),
    )
    return Lives(lives.revenue, lives.wins, rows, visits)


@kernel
def append_rows(log: Rows, written: int, rows: Rows, used: int) -> tuple[Rows, int]:
    """Append rows to a log as they come."""
    log = with_room(log, written, used)
    for i in range(used):
        copy(log, written + i, rows, i)
    return log, written + used
