"""What a funnel is: stages where leads wait, exits between them, ends, and where revenue is booked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funnelsim.errors import Faults, FunnelError, nearest


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
