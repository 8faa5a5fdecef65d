"""A funnel stated by a person in a YAML file, turned into a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from funnelsim.arrays import Floats
from funnelsim.errors import Faults, FunnelError, nearest
from funnelsim.files import parse_yaml, read_text, validated
from funnelsim.model import dwell
from funnelsim.model.funnel import Draw, Funnel, Pool, Referral, Work
from funnelsim.model.model import Cell, Entries, Model, Spend, Values
from funnelsim.model.rates import RateTable, constant_table
from funnelsim.model.statement import (
    REST,
    Amount,
    Exit,
    Name,
    Override,
    Stage,
    Statement,
    Task,
    Team,
    part,
)
from funnelsim.model.units import UNIT_DAYS, check_name, day_number, moment, quote_ramps

# A checkout has the scenarios beside the package, an installed wheel inside it.
_INSIDE = Path(__file__).parents[1] / "scenarios"
SHIPPED = (_INSIDE if _INSIDE.is_dir() else Path(__file__).parents[2] / "scenarios") / "funnels"
# The years that histories may have, too; a simulation of ninety years from there still fits into a moment.
EARLIEST, LATEST = pd.Timestamp("1970-01-01"), pd.Timestamp("2169-12-31")
VALUE_ATOMS = 200  # as many as a fitted model has; the mean is exact whatever their number
GROWTH_DAYS = 3 * 365  # as far as a constant growth may be believed; then the last year repeats
DRAW_POINTS = 2001  # quantiles; the last one in two thousand is moved so that the mean is exact


def read_funnel(path_or_name: str | Path, as_of: str | pd.Timestamp | None = None) -> Model:
    """Return the model that a YAML file states; its as-of moment is the beginning of the file's `start`.

    A stated funnel has no past: nobody is in it on day 0, and all of its leads are still to come.

    Args:
        path_or_name: a file, or the name of a funnel in `scenarios/funnels`, such as "sales_funnel_5";
            a file of that very name wins over the shipped funnel.
        as_of: another day 0 than the file's `start`: a moment, or a date as text, the whole of which is
            known.

    Raises:
        FunnelError: no such file, or something in it cannot be used; says file, key, value, what is expected,
            of all faults at once (of forms first, then of what does not fit together).

    >>> read_funnel("sales_funnel_5").funnel.stages
    ('Awareness', 'Interest', 'Decision', 'Action', 'Retention')
    """
    path = _file_of(path_or_name)
    said = parse_yaml(quote_ramps(read_text(path)), path)
    unit = said.get("unit") if isinstance(said, dict) else None
    statement = validated(Statement, said, path, context={"unit": unit if unit in UNIT_DAYS else "day"})
    try:
        day_0 = moment(as_of) if as_of is not None else pd.Timestamp(statement.start)
        _check_day(day_0, "start" if as_of is None else "as-of")
        return _model(statement, day_0)
    except FunnelError as error:
        raise FunnelError(f"{path}: {error}") from None


def _check_day(day_0: pd.Timestamp, key: str) -> None:
    if not EARLIEST <= day_0 <= LATEST:
        years = f"from {EARLIEST.year} to {LATEST.year}"
        raise FunnelError(f"{key}: day 0 would lie in the year {day_0.year}; expected a year {years}")


def shipped_funnels() -> list[str]:
    """Return the names of the funnels in `scenarios/funnels`; none where the package lives alone."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def funnel_subjects() -> dict[str, str]:
    """Return what each shipped funnel is about: its name -> the first line of its file that is for people.

    >>> funnel_subjects()["lead_funnel"]
    'The lead funnel (潜在客户漏斗): from the first look to the hand-over to sales.'
    """
    subjects = {}
    for name in shipped_funnels():
        lines = read_text(SHIPPED / f"{name}.yaml").splitlines()
        subjects[name] = next(line for line in lines if "$schema=" not in line).lstrip("# ")
    return subjects


def scenario_path(name: str) -> Path:
    """Return where a scenario that comes with the package lies, such as "price_up".

    Raises:
        FunnelError: there is no such scenario.

    >>> scenario_path("price_up").name
    'price_up.yaml'
    """
    path = SHIPPED.parent / f"{name.removesuffix('.yaml')}.yaml"
    if not path.is_file():
        names = sorted(file.stem for file in SHIPPED.parent.glob("*.yaml"))
        raise FunnelError(f"scenario '{name}' does not come with the package; {nearest(name, names)}")
    return path


