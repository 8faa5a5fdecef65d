"""What the compiled engine has at hand when leads wait for reps: coming events and leads in line."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from funnelsim.arrays import Floats, Integers
from funnelsim.simulation.compiled import KIND, LEAD, VISIT, WHO
from funnelsim.simulation.jit import bare, inlined, kernel
from funnelsim.simulation.luck import MOVE, W32, W64, WORK, uniform, unit_exponential, words

JOIN, EXPIRE, DONE, RESIZE, SERVE, GAVE_UP, SERVED, WALK = range(8)
NONE = -1
ROOM, EVENTS, FREE, DAY_END, SLOT = range(5)
WHAT, LEFT, RIGHT, REFS = range(4, 8)
JOINED, SINCE, RANK, WHEN, LUCK, CHANCE, TIME, PATIENCE = range(8)
# Slots of a day: so many that few events share one and the heap stays short, so few that empty ones cost
# little to look through. Luck is drawn for so many leads at once that it stays in the nearest cache.
SLOTS = 512
BATCH = 512


class Desk(NamedTuple):
    """Items (leads at a rep stage, and events of pools), and a heap of what happens to them next.

    Args:
        number: (items, 8) columns LEAD to VISIT as in `Rows`; WHAT happens next, or has become, of it; the
            two children in its line, a skew heap (LEFT links free items too); REFS, how many events and
            lines speak of it. For events of a pool, KIND is the pool.
        moment: (items, 8) when a lead joined the line and entered the funnel, its rank in the line, when
            its event comes, and its luck at this visit: LUCK and CHANCE as in `depart` (LUCK below 0: not
            drawn yet), TIME and PATIENCE as in `times`.
        when, item: (events,) the heap of coming events, those of the present slot of the day.
        behind: (items,) next in the lists of later events.
        soon: (SLOTS,) first in the list of each slot of the day.
        later: (days + 1,) first in the list of each day.
        root: (pools,) first in line.
        last_call: (pools,) latest moment at which a pool was called to serve its line.
        used: (5,) items ever used, events on the heap, first free item, the day's end, the present slot.
        batch, luck: (3, BATCH) items, leads and visits, and (4, BATCH) their luck, drawn together.
    """

    number: Integers
    moment: Floats
    when: Floats
    item: Integers
    behind: Integers
    soon: Integers
    later: Integers
    root: Integers
    last_call: Floats
    used: Integers
    batch: Integers
    luck: Floats


@kernel
def new_desk(pools: int, days: int, room: int) -> Desk:
    """Return an empty desk with room for so many items and events."""
    used = np.array([0, 0, NONE, 0, 0])
    return Desk(
        np.empty((room, 8), dtype=np.int64), np.empty((room, 8)), np.empty(room),
        np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64), np.full(SLOTS, NONE),
        np.full(days + 1, NONE), np.full(pools, NONE), np.full(pools, -1.0), used,
        np.empty((3, BATCH), dtype=np.int64), np.empty((4, BATCH)),
    )  # fmt: skip


@kernel
def roomy(desk: Desk, more: int) -> Desk:
    """Return the desk with room for `more` items and events, keeping all that is on it."""
    held = desk.used[ROOM]
    if held + more <= desk.when.size:
        return desk
    larger = new_desk(0, 0, 2 * (held + more))
    larger.number[:held], larger.moment[:held] = desk.number[:held], desk.moment[:held]
    larger.when[:held], larger.item[:held] = desk.when[:held], desk.item[:held]
    larger.behind[:held] = desk.behind[:held]
    return Desk(
        larger.number, larger.moment, larger.when, larger.item, larger.behind, desk.soon, desk.later,
        desk.root, desk.last_call, desk.used, desk.batch, desk.luck,
    )  # fmt: skip


@inlined
def is_full(desk: Desk) -> bool:
    """Return whether there may be no room for what one event leads to."""
    return bool(desk.used[ROOM] + 6 > desk.when.size)


@inlined
def new_item(desk: Desk, what: int, lead: W64, who: int, kind: int, visit: int) -> int:
    """Return a new item."""
    item = desk.used[FREE]
    if item == NONE:
        item = desk.used[ROOM]
        desk.used[ROOM] += 1
    else:
        desk.used[FREE] = desk.number[item, LEFT]
    desk.number[item, WHAT], desk.number[item, LEAD], desk.number[item, WHO] = what, np.int64(lead), who
    desk.number[item, KIND], desk.number[item, VISIT], desk.number[item, REFS] = kind, visit, 0
    desk.number[item, LEFT], desk.number[item, RIGHT] = NONE, NONE
    desk.moment[item, LUCK] = -1.0
    return int(item)


@inlined
def lead_of(desk: Desk, item: int) -> W64:
    """Return the identity of an item's lead."""
    return W64(desk.number[item, LEAD])


