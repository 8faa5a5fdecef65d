"""How leads come to rep stages in the compiled engine, and how they go on after them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from funnelsim.simulate.blocks import KIND, LEAD, PLACE, VISIT, WHO, Block, Rows, write
from funnelsim.simulate.crew import GIVES_UP_TO
from funnelsim.simulate.desk import (
    CHANCE,
    JOIN,
    JOINED,
    LUCK,
    SINCE,
    WALK,
    Desk,
    expect,
    lead_of,
    new_item,
)
from funnelsim.simulate.jit import bare, inlined
from funnelsim.simulate.line import Scene
from funnelsim.simulate.luck import W64
from funnelsim.simulate.step import depart, move

Floats = NDArray[np.float64]


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
    stages = scene.plan.shape[1]
    for i in range(used):
        place, visit = rows.number[i, PLACE], rows.number[i, VISIT]
        kind = scene.plan.group[rows.number[i, KIND]] * stages + place
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
    plan, lead, who = scene.plan, lead_of(desk, item), desk.number[item, WHO]
    luck, chance = desk.moment[item, LUCK], desk.moment[item, CHANCE]
    known = luck >= 0.0 and visit == desk.number[item, VISIT]
    while now < scene.asked.horizon and used < rows.moment.size:
        if known:
            now, place = depart(plan, kind, 0.0, now, luck, chance)
        else:
            now, place = move(plan, lead, visit, kind, 0.0, now)
        known = False
        if now >= scene.asked.horizon:
            return used
        visit += 1
        if scene.noted[place]:
            used = write(rows, used, lead, who, kind, visit, place, now)
        kind = plan.group[kind] * plan.shape[1] + place
        if place >= plan.shape[1]:
            return used
        if scene.stops[kind]:
            join(desk, lead, who, kind, visit, now, desk.moment[item, SINCE])
            return used
    if now < scene.asked.horizon:
        later = new_item(desk, WALK, lead, who, kind, visit)
        desk.moment[later, SINCE] = desk.moment[item, SINCE]
        expect(desk, now, later)
    return used


@inlined
def give_up(scene: Scene, desk: Desk, item: int, now: float, rows: Rows, used: int) -> int:
    """Send a lead that has lost its patience on its way, and return how many rows there are."""
    if now >= scene.asked.horizon:
        return used
    plan, kind, visit = scene.plan, desk.number[item, KIND], desk.number[item, VISIT] + 1
    lead, who = lead_of(desk, item), desk.number[item, WHO]
    place = scene.crew.work[scene.crew.task[kind], GIVES_UP_TO]
    if scene.noted[place]:
        used = write(rows, used, lead, who, kind, visit, place, now)
    after = plan.group[kind] * plan.shape[1] + place
    if place < plan.shape[1] and scene.stops[after]:
        join(desk, lead, who, after, visit, now, desk.moment[item, SINCE])
    elif place < plan.shape[1]:
        used = walk(scene, desk, item, after, visit, now, rows, used)
    return used
