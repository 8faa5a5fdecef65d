"""What was said in the record against what came: our forecasts, simpler ways, people, plans, overrides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.cards import card
from funnelsim.errors import FunnelError, nearest
from funnelsim.forecasting.backtest import MEASURES, Record, Snapshot, record_by
from funnelsim.forecasting.forecast import NAMES
from funnelsim.forecasting.ledger import frame_of, moment_of, opened, tables, with_quantiles
from funnelsim.forecasting.periods import TOTAL, Period, spoken
from funnelsim.forecasting.seek import chance_said
from funnelsim.forecasting.situation import INSTANT
from funnelsim.history.log import beginning
from funnelsim.history.tables import read_table
from funnelsim.model.units import quantity
from funnelsim.show import words

if TYPE_CHECKING:
    import sqlalchemy

COMMITS = ("who", "when", "period", "amount")
OVERRIDES = ("lead", "who", "when", "period", "chance", "reason")
FEWEST_FOR_RANGE = 3  # periods: from two the spread of a bias is not known
TAIL = 0.95  # upper end of a 90 % interval


@dataclass(frozen=True)
class Track:
    """The record of a company: what was said, and what came.

    Args:
        company: its name in the record.
        kind: week, month, quarter, half or year.
        currency: three letters, "wins", or nothing.
        said: a row for each kept forecast and period: day, period, start, end, mean, low, high (80 %), came
            (nan while it is not over), miss (came - mean), inside (1, 0, or nan).
        scores: of the first forecast kept in each period, beside simpler ways; None while none is over.
        people: who, periods, bias (said less came, over what came) with its 90 % interval, error and ours
            (mean absolute errors, ours that of the median), skill (1 - error / ours: above 0 is better than
            ours), overrides, brier, our_brier.
        plans: decided plans: day, plan, period, without, promised, low, high, came.
        overrides: lead, who, day, period, chance, ours, came (1 won in it, 0 not, nan open), reason.
    """

    company: str
    kind: str
    currency: str
    said: pd.DataFrame
    scores: Record | None
    people: pd.DataFrame
    plans: pd.DataFrame
    overrides: pd.DataFrame

    @property
    def over(self) -> pd.DataFrame:
        """The forecasts whose period is over."""
        return self.said[self.said["came"].notna()].reset_index(drop=True)

    @property
    def sentences(self) -> tuple[str, ...]:
        """How good the kept forecasts were, in sentences."""
        days, over = self.said["day"].nunique(), self.over
        told = f"{days} {'day' if days == 1 else 'days'} with a kept forecast of {self.company}"
        if self.scores is None or over.empty:
            return (f"{told}; no {spoken(self.kind, 1)} that was forecast is over yet.",)
        number, held = len(over), int(over["inside"].sum())
        lines = [f"{told}; {held} of {number} kept forecasts held what came in their 80 % interval."]
        bias = float((over["mean"] - over["came"]).sum() / max(float(over["came"].abs().sum()), 1e-300))
        side = "too much" if bias > 0 else "too little"
        lines.append(f"On average they said {words.percent(abs(bias))} {side}.")
        lines += [self._person(row) for row in self.people.to_dict("records") if row["periods"]]
        return tuple(lines)

    def _person(self, row: Mapping[Any, Any]) -> str:
        side = "too much" if row["bias"] > 0 else "too little"
        said = f"{row['who']} said {words.percent(abs(row['bias']))} {side} in {row['periods']} commits"
        better = "nearer than" if row["skill"] > 0 else "farther off than"
        return f"{said}; {better} ours by {words.percent(abs(row['skill']))}."

    def __str__(self) -> str:
        return self.sentences[0]

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(str(self), self.said[["day", "period", "mean", "low", "high", "came"]])


def track_of(
    address: str | Path,
    *,
    company: str | None = None,
    kind: str | None = None,
    commits: str | Path | pd.DataFrame | None = None,
    overrides: str | Path | pd.DataFrame | None = None,
) -> Track:
    """Return what the record says; what people said is added to it first, where it is given.

    Args:
        address: a file, or the URL of a data base.
        company: name of the history, where several are kept.
        kind: of period; that of most kept forecasts by default.
        commits: who, when, period, amount.
        overrides: lead, who, when, period, chance, reason.

    Raises:
        FunnelError: nothing is kept there, an unknown company, or a table that cannot be read.
    """
    given = [(commits, COMMITS, _commit), (overrides, OVERRIDES, _override)]
    added = [[] if table is None else _lines(table, names, row) for table, names, row in given]
    with opened(address) as connection:
        number, name = _chosen(connection, company)
    if any(added):
        with opened(address, write=True) as connection:
            for table, rows in zip((tables().commits, tables().overrides), added, strict=True):
                for line in rows:
                    _put(connection, table, line | {"company": number})
    with opened(address) as connection:
        return _track(connection, number, name, kind)


def _chosen(connection: sqlalchemy.Connection, company: str | None) -> tuple[int, str]:
    """Return number and last name of the company that is meant."""
    from sqlalchemy import select

    forecasts = tables().forecasts
    rows = connection.execute(select(forecasts.c.company, forecasts.c.history).order_by(forecasts.c.id)).all()
    names = {int(number): str(history) for number, history in rows}
    if not names:
        raise FunnelError("record: no forecast was ever kept there")
    if company is None and len(names) == 1:
        return next(iter(names.items()))
    found = [number for number, name in names.items() if name == company]
    if len(found) != 1:
        known = nearest(company or "", names.values())
        raise FunnelError(f"record: say which company: '{company or ''}' is not one of those kept; {known}")
    return found[0], names[found[0]]


def _lines(table: str | Path | pd.DataFrame, names: tuple[str, ...], row: Any) -> list[dict[str, Any]]:
    """Return the lines of a table of people, each checked."""
    if isinstance(table, pd.DataFrame):
        missing = [name for name in names if name not in table.columns]
        if missing:
            raise FunnelError(f"the table has no column '{missing[0]}'; expected {', '.join(names)}")
        file, frame = "the table", table[list(names)].astype(str)
    else:
        read = read_table(table)
        file, frame = read.file, pd.DataFrame({name: read.text(name) for name in names})
    found = []
    for number, line in enumerate(frame.to_dict("records"), start=2):
        try:
            found.append(row(line))
        except FunnelError as error:
            raise FunnelError(f"{file}, row {number}: {error}") from None
    return found


def _commit(line: Mapping[Any, str]) -> dict[str, Any]:
    return _by(line) | {"amount": float(quantity(line["amount"]))}


def _override(line: Mapping[Any, str]) -> dict[str, Any]:
    if not line["reason"].strip():
        raise FunnelError(f"lead '{line['lead']}': no reason is given; an override needs one")
    chance = float(chance_said(line["chance"]))
    if not 0 <= chance <= 1:
        raise FunnelError(f"lead '{line['lead']}': chance '{line['chance']}'; expected 0 to 1, or 0% to 100%")
    return _by(line) | {"lead": line["lead"].strip(), "chance": chance, "reason": line["reason"].strip()}


def _by(line: Mapping[Any, str]) -> dict[str, Any]:
    if not line["who"].strip() or not line["period"].strip():
        raise FunnelError("who or period is blank")
    when = line["when"].strip()
    return {
        "who": line["who"].strip(),
        "day": moment_of(beginning(when)),
        "period": bare_name(line["period"]),
    }


def bare_name(period: str) -> str:
    """Return a period's name without spaces and hyphens, so that 2026Q3 is 2026 Q3.

    >>> bare_name("2026 Q3"), bare_name("2026-07")
    ('2026q3', '202607')
    """
    return period.replace(" ", "").replace("-", "").casefold()


def _put(connection: sqlalchemy.Connection, table: Any, line: Mapping[str, Any]) -> None:
    """Add a line, or replace that of the same person, day and period."""
    from sqlalchemy import and_

    keys = [name for name in ("company", "lead", "who", "day", "period") if name in line]
    same = and_(*(table.c[name] == line[name] for name in keys))
    connection.execute(table.delete().where(same))
    connection.execute(table.insert(), dict(line))


def _track(connection: sqlalchemy.Connection, number: int, name: str, kind: str | None) -> Track:
    """Return what the record says of a company."""
    frames = _frames(connection, number)
    heads = frames["forecasts"]
    chosen = kind or str(heads["kind"].mode().iloc[0])
    heads = heads[heads["kind"] == chosen]
    if heads.empty:
        raise FunnelError(f"record: no forecast by {chosen} is kept of {name}")
    numbers = frames["numbers"].merge(heads[["id", "as_of", "plan"]], left_on="forecast", right_on="id")
    numbers = numbers[numbers["period"] != TOTAL]
    over = frames["outcomes"]
    spans = zip(over["start"], over["end"], strict=True)
    came = dict(zip(spans, zip(over["revenue"], over["wins"], strict=True), strict=True))
    said = _said_rows(numbers[numbers["plan"] == ""], came)
    overrides = _judged(frames, numbers, came)
    currency = str(heads["currency"].iloc[-1])
    return Track(
        name, chosen, currency, said, _scores(frames, numbers, came, chosen, currency),
        _people(frames["commits"], said, overrides), _plans(numbers, said), overrides,
    )  # fmt: skip


def _frames(connection: sqlalchemy.Connection, number: int) -> dict[str, pd.DataFrame]:
    """Return all that is kept of a company."""
    from sqlalchemy import select

    names = tables()
    heads = select(*(column for column in names.forecasts.c if column.name != "model"))
    found = {
        "forecasts": frame_of(
            connection, heads.where(names.forecasts.c.company == number).order_by(names.forecasts.c.id)
        )
    }
    for table in ("outcomes", "fates", "commits", "overrides"):
        one = getattr(names, table)
        found[table] = frame_of(connection, select(one).where(one.c.company == number))
    for table in ("numbers", "ways"):
        one = getattr(names, table)
        query = select(one).join(names.forecasts, names.forecasts.c.id == one.c.forecast)
        found[table] = frame_of(connection, query.where(names.forecasts.c.company == number))
    found["numbers"] = with_quantiles(found["numbers"])
    asked = names.deals.c.lead.in_(found["overrides"]["lead"].tolist())
    found["deals"] = frame_of(connection, select(names.deals).where(asked))
    return found


def _revenue(numbers: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of all revenue, with the day until which all was known."""
    rows = numbers[(numbers["origin"] == "total") & (numbers["measure"] == "revenue")]
    return rows.assign(day=(pd.to_datetime(rows["as_of"]) - INSTANT).dt.normalize())


