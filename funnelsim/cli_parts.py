"""What the commands of the terminal share: their options, and the doors for files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from funnelsim.errors import FunnelError

HistoryFile = Annotated[
    str, typer.Argument(metavar="HISTORY", help="one row per stage entered, or a CRM export")
]
Map = Annotated[Path | None, typer.Option("--map", help="YAML that names columns, stages and ends")]
AsOf = Annotated[
    str | None, typer.Option(help="all is known up to the end of this day [default: last event]")
]
Source = Annotated[str | None, typer.Option(help="how to read the file, where its columns do not tell")]
Anonymise = Annotated[
    str | None, typer.Option(help="secret key with which names of leads and owners are hashed")
]
Spend = Annotated[Path | None, typer.Option(help="CSV of channel, week, spend: leads then answer to money")]
PeriodKind = Annotated[str, typer.Option(help="week, month or quarter")]
Periods = Annotated[int, typer.Option(help="how many; the first holds the as-of date")]
Draws = Annotated[int, typer.Option(help="posterior draws of the rates")]
Seed = Annotated[int, typer.Option(help="same seed, same numbers")]
Engine = Annotated[str | None, typer.Option(help="exact, compiled or simpy [default: exact where it fits]")]
Target = Annotated[float | None, typer.Option(help="money wanted in each period")]
Html = Annotated[Path | None, typer.Option(help="write a page that needs no network")]
OwnRecord = Annotated[
    bool,
    typer.Option("--own-record", help="intervals as wide as the last 8 forecasts needed; seconds more"),
]
By = Annotated[str | None, typer.Option(help="expected revenue also by segment, channel, owner or stage")]
Json = Annotated[Path | None, typer.Option("--json", help="write the numbers for other programs")]


def history_of(
    history: str | Path,
    mapping: Path | None,
    as_of: str | None,
    source: str | None = None,
    anonymise: str | None = None,
) -> Any:
    """Return the history in a file or data base, as it was known on a day."""
    from funnelsim.history.read import read_history

    return read_history(history, mapping=mapping, as_of=as_of, source=source, anonymise=anonymise)


def spend_of(path: Path | None) -> Any:
    """Return the table of spend in a file, if one is given."""
    from funnelsim.history.spend import read_spend

    return None if path is None else read_spend(path)


def situation_of(known: Any, period: str, periods: int, spend: Path | None) -> Any:
    """Return where a company stands, unless its history is too thin for what is only numbers."""
    from funnelsim.forecasting.situation import refuse_thin, situation

    place = situation(known, period=period, count=periods, spend=spend_of(spend))
    refuse_thin(place.history, place.periods)
    return place


def by_parts(place: Any, found: Any, column: str | None) -> Any:
    """Print expected revenue by segment, channel, owner or stage, if asked, and return the table."""
    from funnelsim.forecasting.split import revenue_by, wide
    from funnelsim.show.terminal import show_table

    if column is None or found.silent:
        return None
    table = revenue_by(place, found, column)
    shown = wide(table)
    kinds = dict.fromkeys(shown.columns[2:], "money") | {"open leads": "count"}
    typer.echo("")
    show_table(shown, f"Expected revenue ({found.currency}) by {column}", kinds=kinds)
    return table


def write_all(outputs: Sequence[tuple[Path | None, Callable[[Path], object]]]) -> None:
    """Write the files that were asked for, and say where they are."""
    for path, write in outputs:
        if path is not None:
            write(path)
            typer.echo(f"written: {path.resolve()}")


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    from funnelsim.files import write_atomic

    write_atomic(path, text)


def instant() -> Any:
    """Return the shortest time, for the last day before a moment."""
    import pandas as pd

    return pd.Timedelta(microseconds=1)


def refuse_unwritable(*paths: Path | None, table: Path | None = None) -> None:
    """Refuse an output that cannot be written before any work is done; a table is .csv or .xlsx."""
    if table is not None and table.suffix.casefold() not in (".csv", ".xlsx"):
        raise FunnelError(f"{table}: a table is written as .csv or .xlsx")
    for path in (*paths, table):
        if path is not None and not path.resolve().parent.is_dir():
            raise FunnelError(f"{path}: the folder {path.resolve().parent} does not exist")
        if path is not None and path.is_dir():
            raise FunnelError(f"{path}: is a folder; name a file in it")


def at_terminal() -> bool:
    """Return whether somebody is looking, so that progress is worth showing."""
    return sys.stderr.isatty()
