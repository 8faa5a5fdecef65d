"""The engine to read and to change: each lead's life as a SimPy process, each pool as a resource."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from operator import itemgetter

import numpy as np
import simpy
from simpy.events import EventPriority

from funnelsim.simulate.births import Families, Start, all_born, referred, worth_of
from funnelsim.simulate.blocks import Rows, Served
from funnelsim.simulate.compiled import Asked, Told, book
from funnelsim.simulate.crew import (
    AGE,
    CAPACITY,
    CHANGE,
    CHANGE_END,
    GIVES_UP_TO,
    MOST,
    ORDER,
    POOL,
    VALUE,
    Crew,
    finish,
    needs,
    opening,
    reps_at,
    speed_of,
    work_time,
)
from funnelsim.simulate.luck import W64
from funnelsim.simulate.step import Plan, move

Row = tuple[int, int, int, int, int, float]
NOWHERE = -1
AFTER_ALL_ELSE = 2
Happenings = Generator[simpy.Event, object, None]


class Team:
    """Reps of one pool.

    Free slots are given to the first in line once everything else of the moment has happened, so that
    the order of events within a moment does not matter. A slot is one deal that one rep can carry:
    slot = level * most reps + seat; the lowest free slot of a rep who is there is taken.
    """

    def __init__(self, clock: simpy.Environment, crew: Crew, pool: int) -> None:
        self.clock, self.crew, self.pool = clock, crew, pool
        self.most = int(crew.pool[pool, MOST])
        self.slots = self.most * int(crew.pool[pool, CAPACITY])
        self.line: list[tuple[float, float, W64, simpy.Event]] = []
        self.gave_up: set[simpy.Event] = set()
        self.free: list[int] = []
        self.away: list[int] = []
        self.fresh = 0
        self.asked_for = -1.0
        for moment, _ in crew.change[crew.pool[pool, CHANGE] + 1 : crew.pool[pool, CHANGE_END]]:
            if moment >= 0:
                self.at(float(moment), 1, self.resize)

    def ask(self, rank: float, name: W64) -> simpy.Event:
        """Join the line, and return the event of being given a slot."""
        turn = self.clock.event()
        heappush(self.line, (rank, float(self.clock.now), name, turn))
        self.call()
        return turn

    def forget(self, turn: simpy.Event) -> None:
        """Leave the line."""
        self.gave_up.add(turn)

    def release(self, slot: int) -> None:
        """Give a slot back."""
        heappush(self.free, slot)
        self.call()

    def resize(self) -> None:
        """Let reps who may be back take their slots."""
        self.free += self.away
        self.away = []
        heapify(self.free)
        self.call()

    def call(self) -> None:
        """Serve the line as soon as it is working time, after all else of that moment."""
        moment = opening(self.crew, self.pool, float(self.clock.now))
        if moment != self.asked_for:
            self.asked_for = moment
            self.at(moment, AFTER_ALL_ELSE + self.pool, self.serve)

    def serve(self) -> None:
        """Give free slots to the first in line."""
        while self.line:
            if self.line[0][3] in self.gave_up:
                self.gave_up.remove(heappop(self.line)[3])
                continue
            slot = self.take()
            if slot is None:
                return
            heappop(self.line)[3].succeed(slot)

    def take(self) -> int | None:
        """Return the lowest free slot of a rep who is there."""
        size = reps_at(self.crew, self.pool, float(self.clock.now))
        while self.free or self.fresh < self.slots:
            if self.free:
                slot = heappop(self.free)
            else:
                slot, self.fresh = self.fresh, self.fresh + 1
            if slot % self.most < size:
                return slot
            self.away.append(slot)
        return None

    def at(self, moment: float, priority: int, act: Callable[[], None]) -> None:
        """Do something at a moment, among its other events by priority (1: as usual)."""
        event = simpy.Event(self.clock)
        event._ok, event._value = True, None
        event.callbacks.append(lambda _: act())
        self.clock.schedule(event, EventPriority(priority), moment - self.clock.now)


@dataclass
class World:
    """What all leads share: the clock, the model, the teams of reps, and the record of what happened."""

    clock: simpy.Environment
    plan: Plan
    start: Start
    families: Families
    crew: Crew
    horizon: float
    teams: list[Team]
    leads: int = 0
    rows: list[Row] = field(default_factory=list)
    visits: list[list[float]] = field(default_factory=list)


@dataclass
class Lead:
    """One lead: who it is, its number in this run, what it is (group * stages + stage), and since when."""

    name: W64
    who: int
    kind: int
    since: float
    visit: int = 0


def tell(plan: Plan, start: Start, families: Families, crew: Crew, asked: Asked) -> Told:
    """Live all lives, as the compiled engine does, with every row told whether asked for or not."""
    clock = simpy.Environment()
    teams = [Team(clock, crew, pool) for pool in range(len(crew.pool))]
    world = World(clock, plan, start, families, crew, asked.horizon, teams)
    for name, kind, age in zip(start.lead, start.kind, start.age, strict=True):
        clock.process(life(world, new_lead(world, name, int(kind), -float(age)), float(age)))
    clock.process(arrivals(world))
    if asked.horizon > 0:
        clock.run(until=asked.horizon)
    rows, visits = columns(world.rows), visit_columns(world.visits)
    periods = asked.edges.size - 1
    told = Told(np.zeros((periods, 2)), np.zeros((periods, 2)), rows, visits)
    book(plan, start, asked, rows, rows.moment.size, told)
    return told


def new_lead(world: World, name: W64, kind: int, since: float) -> Lead:
    """Return a lead with a number of its own."""
    world.leads += 1
    return Lead(name, world.leads - 1, kind, since)


def arrivals(world: World) -> Happenings:
    """Let leads come at their moments."""
    names, kinds, moments = all_born(world.plan, world.start, world.horizon)
    for i in np.argsort(moments, kind="stable"):
        yield world.clock.timeout(moments[i] - world.clock.now)
        enter(world, names[i], int(kinds[i]))


def enter(world: World, name: W64, kind: int) -> None:
    """Let a new lead into the funnel."""
    now = float(world.clock.now)
    lead = new_lead(world, name, kind, now)
    world.rows.append((signed(name), lead.who, kind, 0, -1, now))
    world.clock.process(life(world, lead))


def life(world: World, lead: Lead, age: float | None = None) -> Happenings:
    """Be served if the stage needs a rep, wait, leave for the next place, and so on until the funnel's end.

    Args:
        age: days that an open deal is in its stage already: its rep's work is done; None: it enters now.
    """
    stages = world.plan.shape[1]
    while True:
        place = NOWHERE
        if age is None:
            place = yield from be_served(world, lead)
        if place == NOWHERE:
            now = float(world.clock.now)
            moment, place = move(world.plan, lead.name, lead.visit, lead.kind, age or 0.0, now)
            if moment >= world.horizon:
                return
            yield world.clock.timeout(moment - now)
        lead.visit += 1
        now = float(world.clock.now)
        world.rows.append((signed(lead.name), lead.who, lead.kind, lead.visit, place, now))
        bring_others(world, lead, place)
        if place >= stages:
            return
        lead.kind, age = lead.kind - lead.kind % stages + place, None


def be_served(world: World, lead: Lead) -> Generator[simpy.Event, object, int]:
    """Stand in line for a rep and be worked on, if the stage needs it.

    Returns:
        The place that the lead gives up to, or NOWHERE.
    """
    crew, clock = world.crew, world.clock
    task = int(crew.task[lead.kind])
    if task < 0:
        return NOWHERE
    team = world.teams[crew.work[task, POOL]]
    time, patience = needs(world.plan, crew, task, lead.name, lead.visit)
    visit = [lead.who, lead.visit, task, float(clock.now), np.nan, np.nan]
    world.visits.append(visit)
    turn = team.ask(rank(world, lead, team.pool), lead.name)
    yield turn if patience == np.inf else turn | clock.timeout(patience)
    if not turn.triggered:
        team.forget(turn)
        return int(crew.work[task, GIVES_UP_TO])
    slot, now = int(turn.value), float(clock.now)
    visit[4] = now
    speed = speed_of(crew, team.pool, slot % team.most, now)
    yield clock.timeout(finish(crew, team.pool, now, work_time(time, speed)) - now)
    visit[5] = float(clock.now)
    team.release(slot)
    return NOWHERE


def rank(world: World, lead: Lead, pool: int) -> float:
    """Return what a pool orders its line by, least first; equal ranks stand as they joined."""
    if world.crew.pool[pool, ORDER] == VALUE:
        return -worth_of(world.plan, world.start, lead.name, lead.who, lead.kind)
    return lead.since if world.crew.pool[pool, ORDER] == AGE else 0.0


def bring_others(world: World, lead: Lead, place: int) -> None:
    """Let the leads come that a lead refers on entering a place."""
    now, first = float(world.clock.now), lead.kind - lead.kind % world.plan.shape[1]
    for number in np.flatnonzero(world.families.place == place):
        names, moments = referred(world.plan, world.families, int(number), lead.name, lead.visit, now)
        kind = first + int(world.families.stage[number])
        for name, moment in zip(names, moments, strict=True):
            if moment < world.horizon:
                world.clock.process(later(world, name, kind, moment))


def later(world: World, name: W64, kind: int, moment: float) -> Happenings:
    """Let a referred lead come at its moment."""
    yield world.clock.timeout(moment - world.clock.now)
    enter(world, name, kind)


def signed(name: W64) -> int:
    """Return the bits of an identity as a signed number."""
    return int(name.astype(np.int64))


def columns(rows: list[Row]) -> Rows:
    """Return rows as columns, lead by lead, each lead's in order of visits."""
    order = sorted(rows, key=itemgetter(1, 3))
    numbers = np.array([row[:5] for row in order], dtype=np.int64).reshape(-1, 5)
    return Rows(numbers, np.array([row[5] for row in order], dtype=np.float64))


def visit_columns(visits: list[list[float]]) -> Served:
    """Return visits to rep stages as columns."""
    table = np.array(visits, dtype=np.float64).reshape(-1, 6)
    return Served(table[:, :3].astype(np.int64), table[:, 3:])
