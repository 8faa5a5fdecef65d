"""What a funnel is: stages where leads wait, exits, ends, where revenue is booked; the reps who work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Floats
from funnelsim.errors import Faults, FunnelError, nearest
from funnelsim.model.units import UNIT_DAYS

ORDERS = ("fifo", "value", "age")


@dataclass(frozen=True)
class Funnel:
    """The map that leads move on: stages, ends, and the exits that join them.

    A *place* is a stage or an end. Places are numbered: stages first, in order, then ends.

    Args:
        name: what the funnel is called.
        stages: places where a lead waits, in the order in which they are usually passed.
        ends: places where a life in the funnel ends, such as "Won" and "Lost".
        exits: for each stage, the places that it can lead to (a stage may come again: loops).
        earns: place -> share of the lead's value booked on entering it (1.0 for a plain sale).
        step: the natural time step in days (1 for most funnels, 1/24 for one that lives by the hour).
        handed_over: ends at which others take the lead on, such as sales: no win, no revenue, no loss.

    Raises:
        FunnelError: an exit, or an earning place, is no place of the funnel; leads are handed over at a
            place that is no end, or that earns.

    >>> funnel = Funnel("tiny", ("Lead", "Offer"), ("Won", "Lost"),
    ...                 (("Offer", "Lost"), ("Won", "Lost")), {"Won": 1.0})
    >>> funnel.places
    ('Lead', 'Offer', 'Won', 'Lost')
    >>> funnel.targets.tolist()
    [[1, 3], [2, 3]]
    """

    name: str
    stages: tuple[str, ...]
    ends: tuple[str, ...]
    exits: tuple[tuple[str, ...], ...]
    earns: Mapping[str, float]
    step: float = 1.0
    handed_over: tuple[str, ...] = ()
    numbers: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(set(self.places)) != len(self.places):
            twice = next(place for place in self.places if self.places.count(place) > 1)
            raise FunnelError(f"funnel '{self.name}': '{twice}' is named twice among stages and ends")
        if len(self.exits) != len(self.stages):
            lists = f"{len(self.stages)} stages but {len(self.exits)} lists of exits"
            raise FunnelError(f"funnel '{self.name}': {lists}")
        faults = Faults()
        for stage, exits in zip(self.stages, self.exits, strict=True):
            for place in exits:
                with faults:
                    self._check(place, f"exit of stage '{stage}'")
        for place in self.earns:
            with faults:
                self._check(place, "earning place")
        for place in self.handed_over:
            with faults:
                self._check_handover(place)
        faults.tell()
        object.__setattr__(self, "earns", MappingProxyType(dict(self.earns)))
        object.__setattr__(self, "numbers", MappingProxyType({p: i for i, p in enumerate(self.places)}))

    def _check(self, place: str, role: str) -> None:
        if place not in self.places:
            hint = nearest(place, self.places)
            raise FunnelError(f"funnel '{self.name}': {role} '{place}' is unknown; {hint}")

    def _check_handover(self, place: str) -> None:
        self._check(place, "hand-over")
        if place not in self.ends:
            raise FunnelError(f"funnel '{self.name}': hand-over '{place}' is a stage, expected an end")
        if place in self.earns:
            raise FunnelError(
                f"funnel '{self.name}': '{place}' is named under both `earns` and `handed_over`; a lead that "
                "others take on has not bought anything yet"
            )

    @property
    def places(self) -> tuple[str, ...]:
        """Stages, then ends: the order in which places are numbered."""
        return self.stages + self.ends

    @property
    def targets(self) -> NDArray[np.int64]:
        """Place number of every exit, shape (stages, most exits of any stage), -1 where there is none."""
        width = max(map(len, self.exits), default=0)
        table = np.full((len(self.stages), width), -1, dtype=np.int64)
        for row, exits in enumerate(self.exits):
            table[row, : len(exits)] = [self.numbers[place] for place in exits]
        return table

    @property
    def booked(self) -> NDArray[np.float64]:
        """Share of a lead's value booked on entering each place, shape (places,)."""
        return np.array([self.earns.get(place, 0.0) for place in self.places])

    @property
    def roles(self) -> dict[str, Any]:
        """Its places by role, as a mapping file names them: stages that earn nothing, and ends.

        Where a place that earns is no end, each entry into it is a win of its own: a customer who leaves
        later has bought all the same.
        """
        won = [place for place in self.places if place in self.earns]
        return {
            "stages": [stage for stage in self.stages if stage not in won],
            "won": won,
            "lost": [end for end in self.ends if end not in (*won, *self.handed_over)],
            **({"handed_over": list(self.handed_over)} if self.handed_over else {}),
            **({"wins": "each"} if self.wins_again else {}),
        }

    @property
    def wins_again(self) -> bool:
        """Whether a lead may win more than once: a place that earns is no end."""
        return any(place in self.stages for place in self.earns)

    def __reduce__(self) -> tuple[type[Funnel], tuple[object, ...]]:
        return Funnel, (
            self.name,
            self.stages,
            self.ends,
            self.exits,
            dict(self.earns),
            self.step,
            self.handed_over,
        )