def _said_rows(numbers: pd.DataFrame, came: Mapping[Any, tuple[float, float]]) -> pd.DataFrame:
    """Return what was said of revenue on each day, and what came."""
    rows = (
        _revenue(numbers)
        .drop_duplicates(["as_of", "start", "end"], keep="last")
        .sort_values(["as_of", "start"])
    )
    actual = [
        came.get((start, end), (np.nan, np.nan))[0]
        for start, end in zip(rows["start"], rows["end"], strict=True)
    ]
    told = pd.DataFrame(
        {
            "day": rows["day"],
            "period": rows["period"],
            "start": rows["start"],
            "end": rows["end"],
            "mean": rows["mean"],
            "median": rows["0.50"],
            "low": rows["0.10"],
            "high": rows["0.90"],
            "came": actual,
        }
    ).reset_index(drop=True)
    told["miss"] = told["came"] - told["mean"]
    held = (told["came"] >= told["low"]) & (told["came"] <= told["high"])
    told["inside"] = held.where(told["came"].notna()).astype(np.float64)
    return told


def _scores(
    frames: Mapping[str, pd.DataFrame],
    numbers: pd.DataFrame,
    came: Mapping[Any, tuple[float, float]],
    kind: str,
    currency: str,
) -> Record | None:
    """Return the record of the first forecast that was kept in each period; None while none is over."""
    mine = numbers[(numbers["plan"] == "") & (numbers["origin"] == "total")]
    firsts = mine.sort_values(["place", "as_of", "forecast"]).groupby("forecast", sort=False).head(1)
    firsts = firsts.drop_duplicates("start")
    shots = {}
    for number, as_of in zip(firsts["forecast"], firsts["as_of"], strict=True):
        ways = frames["ways"]
        shots[pd.Timestamp(as_of)] = _shot(mine[mine["forecast"] == number], ways[ways["forecast"] == number])

    def known(period: Period) -> tuple[float, float] | None:
        return came.get((period.start, period.end))

    scored = sorted(moment for moment, shot in shots.items() if any(known(one) for one in shot.periods))
    if not scored:
        return None
    measures = MEASURES if currency != "wins" else MEASURES[1:]
    return Record(record_by(dict(sorted(shots.items())), scored, known, measures), kind, currency)


