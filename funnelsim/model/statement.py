"""What may stand in a YAML file that states a funnel: its keys, their types and their meaning."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform

import pydantic.dataclasses
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    Strict,
    ValidationInfo,
)
from pydantic_core import CoreSchema

from funnelsim.errors import FunnelError
from funnelsim.files import shown
from funnelsim.model import dwell
from funnelsim.model.units import UNIT_DAYS, Date, Dates, Number, PerDay, Ramp, days_in, number, quantity

Keys = TypeVar("Keys")
REST = -1.0  # stands for "rest" among chances
WIDEST_RATIO = 1000.0  # nine in ten within 1,000 medians: beyond it a unit was mistaken
PERCENT = r"\s*\d+(?:\.\d+)?\s*%\s*"
SPELL = r"\s*\d[\d,_]*(?:\.\d+)?\s+[a-z]+\s*"


@dataclass(frozen=True)
class Key:
    """What the reference says of a key: its meaning, its form and unit, and a line as it stands in a file."""

    meaning: str
    form: str
    example: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(core) | {"description": f"{self.meaning} Form: {self.form}. Example: {self.example}"}


def _portion(given: Any) -> Any:
    """Let "8%" stand for 0.08."""
    if isinstance(given, str) and re.fullmatch(PERCENT, given):
        return number(given.replace("%", "").strip()) / 100
    return given


def _cash(given: Any) -> Any:
    """Let "1.2M" stand for 1200000."""
    return quantity(given) if isinstance(given, str) else given


def _spell(given: Any, unit: str) -> Any:
    """Let "30 days" stand for the number of units in it."""
    if not isinstance(given, str):
        return given
    if not re.fullmatch(SPELL, given):
        raise FunnelError(f"{shown(given)} given, expected a number of {unit}s, or a time such as '30 days'")
    amount, name = given.split()
    return number(amount) * days_in(name) / UNIT_DAYS[unit]


def _in_unit(given: Any, info: ValidationInfo) -> Any:
    """Let "30 days" stand for that time in the unit of the file, which whoever reads it says."""
    return _spell(given, (info.context or {}).get("unit", "day"))


Percent = Annotated[str, Field(pattern=f"^{PERCENT}$")]
Spell = Annotated[str, Field(pattern=f"^{SPELL}$")]
Name = Annotated[str, Strict(), Field(min_length=1, max_length=200)]
WholeNumber = Annotated[int, Strict(), Field(ge=0, le=10**9)]
Long = Annotated[
    Annotated[Number, Field(ge=1e-6, le=1e6)],
    BeforeValidator(_in_unit, json_schema_input_type=Annotated[float, Field(ge=1e-6, le=1e6)] | Spell),
]
Shaped = Annotated[Number, Field(ge=0.1, le=100)]
Cash = Annotated[
    Annotated[Number, Field(ge=0, le=1e12)], BeforeValidator(_cash, json_schema_input_type=float | str)
]
Share = Annotated[
    Annotated[Number, Field(ge=0, le=1)],
    BeforeValidator(_portion, json_schema_input_type=Annotated[float, Field(ge=0, le=1)] | Percent),
]
Hour = Annotated[Number, Field(ge=0, lt=24)]
Until = Annotated[Number, Field(ge=0, le=24)]


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def part(kind: type[Keys]) -> type[Keys]:
    """Make a class one mapping of a file: frozen, checked, refusing keys that it does not know.

    Its checks are built when a file first asks for them: who reads none does not wait.
    """
    config = ConfigDict(extra="forbid", defer_build=True)
    return pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=config)(kind)  # type: ignore[return-value]


def _chance(given: Any) -> Any:
    """Let "rest" stand for what the other exits leave."""
    if given == "rest":
        return REST
    part = _portion(given)
    if isinstance(part, float | int) and not isinstance(part, bool) and 0 <= part <= 1:
        return float(part)
    meant = (
        f"; {given:g} in a hundred is {given:g}%" if type(given) in (int, float) and 1 < given <= 100 else ""
    )
    raise FunnelError(f"{shown(given)} given, expected a chance between 0 and 1, or 'rest'{meant}")


Chance = Annotated[
    float,
    BeforeValidator(
        _chance, json_schema_input_type=Annotated[float, Field(ge=0, le=1)] | Literal["rest"] | Percent
    ),
]


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

    shape: Annotated[
        Shaped, Key("Below 1 leaving gets rarer with age, above 1 likelier.", "number", "shape: 0.8")
    ]
    scale: Annotated[Long, Key("Stretches the duration.", "the file's unit, or such as 30 days", "scale: 20")]


@part
class Exit:
    """How often an exit is taken, and how long that takes: lognormal, memoryless, Weibull, gamma or fixed."""

    chance: Annotated[
        Chance | None,
        Key(
            "Of the leads that enter the stage, how many leave by this exit; a stage's chances sum to 1.",
            "0 to 1, or 8%, or rest",
            "chance: 0.25",
        ),
    ] = None
    median: Annotated[
        Long | None,
        Key(
            "Half of those who take this exit do so within it.",
            "the file's unit, or such as 30 days",
            "median: 10",
        ),
    ] = None
    p90: Annotated[
        Long | None,
        Key(
            "Nine in ten do so within it; belongs to `median`.",
            "the file's unit, or such as 30 days",
            "p90: 30",
        ),
    ] = None
    mean: Annotated[
        Long | None,
        Key(
            "Instead of median and p90: the mean time, where leaving is as likely on every day.",
            "the file's unit, or such as 30 days",
            "mean: 20",
        ),
    ] = None
    weibull: Annotated[
        ShapeAndScale | None,
        Key("Instead: a Weibull duration.", "shape and scale", "weibull: {shape: 0.8, scale: 20}"),
    ] = None
    gamma: Annotated[
        ShapeAndScale | None,
        Key("Instead: a gamma duration.", "shape and scale", "gamma: {shape: 2, scale: 10}"),
    ] = None
    fixed: Annotated[
        Long | None,
        Key("Instead: always the same time.", "the file's unit, or such as 30 days", "fixed: 14"),
    ] = None

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


def _time(given: Any) -> Any:
    """Let one time stand for a fixed one."""
    return given if isinstance(given, Mapping | Exit) else {"fixed": given}


def _rep_time(given: Any) -> Any:
    """Let times of reps be said in any unit; they are hours, whatever the unit of the file."""
    return {name: _spell(part, "hour") for name, part in _time(given).items()} if given is not None else given


Time = Annotated[
    Exit, BeforeValidator(_time, json_schema_input_type=Exit | float | Spell), AfterValidator(_only_time)
]
RepTime = Annotated[
    Exit, BeforeValidator(_rep_time, json_schema_input_type=Exit | float | Spell), AfterValidator(_only_time)
]


@part
class Stage:
    """A stage: its exits by place, and the time after which a lead in it should be looked at."""

    exits: Annotated[
        dict[Name, Exit],
        Field(min_length=1),
        Key(
            "Where a lead goes from here: places (stages or ends), each with its chance and its time.",
            "place: chance and time",
            "exits: {Offer: {chance: 40%, median: 10, p90: 30}, Lost: {chance: rest, mean: 20}}",
        ),
    ]
    alert_after: Annotated[
        Long | None,
        Key(
            "After this time a lead should be looked at: to find bottlenecks, not to police people.",
            "the file's unit, or such as 30 days",
            "alert_after: 30",
        ),
    ] = None


@part
class Override:
    """What is different about a stage in one segment: all times by a factor, or single exits."""

    time_factor: Annotated[
        Number,
        Field(ge=0.001, le=1000),
        Key("All times of the stage times this.", "number", "time_factor: 3"),
    ] = 1.0
    exits: Annotated[
        dict[Name, Exit],
        Key(
            "Exits whose chance or time is another; what is not said stays.",
            "place: chance, time, or both",
            "exits: {Decision: {chance: 35%}}",
        ),
    ] = Field(default_factory=dict)


@part
class Amount:
    """What a win is worth: lognormal by median and p90, or one fixed amount."""

    median: Annotated[
        Annotated[Cash, Field(gt=0)] | None,
        Key("Half of the wins are worth less.", "money", "median: 6000"),
    ] = None
    p90: Annotated[
        Cash | None, Key("Nine in ten are worth less; belongs to `median`.", "money", "p90: 20000")
    ] = None
    fixed: Annotated[Cash | None, Key("Instead: every win is worth the same.", "money", "fixed: 500")] = None

    def __post_init__(self) -> None:
        if (self.fixed is None) == (self.median is None) or (self.median is None) != (self.p90 is None):
            raise FunnelError("expected an amount, or median and p90")
        _check_spread(self.median, self.p90, "one amount")


def _amount(given: Any) -> Any:
    return {"fixed": given} if isinstance(given, float | int | str) else given


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
    if isinstance(given, list | tuple):
        return given
    if not isinstance(given, float | int) or isinstance(given, bool) or not 0 <= given < 24:
        raise FunnelError(f"{shown(given)} given, expected an hour of the day, 0 to less than 24, or seven")
    return [given] * 7


Money = Annotated[Amount, BeforeValidator(_amount, json_schema_input_type=Amount | float | str)]
Sizes = Annotated[
    dict[Date, WholeNumber],
    BeforeValidator(_sizes, json_schema_input_type=WholeNumber | dict[str, WholeNumber]),
    Field(min_length=1),
]
Names = Annotated[tuple[Name, ...], BeforeValidator(_names, json_schema_input_type=Name | list[Name])]
Opens = Annotated[tuple[Hour, ...], BeforeValidator(_hours, json_schema_input_type=Hour | list[Hour])]


@part
class Segment:
    """A kind of lead: its share of the leads that enter, what a win is worth, what differs in its stages."""

    share: Annotated[
        Share,
        Key(
            "Of the leads that enter, how many are of this segment; the shares sum to 1.",
            "0 to 1, or 94%",
            "share: 0.94",
        ),
    ]
    value: Annotated[
        Money | None,
        Key(
            "What a win is worth in this segment; the file's `value` where not said.",
            "money, or median and p90",
            "value: {median: 9000, p90: 18000}",
        ),
    ] = None
    stages: Annotated[
        dict[Name, Override],
        Key(
            "What is different in its stages.",
            "stage: time_factor, exits",
            "stages: {Decision: {time_factor: 3}}",
        ),
    ] = Field(default_factory=dict)


@part
class Entry:
    """Leads that enter at a stage: how many per day, week or month, from which channel, of which segment."""

    stage: Annotated[
        Name, Key("Where they enter: any stage, not only the first.", "name of a stage", "stage: Awareness")
    ]
    leads: Annotated[
        PerDay,
        Field(ge=0, le=1e7),
        Key("How many come.", "number per day, week, month ...", "leads: 60 per week"),
    ]
    channel: Annotated[Name, Key("By which way they come.", "text", "channel: search")] = ""
    segment: Annotated[
        Name | None,
        Key("All of one segment; else of all by their shares.", "name of a segment", "segment: small"),
    ] = None


CarryOver = Annotated[Number, Field(ge=0, le=0.99)]


@part
class Channel:
    """What a channel costs today, and its elasticity: leads are proportional to spend ** elasticity."""

    spend: Annotated[
        PerDay,
        Field(ge=0, le=1e12),
        Key("What it costs today.", "money per day, week, month ...", "spend: 9000 per month"),
    ]
    elasticity: Annotated[
        Number,
        Field(ge=0, le=2),
        Key("By how many per cent leads grow with one per cent more spend.", "0 to 2", "elasticity: 0.5"),
    ]
    carry_over: Annotated[
        CarryOver,
        Key("Of what money does, the share that it still does a week later.", "0 to 0.99", "carry_over: 0.4"),
    ] = 0.0


@part
class Team:
    """A pool of reps: its size (or sizes by date), who is served next, working hours Monday to Sunday."""

    size: Annotated[
        Sizes,
        Key(
            "How many reps, always or from a date on.",
            "number, or date: number",
            "size: {2026-01-01: 6, 2026-09-01: 7}",
        ),
    ]
    order: Annotated[
        Literal["fifo", "value", "age"],
        Key(
            "Who is served next: who waits longest (fifo), the largest deal, or the oldest lead.",
            "fifo, value or age",
            "order: value",
        ),
    ] = "fifo"
    capacity: Annotated[
        WholeNumber,
        Field(ge=1),
        Key("How many leads a rep works on at the same time.", "whole number", "capacity: 3"),
    ] = 1
    hours: Annotated[
        tuple[Annotated[Number, Field(ge=0, le=24)], ...],
        Key("Working hours, Monday to Sunday.", "seven numbers of hours", "hours: [8, 8, 8, 8, 6, 0, 0]"),
    ] = (8.0, 8.0, 8.0, 8.0, 8.0, 0.0, 0.0)
    opens: Annotated[
        Opens,
        Key(
            "When work begins, on every day or on each; 9 o'clock where not said.",
            "hour of the day, or seven",
            "opens: 8.5",
        ),
    ] = ()
    holidays: Annotated[
        Dates,
        Key(
            "Days without work.",
            "dates, and spans of dates",
            "holidays: [2026-05-01, 2026-12-24 to 2026-12-31]",
        ),
    ] = ()
    ramp: Annotated[
        Ramp,
        Key(
            "Speed of a new rep in each month after being hired, before full speed.",
            "numbers from 0 to 1, one per month",
            "ramp: [0.35, 0.65]",
        ),
    ] = ()
    salary: Annotated[
        PerDay | None,
        Field(ge=0),
        Key(
            "What one more rep costs: plans that hire are charged with it.",
            "money per day, week, month ...",
            "salary: 7500 per month",
        ),
    ] = None

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

    stage: Annotated[Name, Key("Which stage needs a rep.", "name of a stage", "stage: Demo")]
    pool: Annotated[Name, Key("Who does it.", "name of a pool", "pool: sales reps")]
    segment: Annotated[
        Name | None, Key("Only of this segment; else of all.", "name of a segment", "segment: large")
    ] = None
    hours: Annotated[
        RepTime,
        Key(
            "A rep's time for one lead, in hours whatever the file's unit.",
            "hours: one number, or median and p90",
            "hours: {median: 5, p90: 9}",
        ),
    ]
    patience: Annotated[
        Time | None,
        Key(
            "How long a lead waits for a rep before it gives up; belongs to `gives_up_to`.",
            "the file's unit: one number, or median and p90",
            "patience: {median: 21, p90: 45}",
        ),
    ] = None
    gives_up_to: Annotated[
        Name | None, Key("Where a lead goes that gives up.", "name of a place", "gives_up_to: Lost")
    ] = None


@part
class Recommendation:
    """Entering `place` brings `mean` new leads to `stage`, each after a delay."""

    place: Annotated[Name, Key("Entering it brings new leads.", "name of a place", "place: Bought")]
    stage: Annotated[Name, Key("Where the new leads enter.", "name of a stage", "stage: Interaction")]
    mean: Annotated[
        Number, Field(ge=0, le=1000), Key("How many, on average.", "number of leads", "mean: 1.5")
    ]
    delay: Annotated[
        Time,
        Key("After how long they come.", "the file's unit: one number, or median and p90", "delay: 30 days"),
    ]
    channel: Annotated[Name, Key("By which channel they count.", "text", "channel: referral")] = "referral"


@part
class Statement:
    """A whole file: times in `unit`, money in `currency`, day 0 the beginning of `start`."""

    name: Annotated[Name, Key("What the funnel is called.", "text", "name: Web shop")]
    about: Annotated[str, Key("What it is for.", "text", "about: our shop, as we think it works")] = ""
    unit: Annotated[
        Literal["minute", "hour", "day", "week", "month"],
        Key("Of all times in the file but rep hours.", "minute, hour, day, week or month", "unit: hour"),
    ] = "day"
    currency: Annotated[
        str,
        Field(pattern="^[A-Z]{3}$"),
        Key("Of all money in the file.", "three letters", "currency: EUR"),
    ] = ""
    start: Annotated[
        Date, Key("Day 0: nobody is in the funnel at its beginning.", "date", "start: 2026-01-01")
    ]
    stages: Annotated[
        dict[Name, Stage],
        Field(min_length=1),
        Key(
            "Places where a lead waits, in the order in which they are usually passed.",
            "name: exits, alert_after",
            "stages: {Lead: {exits: {Won: {chance: 30%, mean: 4}, Lost: {chance: rest, fixed: 30}}}}",
        ),
    ]
    ends: Annotated[
        tuple[Name, ...],
        Field(min_length=1),
        Key("Places where a life in the funnel ends.", "list of names", "ends: [Won, Lost]"),
    ]
    earns: Annotated[
        dict[Name, Cash],
        Key(
            "Places that book revenue when they are entered, and which share of a lead's value.",
            "place: share, 1 for all of it",
            "earns: {Won: 1}",
        ),
    ] = Field(default_factory=dict)
    handed_over: Annotated[
        Names,
        Key(
            "Ends at which others take the lead on: no win, no revenue, no loss.",
            "list of ends",
            "handed_over: [To sales]",
        ),
    ] = ()
    value: Annotated[
        Money | None,
        Key(
            "What a win is worth; must be given where something earns.",
            "money, or median and p90",
            "value: {median: 6000, p90: 20000}",
        ),
    ] = None
    segments: Annotated[
        dict[Name, Segment],
        Key(
            "Kinds of leads that live differently.",
            "name: share, value, stages",
            "segments: {small: {share: 94%}, large: {share: 6%, value: 900k}}",
        ),
    ] = Field(default_factory=dict)
    entries: Annotated[
        tuple[Entry, ...],
        Key(
            "Which leads come, a row for each way in.",
            "list of rows",
            "entries: [{stage: Lead, channel: web, leads: 14 per week}]",
        ),
    ] = ()
    leads_come: Annotated[
        tuple[Until, Until] | None,
        Key(
            "Hours of the day between which leads come, evenly; by day and night where not said.",
            "two hours",
            "leads_come: [7, 20]",
        ),
    ] = None
    season: Annotated[
        tuple[Annotated[Number, Field(ge=0.001, le=1000)], ...],
        Key(
            "More or fewer leads by month; only their proportions count.",
            "twelve factors, January to December",
            "season: [0.9, 0.9, 1, 1, 1, 1, 0.8, 0.8, 1.1, 1.2, 1.2, 1]",
        ),
    ] = ()
    growth_per_year: Annotated[
        Number,
        BeforeValidator(_portion, json_schema_input_type=float | Percent),
        Field(gt=-1, le=10),
        Key("By how much leads grow in a year.", "share, or 15%", "growth_per_year: 0.15"),
    ] = 0.0
    intake_spread: Annotated[
        Number,
        BeforeValidator(_portion, json_schema_input_type=float | Percent),
        Field(ge=0, le=2),
        Key(
            "How much a whole period's intake runs hot or cold, beyond the luck of single leads.",
            "share of the intake, one standard deviation",
            "intake_spread: 0.08",
        ),
    ] = 0.0
    channels: Annotated[
        dict[Name, Channel],
        Key(
            "What channels cost.",
            "name: spend, elasticity, carry_over",
            "channels: {search: {spend: 9000 per month, elasticity: 0.6}}",
        ),
    ] = Field(default_factory=dict)
    pools: Annotated[
        dict[Name, Team],
        Key("Teams of reps.", "name: size, order, hours ...", "pools: {sales reps: {size: 6}}"),
    ] = Field(default_factory=dict)
    work: Annotated[
        tuple[Task, ...],
        Key(
            "Which stages need a rep: there a lead waits for one first, then for its own decision.",
            "list of rows",
            "work: [{stage: Lead, pool: sales reps, hours: 0.5}]",
        ),
    ] = ()
    referrals: Annotated[
        tuple[Recommendation, ...],
        Key(
            "Leads that bring other leads.",
            "list of rows",
            "referrals: [{place: Won, stage: Lead, mean: 0.4, delay: 30 days}]",
        ),
    ] = ()

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
