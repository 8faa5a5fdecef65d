"""Where somebody stands: whatever the user has, record or stated funnel, made ready for every question."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict, Unpack

import numpy as np
import pandas as pd

from funnelsim.cards import card
from funnelsim.errors import FunnelError, nearest
from funnelsim.forecasting.kept import Fit, find_fit, find_frame, keep_fit, keep_frame, key_of
from funnelsim.forecasting.periods import Period, past_periods, periods_from, periods_until, within
from funnelsim.history.databases import is_address
from funnelsim.history.large_file import is_large
from funnelsim.history.log import DAY, History, bookings, shows_amounts, valued
from funnelsim.history.read import queried, read_history
from funnelsim.history.spend import read_spend
from funnelsim.history.tables import Table
from funnelsim.model.levers import Scenario, apply_scenario
from funnelsim.model.model import Model, OpenDeals, amounts, nobody, only
from funnelsim.model.scenario import WhatIf, read_words, scenario_of, together
from funnelsim.model.stated import read_funnel, read_teams, shipped_funnels
from funnelsim.model.store import load_model

if TYPE_CHECKING:
    from funnelsim.simulation.record import Run

# From three wins the rate of winning is known within a factor of 4.8, from five within 3.3 (95 % interval).
FEWEST_WINS = 5
# So many leads of one day were written down together, as when a CRM is filled; fewer may be all there are.
FEWEST_LEADS = 5
LONGEST_SILENCE = 10
PAST_PERIODS = 8  # beside a forecast: two years of quarters, as many as an eye compares
SERVED = "Open leads are taken as served: who waits for a rep today is not known, so first weeks are early."
ASKED = "What if:"  # how a note begins that says a scenario back
SPENT = "spend: the model is fitted already; give the spend to `calibrate`"
INSTANT = pd.Timedelta(microseconds=1)


class ReadOptions(TypedDict, total=False):
    """How a company's record is read; the same words in Python and in the terminal.

    mapping: a mapping file, or its content: names of columns, stages and ends.
    as_of: all is known up to the end of this day; by default that of the last event.
    source: how to read the file, where its columns do not tell.
    query: for a data base: a SELECT, or the name of a table.
    anonymise: a secret key with which names of leads and owners are hashed.
    """

    mapping: str | Path | Mapping[str, object] | None
    as_of: str | datetime.date | pd.Timestamp | None
    source: str | None
    query: str | None
    anonymise: str | None


@dataclass(frozen=True)
class Situation:
    """Where a company, or a stated funnel, stands on the as-of date: fitted once, then asked many things.

    Args:
        name: what to call it: the file, the table or the funnel.
        history: what was known; None for a stated funnel, which has no past.
        model: calibrated to the history, or stated.
        deals: the open pipeline; nobody for a stated funnel.
        booked: past wins (lead, at, stage, value).
        periods: the periods to forecast; the first holds the as-of date.
        kind: what a period is: week, month, quarter, half or year.
        given: the model that somebody gave; None where it was fitted to the history, or the funnel is stated.
        facts: of a history too large to be held, what holds for all leads; `history` is None then.
        key: under which it is kept in the cache folder; "" where it is not.
    """

    name: str
    history: History | None
    model: Model
    deals: OpenDeals
    booked: pd.DataFrame
    periods: tuple[Period, ...]
    kind: str
    given: Model | None = None
    facts: History | None = None
    key: str = ""

    def __str__(self) -> str:
        first, last = self.periods[0].label, self.periods[-1].label
        span = first if first == last else f"{first} to {last}"
        stated = self.history is None and self.facts is None
        past = "a stated funnel" if stated else f"{len(self.deals):,} open leads"
        return f"{self.name} as of {self.model.as_of - INSTANT:%Y-%m-%d}: {past}, {span}"

    def __repr__(self) -> str:
        return str(self)

    @cached_property
    def past(self) -> pd.DataFrame:
        """Revenue and wins of the last whole periods; see `past_revenue`."""
        return past_revenue(self)

    @cached_property
    def ways(self) -> pd.DataFrame:
        """What simpler forecasters say of revenue, worked out when first asked for; see `simpler_ways`."""
        kept = find_frame(self.key, "ways", self.kind, self.periods)
        if kept is None:
            kept = simpler_ways(self)
            keep_frame(kept, self.key, "ways", self.kind, self.periods)
        return kept

    def _repr_html_(self) -> str:
        rows = [(p.label, f"{p.start:%Y-%m-%d}", f"{p.end - INSTANT:%Y-%m-%d}") for p in self.periods]
        return card(str(self), pd.DataFrame(rows, columns=["period", "first day", "last day"]))


Reach: TypeAlias = int | str | datetime.date  # so many periods, or up to a day
Anything: TypeAlias = str | Path | pd.DataFrame | History | Model | Situation


def situation(
    what: Anything,
    *,
    period: str | None = None,
    periods: int | None = None,
    until: str | datetime.date | None = None,
    spend: str | Path | pd.DataFrame | None = None,
    scenario: WhatIf | None = None,
    what_if: str | Sequence[str] = (),
    model: str | Path | Model | None = None,
    teams: str | Path | None = None,
    large: bool = False,
    dask: str | None = None,
    cache: bool = False,
    **reading: Unpack[ReadOptions],
) -> Situation:
    """Return where somebody stands, whatever he has: read, fitted, and ready for every other verb.

    Args:
        what: a path, a data base's URL, a table, a `History`, a stated funnel by name or file (an existing
            file wins over a shipped name), a `Model`, or a `Situation`, whose periods may be changed.
        period: "week", "month", "quarter" (the default), "half" or "year".
        periods: how many periods to look ahead, 2 by default; the first holds the as-of date.
        until: instead, the last day to look ahead to, as in 2026-12-31, 2026-12 or 2026Q4.
        spend: channel, start, spend: a file or a table, for questions that move money.
        scenario: levers to pull at once: a file, the name of one that comes with the package, or words.
        what_if: levers to pull at once, in words such as "price +5%"; several together.
        model: fitted before (see `calibrate`): nothing is fitted, only open leads are read.
        teams: a YAML file of pools of reps and the stages that need them, of a company whose funnel is
            fitted: leads then wait for them, and plans may hire (see `staffed`).
        large: whether a file is read in parts; so it is where it is too large to be held (see `is_large`).
        dask: address of a Dask cluster whose workers read and count the parts.
        cache: whether what is made of files is kept in the user's cache folder, and taken from there if they
            are as they were; the result is the same.
        **reading: mapping, as_of, source, query, anonymise; see `ReadOptions`.

    Raises:
        FunnelError: it cannot be read, a period is unknown, or no lead ever visited a stage.

    >>> print(situation("sales_funnel_5", periods=1))
    Sales funnel in five steps as of 2025-12-31: a stated funnel, 2026 Q1
    """
    if isinstance(what, Situation):
        _refuse_options("a situation", reading)
        _refuse_model("a situation", model)
        place = _moved(what, period, reach_of(periods, until), spend)
    else:
        kind, count = period or "quarter", reach_of(periods, until) or 2
        stated = stated_model(what, **reading)
        if stated is None:
            given = load_model(model) if isinstance(model, str | Path) else model
            if read_by_parts(what, large, dask):
                place = _of_parts(Path(what), kind, count, spend, given, dask, reading)  # type: ignore[arg-type]
            else:
                made, key = _fitted(what, kind, spend, given, reading, cache)
                place = _of_fit(_name(what), made, kind, count, given, key)
        else:
            _refuse_model("a stated funnel", model)
            place = _of_model(stated, kind, count)
    place = place if teams is None else staffed(place, teams)
    return place if scenario is None and not what_if else under(place, scenario, what_if)


def staffed(place: Situation, teams: str | Path) -> Situation:
    """Return the situation with the teams of the company, which reproduce the times of its stages today.

    Args:
        place: of a history, whose stage times hold the waits for reps already.
        teams: a YAML file, see `read_teams`.

    Raises:
        FunnelError: a stated funnel, which has pools of its own, or teams that cannot have been so slow.
    """
    from funnelsim.simulation.with_reps import with_reps

    if (place.history is None and place.facts is None) or place.model.pools:
        raise FunnelError(f"teams {teams}: {place.name} states its teams itself, in 'pools' and 'work'")
    model = replace(place.model, entries=replace(place.model.entries, spread=0.0))
    try:
        found = with_reps(model, *read_teams(teams, model))
    except FunnelError as error:
        raise error if str(error).startswith(str(teams)) else FunnelError(f"{teams}: {error}") from None
    told = []
    for row in found.check.to_dict("records"):
        where = f"{row['stage']} of {row['group']}" if len(model.groups) > 1 else row["stage"]
        told.append(
            f"Teams: {where} takes {row['before']:.3g} days: {row['waiting']:.2g} of waiting for a rep, "
            f"{row['desk']:.2g} on a desk, and the rest is the customer's own time."
        )
    notes = (*place.model.notes, *told, SERVED)
    made = replace(found.model, entries=place.model.entries, notes=notes)
    return replace(place, model=made)


def history_of(what: Anything | Table, **reading: Unpack[ReadOptions]) -> History:
    """Return the history that somebody has, read as he says.

    Raises:
        FunnelError: it cannot be read, or is a stated funnel, which has no past.
    """
    if isinstance(what, Situation):
        if what.facts is not None:
            raise FunnelError(
                f"{what.name} was read in parts: its past is not held, and cannot be looked at again"
            )
        if what.history is None:
            raise FunnelError(f"{what.name} is a stated funnel: it has no past to look at")
        return what.history
    if isinstance(what, History):
        _refuse_options("a history", {key: value for key, value in reading.items() if key != "as_of"})
        moment = reading.get("as_of")
        return what if moment is None else what.as_of(moment)
    if isinstance(what, Model):
        raise FunnelError(f"{what.funnel.name} is a stated funnel: it has no past to look at")
    return read_history(what, **reading)


def stated_model(what: Anything, **reading: Unpack[ReadOptions]) -> Model | None:
    """Return the model where a stated funnel is meant, by name or as a YAML file; else None.

    An existing file or folder wins over the name of a funnel that comes with the package.

    Raises:
        FunnelError: a bare word is neither, or an option does not fit a stated funnel.
    """
    if isinstance(what, Model):
        return what
    if not isinstance(what, str | Path) or is_address(str(what)):
        return None
    path = Path(what)
    file = path.suffix.casefold() in (".yaml", ".yml")
    shipped = not path.exists() and str(what) in shipped_funnels()
    if not file and not shipped:
        if isinstance(what, str) and path.name == what and not path.suffix and not path.exists():
            hint = nearest(what, shipped_funnels())
            raise FunnelError(f"{what}: there is no such file or folder, and no funnel of that name; {hint}")
        return None
    _refuse_options("a stated funnel", {key: value for key, value in reading.items() if key != "as_of"})
    moment = reading.get("as_of")
    return read_funnel(what, None if moment is None else str(moment))


def under(place: Situation, scenario: WhatIf | None, what_if: str | Sequence[str] = ()) -> Situation:
    """Return the same situation with the levers of a scenario and of words pulled; none changes nothing.

    Args:
        place: before.
        scenario: a scenario, its file, the name of one that comes with the package, or words.
        what_if: words, see `funnelsim.model.scenario.grammar`.
    """
    plan = asked_of(place, scenario, what_if)
    model, deals = apply_scenario(place.model, plan), place.deals
    if model.values.lost:  # they are gone, so that they are no wins either
        worth = np.argsort(-amounts(place.model, deals), kind="stable")
        deals = only(deals, deals.name[worth[model.values.lost :]])
        model = replace(model, values=replace(model.values, lost=0))
    notes = (f"{ASKED} {plan.sentence}", *plan.notes) if plan.changes else plan.notes
    return replace(place, deals=deals, model=replace(model, notes=(*model.notes, *notes)) if notes else model)


def asked_of(place: Situation, scenario: WhatIf | None, what_if: str | Sequence[str] = ()) -> Scenario:
    """Return all that is asked of a situation as one scenario; see `under`."""
    words = [what_if] if isinstance(what_if, str) else what_if
    first = [] if scenario is None else [scenario_of(scenario, place.model)]
    return together([*first, *(read_words(one, place.model) for one in words)])


def simpler_ways(place: Situation) -> pd.DataFrame:
    """Return what simpler forecasters say of revenue, nan where they cannot: way, a column per period.

    They know whole periods only, so of one that is cut they say nothing.
    """
    from funnelsim.forecasting.baselines import NAIVE, simple_points, view_of

    known = place.history or place.facts
    if known is None:
        return pd.DataFrame({"way": []})
    ways = simple_points(view_of(known, place.kind, place.periods, place.booked), NAIVE)
    rows = [
        {"way": way}
        | {p.label: np.nan if p.cut else x for p, x in zip(place.periods, ways[way][0], strict=True)}
        for way in NAIVE
    ]
    return pd.DataFrame(rows)


def past_revenue(place: Situation, count: int = PAST_PERIODS) -> pd.DataFrame:
    """Return revenue and wins of the whole periods before the present one: period, start, revenue, wins."""
    known = place.history or place.facts
    if known is None:
        return booked_by(place.booked, ())
    past = past_periods(known.until, place.kind, count, known.period_start)
    return booked_by(place.booked, [one for one in past if one.end > known.began])


def booked_by(wins: pd.DataFrame, periods: Sequence[Period]) -> pd.DataFrame:
    """Return what was booked in each period: period, start, revenue, wins."""
    rows = [(period.label, period.start, *within(wins, period.start, period.end)) for period in periods]
    return pd.DataFrame(rows, columns=["period", "start", "revenue", "wins"])


def unanswerable(place: Situation) -> tuple[str, ...]:
    """Return why nothing can be forecast, in sentences: nothing is won here, or the history is too thin."""
    funnel = place.model.funnel
    if funnel.earns or not funnel.handed_over:
        return reasons_of(place)
    ends = ", ".join(f"'{end}'" for end in funnel.handed_over)
    sentence = (
        f"Nothing is won here: leads are handed over ({ends}), which is no win and no revenue; what becomes "
        "of them is in the record of those who take them on."
    )
    return (sentence,)


def _refuse_model(what: str, model: str | Path | Model | None) -> None:
    if model is not None:
        raise FunnelError(f"model: {what} was given, which has one already")


def reasons_of(place: Situation) -> tuple[str, ...]:
    """Return why what is known of somebody is too thin to forecast from; nothing where his model is given."""
    if place.given is not None:
        return ()
    if place.history is not None:
        return too_thin(place.history, place.periods)
    return too_thin(place.facts, place.periods, len(place.booked))


def too_thin(
    history: History | None, periods: Sequence[Period], number: int | None = None
) -> tuple[str, ...]:
    """Return why a history is too thin to forecast from, in sentences; nothing where it is not.

    Five wins: from fewer, the two ends of the 95 % interval lie a factor of 22 apart with one win, 4.8 with
    three and 3.3 with five. One span as long as the longest period to be forecast: else nothing is known of
    how many leads such a period brings; days in which leads could be seen to come in count, not those before
    and after (see `intake_days`). A wide interval is no reason: a small company's is wide by luck, however
    long its history. A stated funnel is never too thin.

    Args:
        history: what is known.
        periods: what is to be forecast.
        number: of wins, where the history does not hold them.
    """
    if history is None:
        return ()
    if number is None:
        wins, days = len(bookings(history)), intake_days(history)
    else:
        wins, days = number, (history.until - history.began) / DAY
    longest = max((period.end - period.start) / DAY for period in periods)
    reasons = []
    if wins < FEWEST_WINS:
        reasons.append(
            f"Wins on record: {wins or 'none'}; at least {FEWEST_WINS} are needed, as from fewer the rate of "
            "winning cannot be told within a factor of three."
        )
    if days < longest:
        reasons.append(
            f"Days of intake on record: {days:.0f}; at least {longest:.0f} are needed, as long as a period "
            "to be forecast, or nobody can tell how many leads one brings. A shorter period may do."
        )
    return tuple(reasons)


def intake_days(history: History) -> float:
    """Return the days over which leads were seen to come in, a silence longer than usual counting as usual.

    The days between one stray old deal and the others, or after the last lead of an export by date of
    creation, tell nothing of how many leads a period brings. A silence counts for ten times the median one
    between days with leads at most, which of silences by chance one in a thousand exceeds.
    """
    visits, began = history.visits, (history.began - history.until) / DAY
    start = visits.loc[visits["entry"].to_numpy(), "start"].to_numpy(dtype=np.float64)
    start = np.sort(start[start >= began])
    first = start[np.unique(np.floor(start), return_index=True)[1]]
    if len(first) < 2:
        return 1.0 if len(start) >= FEWEST_LEADS else -began
    silences = np.diff(first)
    around = np.concatenate([[first[0] - began], silences, [-first[-1]]])
    return float(np.minimum(around, LONGEST_SILENCE * np.median(silences)).sum())


def refuse_thin(place: Situation) -> None:
    """Refuse what has no answer but numbers, such as a comparison, where a history is too thin.

    Raises:
        FunnelError: it is.
    """
    reasons = unanswerable(place)
    if reasons:
        raise FunnelError(f"no numbers can be given. {' '.join(reasons)}")


def carried_on(model: Model, history: History, amounts: bool) -> Model:
    """Return a model that was fitted before, moved to the as-of date of a history of the same company.

    Day 0 becomes the history's as-of date, so that leads to come are those of the days that are left.

    Args:
        model: its rates, amounts and common factors stay as they are.
        history: known until the model's as-of date, or later.
        amounts: whether it shows any.

    Raises:
        FunnelError: the model knows more than the history, holds a scenario's levers, or counts other money.
    """
    if history.until < model.as_of:
        raise FunnelError(
            f"model: fitted to what was known until {model.as_of - INSTANT:%Y-%m-%d}, the history ends on "
            f"{history.until - INSTANT:%Y-%m-%d}: it would know the future; calibrate again"
        )
    if model.levers or model.entries.changes:
        raise FunnelError("model: a scenario's levers are pulled in it; give the plain one, and the scenario")
    _refuse_other_money(model, history, amounts)
    note = f"Model: fitted before, to what was known until {model.as_of - INSTANT:%Y-%m-%d}."
    return replace(_later(model, history.until), notes=(note, *model.notes))


def _later(model: Model, until: pd.Timestamp) -> Model:
    """Return a model whose day 0 is a later one."""
    days = int((until - model.as_of) / DAY)
    path = model.entries.path
    longer = np.append(path, np.resize(path[-min(365, path.size) :], days))[days:]
    due = None if model.due is None else replace(model.due, price=model.due.price[days:])
    return replace(model, entries=replace(model.entries, path=longer), as_of=until, due=due)


def after_run(run: Run, kind: str = "quarter", count: Reach = 2) -> Situation:
    """Return where a stated funnel stands at the end of simulated lives, held against what was stated.

    Levers that were pulled in the run are no part of what is stated.
    """
    from funnelsim.calibration.calibrate import open_pipeline

    table, known = run.model.table, run.history
    base = replace(table, rate=table.rate[:1], starts=table.starts[:1], speed=table.speed[:1])
    entries = replace(run.model.entries, changes=())
    model = _later(replace(run.model, table=base, entries=entries, levers=()), known.until)
    booked = valued(known)[0] if model.values.in_money else bookings(known).assign(value=1.0)
    deals, ahead = open_pipeline(known, model), _ahead(known.until, kind, count)
    return Situation(model.funnel.name, known, model, deals, booked, ahead, kind, model)


def _refuse_other_money(model: Model, history: History, amounts: bool) -> None:
    known = model.values.in_money
    if known != amounts:
        other = ("knows amounts", "shows none") if known else ("knows no amounts", "shows some")
        raise FunnelError(f"model: it {other[0]}, the history {other[1]}; calibrate again")
    if known and history.currency and model.currency and history.currency != model.currency:
        raise FunnelError(f"model: it counts in {model.currency}, the history in {history.currency}")


def _fitted(
    what: Anything,
    kind: str,
    spend: str | Path | pd.DataFrame | None,
    given: Model | None,
    reading: ReadOptions,
    cache: bool,
) -> tuple[Fit, str]:
    """Return what is made of a history, read and fitted or as it was kept, and its key; "" if not kept."""
    if not cache or not isinstance(what, str | Path) or isinstance(spend, pd.DataFrame):
        return _read_and_fit(what, reading, kind, spend, given), ""
    base = is_address(str(what))
    known = queried(str(what), reading.get("mapping"), reading.get("query")) if base else what
    key = key_of(known, kind, spend, given, reading)
    kept = find_fit(key) if key else None
    if kept is not None:
        return kept, key
    made = _read_and_fit(known, reading, kind, spend, given)
    if not key or key != key_of(known, kind, spend, given, reading):  # a file changed while it was read
        return made, ""
    keep_fit(key, made)
    return made, key


def _read_and_fit(
    what: Anything | Table,
    reading: ReadOptions,
    kind: str,
    spend: str | Path | pd.DataFrame | None,
    given: Model | None,
) -> Fit:
    from funnelsim.forecasting.intensity import get_ready

    get_ready()
    return _fit(history_of(what, **reading), kind, spend, given)


def _fit(
    history: History, kind: str, spend: str | Path | pd.DataFrame | None, given: Model | None = None
) -> Fit:
    """Return what is made of a history; without any amount, revenue is counted in wins."""
    from funnelsim.calibration.calibrate import fit_model, open_pipeline

    first = _ahead(history.until, kind, 1, history.period_start)[0]
    length = (first.end - first.start) / DAY
    booked, currency = valued(history)
    if given is None:
        fitted = fit_model(history, period=length, spend=spend_table(spend))
    elif spend is not None:
        raise FunnelError(SPENT)
    else:
        fitted = carried_on(given, history, shows_amounts(history))
    model = replace(fitted, currency=currency)
    return Fit(history, model, open_pipeline(history, model), booked)


def _of_fit(name: str, fit: Fit, kind: str, count: Reach, given: Model | None, key: str = "") -> Situation:
    """Return where a company stands whose history was fitted."""
    ahead = _ahead(fit.history.until, kind, count, fit.history.period_start)
    return Situation(name, fit.history, fit.model, fit.deals, fit.booked, ahead, kind, given, key=key)


def read_by_parts(what: Anything, large: bool, dask: str | None) -> bool:
    """Return whether something is a file that is read in parts, because it is large or was asked for.

    Raises:
        FunnelError: that was asked of what is no file.
    """
    file = isinstance(what, str | Path) and not is_address(str(what))
    if (large or dask is not None) and not file:
        raise FunnelError(f"{_name(what)}: only a file can be read in parts; leave `large` and `dask` out")
    return file and (large or dask is not None or is_large(str(what)))


def _of_parts(
    path: Path,
    kind: str,
    count: Reach,
    spend: str | Path | pd.DataFrame | None,
    given: Model | None,
    dask: str | None,
    reading: ReadOptions,
) -> Situation:
    """Return where a company stands whose history is too large to be held: its open leads and its wins."""
    from funnelsim.calibration.parts import calibrate_large, dask_client, remains_of

    if reading.get("query") is not None:
        raise FunnelError("query: says what is read of a data base, but a file was given")
    where, when = reading.get("mapping"), reading.get("as_of")
    how, key = reading.get("source"), reading.get("anonymise")

    def ahead(facts: History) -> tuple[Period, ...]:
        return _ahead(facts.until, kind, count, facts.period_start)

    def length(facts: History) -> float:
        first = _ahead(facts.until, kind, 1, facts.period_start)[0]
        return float((first.end - first.start) / DAY)

    with nullcontext() if dask is None else dask_client(dask) as client:
        if given is None:
            money = spend_table(spend)
            model, rest = calibrate_large(
                path, where, when, how, anonymise=key, period=length, spend=money, client=client
            )
        elif spend is not None:
            raise FunnelError(SPENT)
        else:
            rest = remains_of(path, given, where, when, how, anonymise=key, client=client)
            model = carried_on(given, rest.facts, rest.amounts)
    booked, currency = rest.booked
    model = replace(model, currency=currency)
    return Situation(_name(path), None, model, rest.deals, booked, ahead(rest.facts), kind, given, rest.facts)


def spend_table(spend: str | Path | pd.DataFrame | None) -> pd.DataFrame | None:
    """Return what was spent as a table, whether it comes as one or as a file."""
    return read_spend(spend) if isinstance(spend, str | Path) else spend


def _name(what: Anything) -> str:
    """Return what to call what was given; an address may hold a password, so it is not repeated."""
    if isinstance(what, str | Path):
        return "the data base" if is_address(str(what)) else Path(what).name
    return "the table" if isinstance(what, pd.DataFrame) else "the history"


def reach_of(periods: int | None, until: str | datetime.date | None) -> Reach | None:
    """Return how far ahead somebody looks: a number of periods, or a last day; None where he did not say.

    Raises:
        FunnelError: he said both, or a number below 1.
    """
    if until is None:
        if periods is not None and periods < 1:
            raise FunnelError(f"periods {periods}: expected a whole number from 1 on")
        return periods
    if periods is not None:
        raise FunnelError(f"periods {periods} and until {until}: two ends of what is forecast; give one")
    return until


def _ahead(moment: pd.Timestamp, kind: str, reach: Reach, first_month: int = 1) -> tuple[Period, ...]:
    """Return the periods to come: so many, or up to a day."""
    if isinstance(reach, int):
        return periods_from(moment, kind, reach, first_month)
    return periods_until(moment, kind, reach, first_month)


def _of_model(model: Model, kind: str, count: Reach) -> Situation:
    """Return where a stated funnel stands on its first day: nobody is in it yet, nothing is booked."""
    nothing = pd.DataFrame({"lead": [], "at": pd.to_datetime([]), "stage": [], "value": []})
    ahead = _ahead(model.as_of, kind, count)
    return Situation(model.funnel.name, None, model, nobody(), nothing, ahead, kind)


def _moved(
    place: Situation, kind: str | None, count: Reach | None, spend: str | Path | pd.DataFrame | None
) -> Situation:
    """Return a situation that looks at other periods; of another kind, or with spend, it is fitted anew."""
    wanted, last = kind or place.kind, place.periods[-1]
    number = count or (len(place.periods) if not last.cut else (last.end - INSTANT).date())
    known = place.history or place.facts
    if known is None:
        return _of_model(place.model, wanted, number)
    if spend is not None or wanted != place.kind:
        made = _fit(history_of(place), wanted, spend, place.given)
        return _of_fit(place.name, made, wanted, number, place.given)
    ahead = _ahead(place.model.as_of, wanted, number, known.period_start)
    return replace(place, periods=ahead) if ahead != place.periods else place


def _refuse_options(what: str, reading: Mapping[str, object]) -> None:
    given = [key for key, value in reading.items() if value is not None]
    if given:
        raise FunnelError(f"{given[0]}: says how a file is read, but {what} was given, which is read already")