def winning_exits(funnel: Funnel) -> NDArray[np.bool_]:
    """Return which exits lead to a place where revenue is booked, shape (stages, exits)."""
    booked: NDArray[np.bool_] = np.append(funnel.booked > 0, False)[funnel.targets]
    return booked


@dataclass(frozen=True)
class Draw:
    """A positive random duration, given by its quantiles so that every engine inverts the same table.

    Args:
        quantiles: (points,) durations in days at equally spaced chances 0, 1/(points-1), ..., 1,
            interpolated linearly; one point is a fixed duration.
    """

    quantiles: Floats


@dataclass(frozen=True)
class Pool:
    """A team of interchangeable reps.

    A free rep takes the next lead in order as soon as it is working time; work begun is finished, over
    nights and holidays, also by a rep who leaves. Seats are numbered: when the size falls, the reps of
    the last seats leave; when it rises, new ones are hired to them, who ramp up. Replacing a rep is a
    fall and a rise, on one day or later.

    Args:
        name: what the team is called.
        starts: (changes,) days since the as-of date at which the size changes; the first is -inf.
        size: (changes,) reps from each start on, whole numbers.
        order: who is served next: "fifo", "value" (largest first) or "age" (longest in the funnel first).
        capacity: deals that one rep works on at the same time.
        week: (7,) working hours of each weekday, Monday first, as a share of 24 (all 1: always at work).
        holidays: days since the as-of date on which nobody works.
        opens: moment of the day at which work begins, of every day or (7,) of each weekday; earlier where
            the day would be too short.
        ramp: (steps,) speed of a rep in each `ramp_days` after being hired, 1 being the speed afterwards
            and of the reps of day 0; what counts is the moment at which a piece of work begins.
            (changes, steps): those hired at each change have a ramp of their own.
        ramp_days: days that each step lasts, a month by default.
        salary: what one more rep costs per day; 0 where nobody said.

    Raises:
        FunnelError: an unknown order, a size below 0, a capacity below 1, a day longer than 24 hours, an
            opening that is no part of a day.
    """

    name: str
    starts: Floats
    size: NDArray[np.int64]
    order: str = "fifo"
    capacity: int = 1
    week: Floats = field(default_factory=lambda: np.ones(7))
    holidays: tuple[int, ...] = ()
    opens: float | Floats = 9 / 24
    ramp: Floats = field(default_factory=lambda: np.zeros(0))
    ramp_days: float = UNIT_DAYS["month"]
    salary: float = 0.0

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise FunnelError(
                f"pool '{self.name}': order '{self.order}' is unknown; {nearest(self.order, ORDERS)}"
            )
        if self.size.size != self.starts.size or self.size.min(initial=0) < 0 or self.capacity < 1:
            raise FunnelError(
                f"pool '{self.name}': sizes {self.size.tolist()} and capacity {self.capacity}; expected a "
                "size of 0 or more from each start on, and a capacity of 1 or more"
            )
        if self.week.shape != (7,) or np.any((self.week < 0) | (self.week > 1)) or np.any(self.ramp <= 0):
            raise FunnelError(
                f"pool '{self.name}': a week of {self.week.tolist()} and a ramp of {self.ramp.tolist()}; "
                "expected seven shares of 24 hours, and speeds above 0"
            )
        if self.ramp.ndim > 1 and len(self.ramp) != self.size.size:
            raise FunnelError(
                f"pool '{self.name}': {len(self.ramp)} ramps for {self.size.size} sizes; expected as many"
            )
        opens = np.asarray(self.opens)
        if opens.shape not in ((), (7,)) or np.any((opens < 0) | (opens >= 1)):
            raise FunnelError(
                f"pool '{self.name}': opens at {opens.tolist()} of the day; expected a part of a day "
                "below 1, or seven"
            )

    def size_on(self, day: float) -> int:
        """Return how many reps there are on a day."""
        return int(self.size[np.searchsorted(self.starts, day, side="right") - 1])


