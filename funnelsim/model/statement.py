"""What may stand in a YAML file that states a funnel: its keys, their types and their meaning."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform

import pydantic.dataclasses
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict

from funnelsim.errors import FunnelError
from funnelsim.files import shown
from funnelsim.model import dwell
from funnelsim.model.units import Date, Dates, Number, PerDay, Ramp

Keys = TypeVar("Keys")
Name = Annotated[str, Strict(), Field(min_length=1, max_length=200)]
WholeNumber = Annotated[int, Strict(), Field(ge=0, le=10**9)]
Long = Annotated[Number, Field(ge=1e-6, le=1e6)]
Shaped = Annotated[Number, Field(ge=0.1, le=100)]
Cash = Annotated[Number, Field(ge=0, le=1e12)]
REST = -1.0  # stands for "rest" among chances
WIDEST_RATIO = 1000.0  # nine in ten within 1,000 medians: beyond it a unit was mistaken
Hour = Annotated[Number, Field(ge=0, lt=24)]
Until = Annotated[Number, Field(ge=0, le=24)]


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def part(kind: type[Keys]) -> type[Keys]:
    """Make a class one mapping of a file: frozen, checked, refusing keys that it does not know."""
    config = ConfigDict(extra="forbid")
    return pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=config)(kind)  # type: ignore[return-value]


def _chance(given: Any) -> Any:
    """Let "rest" stand for what the other exits leave."""
    if given == "rest":
        return REST
    if isinstance(given, float | int) and not isinstance(given, bool) and 0 <= given <= 1:
        return float(given)
    raise FunnelError(f"{shown(given)} given, expected a chance between 0 and 1, or 'rest'")


def _check_spread(median: float | None, p90: float | None, otherwise: str) -> None:
    if median is None or p90 is None:
        return
    if p90 < median * 1.001:
        raise FunnelError(f"p90 ({p90:g}) must exceed the median ({median:g}); or give {otherwise}")
    if p90 > median * WIDEST_RATIO:
        raise FunnelError(f"p90 ({p90:g}) is more than {WIDEST_RATIO:g} times the median ({median:g})")


@part
class ShapeAndScale:
    """A Weibull or gamma duration; the scale is in the funnel's unit."""

    shape: Shaped
    scale: Long


@part
class Exit:
    """How often an exit is taken, and how long that takes: lognormal, memoryless, Weibull, gamma or fixed."""

    chance: Annotated[float | None, BeforeValidator(_chance)] = None
    median: Long | None = None
    p90: Long | None = None
    mean: Long | None = None
    weibull: ShapeAndScale | None = None
    gamma: ShapeAndScale | None = None
    fixed: Long | None = None

    def __post_init__(self) -> None:
        ways = [
            way for way in ("median", "mean", "weibull", "gamma", "fixed") if getattr(self, way) is not None
        ]
        if len(ways) > 1:
            raise FunnelError(f"'{ways[0]}' and '{ways[1]}' say the same thing in two ways; give one")
        if (self.median is None) != (self.p90 is None):
            raise FunnelError(
                "'median' and 'p90' belong together: half within the median, nine in ten within p90"
            )
        _check_spread(self.median, self.p90, "'fixed'")

    def has_time(self) -> bool:
        """Return whether a time is stated at all."""
        return any(way is not None for way in (self.median, self.mean, self.weibull, self.gamma, self.fixed))

    def law(self, unit: float) -> dwell.Duration:
        """Return the distribution of days, for a unit of so many days."""
        if self.median is not None and self.p90 is not None:
            return dwell.lognormal(self.median * unit, self.p90 * unit)
        if self.weibull is not None:
            return dwell.weibull(self.weibull.shape, self.weibull.scale * unit)
        if self.gamma is not None:
            return dwell.gamma(self.gamma.shape, self.gamma.scale * unit)
        if self.fixed is not None:
            return dwell.fixed(self.fixed * unit)
        if self.mean is not None:
            return dwell.exponential(self.mean * unit)
        raise FunnelError("how long it takes is missing: give median and p90, mean, weibull, gamma or fixed")


def _only_time(given: Exit) -> Exit:
    if given.chance is not None or not given.has_time():
        raise FunnelError("expected only a time: median and p90, mean, weibull, gamma or fixed")
    return given


Time = Annotated[Exit, AfterValidator(_only_time)]


@part
class Stage:
    """A stage: its exits by place, and the time after which a lead in it should be looked at."""

    exits: Annotated[dict[Name, Exit], Field(min_length=1)]
    alert_after: Long | None = None


@part
class Override:
    """What is different about a stage in one segment: all times by a factor, or single exits."""

    time_factor: Annotated[Number, Field(ge=0.001, le=1000)] = 1.0
    exits: dict[Name, Exit] = Field(default_factory=dict)


@part
class Amount:
    """What a win is worth: lognormal by median and p90, or one fixed amount."""

    median: Annotated[Cash, Field(gt=0)] | None = None
    p90: Cash | None = None
    fixed: Cash | None = None

    def __post_init__(self) -> None:
        if (self.fixed is None) == (self.median is None) or (self.median is None) != (self.p90 is None):
            raise FunnelError("expected an amount, or median and p90")
        _check_spread(self.median, self.p90, "one amount")


def _amount(given: Any) -> Any:
    return {"fixed": given} if isinstance(given, float | int) else given


