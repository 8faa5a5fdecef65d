"""Reps and what they are needed for; customers who bring others."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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

    Args:
        name: what the team is called.
        starts: (changes,) days since the as-of date at which the size changes; the first is -inf.
        size: (changes,) reps from each start on, whole numbers.
        order: who is served next: "fifo", "value" (largest first) or "age" (longest in the funnel first).
        capacity: deals that one rep works on at the same time.
        week: (7,) working hours of each weekday, Monday first, as a share of 24 (all 1: always at work).
        holidays: days since the as-of date on which nobody works.
    """

    name: str
    starts: Floats
    size: NDArray[np.int64]
    order: str = "fifo"
    capacity: int = 1
    week: Floats = field(default_factory=lambda: np.ones(7))
    holidays: tuple[int, ...] = ()


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