@inlined
def let_go(desk: Desk, item: int) -> None:
    """Count one mention of an item less, and free it when nothing speaks of it any more."""
    desk.number[item, REFS] -= 1
    if desk.number[item, REFS] == 0:
        desk.number[item, LEFT] = desk.used[FREE]
        desk.used[FREE] = item


@inlined
def sooner(desk: Desk, when: float, item: int, other_when: float, other: int) -> bool:
    """Return whether an event comes before another: by moment, then serving last, then by lead."""
    if when != other_when:
        return when < other_when
    phase = 1 + desk.number[item, KIND] if desk.number[item, WHAT] == SERVE else 0
    other_phase = 1 + desk.number[other, KIND] if desk.number[other, WHAT] == SERVE else 0
    if phase != other_phase:
        return bool(phase < other_phase)
    return bool(lead_of(desk, item) < lead_of(desk, other))


@bare
def expect(desk: Desk, when: float, item: int) -> None:
    """Put an event on the agenda; it is before the horizon, and an item has one at most."""
    desk.number[item, REFS] += 1
    if when >= desk.used[DAY_END]:
        desk.moment[item, WHEN] = when
        desk.behind[item] = desk.later[int(when)]
        desk.later[int(when)] = item
    else:
        expect_today(desk, when, item)


@bare
def expect_today(desk: Desk, when: float, item: int) -> None:
    """Put an event on the agenda of the present day."""
    slot = int((when - (desk.used[DAY_END] - 1)) * SLOTS)
    if slot <= desk.used[SLOT]:
        put_on_heap(desk, when, item)
    else:
        desk.moment[item, WHEN] = when
        desk.behind[item] = desk.soon[slot]
        desk.soon[slot] = item


@bare
def wake(desk: Desk, day: int, seed: W64, replicate: W32) -> None:
    """Begin a day, numbered from 1: draw the luck of who joins a line on it, and put its events in slots."""
    desk.used[DAY_END], desk.used[SLOT] = day, NONE
    item = desk.later[day - 1]
    while item != NONE:
        count = 0
        while item != NONE and count < BATCH:
            desk.batch[0, count], desk.batch[1, count] = item, desk.number[item, LEAD]
            desk.batch[2, count] = desk.number[item, VISIT]
            item = desk.behind[item]
            count += 1
        draw(desk.batch, count, seed, replicate, desk.luck)
        for i in range(count):
            other = desk.batch[0, i]
            desk.moment[other, LUCK], desk.moment[other, CHANCE] = desk.luck[0, i], desk.luck[1, i]
            desk.moment[other, TIME], desk.moment[other, PATIENCE] = desk.luck[2, i], desk.luck[3, i]
            expect_today(desk, desk.moment[other, WHEN], other)


@bare
def draw(batch: Integers, count: int, seed: W64, replicate: W32, luck: Floats) -> None:
    """Draw the luck of leads at a rep stage; without branches, so that it becomes vector instructions."""
    for i in range(count):
        first, second = words(seed, replicate, W64(batch[1, i]), batch[2, i], MOVE)
        luck[0, i], luck[1, i] = unit_exponential(first), uniform(second)
    for i in range(count):
        first, second = words(seed, replicate, W64(batch[1, i]), batch[2, i], WORK)
        luck[2, i], luck[3, i] = uniform(first), uniform(second)


