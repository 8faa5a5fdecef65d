"""The same from a terminal: demo, check, calibrate, forecast, compare, budget, simulate, backtest, lab.

Each command is the verb of its name: it reads, asks the verb, prints what the result says, and writes what
was asked for. Options that commands share are said once, below.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from funnelsim.errors import FunnelError

if TYPE_CHECKING:
    import pandas as pd

    from funnelsim.files import Output
    from funnelsim.forecasting.backtest import Record
    from funnelsim.forecasting.compare import Comparison
    from funnelsim.forecasting.forecast import Forecast
    from funnelsim.forecasting.situation import Situation
    from funnelsim.simulation.run import Replications

# Matrices are small here: threads of the linear algebra only wait for each other (ETS: 13 times as long).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT",
        help="a record (one row per stage, a CRM export, a data base's URL) or a stated funnel by name",
    ),
]
Mapping = Annotated[
    Path | None, typer.Option("--mapping", "--map", help="YAML that names columns, stages and ends")
]
AsOf = Annotated[
    str | None, typer.Option(help="all is known up to the end of this day [default: last event]")
]
Source = Annotated[str | None, typer.Option(help="how to read the file, where its columns do not tell")]
Query = Annotated[str | None, typer.Option(help="for a data base: a SELECT, or the name of a table")]
Anonymise = Annotated[
    str | None,
    typer.Option(
        help="key with which names of leads and owners are hashed; @FILE, env:NAME keep it off the screen",
        callback=lambda given: secret(given),
    ),
]
Spend = Annotated[Path | None, typer.Option(help="CSV of channel, week, spend: leads then answer to money")]
PeriodKind = Annotated[str, typer.Option(help="week, month or quarter")]
Periods = Annotated[int, typer.Option(help="how many; the first holds the as-of date")]
Draws = Annotated[int, typer.Option(help="posterior draws of the rates")]
Seed = Annotated[int, typer.Option(help="same seed, same numbers")]
Engine = Annotated[str | None, typer.Option(help="exact, compiled or simpy [default: exact where it fits]")]
Target = Annotated[float | None, typer.Option(help="money wanted in each period")]
Scenario = Annotated[str | None, typer.Option(help="levers to pull: a YAML file, or a name in scenarios/")]
By = Annotated[str | None, typer.Option(help="expected revenue also by segment, channel, owner or stage")]
Known = Annotated[
    Path | None,
    typer.Option("--model", help="a model that calibrate wrote: nothing is fitted, only open leads are read"),
]
Large = Annotated[
    bool, typer.Option("--large", help="read in parts, as is done from 128 MiB or 3 million rows on")
]
Dask = Annotated[str | None, typer.Option(help="address of a cluster whose workers read the parts")]
OwnRecord = Annotated[
    bool,
    typer.Option("--own-record", help="intervals as wide as the last 8 forecasts needed; seconds more"),
]
Json = Annotated[
    Path | None, typer.Option("--json", help="write the numbers for other programs; - for the terminal")
]
Html = Annotated[Path | None, typer.Option(help="write a page that needs no network")]

STOPPED = 130  # by convention 128 and the number of the signal
SHARES = dict.fromkeys(
    ("mape", "inside_50", "inside_80", "inside_95", "nominal", "covered", "low", "high", "skill"), "share"
)

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
    typer.echo("The company is made up; its story stands in benchmarks/sample/company.py.\n")
    forecast(str(sample_path()), mapping=sample_path("mapping.yaml"), html=page)


@app.command(epilog="Example: funnelsim check deals.csv --mapping deals.yaml")
def check(
    what: What,
    mapping: Mapping = None,
    as_of: AsOf = None,
    source: Source = None,
    query: Query = None,
    anonymise: Anonymise = None,
    json: Json = None,
) -> None:
    """Read a history and say what was understood, used, set aside, and how far it can be trusted."""
    from funnelsim.forecasting.outputs import summary_json
    from funnelsim.history.export import reading_notes
    from funnelsim.show.terminal import show_metrics, show_table
    from funnelsim.verbs import check as read

    outputs = [_data("--json", json)]
    _refuse_outputs(outputs, (what, mapping))
    result = read(what, mapping=mapping, as_of=as_of, source=source, query=query, anonymise=anonymise)
    with aside(outputs):
        typer.echo(result.history.source)
        for note in reading_notes(result.history):
            typer.echo(f"- {note}")
        show_table(result.quality, "What was read")
        show_metrics(result.metrics, "What happened")
        for finding in result.findings:
            typer.echo(f"- {finding}")
    write_all((json, lambda path: write_text(path, summary_json(result.history))))


@app.command(epilog="Example: funnelsim calibrate deals.csv --spend spend.csv -o model.json")
def calibrate(
    what: What,
    output: Annotated[Path, typer.Option("-o", "--output", help="where the model is written")] = Path(
        "model.json"
    ),
    mapping: Mapping = None,
    as_of: AsOf = None,
    source: Source = None,
    query: Query = None,
    anonymise: Anonymise = None,
    spend: Spend = None,
    large: Large = False,
    dask: Dask = None,
) -> None:
    """Fit the funnel to a history, also to one larger than memory, and write the model as JSON."""
    from funnelsim.model.store import save_model
    from funnelsim.verbs import calibrate as fit

    _refuse_outputs([_data("--output", output)], (what, mapping, spend))
    model = fit(
        what, spend=spend, large=large, dask=dask, mapping=mapping, as_of=as_of, source=source, query=query,
        anonymise=anonymise,
    )  # fmt: skip
    save_model(model, output)
    for note in model.notes:
        typer.echo(f"- {note}")
    typer.echo(f"model written to {output}")


@app.command(
    epilog="Example: funnelsim forecast deals.csv --period quarter --target 1500000 --html forecast.html"
)
def forecast(
    what: What,
    mapping: Mapping = None,
    as_of: AsOf = None,
    source: Source = None,
    query: Query = None,
    anonymise: Anonymise = None,
    spend: Spend = None,
    period: PeriodKind = "quarter",
    periods: Periods = 2,
    scenario: Scenario = None,
    target: Target = None,
    draws: Draws = 200,
    seed: Seed = 1,
    engine: Engine = None,
    json: Json = None,
    html: Html = None,
    deals: Annotated[
        Path | None, typer.Option(help="write the open deals as .csv, .xlsx or .parquet")
    ] = None,
    own_record: OwnRecord = False,
    by: By = None,
    model: Known = None,
    large: Large = False,
    dask: Dask = None,
) -> None:
    """Forecast revenue and wins from open deals and from leads that do not exist yet.

    A history of under five wins, or shorter than a period, gets sentences on what is missing instead of
    numbers (null in JSON); as that is an answer, the exit code is 0.
    """
    from funnelsim.forecasting.outputs import as_json
    from funnelsim.forecasting.situation import INSTANT, situation
    from funnelsim.verbs import forecast as expect
    from funnelsim.verbs import refuse_words

    outputs = [_data("--json", json), _table("--deals", deals), _page("--html", html)]
    _refuse_outputs(outputs, (what, mapping, spend, scenario, model))
    refuse_words(
        period=period, periods=periods, engine=engine, by=by, target=target, draws=draws, seed=seed,
        scenarios=() if scenario is None else (scenario,),
    )  # fmt: skip
    place = situation(
        what, period=period, periods=periods, spend=spend, scenario=scenario, model=model, large=large,
        dask=dask, mapping=mapping, as_of=as_of, source=source, query=query, anonymise=anonymise,
    )  # fmt: skip
    result = expect(
        place, target=target, draws=draws, seed=seed, engine=engine, by=by, own_record=own_record,
        progress=at_terminal(),
    )  # fmt: skip
    day = as_of or f"{place.model.as_of - INSTANT:%Y-%m-%d}"
    with aside(outputs):
        _print_forecast(place, result, by)
    write_all(
        (json, lambda path: write_text(path, as_json(result, as_of=day, period=period, split=result.parts))),
        (deals, lambda path: write_frame(path, result.deals)),
        (html, lambda path: _forecast_page(path, place, result)),
    )


@app.command(epilog="Example: funnelsim compare deals.csv price_up no_events --html compare.html")
def compare(
    what: What,
    scenarios: Annotated[
        list[str],
        typer.Argument(metavar="SCENARIO...", help="files with levers, or names in scenarios/"),
    ],
    mapping: Mapping = None,
    as_of: AsOf = None,
    source: Source = None,
    query: Query = None,
    anonymise: Anonymise = None,
    spend: Spend = None,
    period: PeriodKind = "quarter",
    periods: Periods = 2,
    target: Target = None,
    draws: Draws = 200,
    seed: Seed = 1,
    engine: Engine = None,
    html: Html = None,
    model: Known = None,
    large: Large = False,
    dask: Dask = None,
) -> None:
    """Compare scenarios from the same state, with the same luck and the same draws."""
    from funnelsim.verbs import compare as pair

    _refuse_outputs([_page("--html", html)], (what, mapping, spend, model, *scenarios))
    result = pair(
        what, scenarios, period=period, periods=periods, spend=spend, target=target, draws=draws, seed=seed,
        engine=engine, progress=at_terminal(), model=model, large=large, dask=dask, mapping=mapping,
        as_of=as_of, source=source, query=query, anonymise=anonymise,
    )  # fmt: skip
    _print_comparison(result)
    write_all((html, lambda path: _compare_page(path, result)))


@app.command(epilog="Example: funnelsim budget deals.csv --spend spend.csv --total 250000 --html budget.html")
def budget(
    what: What,
    spend: Spend = None,
    mapping: Mapping = None,
    as_of: AsOf = None,
    source: Source = None,
    query: Query = None,
    anonymise: Anonymise = None,
    total: Annotated[float | None, typer.Option(help="money to split [default: what is spent now]")] = None,
    period: Annotated[str, typer.Option(help="spent over a week, month or quarter")] = "quarter",
    periods: Annotated[int, typer.Option(help="in how many periods revenue counts")] = 4,
    at_least: Annotated[float, typer.Option(help="of a channel's spend now")] = 0.7,
    at_most: Annotated[float, typer.Option(help="of a channel's spend now")] = 1.3,
    curve: Annotated[str, typer.Option(help="power or saturation")] = "power",
    draws: Draws = 200,
    seed: Seed = 1,
    html: Html = None,
) -> None:
    """Say where the next euro should go, and how a budget is best split."""
    from funnelsim.forecasting.budget import budget_rows
    from funnelsim.show.terminal import show_table
    from funnelsim.show.words import titled
    from funnelsim.verbs import budget as best

    _refuse_outputs([_page("--html", html)], (what, mapping, spend))
    plan = best(
        what, spend=spend, total=total, period=period, periods=periods, at_least=at_least, at_most=at_most,
        curve=curve, draws=draws, seed=seed, mapping=mapping, as_of=as_of, source=source, query=query,
        anonymise=anonymise,
    )  # fmt: skip
    rows, kinds = budget_rows(plan)
    show_table(rows, titled(f"Spend per {period}", plan.currency), kinds=kinds)
    for line in (str(plan), *plan.notes):
        typer.echo(f"- {line}")

    def page(path: Path) -> None:
        from funnelsim.pages import budget_page

        budget_page(path, plan)

    write_all((html, page))


@app.command(epilog="Example: funnelsim simulate sales_funnel_5 --days 365 --seed 1 -o log.csv")
def simulate(
    what: What,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="log as .csv, .xlsx or .parquet; - for the terminal")
    ] = None,
    days: Annotated[int, typer.Option(help="how long")] = 365,
    seed: Seed = 1,
    engine: Annotated[str, typer.Option(help="simpy or compiled")] = "compiled",
    scenario: Scenario = None,
    reps: Annotated[list[str] | None, typer.Option(help="another size of a pool: 'sales=12'")] = None,
    replications: Annotated[
        str | None, typer.Option(help="how often, for what luck does: a number, or auto [default: once]")
    ] = None,
    precision: Annotated[float, typer.Option(help="for auto: half-width of 95 %, by the mean")] = 0.01,
    workers: Annotated[int, typer.Option(help="processes, for many replications")] = 1,
    mapping: Mapping = None,
    as_of: AsOf = None,
    source: Source = None,
    query: Query = None,
    anonymise: Anonymise = None,
) -> None:
    """Simulate the lives of all leads, say what became of them, and write the log, itself a valid history.

    With --replications they live many times: what is booked, and how far luck moves it; -o writes a row each.
    """
    from funnelsim.forecasting.outputs import mapping_text
    from funnelsim.history.metrics import metrics
    from funnelsim.show.terminal import show_metrics
    from funnelsim.verbs import simulate as live

    if replications is not None:
        often = int(replications) if replications.isdecimal() else replications
        _refuse_outputs([_table("--output", output)], (what, mapping, scenario))
        many = live(
            what, days, seed=seed, engine=engine, scenario=scenario, reps=reps or (), replications=often,
            precision=precision, workers=workers, progress=at_terminal(), mapping=mapping, as_of=as_of,
            source=source, query=query, anonymise=anonymise,
        )  # fmt: skip
        _print_replications(many, output)
        return
    guide = None if output is None else output.with_name(f"{output.stem}.map.yaml")
    outputs = [_table("--output", output)]
    _refuse_outputs(outputs, (what, mapping, scenario))
    _refuse_other_guide(guide)
    run = live(
        what, days, seed=seed, engine=engine, scenario=scenario, reps=reps or (), mapping=mapping,
        as_of=as_of, source=source, query=query, anonymise=anonymise,
    )  # fmt: skip
    with aside(outputs):
        typer.echo(str(run))
        if len(run.log):
            show_metrics(metrics(run.history), "What happened")
    if output is None or guide is None:
        return
    write_frame(output, run.log)
    if str(output) == "-":
        return
    write_text(guide, mapping_text(run.model.funnel, output.name, run.model.currency))
    typer.echo(f"{len(run.log):,} rows written to {output}")
    typer.echo(f"read it back with: funnelsim check {output} --mapping {guide}")


@app.command(epilog="Example: funnelsim backtest deals.csv --period month --periods 3 --html record.html")
def backtest(
    what: What,
    mapping: Mapping = None,
    as_of: AsOf = None,
    source: Source = None,
    query: Query = None,
    anonymise: Anonymise = None,
    period: PeriodKind = "month",
    periods: Annotated[int, typer.Option(help="how many ahead of each past date")] = 1,
    start: Annotated[
        str | None, typer.Option("--start", "--from", help="first past date to forecast from")
    ] = None,
    every: Annotated[int, typer.Option(help="forecast from every n-th period start")] = 1,
    draws: Annotated[int, typer.Option(help="posterior draws of each forecast")] = 60,
    seed: Seed = 1,
    workers: Annotated[int, typer.Option(help="processes")] = 2,
    json: Json = None,
    html: Html = None,
    model: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Forecast from past dates with what was known then, and score what was said."""
    from funnelsim.forecasting.outputs import record_json
    from funnelsim.verbs import backtest as replay

    outputs = [_data("--json", json), _page("--html", html)]
    _refuse_outputs(outputs, (what, mapping))
    record = replay(
        what, period=period, periods=periods, start=start, every=every, draws=draws, seed=seed,
        workers=workers, progress=at_terminal(), model=model, mapping=mapping, as_of=as_of, source=source,
        query=query, anonymise=anonymise,
    )  # fmt: skip
    with aside(outputs):
        if record.note:
            typer.echo(record.note)
        _print_record(record)

    def page(path: Path) -> None:
        from funnelsim.pages import backtest_page

        backtest_page(path, record)

    write_all((json, lambda path: write_text(path, record_json(record))), (html, page))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open JupyterLab on the notebooks; further words go to JupyterLab."""
    folder = Path(__file__).resolve().parent.parent / "notebooks"
    if not folder.is_dir():
        raise FunnelError(f"{folder}: the notebooks are not here; start from a checkout of the project")
    raise typer.Exit(subprocess.call([sys.executable, "-m", "jupyterlab", str(folder), *context.args]))


def _print_forecast(place: Situation, result: Forecast, by: str | None) -> None:
    """Print a forecast, what simpler ways would say, what calibration notes, and the split if asked for."""
    from funnelsim.forecasting.split import wide
    from funnelsim.history.export import reading_notes
    from funnelsim.show.terminal import print_forecast, show_table
    from funnelsim.show.words import titled

    known = place.history or place.facts
    if known is not None:
        for note in reading_notes(known):
            typer.echo(f"- {note}")
        typer.echo("")
    if result.silent:
        typer.echo("No forecast:")
        for reason in result.silent:
            typer.echo(f"- {reason}")
        typer.echo("")
    target = None if result.target != result.target else result.target
    if place.model.funnel.earns:
        print_forecast(result.periods, result.widths, target=target, currency=result.currency)
    if not result.silent and len(place.ways):
        kinds = dict.fromkeys(map(str, place.ways.columns[1:]), "money")
        show_table(place.ways, titled("What simpler ways would say", result.currency), kinds=kinds)
    for note in (*result.notes, *place.model.notes):
        typer.echo(f"- {note}")
    if result.parts is not None:
        shown = wide(result.parts)
        kinds = dict.fromkeys(map(str, shown.columns[2:]), "money") | {"open leads": "count"}
        typer.echo("")
        show_table(shown, f"{titled('Expected revenue', result.currency)} by {by}", kinds=kinds)


def _print_comparison(result: Comparison) -> None:
    """Print what each scenario changes, and what each of its levers brings."""
    from funnelsim.show.terminal import print_comparison, show_table
    from funnelsim.show.words import titled

    print_comparison(result.table, result.currency)
    for note in result.notes:
        typer.echo(f"- {note}")
    for name, frame in result.parts.items():
        show_table(
            frame, titled(f"What each lever of '{name}' brings, all periods together", result.currency)
        )


def _print_replications(many: Replications, output: Path | None) -> None:
    """Print what many lives of all leads booked, and write a row for each of them where that was asked."""
    from funnelsim.show.terminal import show_table

    with aside([_table("--output", output)]):
        typer.echo(str(many))
        show_table(many.table, "What luck does, at the model's own rates")
    write_all((output, lambda path: write_frame(path, many.frame)))


def _print_record(record: Record) -> None:
    """Print the scores of all methods, skill against simpler ways, and how intervals kept their promise."""
    from funnelsim.show.terminal import show_table
    from funnelsim.show.words import titled

    scores = record.summary
    for measure, unit in (("revenue", titled("revenue", record.currency)), ("wins", "wins")):
        mine = scores[scores["measure"] == measure].drop(columns="measure")
        show_table(mine, f"Record of {unit}, by {record.kind}s ahead", kinds=SHARES)
        title = f"Skill in {measure} against simpler ways, with its 90 % interval"
        show_table(record.skill(measure), title, kinds=SHARES)
        show_table(record.coverage(measure), f"Intervals of {measure}: promised, and kept", kinds=SHARES)


# Pages bring the charts with them, so only who asks for one waits for their import.
def _forecast_page(path: Path, place: Situation, result: Forecast) -> None:
    from funnelsim.pages import forecast_page

    forecast_page(path, place, result)


def _compare_page(path: Path, result: Comparison) -> None:
    from funnelsim.pages import compare_page

    compare_page(path, result)


def _refuse_outputs(outputs: Sequence[Output], inputs: Sequence[str | Path | None]) -> None:
    """Refuse, before any work, outputs that cannot be written or would replace what is read."""
    from funnelsim import files
    from funnelsim.history.mapping_file import files_named

    what, mapping, *_ = inputs
    written = any(output.path is not None and str(output.path) != "-" for output in outputs)
    named = files_named(mapping, str(what)) if written and mapping is not None else []
    files.refuse_outputs(outputs, (*inputs, *named))


def _data(option: str, path: Path | None) -> Output:
    from funnelsim.files import Output

    return Output(option, path, (".json",), loose=True, stream=True)


def _page(option: str, path: Path | None) -> Output:
    from funnelsim.files import Output

    if path is not None and sys.flags.optimize > 1:  # Altair copies docstrings, which are gone then
        raise FunnelError(f"{option}: charts cannot be drawn with PYTHONOPTIMIZE=2 (-OO); 1 (-O) will do")
    return Output(option, path, (".html", ".htm"))


def _table(option: str, path: Path | None) -> Output:
    from funnelsim.files import Output

    return Output(option, path, (".csv", ".xlsx", ".parquet"), stream=True)


def _refuse_other_guide(guide: Path | None) -> None:
    """Refuse to replace a mapping file that somebody else wrote beside the log that is asked for."""
    from funnelsim.forecasting.outputs import GUIDE

    if guide is not None and guide.exists() and not guide.read_bytes().startswith(GUIDE.encode()):
        raise FunnelError(f"{guide}: would be replaced, as the log's mapping goes there; name another log")


@contextmanager
def aside(outputs: Sequence[Output]) -> Iterator[None]:
    """While a file goes to standard output, tell people what they are told on the other stream."""
    if any(str(output.path) == "-" for output in outputs):
        with redirect_stdout(sys.stderr):
            yield
    else:
        yield


def write_all(*outputs: tuple[Path | None, Callable[[Path], object]]) -> None:
    """Write the files that were asked for, and say where they are."""
    streamed = any(str(path) == "-" for path, _ in outputs)
    for path, write in outputs:
        if path is not None:
            write(path)
            if str(path) != "-":
                typer.echo(f"written: {path.resolve()}", err=streamed)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; "-" is standard output."""
    from funnelsim.files import write_atomic

    if str(path) == "-":
        sys.stdout.write(text)
    else:
        write_atomic(path, text)


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a table in the format that its ending names; "-" is CSV on standard output."""
    from funnelsim.history.export import csv_text, write_table

    if str(path) == "-":
        sys.stdout.write(csv_text(frame))
    else:
        write_table(frame, path)


def secret(given: str | None) -> str | None:
    """Return the key itself: as given, the first line of a file (@FILE), or a variable's value (env:NAME).

    Raises:
        FunnelError: the file cannot be read, the variable is not set, or the key is empty.
    """
    if given is None or not given.startswith(("@", "env:")):
        return given
    if given.startswith("env:"):
        key = os.environ.get(given[4:], "")
        missing = f"--anonymise {given}: the variable {given[4:]} is not set, or empty"
    else:
        from funnelsim.files import read_text

        key = (read_text(given[1:]).splitlines() or [""])[0].strip()
        missing = f"--anonymise {given}: its first line is empty; it should hold the key"
    if not key:
        raise FunnelError(missing)
    return key


def at_terminal() -> bool:
    """Return whether somebody is looking, so that progress is worth showing."""
    return sys.stderr.isatty()


def main() -> None:
    """Run the command line; a FunnelError is one sentence on stderr and exit code 2.

    SIGTERM ends it as Ctrl-C does, so that no worker is left behind. Libraries' warnings are for those who
    wrote the code, not for those who asked for a forecast; `python -W default -m funnelsim.cli` shows them.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of worker processes too
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except FunnelError as error:
        typer.echo(f"funnelsim: {error}", err=True)
        raise SystemExit(2) from None
    except SystemExit as end:
        if end.code == STOPPED:  # the command line's own answer to Ctrl-C, which says nothing
            _end_workers()
            typer.echo("funnelsim: stopped; nothing was written", err=True)
        raise


def _terminate(*_: object) -> None:
    _end_workers()
    typer.echo("funnelsim: terminated; nothing was written", err=True)
    os._exit(143)


def _end_workers() -> None:
    """End the processes that forecast from past dates, if any; asked nicely, they could wait for ever."""
    pool = sys.modules.get("joblib.externals.loky.reusable_executor")
    executor = getattr(pool, "_executor", None)
    for process in list((getattr(executor, "_processes", None) or {}).values()):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


if __name__ == "__main__":
    main()