def _file_of(path_or_name: str | Path) -> Path:
    """Return the file that is meant: itself where it exists or has an ending, else one that is shipped."""
    path = Path(path_or_name)
    shipped = SHIPPED / f"{path.name}.yaml"
    if not path.suffix and not path.is_file() and len(path.parts) == 1:
        if path.name in shipped_funnels():
            return shipped
        raise FunnelError(
            f"{path}: no such file, and no funnel of that name; {nearest(path, shipped_funnels())}"
        )
    return path


def _model(statement: Statement, as_of: pd.Timestamp) -> Model:
    faults = Faults()
    funnel = _funnel(statement, faults)
    groups = tuple(statement.segments) or ("all",)
    unit = UNIT_DAYS[statement.unit]
    parts: dict[str, Any] = {}
    makers: dict[str, Callable[[], object]] = {
        "table": lambda: _table(statement, funnel, groups, faults),
        "entries": lambda: _entries(statement, funnel, groups, as_of, faults),
        "values": lambda: _values(statement, groups),
        "pools": lambda: tuple(stated_pool(name, team, as_of) for name, team in statement.pools.items()),
        "referrals": lambda: stated_referrals(statement, funnel, unit),
    }
    for name, make in makers.items():
        with faults:
            parts[name] = make()
    work = []
    for row in range(len(statement.work)):
        with faults:
            work.append(stated_work(statement, funnel, row, list(statement.segments)))
    faults.tell()
    return Model(
        funnel=funnel,
        groups=groups,
        as_of=as_of,
        currency=statement.currency,
        work=tuple(work),
        max_days=tuple((stage.alert_after or np.inf) * unit for stage in statement.stages.values()),
        grouped_by="segment" if statement.segments else "",
        **parts,
    )


def _funnel(statement: Statement, faults: Faults) -> Funnel:
    """Return the map; of a faulty one what can be used, so that the rest of the file is looked at, too."""
    stages = tuple(statement.stages)
    whole = Funnel(
        statement.name, stages, tuple(end for end in statement.ends if end not in stages),
        tuple(() for _ in stages), {}, min(1.0, UNIT_DAYS[statement.unit]),
    )  # fmt: skip
    exits = tuple(tuple(stage.exits) for stage in statement.stages.values())
    with faults:
        return replace(
            whole, ends=statement.ends, exits=exits, earns=statement.earns, handed_over=statement.handed_over
        )
    return whole


def _table(statement: Statement, funnel: Funnel, groups: tuple[str, ...], faults: Faults) -> RateTable:
    """Return the rates of every group and stage on their own bins, padded to the longest."""
    unit = UNIT_DAYS[statement.unit]
    by_group: list[list[tuple[Floats, Floats]]] = []
    for group in groups:
        segment = statement.segments.get(group)
        overrides = segment.stages if segment else {}
        for name in overrides:
            with faults:
                check_name(name, funnel.stages, f"segments.{group}.stages", "stage")
        by_group.append([])
        for name, stated in statement.stages.items():
            with faults:
                by_group[-1].append(_stage_rates(name, stated, overrides.get(name), unit, group))
    faults.tell()
    bins = max(edges.size for row in by_group for edges, _ in row)
    edges = np.full((len(groups), len(funnel.stages), bins), np.inf)
    rate = np.zeros((len(groups), len(funnel.stages), funnel.targets.shape[1], bins))
    every = [(number, stage) for number in range(len(groups)) for stage in range(len(funnel.stages))]
    for number, stage in every:
        own, rates = by_group[number][stage]
        edges[number, stage, : own.size] = own
        rate[number, stage, : len(rates), : own.size] = rates
    return constant_table(edges, rate)


def _stage_rates(
    name: str, stage: Stage, override: Override | None, unit: float, group: str
) -> tuple[Floats, Floats]:
    """Return the rates of one stage, as one segment has them."""
    where = f"stages.{name}" if override is None else f"segments.{group}.stages.{name}"
    exits, factor = dict(stage.exits), 1.0
    if override is not None:
        factor = override.time_factor
        for place, other in override.exits.items():
            check_name(place, exits, f"{where}.exits", "exit")
            exits[place] = _merge(exits[place], other)
    try:
        laws = [exit_.law(unit * factor) for exit_ in exits.values()]
        return dwell.stated_rates(list(zip(_chances(exits), laws, strict=True)), min(1.0, unit))
    except FunnelError as error:
        raise FunnelError(f"{where}: {error}") from None


def _merge(base: Exit, other: Exit) -> Exit:
    """Return an exit with the other's chance and time where the other states them."""
    chance = base.chance if other.chance is None else other.chance
    return replace(other if other.has_time() else base, chance=chance)


