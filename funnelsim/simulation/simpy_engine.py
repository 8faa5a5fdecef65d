"""The engine to read and to change: each lead's life as a SimPy process, each pool as a resource."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import numpy as np
import simpy
from numpy.typing import NDArray
from simpy.events import EventPriority

from funnelsim.arrays import Integers
from funnelsim.simulation import crew as crews
from funnelsim.simulation import step
from funnelsim.simulation.births import Families, Start, all_births, brood_of, worth_of
from funnelsim.simulation.compiled import Lives, RepVisits, Rows, Scope, book
from funnelsim.simulation.crew import (
    BY_AGE,
    BY_VALUE,
    CAPACITY,
    CHANGE,
    CHANGE_END,
    GIVES_UP_TO,
    MOST,
    ORDER,
    POOL,
    RAMP,
    RAMP_END,
    Crew,
    reps_at,
    speed_of,
    work_time,
)
from funnelsim.simulation.jit import bare, inlined
from funnelsim.simulation.luck import W32, W64
from funnelsim.simulation.step import Dates, Rules

Row = tuple[W64, int, int, int, int, float]
NOWHERE = ENTRY = -1
AFTER_ALL_ELSE = 2
Happenings = Generator[simpy.Event, object, None]
HEADER = 76  # room for the numbers, beginnings and shapes of all arrays, 72 at present


class RepTeam:
    """Reps of one pool; a slot is one deal that one rep can carry: slot = level * most reps + seat.

    Free slots are given to the first in line once everything else of the moment has happened, so that
    the order of events within a moment does not matter.
    """

    def __init__(self, clock: simpy.Environment, crew: Crew, pool: int) -> None:
        self.clock, self.crew, self.pool = clock, crew, pool
        self.packed = of_crew(crew)
        self.most = int(crew.pool[pool, MOST])
        self.slots = self.most * int(crew.pool[pool, CAPACITY])
        self.line: list[tuple[float, float, W64, simpy.Event]] = []
        self.gave_up: set[simpy.Event] = set()
        self.free: list[int] = []
        self.away: list[int] = []
        self.fresh = 0
        self.last_call = -1.0
        self.steady = bool(crew.pool[pool, CHANGE] + 1 == crew.pool[pool, CHANGE_END])
        for moment in crew.change[crew.pool[pool, CHANGE] + 1 : crew.pool[pool, CHANGE_END], 0]:
            if moment >= 0:
                self.at(float(moment), 1, self.resize)

    def ask(self, rank: float, name: W64) -> simpy.Event:
        """Join the line, and return the event of being given a slot."""
        turn = self.clock.event()
        heappush(self.line, (rank, self.clock.now, name, turn))
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
        moment = packed_opening(self.packed, self.pool, self.clock.now)
        if moment != self.last_call:
            self.last_call = moment
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
        size = self.most if self.steady else reps_at(self.crew, self.pool, self.clock.now)
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
    rules: Rules
    start: Start
    families: Families
    crew: Crew
    packed: Integers
    horizon: float
    teams: list[RepTeam]
    task: list[int]
    notable: set[int]
    referrals: dict[int, list[int]]
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


def live_in_simpy(rules: Rules, start: Start, families: Families, crew: Crew, scope: Scope) -> Lives:
    """Live all lives, as the compiled engine does, by the same luck."""
    clock = simpy.Environment(initial_time=0.0)
    teams = [RepTeam(clock, crew, pool) for pool in range(len(crew.pool))]
    places = families.place.tolist()
    referrals = {place: [i for i, other in enumerate(places) if other == place] for place in places}
    notable = {ENTRY, *range(rules.booked.size)} if scope.log else set(np.flatnonzero(rules.booked).tolist())
    world = World(
        clock, rules, start, families, crew, of_rules(rules), scope.horizon, teams, crew.task.tolist(),
        notable, referrals,
    )  # fmt: skip
    for name, kind, age in zip(start.lead, start.kind, start.age, strict=True):
        clock.process(life(world, new_lead(world, name, int(kind), -float(age)), float(age)))
    clock.process(arrivals(world))
    if scope.horizon > 0:
        clock.run(until=scope.horizon)
    rows, visits = columns(world.rows), visit_columns(world.visits)
    periods = scope.edges.size - 1
    lives = Lives(np.zeros((periods, 2)), np.zeros((periods, 2)), rows, visits)
    book(rules, start, scope, rows, rows.moment.size, lives)
    return lives


def new_lead(world: World, name: W64, kind: int, since: float) -> Lead:
    """Return a lead with a number of its own."""
    world.leads += 1
    return Lead(name, world.leads - 1, kind, since)


def arrivals(world: World) -> Happenings:
    """Let leads come at their moments."""
    names, kinds, moments = all_births(world.rules, world.start, world.horizon)
    order = np.argsort(moments, kind="stable")
    for name, kind, moment in zip(names[order], kinds[order].tolist(), moments[order].tolist(), strict=True):
        yield world.clock.timeout(moment - world.clock.now)
        enter(world, name, kind)


def enter(world: World, name: W64, kind: int) -> None:
    """Let a new lead into the funnel."""
    now = world.clock.now
    lead = new_lead(world, name, kind, now)
    if ENTRY in world.notable:
        world.rows.append((name, lead.who, kind, 0, ENTRY, now))
    world.clock.process(life(world, lead))


def life(world: World, lead: Lead, age: float | None = None) -> Happenings:
    """Be served if the stage needs a rep, wait, leave for the next place, and so on until the funnel's end.

    Args:
        age: days that an open deal is in its stage already: its rep's work is done; None: it enters now.
    """
    packed, clock, stages = world.packed, world.clock, world.rules.shape[1]
    while True:
        place = NOWHERE
        if age is None and world.task[lead.kind] >= 0:
            place = yield from be_served(world, lead, world.task[lead.kind])
        if place == NOWHERE:
            moment, place = packed_move(
                packed, lead.name, lead.who, lead.visit, lead.kind, age or 0.0, clock.now
            )
            if moment >= world.horizon:
                return
            yield clock.timeout(moment - clock.now)
        lead.visit += 1
        if place in world.notable:
            world.rows.append((lead.name, lead.who, lead.kind, lead.visit, place, clock.now))
        if place in world.referrals:
            bring_others(world, lead, place)
        if place >= stages:
            return
        lead.kind, age = lead.kind - lead.kind % stages + place, None


def be_served(world: World, lead: Lead, task: int) -> Generator[simpy.Event, object, int]:
    """Stand in line for a rep and be worked on.

    Returns:
        The place that the lead gives up to, or NOWHERE.
    """
    crew, clock = world.crew, world.clock
    team = world.teams[crew.work[task, POOL]]
    time, patience = packed_needs(world.packed, team.packed, task, lead.name, lead.visit)
    visit = [lead.who, lead.visit, task, clock.now, np.nan, np.nan]
    world.visits.append(visit)
    turn = team.ask(rank(world, lead, team.pool), lead.name)
    yield turn if patience == np.inf else turn | clock.timeout(patience)
    if not turn.triggered:
        team.forget(turn)
        return int(crew.work[task, GIVES_UP_TO])
    slot, now = turn.value, clock.now
    visit[4] = now
    speed = 1.0
    if crew.pool[team.pool, RAMP] < crew.pool[team.pool, RAMP_END]:
        speed = speed_of(crew, team.pool, slot % team.most, now)
    yield clock.timeout(packed_finish(team.packed, team.pool, now, work_time(time, speed)) - now)
    visit[5] = clock.now
    team.release(slot)
    return NOWHERE


def rank(world: World, lead: Lead, pool: int) -> float:
    """Return what a pool orders its line by, least first; equal ranks stand as they joined."""
    if world.crew.pool[pool, ORDER] == BY_VALUE:
        return -worth_of(world.rules, world.start, lead.name, lead.who, lead.kind)
    return lead.since if world.crew.pool[pool, ORDER] == BY_AGE else 0.0


def bring_others(world: World, lead: Lead, place: int) -> None:
    """Let the leads come that a lead refers on entering a place."""
    now, first = world.clock.now, lead.kind - lead.kind % world.rules.shape[1]
    for number in world.referrals[place]:
        names, moments = brood_of(world.rules, world.families, number, lead.name, lead.visit, now)
        kind = first + int(world.families.stage[number])
        for name, moment in zip(names, moments.tolist(), strict=True):
            if moment < world.horizon:
                world.clock.process(later(world, name, kind, moment))


def later(world: World, name: W64, kind: int, moment: float) -> Happenings:
    """Let a referred lead come at its moment."""
    yield world.clock.timeout(moment - world.clock.now)
    enter(world, name, kind)


def columns(rows: list[Row]) -> Rows:
    """Return rows as columns."""
    names = np.array([row[0] for row in rows], dtype=np.uint64).astype(np.int64)
    numbers = np.array([row[1:5] for row in rows], dtype=np.int64).reshape(-1, 4)
    return Rows(np.column_stack([names, numbers]), np.array([row[5] for row in rows], dtype=np.float64))


def visit_columns(visits: list[list[float]]) -> RepVisits:
    """Return visits to rep stages as columns."""
    table = np.reshape(visits, (-1, 6)).astype(np.float64)
    return RepVisits(table[:, :3].astype(np.int64), table[:, 3:])


def pack(arrays: Sequence[NDArray[np.generic]], numbers: Sequence[int]) -> Integers:
    """Return arrays as the bits of one: first numbers, where each array begins, and its shape; then data.

    Args:
        arrays: of 8-byte elements.
        numbers: a few whole numbers to begin with.
    """
    head = [*numbers]
    begin = HEADER
    for array in arrays:
        head += [begin, *array.shape]
        begin += array.size
    data = [np.ascontiguousarray(array).reshape(-1).view(np.int64) for array in arrays]
    return np.concatenate([np.pad(np.array(head, dtype=np.int64), (0, HEADER - len(head))), *data])


def of_rules(rules: Rules) -> Integers:
    """Return the rules in one array."""
    arrays = (
        rules.cuts, rules.guide.astype(np.int64), rules.split, rules.starts, rules.speed, rules.targets,
        rules.group, rules.booked, rules.amounts, rules.pace, rules.by_exit, rules.wins,
        *rules.dates, rules.signing,
    )  # fmt: skip
    seed = int(np.array(rules.seed, dtype=np.uint64).astype(np.int64))
    return pack(arrays, [seed, int(rules.replicate), *rules.shape])


def of_crew(crew: Crew) -> Integers:
    """Return a crew in one array."""
    return pack(crew, [])


@inlined
def rules_in(packed: Integers) -> Rules:
    """Return the rules that an array holds."""
    h, real = packed[:HEADER], packed.view(np.float64)
    return Rules(
        W64(h[0]), W32(h[1]), (h[2], h[3]),
        real[h[4] : h[8]].reshape((h[5], h[6], h[7])),
        packed[h[8] : h[11]].reshape((h[9], h[10])),
        real[h[11] : h[15]].reshape((h[12], h[13], h[14])),
        real[h[15] : h[17]],
        real[h[17] : h[20]].reshape((h[18], h[19])),
        packed[h[20] : h[23]].reshape((h[21], h[22])),
        packed[h[23] : h[25]],
        real[h[25] : h[27]],
        real[h[27] : h[30]].reshape((h[28], h[29])),
        real[h[30] : h[33]].reshape((h[31], h[32])),
        real[h[33] : h[37]].reshape((h[34], h[35], h[36])),
        packed[h[37] : h[40]].reshape((h[38], h[39])),
        Dates(
            real[h[40] : h[42]],
            real[h[42] : h[46]].reshape((h[43], h[44], h[45])),
            real[h[46] : h[48]],
            real[h[48] : h[50]],
            real[h[50] : h[52]],
            real[h[52] : h[55]].reshape((h[53], h[54])),
            real[h[55] : h[57]],
            packed[h[57] : h[59]],
            packed[h[59] : h[61]],
            packed[h[61] : h[63]],
            real[h[63] : h[65]],
            real[h[65] : h[67]],
            real[h[67] : h[69]],
        ),
        real[h[69] :].reshape((h[70], h[71])),
    )  # fmt: skip


@inlined
def crew_in(packed: Integers) -> Crew:
    """Return the crew that an array holds."""
    h, real = packed[:HEADER], packed.view(np.float64)
    return Crew(
        packed[h[0] : h[3]].reshape((h[1], h[2])),
        real[h[3] : h[6]].reshape((h[4], h[5])),
        real[h[6] : h[9]].reshape((h[7], h[8])),
        real[h[9] : h[12]].reshape((h[10], h[11])),
        packed[h[12] : h[14]],
        packed[h[14] : h[17]].reshape((h[15], h[16])),
        real[h[17] :],
    )  # fmt: skip


@bare
def packed_move(
    rules: Integers, lead: W64, who: int, visit: int, kind: int, age: float, now: float
) -> tuple[float, int]:
    """Do `step.move`."""
    return step.move(rules_in(rules), lead, who, visit, kind, age, now)


@bare
def packed_needs(rules: Integers, crew: Integers, task: int, lead: W64, visit: int) -> tuple[float, float]:
    """Do `crew.needs`."""
    return crews.needs(rules_in(rules), crew_in(crew), task, lead, visit)


@bare
def packed_opening(crew: Integers, pool: int, moment: float) -> float:
    """Do `crew.opening`."""
    return crews.opening(crew_in(crew), pool, moment)


@bare
def packed_finish(crew: Integers, pool: int, begin: float, work: float) -> float:
    """Do `crew.finish`."""
    return crews.finish(crew_in(crew), pool, begin, work)
