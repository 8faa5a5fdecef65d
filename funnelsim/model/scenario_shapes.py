"""What may stand in a scenario file: one shape per lever, their keys and types."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict

from funnelsim.model.statement import Name, Whole, part
from funnelsim.model.units import Date, Number, PerDay, Ramp

Factor = Annotated[Number, Field(ge=0, le=1000)]
Stretch = Annotated[Number, Field(gt=0, le=1000)]
Elasticity = Annotated[Number, Field(ge=0, le=2)]


def _none(given: Any) -> Any:
    return [] if given is None else given


@part
class OddsChange:
    """The odds of leaving a stage by one exit; the time of leaving stays."""

    odds: Annotated[dict[Name, Name], Field(min_length=1)]
    multiply: Factor
    segment: Name | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None


@part
class RateChange:
    """The rate of leaving a stage by one exit."""

    rate: Annotated[dict[Name, Name], Field(min_length=1)]
    multiply: Factor
    segment: Name | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None


@part
class DaysChange:
    """The time in a stage; the split over its exits stays."""

    days: Name
    multiply: Stretch
    segment: Name | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None


@part
class EntriesChange:
    """The leads that enter: "all", or those of a channel, stage or segment."""

    entries: Name
    multiply: Factor = 1.0
    add: Annotated[PerDay, Field(ge=0)] | None = None
    channel: Name | None = None
    stage: Name | None = None
    segment: Name | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None


@part
class SpendChange:
    """The money spent on a channel; today's spend and the elasticity are the model's unless stated."""

    spend: Name
    multiply: Factor = 1.0
    add: PerDay | None = None
    today: Annotated[PerDay, Field(gt=0)] | None = None
    elasticity: Elasticity | None = None
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None


@part
class ValueChange:
    """What a win is worth: "all", or in one segment."""

    value: Name
    multiply: Factor


@part
class RepsChange:
    """The size of a pool: reps that come (or leave, negative), or a new size."""

    reps: Name
    add: Annotated[int, Strict(), Field(ge=-100_000, le=100_000)] | None = None
    set: Whole | None = None
    ramp: Ramp = ()
    from_: Date | None = Field(default=None, alias="from")
    to: Date | None = None


@part
class ReferralsChange:
    """How many new leads are brought by those who enter a place, or by "all"."""

    referrals: Name
    multiply: Factor


@part
class WorkChange:
    """The rep time that a stage needs, or "all"."""

    work: Name
    multiply: Factor


@part
class ScenarioFile:
    """A whole scenario file; every change is checked by the shape of its lever."""

    question: str = ""
    funnel: Name | None = None
    based_on: Name | None = None
    changes: Annotated[list[dict[str, Any]], BeforeValidator(_none)] = Field(default_factory=list)


AnyChange = (
    OddsChange
    | RateChange
    | DaysChange
    | EntriesChange
    | SpendChange
    | ValueChange
    | RepsChange
    | ReferralsChange
    | WorkChange
)
SHAPES: dict[str, type[AnyChange]] = {
    "odds": OddsChange,
    "rate": RateChange,
    "days": DaysChange,
    "entries": EntriesChange,
    "spend": SpendChange,
    "value": ValueChange,
    "reps": RepsChange,
    "referrals": ReferralsChange,
    "work": WorkChange,
}
