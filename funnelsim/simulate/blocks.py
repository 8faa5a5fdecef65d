"""Lives that never meet: blocks of leads moved visit by visit, as the compiled engine does it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from funnelsim.simulate.jit import inlined, kernel
from funnelsim.simulate.luck import W64
from funnelsim.simulate.step import Plan, advance

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Words = NDArray[np.uint64]

BLOCK = 1024


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
    """What happened: a lead entered a place; `visit` counts the stages that it has left before."""

    lead: Words
    who: Integers
    kind: Integers
    visit: Integers
    place: Integers
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
    numbers = np.zeros((4, size), dtype=np.int64)
    words = np.zeros(size, dtype=np.uint64)
    return Rows(words, numbers[0], numbers[1], numbers[2], numbers[3], np.zeros(size))


@kernel
def with_room(rows: Rows, used: int, more: int) -> Rows:
    """Return rows with room for `more` rows after the first `used`, keeping those."""
    if used + more <= rows.who.size:
        return rows
    larger = new_rows(2 * (used + more))
    larger.lead[:used], larger.who[:used], larger.kind[:used] = (
        rows.lead[:used],
        rows.who[:used],
        rows.kind[:used],
    )
    larger.visit[:used], larger.place[:used] = rows.visit[:used], rows.place[:used]
    larger.moment[:used] = rows.moment[:used]
    return larger


@kernel
def cut_rows(rows: Rows, used: int) -> Rows:
    """Return the first `used` rows alone."""
    return Rows(
        rows.lead[:used],
        rows.who[:used],
        rows.kind[:used],
        rows.visit[:used],
        rows.place[:used],
        rows.moment[:used],
    )


@inlined
def write(
    rows: Rows, used: int, lead: W64, who: int, kind: int, visit: int, place: int, moment: float
) -> int:
    """Write a row after the first `used` and return how many there are then."""
    rows.lead[used], rows.who[used], rows.kind[used] = lead, who, kind
    rows.visit[used], rows.place[used], rows.moment[used] = visit, place, moment
    return used + 1


@kernel
def follow(
    plan: Plan, block: Block, count: int, horizon: float, noted: Flags, stops: Flags, rows: Rows, used: int
) -> tuple[Rows, int]:
    """Move a block's leads until all have ended, stopped or passed the horizon.

    Args:
        plan: the model.
        block: leads at their first visit; used up.
        count: how many of them there are.
        horizon: day after which nothing is told.
        noted: (places,) places whose entering is written.
        stops: (places,) places, noted too, at which a lead's life is no longer its own.
        rows: room for what is written, after the first `used`.

    Returns:
        The rows, in larger room where needed, and how many there are.
    """
    stages, visit = plan.shape[1], 0
    while count:
        rows = with_room(rows, used, count)
        advance(
            plan, visit, count, block.lead, block.kind, block.age, block.now,
            block.luck, block.chance, block.moment, block.place,
        )  # fmt: skip
        kept = 0
        visit += 1
        for i in range(count):
            moment, place, kind = block.moment[i], block.place[i], block.kind[i]
            if moment >= horizon:
                continue
            if noted[place]:
                used = write(rows, used, block.lead[i], block.who[i], kind, visit, place, moment)
            block.lead[kept], block.who[kept] = block.lead[i], block.who[i]
            block.kind[kept], block.now[kept] = plan.group[kind] * stages + place, moment
            block.age[kept] = 0.0
            kept += (place < stages) and not stops[place]
        count = kept
    return rows, used