@bare
def ensure_luck(desk: Desk, item: int, seed: W64, replicate: W32) -> None:
    """Draw the luck of a lead that comes to a rep stage on the day on which that became known."""
    if desk.moment[item, LUCK] < 0.0:
        desk.batch[0, 0], desk.batch[1, 0] = item, desk.number[item, LEAD]
        desk.batch[2, 0] = desk.number[item, VISIT]
        draw(desk.batch, 1, seed, replicate, desk.luck)
        desk.moment[item, LUCK], desk.moment[item, CHANCE] = desk.luck[0, 0], desk.luck[1, 0]
        desk.moment[item, TIME], desk.moment[item, PATIENCE] = desk.luck[2, 0], desk.luck[3, 0]


@bare
def next_moment(desk: Desk) -> float:
    """Return when the next event of the day comes, inf if there is none, and have it on the heap."""
    while not desk.used[EVENTS] and desk.used[SLOT] < SLOTS - 1:
        desk.used[SLOT] += 1
        item = desk.soon[desk.used[SLOT]]
        desk.soon[desk.used[SLOT]] = NONE
        while item != NONE:
            put_on_heap(desk, desk.moment[item, WHEN], item)
            item = desk.behind[item]
    return float(desk.when[0]) if desk.used[EVENTS] else np.inf


@bare
def put_on_heap(desk: Desk, when: float, item: int) -> None:
    """Put an event among those of the day."""
    at = desk.used[EVENTS]
    desk.used[EVENTS] += 1
    while at and sooner(desk, when, item, desk.when[(at - 1) // 2], desk.item[(at - 1) // 2]):
        desk.when[at], desk.item[at] = desk.when[(at - 1) // 2], desk.item[(at - 1) // 2]
        at = (at - 1) // 2
    desk.when[at], desk.item[at] = when, item


@bare
def next_event(desk: Desk) -> int:
    """Take the first event off the agenda and return its item, still mentioned once."""
    first = desk.item[0]
    desk.used[EVENTS] -= 1
    last = desk.used[EVENTS]
    when, item, at = desk.when[last], desk.item[last], 0
    while True:
        child = 2 * at + 1
        if child >= last:
            break
        if child + 1 < last and sooner(
            desk, desk.when[child + 1], desk.item[child + 1], desk.when[child], desk.item[child]
        ):
            child += 1
        if not sooner(desk, desk.when[child], desk.item[child], when, item):
            break
        desk.when[at], desk.item[at] = desk.when[child], desk.item[child]
        at = child
    desk.when[at], desk.item[at] = when, item
    return int(first)


@inlined
def before(desk: Desk, item: int, other: int) -> bool:
    """Return whether a lead in line is served before another: by rank, then by joining, then by lead."""
    if desk.moment[item, RANK] != desk.moment[other, RANK]:
        return bool(desk.moment[item, RANK] < desk.moment[other, RANK])
    if desk.moment[item, JOINED] != desk.moment[other, JOINED]:
        return bool(desk.moment[item, JOINED] < desk.moment[other, JOINED])
    return bool(lead_of(desk, item) < lead_of(desk, other))


@bare
def merge(desk: Desk, one: int, other: int) -> int:
    """Return the first of two lines made one: a skew heap (Sleator and Tarjan 1986, doi 10.1137/0215004)."""
    first, above = NONE, NONE
    while one != NONE and other != NONE:
        if before(desk, other, one):
            one, other = other, one
        if above == NONE:
            first = one
        else:
            desk.number[above, LEFT] = one
        rest = desk.number[one, RIGHT]
        desk.number[one, RIGHT] = desk.number[one, LEFT]
        above, one = one, rest
    last = one if one != NONE else other
    if above == NONE:
        return last
    desk.number[above, LEFT] = last
    return first


@bare
def stand(desk: Desk, pool: int, item: int) -> None:
    """Let a lead join a pool's line."""
    desk.number[item, REFS] += 1
    desk.number[item, LEFT], desk.number[item, RIGHT] = NONE, NONE
    desk.root[pool] = merge(desk, desk.root[pool], item)


@bare
def step_up(desk: Desk, pool: int) -> int:
    """Take the first lead off a pool's line and return its item, still mentioned once."""
    item = desk.root[pool]
    desk.root[pool] = merge(desk, desk.number[item, LEFT], desk.number[item, RIGHT])
    return int(item)
