"""The same, from a terminal: demo, check, calibrate, forecast, compare, budget, simulate, backtest, lab."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from funnelsim.cli_more import backtest, budget, compare, simulate
from funnelsim.cli_parts import (
    Anonymise,
    AsOf,
    By,
    Draws,
    Engine,
    HistoryFile,
    Html,
    Json,
    Map,
    OwnRecord,
    PeriodKind,
    Periods,
    Seed,
    Source,
    Spend,
    Target,
    at_terminal,
    by_parts,
    history_of,
    instant,
    refuse_unwritable,
    spend_of,
    write_all,
    write_text,
)
from funnelsim.errors import FunnelError

# Matrices are small here: threads of the linear algebra only wait for each other (ETS: 13 times as long).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Simulate and forecast marketing and sales funnels.\n\nStart with: funnelsim demo",
)


@app.command(epilog="Example: funnelsim demo --html out/demo.html")
def demo(html: Html = None) -> None:
    """Forecast the bundled sample company: the main job, on made-up data."""
    from funnelsim.sample import sample_path

    page = html or Path("out") / "forecast.html"
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FunnelError(f"{page}: its folder cannot be made: {error.strerror}") from None
    typer.echo("The company is made up; its story stands in funnelsim/sample/make.py.\n")
    forecast(str(sample_path()), html=page)


@app.command(epilog="Example: funnelsim check deals.csv --map deals.yaml")
def check(
    history: HistoryFile,
    mapping: Map = None,
    as_of: AsOf = None,
    source: Source = None,
    anonymise: Anonymise = None,
) -> None:
    """Read a history and say what was understood, used, set aside, and how far it can be trusted."""
    from funnelsim.calibration.calibrate import fit_model as fit
    from funnelsim.calibration.calibrate import open_pipeline
    from funnelsim.calibration.trust import findings
    from funnelsim.history.log import quality_table
    from funnelsim.history.metrics import metrics
    from funnelsim.show.terminal import show_metrics, show_table

    read = history_of(history, mapping, as_of, source, anonymise)
    typer.echo(read.source)
    show_table(quality_table(read), "What was read")
    show_metrics(metrics(read), "What happened")
    model = fit(read)
    for finding in findings(read, model, open_pipeline(read, model)):
        typer.echo(f"- {finding}")


@app.command(epilog="Example: funnelsim calibrate deals.csv --spend spend.csv -o model.json")
def calibrate(
    history: HistoryFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="where the model is written")] = Path(
        "model.json"
    ),
    mapping: Map = None,
    as_of: AsOf = None,
    source: Source = None,
    anonymise: Anonymise = None,
    spend: Spend = None,
    large: Annotated[
        bool, typer.Option("--large", help="read in parts, as is done from 128 MiB or 3 million rows on")
    ] = False,
) -> None:
    """Fit the funnel to a history, also to one larger than memory, and write the model as JSON."""
    from funnelsim.calibration.calibrate import fit_model as fit
    from funnelsim.calibration.parts import calibrate_large
    from funnelsim.history.large_file import is_large
    from funnelsim.model.store import save_model

    refuse_unwritable(output)
    if large or is_large(history):
        model, _ = calibrate_large(
            history, mapping, as_of, source, anonymise=anonymise, spend=spend_of(spend)
        )
    else:
        model = fit(history_of(history, mapping, as_of, source, anonymise), spend=spend_of(spend))
    save_model(model, output)
    for note in model.notes:
        typer.echo(f"- {note}")
    typer.echo(f"model written to {output}")


@app.command(
    epilog="Example: funnelsim forecast deals.csv --period quarter --target 1500000 --html forecast.html"
)
def forecast(
    history: HistoryFile,
    mapping: Map = None,
    as_of: AsOf = None,
    source: Source = None,
    anonymise: Anonymise = None,
    spend: Spend = None,
    period: PeriodKind = "quarter",
    periods: Periods = 2,
    scenario: Annotated[Path | None, typer.Option(help="YAML with levers to pull")] = None,
    target: Target = None,
    draws: Draws = 200,
    seed: Seed = 1,
    engine: Engine = None,
    json: Json = None,
    html: Html = None,
    deals: Annotated[Path | None, typer.Option(help="write the open deals as .csv or .xlsx")] = None,
    own_record: OwnRecord = False,
    by: By = None,
) -> None:
    """Forecast revenue and wins from open deals and from leads that do not exist yet.

    A history of under five wins, or shorter than a period, gets sentences on what is missing instead of
    numbers (null in JSON); as that is an answer, the exit code is 0.
    """
    from funnelsim.forecasting.backtest import by_own_record
    from funnelsim.forecasting.outputs import as_json, write_deals
    from funnelsim.forecasting.situation import forecast_situation, situation, under

    refuse_unwritable(json, html, table=deals)
    known = history_of(history, mapping, as_of, source, anonymise)
    place = under(situation(known, period=period, count=periods, spend=spend_of(spend)), scenario)
    found = forecast_situation(
        place, draws=draws, seed=seed, engine=engine, target=target, progress=at_terminal()
    )
    if own_record:
        found = by_own_record(found, place.history, period, seed=seed, progress=at_terminal())
    ways = _tell(place, found, period)
    split = by_parts(place, found, by)
    written = as_of or f"{place.history.until - instant():%Y-%m-%d}"
    outputs = (
        (json, lambda path: write_text(path, as_json(found, as_of=written, period=period, split=split))),
        (deals, lambda path: write_deals(found, path)),
        (html, lambda path: _page(path, place, found, period, ways)),
    )
    write_all(outputs)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open JupyterLab on the notebooks; further words go to JupyterLab."""
    folder = Path(__file__).resolve().parent.parent / "notebooks"
    if not folder.is_dir():
        raise FunnelError(f"{folder}: the notebooks are not here; start from a checkout of the project")
    raise typer.Exit(subprocess.call([sys.executable, "-m", "jupyterlab", str(folder), *context.args]))