def _names(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


def _sizes(given: Any) -> Any:
    if isinstance(given, dict):
        return given
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= 10**9:
        raise FunnelError(f"{shown(given)} given, expected a whole number of reps, or numbers by date")
    return {datetime.date.min.isoformat(): given}


def _hours(given: Any) -> Any:
    """Let one hour stand for all days of the week."""
    return given if isinstance(given, list | tuple) else [given] * 7


Money = Annotated[Amount, BeforeValidator(_amount)]
Sizes = Annotated[dict[Date, WholeNumber], BeforeValidator(_sizes), Field(min_length=1)]


@part
class Segment:
    """A kind of lead: its share of the leads that enter, what a win is worth, what differs in its stages."""

    share: Annotated[Number, Field(ge=0, le=1)]
    value: Money | None = None
    stages: dict[Name, Override] = Field(default_factory=dict)


@part
class Entry:
    """Leads that enter at a stage: how many per day, week or month, from which channel, of which segment."""

    stage: Name
    leads: Annotated[PerDay, Field(ge=0, le=1e7)]
    channel: Name = ""
    segment: Name | None = None


@part
class Channel:
    """What a channel costs today, and its elasticity: leads are proportional to spend ** elasticity."""

    spend: Annotated[PerDay, Field(ge=0, le=1e12)]
    elasticity: Annotated[Number, Field(ge=0, le=2)]


@part
class Team:
    """A pool of reps: its size (or sizes by date), who is served next, working hours Monday to Sunday.

    `opens` is the hour at which work begins, of every day or of each (9, or earlier on long days);
    `holidays` are dates and spans of dates; `ramp` is the speed of a new rep in each month after being
    hired, before full speed.
    """

    size: Sizes
    order: Literal["fifo", "value", "age"] = "fifo"
    capacity: Annotated[WholeNumber, Field(ge=1)] = 1
    hours: tuple[Annotated[Number, Field(ge=0, le=24)], ...] = (8.0, 8.0, 8.0, 8.0, 8.0, 0.0, 0.0)
    opens: Annotated[tuple[Hour, ...], BeforeValidator(_hours)] = ()
    holidays: Dates = ()
    ramp: Ramp = ()

    def __post_init__(self) -> None:
        if len(self.hours) != 7:
            raise FunnelError(f"'hours' has {len(self.hours)} numbers, expected 7: Monday to Sunday")
        if len(self.opens) not in (0, 7):
            raise FunnelError(f"'opens' has {len(self.opens)} hours, expected 1, or 7: Monday to Sunday")
        for hours, opens in zip(self.hours, self.opens, strict=False):
            if opens + hours > 24:
                raise FunnelError(f"'opens' at {opens:g} leaves less than the {hours:g} hours of that day")
        if 0.0 in self.ramp:
            raise FunnelError("'ramp' has a speed of 0; give a later date to the size instead")


@part
class Task:
    """Rep hours that a stage needs (in one segment), and how long a lead waits for a rep before giving up."""

    stage: Name
    pool: Name
    segment: Name | None = None
    hours: Time
    patience: Time | None = None
    gives_up_to: Name | None = None


@part
class Recommendation:
    """Entering `place` brings `mean` new leads to `stage`, each after a delay."""

    place: Name
    stage: Name
    mean: Annotated[Number, Field(ge=0, le=1000)]
    delay: Time
    channel: Name = "referral"


@part
class Statement:
    """A whole file: times in `unit`, money in `currency`, day 0 the beginning of `start`.

    `leads_come` are the hours of the day between which leads enter, evenly; by day and night if not stated.
    `handed_over` are ends at which others take the lead on: no win, no revenue, no loss.
    """

    name: Name
    about: str = ""
    unit: Literal["minute", "hour", "day", "week", "month"] = "day"
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = ""
    start: Date
    stages: Annotated[dict[Name, Stage], Field(min_length=1)]
    ends: Annotated[tuple[Name, ...], Field(min_length=1)]
    earns: dict[Name, Cash] = Field(default_factory=dict)
    handed_over: Annotated[tuple[Name, ...], BeforeValidator(_names)] = ()
    value: Money | None = None
    segments: dict[Name, Segment] = Field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    leads_come: tuple[Until, Until] | None = None
    season: tuple[Annotated[Number, Field(ge=0.001, le=1000)], ...] = ()
    growth_per_year: Annotated[Number, Field(gt=-1, le=10)] = 0.0
    intake_spread: Annotated[Number, Field(ge=0, le=2)] = 0.0
    channels: dict[Name, Channel] = Field(default_factory=dict)
    pools: dict[Name, Team] = Field(default_factory=dict)
    work: tuple[Task, ...] = ()
    referrals: tuple[Recommendation, ...] = ()

    def __post_init__(self) -> None:
        if not self.earns and not self.handed_over:
            raise FunnelError("the key 'earns' is missing: which places book revenue; or 'handed_over'")
        if not self.earns and (self.value or any(one.value for one in self.segments.values())):
            raise FunnelError(
                "'value' is what a win is worth, but no place earns: a lead handed over is no win"
            )
        if self.leads_come is not None and self.leads_come[0] >= self.leads_come[1]:
            first, last = self.leads_come
            raise FunnelError(f"'leads_come' from {first:g} to {last:g}; expected the earlier hour first")
        if len(self.season) not in (0, 12):
            raise FunnelError(f"'season' has {len(self.season)} factors, expected 12: January to December")