def _chances(exits: Mapping[str, Exit]) -> list[float]:
    """Return the chances of a stage's exits, the one that says "rest" getting what is left."""
    given = {place: exit_.chance for place, exit_ in exits.items()}
    for place, chance in given.items():
        if chance is None:
            raise FunnelError(f"exits.{place}: the key 'chance' is missing")
    if list(given.values()).count(REST) > 1:
        raise FunnelError("'rest' is given to more than one exit")
    stated = sum(chance for chance in given.values() if chance is not None and chance != REST)
    if REST in given.values() and stated > 1:
        raise FunnelError(f"the other exits' chances sum to {stated:g}: nothing is left for 'rest'")
    return [1 - stated if chance is None or chance == REST else chance for chance in given.values()]


def _entries(
    statement: Statement, funnel: Funnel, groups: tuple[str, ...], as_of: pd.Timestamp, faults: Faults
) -> Entries:
    """Return the intake: the stated leads per day, times season and growth, from the as-of date on."""
    leads: dict[Cell, float] = {}
    shares = _shares(statement, groups)
    for row, entry in enumerate(statement.entries):
        with faults:
            check_name(entry.stage, funnel.stages, f"entries[{row}].stage", "stage")
        with faults:
            check_name(entry.segment or groups[0], groups, f"entries[{row}].segment", "segment")
    channels = {entry.channel for entry in statement.entries}
    for name in statement.channels:
        with faults:
            check_name(name, channels, "channels", "channel without entries")
    faults.tell()
    for entry in statement.entries:
        for group, name in enumerate(groups):
            part = shares[group] if entry.segment is None else float(name == entry.segment)
            cell = Cell(funnel.numbers[entry.stage], group, entry.channel)
            leads[cell] = leads.get(cell, 0.0) + entry.leads * part
    leads = {cell: number for cell, number in leads.items() if number > 0}
    total = sum(leads.values())
    share = np.array(list(leads.values())) / (total or 1.0)
    spend = tuple(
        Spend(name, channel.spend, channel.elasticity, carry_over=channel.carry_over)
        for name, channel in statement.channels.items()
    )
    path = total * _season_and_growth(statement, as_of)
    clock = np.array(statement.leads_come or ()) / 24
    return Entries(tuple(leads), share, path, statement.intake_spread, spend=spend, clock=clock)


def _shares(statement: Statement, groups: tuple[str, ...]) -> list[float]:
    shares = [statement.segments[group].share if statement.segments else 1.0 for group in groups]
    if not np.isclose(sum(shares), 1.0, rtol=0, atol=1e-6):
        raise FunnelError(f"segments: the shares of {', '.join(groups)} sum to {sum(shares):g}, not 1")
    return shares


def _season_and_growth(statement: Statement, as_of: pd.Timestamp) -> Floats:
    """Return the factor on the intake of each day: season has mean 1, growth starts from 1 on day 0."""
    if not statement.season and statement.growth_per_year == 0:
        return np.ones(1)
    days = np.arange(GROWTH_DAYS if statement.growth_per_year else 365)
    season = np.array(statement.season or [1.0] * 12)
    months = (as_of + pd.to_timedelta(days, unit="D")).month.to_numpy() - 1
    factor: Floats = (season / season.mean())[months] * (1 + statement.growth_per_year) ** (days / 365.25)
    return factor


def _values(statement: Statement, groups: tuple[str, ...]) -> Values:
    rows = []
    for group in groups:
        segment = statement.segments.get(group)
        if not statement.earns:
            rows.append(np.zeros(1))
            continue
        amount = segment.value if segment is not None and segment.value is not None else statement.value
        if amount is None:
            where = f"segments.{group}.value" if segment is not None else "value"
            raise FunnelError(f"{where}: what a win is worth is missing")
        rows.append(_atoms(amount))
    return Values(np.array(rows), np.ones(len(groups)))


def _atoms(amount: Amount) -> Floats:
    """Return equally likely amounts, the means of equal slices of the lognormal: their mean is exact."""
    from scipy.special import ndtr, ndtri

    if amount.median is None or amount.p90 is None:
        return np.full(VALUE_ATOMS, amount.fixed or 0.0)
    sigma = np.log(amount.p90 / amount.median) / ndtri(0.9)
    cuts = ndtri(np.linspace(0, 1, VALUE_ATOMS + 1))
    atoms: Floats = amount.median * np.exp(sigma**2 / 2) * np.diff(ndtr(cuts - sigma)) * VALUE_ATOMS
    return atoms


