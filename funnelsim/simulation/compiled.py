"""Lives that never meet: blocks of leads moved visit by visit, as the compiled engine does it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Flags, Floats, Integers, Words
from funnelsim.simulation.births import Families, Start, brood_of, next_births, worth_of
from funnelsim.simulation.jit import bare, inlined, kernel
from funnelsim.simulation.luck import W64
from funnelsim.simulation.step import Rules, advance, signing_price

BLOCK_SIZE = 1024  # leads: 74 kB, which a core's own cache holds
LEAD, WHO, KIND, VISIT, PLACE = range(5)


class Block(NamedTuple):
    """Up to BLOCK leads that are moved together; `who` is a lead's number in its run."""

    lead: Words
    who: Integers
    kind: Integers
    age: Floats
    now: Floats
    luck: Floats
    chance: Floats
    moment: Floats
    place: Integers


class Rows(NamedTuple):
    """What happened: leads entered places.

    Args:
        number: (rows, 5) identity (its bits as a signed number), who (number in the run), kind that it
            was before, visit (stages that it has left before) and place: columns LEAD to PLACE.
        moment: (rows,) days.
    """

    number: Integers
    moment: Floats


class RepVisits(NamedTuple):
    """Visits to stages that need a rep.

    Args:
        number: (visits, 3) who, visit, and number of the work.
        moment: (visits, 3) when the lead joined the line, work began, and work was done: nan where it gave
            up or has not come to that before the horizon.
    """

    number: Integers
    moment: Floats


@kernel
def new_block() -> Block:
    """Return a block with room for BLOCK leads."""
    words, numbers = np.zeros(BLOCK_SIZE, dtype=np.uint64), np.zeros((3, BLOCK_SIZE), dtype=np.int64)
    floats = np.zeros((5, BLOCK_SIZE))
    return Block(
        words, numbers[0], numbers[1], floats[0], floats[1], floats[2], floats[3], floats[4], numbers[2]
    )


@kernel
def new_rows(size: int) -> Rows:
    """Return room for rows."""
    return Rows(np.empty((size, 5), dtype=np.int64), np.empty(size))


@kernel
def with_room(rows: Rows, used: int, more: int) -> Rows:
    """Return rows with room for `more` rows after the first `used`, keeping those."""
    if used + more <= rows.moment.size:
        return rows
    larger = new_rows(2 * (used + more))
    larger.number[:used], larger.moment[:used] = rows.number[:used], rows.moment[:used]
    return larger


@inlined
def write(
    rows: Rows, used: int, lead: W64, who: int, kind: int, visit: int, place: int, moment: float
) -> int:
    """Write a row after the first `used` and return how many there are then."""
    rows.number[used, LEAD], rows.number[used, WHO], rows.number[used, KIND] = np.int64(lead), who, kind
    rows.number[used, VISIT], rows.number[used, PLACE], rows.moment[used] = visit, place, moment
    return used + 1


@kernel
def follow(
    rules: Rules, block: Block, count: int, horizon: float, notable: Flags, onward: Flags, rows: Rows,
    used: int,
) -> tuple[Rows, int]:  # fmt: skip
    """Move a block's leads until all have ended, stopped or passed the horizon.

    Args:
        rules: the model.
        block: leads at their first visit; used up.
        count: how many of them there are.
        horizon: day after which nothing counts.
        notable: (places,) places whose entering is written.
        onward: (groups * places,) whether a lead of a group that enters a place lives on by itself.
        rows: room for what is written, after the first `used`.

    Returns:
        The rows, in larger room where needed, and how many there are.
    """
    visit = 0
    while count:
        rows = with_room(rows, used, count)
        count, used = follow_once(rules, block, count, visit, horizon, notable, onward, rows, used)
        visit += 1
    return rows, used