def _tell(place: Any, found: Any, period: str) -> Any:
    """Print a forecast, what simpler ways would say, and what calibration notes; return the simpler ways."""
    from funnelsim.forecasting.situation import simpler_ways
    from funnelsim.show.terminal import print_forecast, show_table

    if found.silent:
        typer.echo("No forecast, as the history is too thin.")
        for reason in found.silent:
            typer.echo(f"- {reason}")
        typer.echo("")
    target = None if found.target != found.target else found.target
    print_forecast(found.periods, found.widths, target=target, currency=found.currency)
    ways = simpler_ways(place, period)
    kinds = dict.fromkeys(ways.columns[1:], "money")
    if not found.silent:
        show_table(ways, f"What simpler ways would say ({found.currency})", kinds=kinds)
    for note in (*found.notes, *place.model.notes):
        typer.echo(f"- {note}")
    return ways


def _page(path: Path, place: Any, found: Any, period: str, ways: Any) -> None:
    from funnelsim.forecasting.situation import past_revenue
    from funnelsim.pages import forecast_page

    forecast_page(path, place, found, past_revenue(place, period, 8), ways)


for command, example in (
    (compare, "compare deals.csv scenarios/price_up.yaml scenarios/no_events.yaml"),
    (budget, "budget deals.csv --spend spend.csv --total 250000 --html budget.html"),
    (simulate, "simulate sales_funnel_5 --days 365 --seed 1 -o log.csv"),
    (backtest, "backtest deals.csv --period month --periods 3 --html record.html"),
):
    app.command(epilog=f"Example: funnelsim {example}")(command)


def main() -> None:
    """Run the command line; a FunnelError is one sentence on stderr and exit code 2."""
    try:
        app()
    except FunnelError as error:
        typer.echo(f"funnelsim: {error}", err=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        typer.echo("funnelsim: stopped", err=True)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