def stated_draw(time: Exit, unit: float) -> Draw:
    """Return a time as a table of quantiles whose last point makes the mean right."""
    if time.fixed is not None:
        return Draw(np.array([time.fixed * unit]))
    law = time.law(unit)
    table = law.isf(np.linspace(1, 1 / (DRAW_POINTS - 1), DRAW_POINTS - 1))
    last = 2 * (DRAW_POINTS - 1) * law.mean() - 2 * table.sum() + table[0]
    return Draw(np.append(table, max(last, table[-1])))


def stated_pool(name: str, team: Team, as_of: pd.Timestamp) -> Pool:
    """Return a team; a size holds from its date on, the first one always, and who comes later ramps up."""
    dates = sorted(team.size)
    starts = np.array([-np.inf, *(day_number(date, as_of) for date in dates[1:])])
    size = np.array([team.size[date] for date in dates], dtype=np.int64)
    holidays = tuple(int(day_number(date, as_of.normalize())) for date in sorted(team.holidays))
    week, opens = np.array(team.hours) / 24, np.array(team.opens or (9.0,) * 7) / 24
    return Pool(
        name, starts, size, team.order, team.capacity, week, holidays, opens, np.array(team.ramp),
        UNIT_DAYS["month"], team.salary or 0.0,
    )  # fmt: skip


@part
class TeamsFile:
    """The teams of a company whose funnel is fitted: pools of reps, and the stages that need them."""

    pools: Annotated[dict[Name, Team], Field(min_length=1)]
    work: Annotated[tuple[Task, ...], Field(min_length=1)]
    unit: Literal["hour", "day", "week", "month", "year"] = "day"


def read_teams(path: str | Path, model: Model) -> tuple[tuple[Pool, ...], tuple[Work, ...]]:
    """Return the teams of a company, and the stages of its funnel that need them, from a YAML file.

    Its keys `pools`, `work` and `unit` are those of a stated funnel.

    Raises:
        FunnelError: no such file, or something in it does not fit the model.
    """
    path = Path(path)
    said = parse_yaml(quote_ramps(read_text(path)), path)
    unit = said.get("unit") if isinstance(said, dict) else None
    file = validated(TeamsFile, said, path, context={"unit": unit if unit in UNIT_DAYS else "day"})
    try:
        pools = tuple(stated_pool(name, team, model.as_of) for name, team in file.pools.items())
        rows = range(len(file.work))
        return pools, tuple(stated_work(file, model.funnel, row, list(model.groups)) for row in rows)
    except FunnelError as error:
        raise FunnelError(f"{path}: {error}") from None


def stated_work(statement: Statement | TeamsFile, funnel: Funnel, row: int, names: list[str]) -> Work:
    """Return the work of one row of `work`, rep time being stated in hours; `names` are the segments."""
    task, unit = statement.work[row], UNIT_DAYS[statement.unit]
    where = f"work[{row}]"
    stage = funnel.numbers[check_name(task.stage, funnel.stages, f"{where}.stage", "stage")]
    pool = list(statement.pools).index(check_name(task.pool, statement.pools, f"{where}.pool", "pool"))
    groups = (
        ()
        if task.segment is None
        else (names.index(check_name(task.segment, names, f"{where}.segment", "segment")),)
    )
    if (task.patience is None) != (task.gives_up_to is None):
        raise FunnelError(f"{where}: 'patience' and 'gives_up_to' belong together")
    if task.patience is None or task.gives_up_to is None:
        return Work(stage, pool, stated_draw(task.hours, UNIT_DAYS["hour"]), groups=groups)
    place = funnel.numbers[check_name(task.gives_up_to, funnel.places, f"{where}.gives_up_to", "place")]
    hours, patience = stated_draw(task.hours, UNIT_DAYS["hour"]), stated_draw(task.patience, unit)
    return Work(stage, pool, hours, patience, place, groups)


def stated_referrals(statement: Statement, funnel: Funnel, unit: float) -> tuple[Referral, ...]:
    """Return who brings whom."""
    referrals = []
    for row, wish in enumerate(statement.referrals):
        place = funnel.numbers[check_name(wish.place, funnel.places, f"referrals[{row}].place", "place")]
        stage = funnel.numbers[check_name(wish.stage, funnel.stages, f"referrals[{row}].stage", "stage")]
        referrals.append(Referral(place, stage, wish.mean, stated_draw(wish.delay, unit), wish.channel))
    return tuple(referrals)