@dataclass(frozen=True)
class Work:
    """Rep time that a stage needs before the customer's own waiting time begins.

    Args:
        stage: stage number.
        pool: pool number.
        time: rep time needed, in days of working time (1/24 is one working hour).
        patience: time after which a lead still in the queue gives up; None: it waits for ever.
        gives_up_to: place number that it then goes to.
        groups: numbers of the groups whose leads need this work; empty: all.
    """

    stage: int
    pool: int
    time: Draw
    patience: Draw | None = None
    gives_up_to: int = -1
    groups: tuple[int, ...] = ()


@dataclass(frozen=True)
class Referral:
    """Entering `place` starts a Poisson number of new leads at `stage`, each after a delay.

    Args:
        place: place number whose entering refers.
        stage: stage number that the referred lead enters.
        mean: expected number of leads referred.
        delay: time until the referred lead enters.
        channel: the channel written on referred leads.
    """

    place: int
    stage: int
    mean: float
    delay: Draw
    channel: str = "referral"


def resize_pool(
    pool: Pool, add: int = 0, size: int | None = None, ramp: Sequence[float] = (), start: float = 0.0,
    end: float = np.inf,
) -> Pool:  # fmt: skip
    """Return a pool with more, fewer or another number of reps between two days.

    Args:
        pool: the pool.
        add: reps that come, negative: that leave.
        size: the size that the pool gets instead; None: `add` counts.
        ramp: speed of those who come in each month after they came, before 1; 0 at the beginning: not
            there yet.
        start, end: days since the as-of date; end may be inf.

    Raises:
        FunnelError: fewer than no reps, or newcomers who learn in other steps than the pool's own.
    """
    idle = next((step for step, speed in enumerate(ramp) if speed > 0), len(ramp))
    come = start + UNIT_DAYS["month"] * idle
    moments = {day for day in (come, end) if come <= day <= end and np.isfinite(day)}
    more = np.array(sorted(moments - set(pool.starts.tolist())))
    starts = np.concatenate([pool.starts, more])
    order = np.argsort(starts, kind="stable")
    before = pool.size[np.searchsorted(pool.starts, more, side="right") - 1]
    starts, sizes = starts[order], np.concatenate([pool.size, before])[order]
    there = (starts >= come) & (starts < end)
    sizes[there] = sizes[there] + add if size is None else size
    if sizes.min() < 0:
        raise FunnelError(f"the pool '{pool.name}' would have {sizes.min()} reps")
    learning = ramp[idle:]
    changed = replace(pool, starts=starts, size=sizes, ramp=_ramps(pool, learning, order))
    if not learning:
        return changed
    changed.ramp[starts == come, : len(learning)] = learning
    changed.ramp[starts == come, len(learning) :] = 1.0
    return replace(changed, ramp_days=UNIT_DAYS["month"])


def _ramps(pool: Pool, ramp: Sequence[float], order: NDArray[np.intp]) -> Floats:
    """Return a pool's ramps with room for one more, by change of size: the pool's own, then new ones.

    Args:
        ramp: of those who come; empty where the pool's own is theirs.
        order: of the pool's changes and the new ones after them.
    """
    if pool.ramp.ndim == 1 and not ramp:
        return pool.ramp
    if pool.ramp.size and ramp and pool.ramp_days != UNIT_DAYS["month"]:
        raise FunnelError(
            f"ramp: the pool '{pool.name}' learns in steps of {pool.ramp_days:g} days, not months"
        )
    ramps = np.ones((order.size, max(pool.ramp.shape[-1], len(ramp))))
    ramps[: pool.size.size, : pool.ramp.shape[-1]] = pool.ramp
    return ramps[order]
