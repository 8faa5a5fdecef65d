"""Reps and what they are needed for; customers who bring others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Floats
from funnelsim.errors import FunnelError, nearest
from funnelsim.model.units import UNIT_DAYS

ORDERS = ("fifo", "value", "age")


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