@bare
def follow_once(
    rules: Rules, block: Block, count: int, visit: int, horizon: float, notable: Flags, onward: Flags,
    rows: Rows, used: int,
) -> tuple[int, int]:  # fmt: skip
    """Move a block's leads out of their stages, and return how many go on and how many rows there are."""
    advance(
        rules, visit, count, block.lead, block.who, block.kind, block.age, block.now,
        block.luck, block.chance, block.moment, block.place,
    )  # fmt: skip
    stages, places, kept = rules.shape[1], rules.booked.size, 0
    for i in range(count):
        moment, place, kind = block.moment[i], block.place[i], block.kind[i]
        if moment >= horizon:
            continue
        if notable[place]:
            used = write(rows, used, block.lead[i], block.who[i], kind, visit + 1, place, moment)
        group = rules.group[kind]
        block.lead[kept], block.who[kept] = block.lead[i], block.who[i]
        block.kind[kept], block.now[kept] = group * stages + place, moment
        kept += onward[group * places + place]
    if not visit:
        block.age[:kept] = 0.0
    return kept, used


class Scope(NamedTuple):
    """What is wanted of a run: until which day, sums between which edges, and whether every row."""

    horizon: float
    edges: Floats
    log: bool


class Lives(NamedTuple):
    """What a run leaves: sums (periods, 2: open, new), rows (a birth has visit 0), visits to rep stages."""

    revenue: Floats
    wins: Floats
    rows: Rows
    visits: RepVisits


@bare
def fill(
    rules: Rules, start: Start, horizon: float, until: int, cursor: Integers,
    brood: Rows, waiting: int, block: Block,
) -> tuple[int, int]:  # fmt: skip
    """Put the next leads into a block: open deals, then births by day and way in, then the referred.

    Args:
        until: number of the first day whose births are beyond this filling.
        cursor: what has been taken so far: leads, then day, way in and number of the next birth.
        brood: referred leads, of which the first `waiting` are still to be lived.

    Returns:
        How many leads are in the block, and how many referred leads still wait.
    """
    count = 0
    while count < BLOCK_SIZE and cursor[0] < start.lead.size:
        who = cursor[0]
        block.lead[count], block.who[count], block.kind[count] = start.lead[who], who, start.kind[who]
        block.age[count], block.now[count] = start.age[who], 0.0
        cursor[0] += 1
        count += 1
    if count:
        return count, waiting
    if waiting < BLOCK_SIZE:
        count = next_births(rules, start, horizon, until, cursor, block.lead, block.kind, block.now)
    while waiting and count < BLOCK_SIZE:
        waiting -= 1
        block.lead[count], block.kind[count] = W64(brood.number[waiting, LEAD]), brood.number[waiting, KIND]
        block.now[count] = brood.moment[waiting]
        count += 1
    for i in range(count):
        block.who[i], block.age[i] = cursor[0] + i, 0.0
    cursor[0] += count
    return count, waiting


@bare
def book(rules: Rules, start: Start, scope: Scope, rows: Rows, used: int, lives: Lives) -> None:
    """Add what rows earn to the sums of their periods; a birth earns nothing."""
    for i in range(used):
        share = rules.booked[rows.number[i, PLACE]]
        if share == 0.0 or rows.number[i, VISIT] == 0:
            continue
        period = np.searchsorted(scope.edges, rows.moment[i], side="right") - 1
        if 0 <= period < lives.wins.shape[0]:
            origin = 0 if rows.number[i, WHO] < start.lead.size else 1
            lives.wins[period, origin] += 1.0
            price = signing_price(rules, rules.group[rows.number[i, KIND]], rows.moment[i])
            lives.revenue[period, origin] += (share * price) * worth_of(
                rules, start, W64(rows.number[i, LEAD]), rows.number[i, WHO], rows.number[i, KIND]
            )