def _shot(rows: pd.DataFrame, ways: pd.DataFrame) -> Snapshot:
    """Return a kept forecast as a backtest has it."""
    by = {measure: rows[rows["measure"] == measure].sort_values("place") for measure in MEASURES}
    first = by["revenue"]
    periods = tuple(
        Period(label, pd.Timestamp(start), pd.Timestamp(end))
        for label, start, end in zip(first["period"], first["start"], first["end"], strict=True)
    )
    quantiles = np.stack([by[measure][NAMES].to_numpy(dtype=np.float64) for measure in MEASURES])
    mean = np.stack([by[measure]["mean"].to_numpy(dtype=np.float64) for measure in MEASURES])
    points: dict[str, Floats] = {}
    for way, part in ways.groupby("way", sort=False):
        table = np.full((2, len(periods)), np.nan)
        for place, measure, point in zip(part["place"], part["measure"], part["point"], strict=True):
            table[MEASURES.index(measure), int(place)] = np.nan if point is None else point
        points[str(way)] = table
    return Snapshot(periods, quantiles, mean, points)


def _people(commits: pd.DataFrame, said: pd.DataFrame, overrides: pd.DataFrame) -> pd.DataFrame:
    """Return how far each person was off, beside what we said last before."""
    names = list(dict.fromkeys([*commits["who"], *overrides["who"]]))
    rows = []
    for who in names:
        mine = [_beside(line, said) for line in commits[commits["who"] == who].to_dict("records")]
        known = np.array([one for one in mine if one is not None]).reshape(-1, 3)
        judged = overrides[(overrides["who"] == who).to_numpy() & overrides["came"].notna().to_numpy()]
        rows.append({"who": who, **_person(known), **_briers(judged)})
    columns = [
        "who",
        "periods",
        "bias",
        "low",
        "high",
        "error",
        "ours",
        "skill",
        "overrides",
        "brier",
        "our_brier",
    ]
    return pd.DataFrame(rows, columns=columns)


