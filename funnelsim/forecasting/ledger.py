"""Forecasts and decided plans, kept in a data base where somebody said so, to be held against what came.

One transaction keeps a forecast whole or not at all, so that a kill in the middle leaves nothing behind, and
two processes that keep at once wait for each other. Nothing is written unasked, and the same forecast is kept
once. Of leads only the identifiers of the history are kept: hashes, where it is anonymised.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from funnelsim.calibration.due import lead_times
from funnelsim.errors import FunnelError
from funnelsim.forecasting.baselines import points, simple_points, view_of
from funnelsim.forecasting.forecast import NAMES, Forecast
from funnelsim.forecasting.kept import print_of
from funnelsim.forecasting.periods import Period, within
from funnelsim.forecasting.situation import ASKED, Situation
from funnelsim.history.databases import complaint, is_address, url_of, without_password
from funnelsim.history.log import DAY, History, among
from funnelsim.model.model import Model, OpenDeals, amounts
from funnelsim.model.store import decode, encode

if TYPE_CHECKING:
    import sqlalchemy

VERSION = 1  # of the tables
PATIENCE = 60  # seconds that one process waits for another: thousands of forecasts are kept in that time
LOCK = 0x66756E6E  # number of the lock that keeps two processes from making the tables at once
SAME_COMPANY = (
    0.5  # share of kept leads that a history must know: identifiers of others match by accident only
)
HASHED = re.compile(r"[0-9a-f]{12,64}")
AT_ONCE = 20_000  # rows of one statement: memory stays small with a million deals


@dataclass(frozen=True)
class Kept:
    """A forecast as it was kept, with all that it was made from.

    Args:
        number: its number in the record.
        as_of: the moment up to which everything was known.
        kind: week, month, quarter, half or year.
        plan: name of the plan under which it was made; "" for the company as it was.
        model, deals: from which it was made.
        closes: (deals,) dates on which deals were expected to close, NaT where none was stated.
        draws, seed: of the rates.
        engine: exact, compiled or simpy.
        numbers: rows as in `Forecast.periods`, those of all periods together included, with target, p_target.
    """

    number: int
    as_of: pd.Timestamp
    kind: str
    plan: str
    model: Model
    deals: OpenDeals
    closes: pd.DatetimeIndex
    draws: int
    seed: int
    engine: str
    numbers: pd.DataFrame


@dataclass(frozen=True)
class Tables:
    """The tables of a record."""

    forecasts: sqlalchemy.Table
    numbers: sqlalchemy.Table
    deals: sqlalchemy.Table
    ways: sqlalchemy.Table
    outcomes: sqlalchemy.Table
    fates: sqlalchemy.Table
    commits: sqlalchemy.Table
    overrides: sqlalchemy.Table


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Return the tables of a record: what was said, of which deals, by whom else, and what came."""
    from sqlalchemy import Column, DateTime, Double, Integer, MetaData, Table, Text, UniqueConstraint

    every = MetaData()

    def table(name: str, *columns: Any) -> Table:
        return Table(f"funnelsim_{name}", every, *columns)

    def texts(*names: str) -> list[Any]:
        return [Column(name, Text, nullable=False) for name in names]

    def whole(*names: str) -> list[Any]:
        return [Column(name, Integer, nullable=False) for name in names]

    def money(*names: str) -> list[Any]:
        return [Column(name, Double) for name in names]

    def moments(*names: str) -> list[Any]:
        return [Column(name, DateTime) for name in names]

    return Tables(
        table(
            "forecasts", Column("id", Integer, primary_key=True), *whole("version", "company"),
            *texts("history", "content"), *moments("as_of"), *texts("kind", "currency", "engine", "plan"),
            *texts("says", "model"), *whole("draws", "seed"), *texts("print"), UniqueConstraint("print"),
        ),
        table(
            "numbers", *whole("forecast", "place"), *texts("period"), *moments("start", "end"),
            *texts("origin", "measure"), *money("mean", "sd"), *texts("quantiles"),
            *money("target", "p_target"),
        ),
        table(
            "deals", *whole("forecast", "place"), *texts("lead", "stage", "segment"),
            *money("age", "amount", "worth", "due"), *moments("expected_close"), *texts("chances"),
        ),
        table("ways", *whole("forecast", "place"), *texts("way", "measure"), *money("point")),
        table(
            "outcomes", *whole("company"), *moments("start", "end", "known"), *money("revenue", "wins"),
            UniqueConstraint("company", "start", "end"),
        ),
        table(
            "fates", *whole("company"), *texts("lead"), *moments("at"), *texts("place"), *whole("won"),
            *money("amount"), UniqueConstraint("company", "lead"),
        ),
        table(
            "commits", *whole("company"), *texts("who"), *moments("day"), *texts("period"), *money("amount"),
            UniqueConstraint("company", "who", "day", "period"),
        ),
        table(
            "overrides", *whole("company"), *texts("lead", "who"), *moments("day"), *texts("period"),
            *money("chance"), *texts("reason"), UniqueConstraint("company", "lead", "who", "day", "period"),
        ),
    )  # fmt: skip