@kernel
def refer(
    rules: Rules, families: Families, horizon: float, rows: Rows, used: int, brood: Rows, waiting: int
) -> tuple[Rows, int]:
    """Add the leads that rows refer, and that come before the horizon, to those that wait to be lived."""
    for i in range(used):
        for number in range(families.place.size if rows.number[i, VISIT] else 0):
            if families.place[number] != rows.number[i, PLACE]:
                continue
            lead, moment = brood_of(
                rules, families, number, W64(rows.number[i, LEAD]), rows.number[i, VISIT], rows.moment[i]
            )
            brood = with_room(brood, waiting, lead.size)
            kind = rules.group[rows.number[i, KIND]] * rules.shape[1] + families.stage[number]
            for child in range(lead.size):
                if moment[child] < horizon:
                    waiting = write(brood, waiting, lead[child], 0, kind, 0, -1, moment[child])
    return brood, waiting


@kernel
def write_births(block: Block, count: int, first: int, rows: Rows) -> tuple[Rows, int]:
    """Write the rows of leads that enter the funnel; open deals (numbered below `first`) are in it."""
    rows, used = with_room(rows, 0, count), 0
    for i in range(count):
        if block.who[i] >= first:
            used = write(rows, used, block.lead[i], block.who[i], block.kind[i], 0, -1, block.now[i])
    return rows, used


@kernel
def append(log: Rows, written: int, rows: Rows, used: int, first: int, count: int) -> tuple[Rows, int]:
    """Append a block's rows, which are by visit, in the order of its leads, numbered from `first`."""
    log = with_room(log, written, used)
    ends = np.zeros(count + 1, dtype=np.int64)
    for i in range(used):
        ends[rows.number[i, WHO] - first + 1] += 1
    ends = written + np.cumsum(ends)
    for i in range(used):
        who = rows.number[i, WHO] - first
        copy(log, ends[who], rows, i)
        ends[who] += 1
    return log, written + used


@inlined
def copy(log: Rows, to: int, rows: Rows, i: int) -> None:
    """Copy row i into a log."""
    for column in range(5):
        log.number[to, column] = rows.number[i, column]
    log.moment[to] = rows.moment[i]


@kernel
def stages_of(rules: Rules) -> NDArray[np.bool_]:
    """Return whether a place is a stage, for each group and place, flat."""
    return np.arange(rules.shape[0] * rules.booked.size) % rules.booked.size < rules.shape[1]


@kernel
def no_visits() -> RepVisits:
    """Return that nobody has been at a rep stage."""
    return RepVisits(np.empty((0, 3), dtype=np.int64), np.empty((0, 3)))


@kernel
def live_all(rules: Rules, start: Start, families: Families, scope: Scope) -> Lives:
    """Live all lives, block by block.

    Returns:
        Sums by period, and, if the scope says so, all rows by lead (numbered as they were lived), then visit.
    """
    periods = scope.edges.size - 1
    lives = Lives(np.zeros((periods, 2)), np.zeros((periods, 2)), new_rows(0), no_visits())
    notable, onward = rules.booked > 0.0, stages_of(rules)
    notable[families.place] = True
    notable |= scope.log
    block, rows, brood, log = new_block(), new_rows(BLOCK_SIZE), new_rows(0), new_rows(0)
    cursor = np.zeros(4, dtype=np.int64)
    waiting, written, used = 0, 0, 0
    while True:
        first = cursor[0]
        count, waiting = fill(
            rules, start, scope.horizon, start.counts.shape[1], cursor, brood, waiting, block
        )
        if not count:
            return Lives(
                lives.revenue, lives.wins, Rows(log.number[:written], log.moment[:written]), lives.visits
            )
        used = 0
        if scope.log:
            rows, used = write_births(block, count, start.lead.size, rows)
        rows, used = follow(rules, block, count, scope.horizon, notable, onward, rows, used)
        book(rules, start, scope, rows, used, lives)
        if families.place.size:
            brood, waiting = refer(rules, families, scope.horizon, rows, used, brood, waiting)
        if scope.log:
            log, written = append(log, written, rows, used, first, count)
