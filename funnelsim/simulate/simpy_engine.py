"""The engine to read and to change: each lead's life told as a SimPy process."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
import simpy

from funnelsim.simulate.births import Families, Start, all_born, referred
from funnelsim.simulate.blocks import Rows
from funnelsim.simulate.compiled import Asked, Told, book
from funnelsim.simulate.luck import W64
from funnelsim.simulate.step import Plan, move

Row = tuple[W64, int, int, int, int, float]
Happenings = Generator[simpy.Event, object, None]


@dataclass
class World:
    """What all leads share: the clock, the model, and the record of what happened."""

    clock: simpy.Environment
    plan: Plan
    families: Families
    horizon: float
    leads: int = 0
    rows: list[Row] = field(default_factory=list)


def tell(plan: Plan, start: Start, families: Families, asked: Asked) -> Told:
    """Live all lives, as `compiled.live` does, with every row told whether asked for or not."""
    world = World(simpy.Environment(), plan, families, asked.horizon)
    for lead, kind, age in zip(start.lead, start.kind, start.age, strict=True):
        welcome(world, lead, int(kind), float(age))
    world.clock.process(arrivals(world, start))
    if asked.horizon > 0:
        world.clock.run(until=asked.horizon)
    rows = by_lead(world.rows)
    periods = asked.edges.size - 1
    told = Told(np.zeros((periods, 2)), np.zeros((periods, 2)), rows)
    book(plan, start, asked, rows, rows.who.size, told)
    return told


def arrivals(world: World, start: Start) -> Happenings:
    """Let leads come at their moments."""
    lead, kind, moment = all_born(world.plan, start, world.horizon)
    for i in np.argsort(moment, kind="stable"):
        yield world.clock.timeout(moment[i] - world.clock.now)
        enter(world, lead[i], int(kind[i]))


def enter(world: World, lead: W64, kind: int) -> None:
    """Let a new lead into the funnel."""
    world.rows.append((lead, world.leads, kind, 0, -1, world.clock.now))
    welcome(world, lead, kind, 0.0)


def welcome(world: World, lead: W64, kind: int, age: float) -> None:
    """Begin the life of a lead that is in its first stage for so many days already."""
    world.clock.process(life(world, lead, world.leads, kind, age))
    world.leads += 1


def life(world: World, lead: W64, who: int, kind: int, age: float) -> Happenings:
    """Wait in a stage, leave it, enter the next place, and so on until the funnel's end or the horizon.

    Args:
        who: the lead's number in this run.
        kind: group * stages + stage.
        age: days that it is in its stage already.
    """
    stages, visit = world.plan.shape[1], 0
    while True:
        moment, place = move(world.plan, lead, visit, kind, age, float(world.clock.now))
        if moment >= world.horizon:
            return
        yield world.clock.timeout(moment - world.clock.now)
        visit += 1
        world.rows.append((lead, who, kind, visit, place, moment))
        bring_others(world, lead, visit, kind, place)
        if place >= stages:
            return
        kind, age = kind - kind % stages + place, 0.0


def bring_others(world: World, lead: W64, visit: int, kind: int, place: int) -> None:
    """Let the leads come that a lead refers on entering a place."""
    stages = world.plan.shape[1]
    for number in np.flatnonzero(world.families.place == place):
        leads, moments = referred(
            world.plan, world.families, int(number), lead, visit, float(world.clock.now)
        )
        stage = int(world.families.stage[number])
        for child, moment in zip(leads, moments, strict=True):
            if moment < world.horizon:
                world.clock.process(later(world, child, kind - kind % stages + stage, moment))


def later(world: World, lead: W64, kind: int, moment: float) -> Happenings:
    """Let a referred lead come at its moment."""
    yield world.clock.timeout(moment - world.clock.now)
    enter(world, lead, kind)


def by_lead(rows: list[Row]) -> Rows:
    """Return rows as columns, lead by lead, each lead's in order of visits."""
    lead, who, kind, visit, place, moment = zip(*rows, strict=True) if rows else ((),) * 6
    order = np.lexsort((visit, who))
    number, what, times, places = (np.array(c, dtype=np.int64)[order] for c in (who, kind, visit, place))
    moments = np.array(moment, dtype=np.float64)[order]
    return Rows(np.array(lead, dtype=np.uint64)[order], number, what, times, places, moments)
