"""The compiled engine for leads that do not wait for reps, in memory that does not grow with their number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from funnelsim.simulate.births import Families, Start, born, referred, worth_of
from funnelsim.simulate.blocks import (
    BLOCK,
    Block,
    Rows,
    cut_rows,
    follow,
    new_block,
    new_rows,
    with_room,
    write,
)
from funnelsim.simulate.jit import kernel
from funnelsim.simulate.step import Plan

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Asked(NamedTuple):
    """What a run is to tell: until when, sums between which edges, and whether every row."""

    horizon: float
    edges: Floats
    log: bool


class Told(NamedTuple):
    """What a run told: sums (periods, 2: open, new), and rows lead by lead; a birth is a row of visit 0."""

    revenue: Floats
    wins: Floats
    rows: Rows


@kernel
def fill(
    plan: Plan, start: Start, horizon: float, cursor: Integers, brood: Rows, waiting: int, block: Block
) -> tuple[int, int]:
    """Put the next leads into a block: open deals, then the born, by way in and day, then the referred.

    Args:
        cursor: what has been taken so far: leads, then way in, day and number of the next birth.
        brood: referred leads, of which the first `waiting` are still to be lived.

    Returns:
        How many leads are in the block, and how many referred leads still wait.
    """
    count = 0
    while count < BLOCK and cursor[0] < start.lead.size:
        who = cursor[0]
        block.lead[count], block.who[count], block.kind[count] = start.lead[who], who, start.kind[who]
        block.age[count], block.now[count] = start.age[who], 0.0
        cursor[0] += 1
        count += 1
    if count:
        return count, waiting
    while waiting and (waiting >= BLOCK or cursor[1] == start.way.size) and count < BLOCK:
        waiting -= 1
        block.lead[count], block.kind[count] = brood.lead[waiting], brood.kind[waiting]
        block.now[count] = brood.moment[waiting]
        count += 1
    if not count:
        count = born(plan, start, horizon, cursor, block.lead, block.kind, block.now)
    for i in range(count):
        block.who[i], block.age[i] = cursor[0] + i, 0.0
    cursor[0] += count
    return count, waiting


@kernel
def book(plan: Plan, start: Start, asked: Asked, rows: Rows, used: int, told: Told) -> None:
    """Add what rows earn to the sums of their periods; a birth earns nothing."""
    for i in range(used):
        share = plan.booked[rows.place[i]]
        if share == 0.0 or rows.visit[i] == 0:
            continue
        period = np.searchsorted(asked.edges, rows.moment[i], side="right") - 1
        if 0 <= period < told.wins.shape[0]:
            origin = 0 if rows.who[i] < start.lead.size else 1
            told.wins[period, origin] += 1.0
            told.revenue[period, origin] += share * worth_of(
                plan, start, rows.lead[i], rows.who[i], rows.kind[i]
            )


@kernel
def refer(
    plan: Plan, families: Families, horizon: float, rows: Rows, used: int, brood: Rows, waiting: int
) -> tuple[Rows, int]:
    """Add the leads that rows refer, and that come before the horizon, to those that wait to be lived."""
    for i in range(used):
        for number in range(families.place.size if rows.visit[i] else 0):
            if families.place[number] != rows.place[i]:
                continue
            lead, moment = referred(plan, families, number, rows.lead[i], rows.visit[i], rows.moment[i])
            brood = with_room(brood, waiting, lead.size)
            kind = plan.group[rows.kind[i]] * plan.shape[1] + families.stage[number]
            for child in range(lead.size):
                if moment[child] < horizon:
                    waiting = write(brood, waiting, lead[child], 0, kind, 0, -1, moment[child])
    return brood, waiting


@kernel
def births(block: Block, count: int, first: int, rows: Rows) -> tuple[Rows, int]:
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
        ends[rows.who[i] - first + 1] += 1
    ends = written + np.cumsum(ends)
    for i in range(used):
        to = ends[rows.who[i] - first]
        ends[rows.who[i] - first] = write(
            log, to, rows.lead[i], rows.who[i], rows.kind[i], rows.visit[i], rows.place[i], rows.moment[i]
        )
    return log, written + used


@kernel
def live(plan: Plan, start: Start, families: Families, asked: Asked) -> Told:
    """Live all lives, block by block.

    Returns:
        Sums by period, and, if asked for, all rows by lead (numbered as they were lived), then visit.
    """
    periods = asked.edges.size - 1
    told = Told(np.zeros((periods, 2)), np.zeros((periods, 2)), new_rows(0))
    noted, stops = plan.booked > 0.0, np.zeros(plan.booked.size, dtype=np.bool_)
    noted[families.place] = True
    noted |= asked.log
    block, rows, brood, log = new_block(), new_rows(BLOCK), new_rows(0), new_rows(0)
    cursor = np.zeros(4, dtype=np.int64)
    waiting, written, used = 0, 0, 0
    while True:
        first = cursor[0]
        count, waiting = fill(plan, start, asked.horizon, cursor, brood, waiting, block)
        if not count:
            return Told(told.revenue, told.wins, cut_rows(log, written))
        used = 0
        if asked.log:
            rows, used = births(block, count, start.lead.size, rows)
        rows, used = follow(plan, block, count, asked.horizon, noted, stops, rows, used)
        book(plan, start, asked, rows, used, told)
        if families.place.size:
            brood, waiting = refer(plan, families, asked.horizon, rows, used, brood, waiting)
        if asked.log:
            log, written = append(log, written, rows, used, first, count)