def check_record(address: str | Path) -> None:
    """Refuse, before any work, a record that cannot be kept.

    Raises:
        FunnelError: it is a folder, lies in none, or the libraries of data bases are missing.
    """
    try:
        import sqlalchemy  # noqa: F401
    except ImportError:
        raise FunnelError("records need SQLAlchemy: pip install 'funnelsim[formats]'") from None
    if is_address(str(address)):
        return
    path = Path(address)
    if path.is_dir():
        raise FunnelError(f"record {path}: is a folder; name a file in it, such as record.db")
    if not path.absolute().parent.is_dir():
        raise FunnelError(f"record {path}: the folder {path.absolute().parent} does not exist")


def keep(
    address: str | Path,
    place: Situation,
    found: Forecast,
    *,
    draws: int,
    seed: int,
    plan: str = "",
    says: str = "",
) -> bool:
    """Keep a forecast, and what has come by now of those kept before; return whether it was new.

    Args:
        address: a file, or the URL of a data base.
        place: what was forecast.
        found: the forecast; one that is silent is not kept.
        draws, seed: of its rates.
        plan: name of the plan under which it was made; "" for the company as it is.
        says: what the plan changes, in words.

    Raises:
        FunnelError: a stated funnel, of which nothing will ever come, or the data base cannot be written.
    """
    if place.history is None and place.facts is None:
        raise FunnelError(
            f"record: {place.name} is a stated funnel: nothing will come that it can be held to"
        )
    if found.silent:
        return False
    asked = [note.removeprefix(ASKED).strip() for note in found.notes if note.startswith(ASKED)]
    plan, says = plan or " ".join(asked), says or " ".join(asked)
    head = _head(place, found, plan, says) | {"draws": draws, "seed": seed}
    with opened(address, write=True) as connection:
        company = _company(connection, place)
        number = _add_head(connection, head | {"company": company})
        if number is not None:
            _add_rows(connection, tables().numbers, _number_rows(number, found))
            _add_rows(connection, tables().deals, _deal_rows(number, place, found))
            _add_rows(connection, tables().ways, _way_rows(number, place))
        _add_outcomes(connection, company, place)
    return number is not None


@contextmanager
def opened(address: str | Path, *, write: bool = False) -> Iterator[sqlalchemy.Connection]:
    """Give a connection to a record in one transaction; its tables are made if it is to be written.

    Raises:
        FunnelError: nothing is there to be read, or the data base complains; no password is shown.
    """
    check_record(address)
    from sqlalchemy.exc import SQLAlchemyError

    shown = without_password(str(address))
    engine = _engine(address, write)
    try:
        with engine.begin() as connection:
            if write:
                _make_tables(connection)
            elif not engine.dialect.has_table(connection, tables().forecasts.name):
                raise FunnelError(f"record {shown}: no forecast was ever kept there")
            yield connection
    except SQLAlchemyError as error:
        raise FunnelError(
            f"record {complaint(getattr(error, 'orig', None) or error, str(address))}"
        ) from None
    finally:
        engine.dispose()