def _beside(line: Mapping[Any, Any], said: pd.DataFrame) -> tuple[float, float, float] | None:
    """Return amount, what came, and our median of a commit; None while it cannot be judged."""
    same = said[
        (said["period"].map(bare_name) == line["period"]).to_numpy() & said["came"].notna().to_numpy()
    ]
    before = same[(same["day"] <= pd.Timestamp(line["day"])).to_numpy()]
    if before.empty:
        return None
    last = before.iloc[-1]
    return float(line["amount"]), float(last["came"]), float(last["median"])


def _person(known: Floats) -> dict[str, float]:
    """Return a person's bias with its interval, and errors beside ours; known is (commits, 3)."""
    if not len(known):
        return {"periods": 0} | dict.fromkeys(("bias", "low", "high", "error", "ours", "skill"), np.nan)
    from scipy.stats import t

    amount, came, ours = known.T
    size, number = float(np.abs(came).mean()) or np.nan, len(known)
    off = (amount - came) / size
    half = np.nan
    if number >= FEWEST_FOR_RANGE:
        half = float(t.ppf(TAIL, number - 1) * off.std(ddof=1) / np.sqrt(number))
    error, beside = float(np.abs(amount - came).mean()), float(np.abs(ours - came).mean())
    bias, skill = float(off.mean()), 1 - error / beside if beside else np.nan
    return {
        "periods": number, "bias": bias, "low": bias - half, "high": bias + half, "error": error,
        "ours": beside, "skill": skill,
    }  # fmt: skip


