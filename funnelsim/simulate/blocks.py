"""Lives that never meet: blocks of leads moved visit by visit, as the compiled engine does it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from funnelsim.simulate.jit import bare, inlined, kernel
from funnelsim.simulate.luck import W64
from funnelsim.simulate.step import Plan, advance

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Words = NDArray[np.uint64]

BLOCK = 1024
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


class Served(NamedTuple):
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
    words, numbers = np.zeros(BLOCK, dtype=np.uint64), np.zeros((3, BLOCK), dtype=np.int64)
    floats = np.zeros((5, BLOCK))
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
    plan: Plan, block: Block, count: int, horizon: float, noted: Flags, onward: Flags, rows: Rows, used: int
) -> tuple[Rows, int]:
    """Move a block's leads until all have ended, stopped or passed the horizon.

    Args:
        plan: the model.
        block: leads at their first visit; used up.
        count: how many of them there are.
        horizon: day after which nothing is told.
        noted: (places,) places whose entering is written.
        onward: (groups * places,) whether a lead of a group that enters a place lives on by itself.
        rows: room for what is written, after the first `used`.

    Returns:
        The rows, in larger room where needed, and how many there are.
    """
    visit = 0
    while count:
        rows = with_room(rows, used, count)
        count, used = follow_once(plan, block, count, visit, horizon, noted, onward, rows, used)
        visit += 1
    return rows, used


@bare
def follow_once(
    plan: Plan, block: Block, count: int, visit: int, horizon: float, noted: Flags, onward: Flags,
    rows: Rows, used: int,
) -> tuple[int, int]:  # fmt: skip
    """Move a block's leads out of their stages, and return how many go on and how many rows there are."""
    advance(
        plan, visit, count, block.lead, block.kind, block.age, block.now,
        block.luck, block.chance, block.moment, block.place,
    )  # fmt: skip
    stages, places, kept = plan.shape[1], plan.booked.size, 0
    for i in range(count):
        moment, place, kind = block.moment[i], block.place[i], block.kind[i]
        if moment >= horizon:
            continue
        if noted[place]:
            used = write(rows, used, block.lead[i], block.who[i], kind, visit + 1, place, moment)
        group = plan.group[kind]
        block.lead[kept], block.who[kept] = block.lead[i], block.who[i]
        block.kind[kept], block.now[kept] = group * stages + place, moment
        kept += onward[group * places + place]
    if not visit:
        block.age[:kept] = 0.0
    return kept, used