def _engine(address: str | Path, write: bool) -> sqlalchemy.Engine:
    """Return an engine; on SQLite one whose transactions begin by taking the lock for writing."""
    from sqlalchemy import create_engine, event

    file = not is_address(str(address))
    if file and not write and not Path(address).is_file():
        raise FunnelError(f"record {address}: there is no such file; forecast with --record makes it")
    engine = create_engine(f"sqlite:///{Path(address).absolute()}" if file else url_of(str(address)))
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _own_transactions(connection: Any, _: object) -> None:
            connection.isolation_level = None
            connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000}")

        @event.listens_for(engine, "begin")
        def _begin(connection: sqlalchemy.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _make_tables(connection: sqlalchemy.Connection) -> None:
    from sqlalchemy.schema import CreateTable

    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    for table in vars(tables()).values():
        connection.execute(CreateTable(table, if_not_exists=True))


def _add_rows(connection: sqlalchemy.Connection, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    for first in range(0, len(rows), AT_ONCE):
        connection.execute(table.insert(), [dict(row) for row in rows[first : first + AT_ONCE]])


def _add_head(connection: sqlalchemy.Connection, head: Mapping[str, Any]) -> int | None:
    """Add the line of a forecast and return its number; None where the very same one is kept already."""
    from sqlalchemy import select

    forecasts = tables().forecasts
    known = connection.execute(select(forecasts.c.id).where(forecasts.c.print == head["print"])).first()
    if known is not None:
        return None
    made = connection.execute(forecasts.insert(), dict(head)).inserted_primary_key
    return int(made[0]) if made is not None else None


def _head(place: Situation, found: Forecast, plan: str, says: str) -> dict[str, Any]:
    """Return who, what and when of a forecast."""
    model = json.dumps(encode(place.model))
    content = content_key(place)
    told = found.with_total[0].drop(columns=["start", "end"]).to_csv(index=False)
    said = "\n".join((content, place.kind, plan, found.engine, str(found.as_of), told))
    return {
        "version": VERSION, "history": name_kept(place), "content": content,
        "as_of": moment_of(found.as_of), "kind": place.kind, "currency": found.currency,
        "engine": found.engine, "plan": plan, "says": says,
        "model": base64.b64encode(zlib.compress(model.encode())).decode("ascii"),
        "print": hashlib.sha256(said.encode()).hexdigest(),
    }  # fmt: skip


def content_key(place: Situation) -> str:
    """Return a hash of what is known: of a history its rows, else of the model that was made of it."""
    if place.history is None:
        return print_of(place.model)
    found = hashlib.sha256(str(place.history.until).encode())
    for frame in (place.history.events, place.history.leads, place.history.updates):
        found.update(pd.util.hash_pandas_object(frame).to_numpy().tobytes())
    return found.hexdigest()


def name_kept(place: Situation) -> str:
    """Return what a history is called in the record: a hash, where its leads are hashes."""
    names = place.deals.name
    if len(names) and all(HASHED.fullmatch(str(name)) for name in names):
        return hashlib.sha256(place.name.encode()).hexdigest()[:16]
    return place.name


def _number_rows(number: int, found: Forecast) -> list[dict[str, Any]]:
    periods, widths = found.with_total
    goals = widths.set_index("period")[["target", "p_target"]].to_dict("index")
    places = {label: place for place, label in enumerate(dict.fromkeys(periods["period"]))}
    rows = []
    for row in periods.to_dict("records"):
        label = str(row["period"])
        goal = goals[label] if (row["origin"], row["measure"]) == ("total", "revenue") else {}
        rows.append(
            {
                "forecast": number, "place": places[label], "period": label,
                "start": moment_of(row["start"]), "end": moment_of(row["end"]),
                "origin": row["origin"], "measure": row["measure"], "mean": float(row["mean"]),
                "sd": float(row["sd"]), "quantiles": json.dumps([float(row[name]) for name in NAMES]),
                "target": _cell(goal.get("target")), "p_target": _cell(goal.get("p_target")),
            }
        )  # fmt: skip
    return rows


def moment_of(stamp: pd.Timestamp) -> datetime.datetime:
    """Return a moment as data bases hold it: to the microsecond."""
    return stamp.floor("us").to_pydatetime()


def _cell(value: Any) -> float | None:
    """Return a number as data bases have it: what is not known is nothing."""
    return None if value is None or not np.isfinite(float(value)) else float(value)


def _deal_rows(number: int, place: Situation, found: Forecast) -> list[dict[str, Any]]:
    """Return every open deal, in the pipeline's order: where amounts are missing, theirs depends on it."""
    deals, model = place.deals, place.model
    shown = [f"P(win {period.label})" for period in place.periods]
    chances = found.deals.set_index("lead")[shown].reindex(deals.name).to_numpy(dtype=np.float64)
    closes = place.history.open.set_index("lead")["expected_close"] if place.history is not None else None
    stated = [pd.NaT] * len(deals) if closes is None else closes.reindex(deals.name).tolist()
    due = np.full(len(deals), np.nan) if deals.due is None else deals.due
    columns = zip(
        deals.name, deals.stage, deals.group, deals.age, deals.value, amounts(model, deals), due, stated,
        chances.tolist(), strict=True,
    )  # fmt: skip
    return [
        {
            "forecast": number, "place": k, "lead": str(lead), "stage": model.funnel.stages[stage],
            "segment": model.groups[group], "age": float(age), "amount": _cell(amount), "worth": float(worth),
            "due": _cell(days), "expected_close": None if pd.isna(date) else moment_of(date),
            "chances": json.dumps([_cell(chance) for chance in row]),
        }
        for k, (lead, stage, group, age, amount, worth, days, date, row) in enumerate(columns)
    ]  # fmt: skip


def _way_rows(number: int, place: Situation) -> list[dict[str, Any]]:
    """Return what simpler ways say at the same moment; of a history in parts those that need only wins."""
    known = place.history or place.facts
    if known is None:
        return []
    view = view_of(known, place.kind, place.periods, place.booked)
    said = simple_points(view) if place.history is None else points(view)
    return [
        {"forecast": number, "place": k, "way": way, "measure": measure, "point": _cell(point)}
        for way, both in said.items()
        for measure, row in zip(("revenue", "wins"), both, strict=True)
        for k, point in enumerate(row)
        if not place.periods[k].cut
    ]


def _company(connection: sqlalchemy.Connection, place: Situation) -> int:
    """Return the number of a company: that of its first forecast."""
    from sqlalchemy import func, select

    forecasts = tables().forecasts
    known = same_company(connection, place)
    if known is not None:
        return known
    last = connection.execute(select(func.max(forecasts.c.company))).scalar()
    return int(last or 0) + 1


def same_company(connection: sqlalchemy.Connection, place: Situation) -> int | None:
    """Return the number of the company that a history is of; None where nothing of it is kept.

    It is the one half of whose open deals, when it was last forecast before, the history knows; where nothing
    earlier or no deal is kept, the one of the same name.
    """
    from sqlalchemy import select

    forecasts, deals = tables().forecasts, tables().deals
    columns = (forecasts.c.id, forecasts.c.company, forecasts.c.history, forecasts.c.as_of)
    rows = connection.execute(select(*columns).order_by(forecasts.c.as_of.desc(), forecasts.c.id.desc()))
    named, seen, name = None, set(), name_kept(place)
    for number, company, history, as_of in rows.all():
        if company in seen:
            continue
        if as_of > moment_of(place.model.as_of) or place.history is None:
            named = company if history == name and named is None else named
            continue
        seen.add(company)
        leads = connection.execute(select(deals.c.lead).where(deals.c.forecast == number)).scalars().all()
        if leads and among(leads, place.history.leads.index).mean() >= SAME_COMPANY:
            return int(company)
        if not leads and history == name:
            return int(company)
    return None if named is None or named in seen else int(named)


def _add_outcomes(connection: sqlalchemy.Connection, company: int, place: Situation) -> None:
    """Add what came of periods and deals that were forecast before, as far as it is known now."""
    from sqlalchemy import and_, select

    known = place.history or place.facts
    if known is None:
        return
    names, now = tables(), moment_of(known.until)
    mine = names.forecasts.c.company == company
    periods = select(names.numbers.c.start, names.numbers.c.end).distinct()
    periods = periods.join(names.forecasts, names.forecasts.c.id == names.numbers.c.forecast).where(mine)
    for start, end in connection.execute(periods).all():
        if end > now or start < moment_of(known.began):
            continue
        revenue, wins = within(place.booked, pd.Timestamp(start), pd.Timestamp(end))
        table = names.outcomes
        same = and_(table.c.company == company, table.c.start == start, table.c.end == end)
        before = connection.execute(select(table.c.known).where(same)).scalar()
        row = {"known": now, "revenue": revenue, "wins": wins}
        if before is None:
            connection.execute(table.insert(), row | {"company": company, "start": start, "end": end})
        elif before < now:
            connection.execute(table.update().where(same), row)
    if place.history is not None:
        _add_fates(connection, company, place)


def _add_fates(connection: sqlalchemy.Connection, company: int, place: Situation) -> None:
    """Add the ends of deals that were open when they were forecast."""
    from sqlalchemy import select

    history, names = place.history, tables()
    if history is None:
        return
    mine = names.forecasts.c.company == company
    asked = select(names.deals.c.lead).distinct()
    asked = asked.join(names.forecasts, names.forecasts.c.id == names.deals.c.forecast).where(mine)
    known = select(names.fates.c.lead).where(names.fates.c.company == company)
    wanted = set(connection.execute(asked).scalars()) - set(connection.execute(known).scalars())
    ends = history.events[history.events["stage"].isin((*history.won, *history.lost)).to_numpy()]
    ends = ends[among(ends["lead"], wanted)].drop_duplicates("lead", keep="last") if wanted else ends[:0]
    money = place.booked.groupby("lead")["value"].sum()
    rows = [
        {
            "company": company, "lead": str(lead), "at": moment_of(at), "place": str(stage),
            "won": int(stage in history.won), "amount": _cell(money.get(lead)),
        }
        for lead, at, stage in zip(ends["lead"], ends["at"], ends["stage"], strict=True)
    ]  # fmt: skip
    _add_rows(connection, names.fates, rows)


def last_kept(
    address: str | Path, place: Situation, *, since: pd.Timestamp | None = None, plan: str = ""
) -> Kept | None:
    """Return the last forecast of a company that was kept before its as-of moment; None where none was.

    Args:
        address: a file, or the URL of a data base.
        place: where the company stands now.
        since: until when it must have been made; before the present moment by default.
        plan: under which plan; "" for the company as it was.
    """
    from sqlalchemy import select

    forecasts = tables().forecasts
    with opened(address) as connection:
        company = same_company(connection, place)
        wanted = select(forecasts).where(forecasts.c.company == company, forecasts.c.plan == plan)
        wanted = wanted.where(forecasts.c.kind == place.kind)
        wanted = wanted.where(forecasts.c.as_of < moment_of(place.model.as_of))
        if since is not None:
            wanted = wanted.where(forecasts.c.as_of <= moment_of(since))
        wanted = wanted.order_by(forecasts.c.as_of.desc(), forecasts.c.id.desc())
        row = connection.execute(wanted).mappings().first()
        return None if row is None else _kept_of(connection, row, place.history)


def _kept_of(connection: sqlalchemy.Connection, row: Mapping[Any, Any], history: History | None) -> Kept:
    """Return a kept forecast with its model, deals and numbers; when its leads came in, a history tells."""
    model = decode(json.loads(zlib.decompress(base64.b64decode(row["model"]))))
    deals = _rows_of(connection, tables().deals, int(row["id"]))
    stage = {name: k for k, name in enumerate(model.funnel.stages)}
    group = {name: k for k, name in enumerate(model.groups)}
    due = deals["due"].to_numpy(dtype=np.float64)
    dated = bool(np.isfinite(due).any())
    ahead = None
    if dated and history is not None:
        days = due + float((pd.Timestamp(row["as_of"]) - history.until) / DAY)
        ahead = lead_times(history, deals["lead"].tolist(), days)
    pipeline = OpenDeals(
        deals["lead"].to_numpy(dtype=object),
        deals["stage"].map(stage).to_numpy(dtype=np.int64),
        deals["segment"].map(group).to_numpy(dtype=np.int64),
        deals["age"].to_numpy(dtype=np.float64),
        deals["amount"].to_numpy(dtype=np.float64),
        due if dated else None,
        ahead,
    )
    numbers = with_quantiles(_rows_of(connection, tables().numbers, int(row["id"])))
    return Kept(
        int(row["id"]), pd.Timestamp(row["as_of"]), row["kind"], row["plan"], model, pipeline,
        pd.DatetimeIndex(pd.to_datetime(deals["expected_close"])), int(row["draws"]), int(row["seed"]),
        row["engine"], numbers,
    )  # fmt: skip


def _rows_of(connection: sqlalchemy.Connection, table: Any, number: int) -> pd.DataFrame:
    from sqlalchemy import select

    wanted = select(table).where(table.c.forecast == number).order_by(table.c.place)
    return frame_of(connection, wanted)


def frame_of(connection: sqlalchemy.Connection, wanted: Any) -> pd.DataFrame:
    """Return what a query finds as a frame."""
    found = connection.execute(wanted)
    return pd.DataFrame.from_records([tuple(row) for row in found], columns=list(found.keys()))


def with_quantiles(rows: pd.DataFrame) -> pd.DataFrame:
    """Return kept numbers with a column for each quantile."""
    if rows.empty:
        return rows.assign(**dict.fromkeys(NAMES, np.nan)).drop(columns="quantiles")
    grid = np.array([json.loads(text) for text in rows["quantiles"]], dtype=np.float64)
    named = {name: grid[:, k] for k, name in enumerate(NAMES)}
    return rows.drop(columns="quantiles").assign(**named)


def kept_periods(kept: Kept) -> tuple[Period, ...]:
    """Return the periods that a kept forecast was of."""
    rows = kept.numbers.drop_duplicates("period")
    rows = rows[rows["period"] != "total"]
    told = zip(rows["period"], rows["start"], rows["end"], strict=True)
    return tuple(
        Period(name, pd.Timestamp(start), pd.Timestamp(end), " to " in name) for name, start, end in told
    )