def _briers(judged: pd.DataFrame) -> dict[str, float]:
    """Return how many overrides are over, and the mean squared errors of theirs and ours."""
    if judged.empty:
        return {"overrides": 0, "brier": np.nan, "our_brier": np.nan}
    came = judged["came"].to_numpy(dtype=np.float64)
    theirs, ours = (judged[name].to_numpy(dtype=np.float64) for name in ("chance", "ours"))
    return {
        "overrides": len(judged),
        "brier": float(((theirs - came) ** 2).mean()),
        "our_brier": float(((ours - came) ** 2).mean()),
    }


def _judged(
    frames: Mapping[str, pd.DataFrame], numbers: pd.DataFrame, came: Mapping[Any, tuple[float, float]]
) -> pd.DataFrame:
    """Return overrides of single deals, each beside our chance and what became of the deal."""
    fates = frames["fates"].set_index("lead")
    periods = numbers.drop_duplicates("period").set_index(
        numbers.drop_duplicates("period")["period"].map(bare_name)
    )
    rows = []
    for line in frames["overrides"].sort_values(["day", "lead"]).to_dict("records"):
        span = periods.loc[line["period"]] if line["period"] in periods.index else None
        rows.append(
            {
                "lead": line["lead"], "who": line["who"], "day": pd.Timestamp(line["day"]),
                "period": line["period"] if span is None else span["period"], "chance": line["chance"],
                "ours": _our_chance(line, frames["deals"], numbers),
                "came": np.nan if span is None else _fate(fates, line["lead"], span, came),
                "reason": line["reason"],
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=["lead", "who", "day", "period", "chance", "ours", "came", "reason"])


def _our_chance(line: Mapping[Any, Any], deals: pd.DataFrame, numbers: pd.DataFrame) -> float:
    """Return what we last said of a deal's chance in a period until a day."""
    same = numbers[
        (numbers["period"].map(bare_name) == line["period"]).to_numpy() & (numbers["plan"] == "").to_numpy()
    ]
    same = same[(pd.to_datetime(same["as_of"]) - INSTANT).dt.normalize() <= pd.Timestamp(line["day"])]
    mine = deals[(deals["lead"] == line["lead"]).to_numpy()].merge(
        same[["forecast", "place", "as_of"]].drop_duplicates(), on="forecast", suffixes=("", "_of")
    )
    if mine.empty:
        return np.nan
    last = mine.sort_values("as_of").iloc[-1]
    chance = json.loads(last["chances"])[int(last["place_of"])]
    return np.nan if chance is None else float(chance)


def _fate(fates: pd.DataFrame, lead: str, span: Any, came: Mapping[Any, tuple[float, float]]) -> float:
    """Return 1 where a deal was won in a period, 0 where it was not, nan while nobody knows."""
    if lead in fates.index:
        fate = fates.loc[lead]
        inside = span["start"] <= fate["at"] < span["end"]
        if inside or (span["start"], span["end"]) in came or not fate["won"]:
            return float(bool(fate["won"]) and inside)
    return 0.0 if (span["start"], span["end"]) in came else np.nan


def _plans(numbers: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Return what decided plans promised, beside the forecast without them, and what came."""
    rows = _revenue(numbers[numbers["plan"] != ""])
    told = pd.DataFrame(
        {
            "day": rows["day"],
            "plan": rows["plan"],
            "period": rows["period"],
            "promised": rows["mean"],
            "low": rows["0.10"],
            "high": rows["0.90"],
        }
    )
    plain_rows = said[["day", "period", "mean", "came"]].rename(columns={"mean": "without"})
    found = told.merge(plain_rows, on=["day", "period"], how="left")
    return found[["day", "plan", "period", "without", "promised", "low", "high", "came"]]
