"""The same from a terminal: demo, check, calibrate, forecast, compare, seek, health, live, and the rest.

Each command is the verb of its name: it reads, asks the verb, prints what the result says, and writes what
was asked for. Options that commands share are said once, below.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from funnelsim.errors import FunnelError

if TYPE_CHECKING:
    import pandas as pd

    from funnelsim.files import Output
    from funnelsim.forecasting.compare import Comparison
    from funnelsim.forecasting.forecast import Forecast
    from funnelsim.forecasting.health import Signals
    from funnelsim.forecasting.situation import Situation
    from funnelsim.model.levers import Scenario as Plan
    from funnelsim.simulation.record import Run

# Matrices are small here: threads of the linear algebra only wait for each other (ETS: 13 times as long).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# What is loaded stays to the end, but Python looks through it for garbage after every 700 new objects: of a
# command that is answered from the cache that took a fifth of the time (3.11; tried 20,000 to a million).
gc.set_threshold(100_000, 20, 20)

Options: TypeAlias = dict[str, tuple[Any, Any]]
Command: TypeAlias = Callable[..., None]

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
        callback=lambda given: _secret(given),
    ),
]
Teams = Annotated[Path | None, typer.Option(help="YAML of pools of reps and their work: leads wait for them")]
Spend = Annotated[Path | None, typer.Option(help="CSV of channel, week, spend: leads then answer to money")]
PeriodKind = Annotated[str, typer.Option(help="week, month, quarter, half or year")]
Periods = Annotated[int | None, typer.Option(help="how many; the first holds the as-of date [default: 2]")]
Until = Annotated[
    str | None,
    typer.Option(help="instead, the last day: 2026-11-15, 2026-12 or 2026Q4"),
]
Draws = Annotated[int, typer.Option(help="posterior draws of the rates")]
Seed = Annotated[int, typer.Option(help="same seed, same numbers")]
Engine = Annotated[str | None, typer.Option(help="exact, compiled or simpy [default: exact where it fits]")]
Target = Annotated[
    str | None, typer.Option(help="money wanted in each period: 2.5M; or by name: 2026Q3=2.5M,total=6M")
]
Scenario = Annotated[str | None, typer.Option(help="levers to pull: a YAML file, or a name in scenarios/")]
WhatIf = Annotated[
    list[str] | None,
    typer.Option(
        help='levers to pull, in words: "price +5%; days Qualified -20%"; "help" tells all; may be repeated',
        callback=lambda given: in_words(given),
    ),
]
Listed = Annotated[
    bool,
    typer.Option(
        "--list", help="name the funnels that come along", is_eager=True,
        callback=lambda given: list_funnels(given),
    ),
]  # fmt: skip
Save = Annotated[Path | None, typer.Option(help="write the scenario as YAML")]
By = Annotated[str | None, typer.Option(help="expected revenue also by segment, channel, owner or stage")]
MeasuresBy = Annotated[
    str | None, typer.Option("--by", help="measures side by side: channel, segment, owner, team or period")
]
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
Cache = Annotated[
    bool,
    typer.Option(
        "--cache/--no-cache", help="keep what is made of files, so that the next question need not wait"
    ),
]
FailOnAlert: TypeAlias = Annotated[
    str | None,
    typer.Option(help="exit code 3 where an alert puts as much at stake: any, 5% of the period, or 100k"),
]
Json = Annotated[
    Path | None, typer.Option("--json", help="write the numbers for other programs; - for the terminal")
]
Record = Annotated[
    str | None, typer.Option("--record", help="file, or URL of a data base, in which forecasts are kept")
]
Html = Annotated[Path | None, typer.Option(help="write a page that needs no network")]

# Options that commands share: name -> annotation and default.
READING: Options = {
    "mapping": (Mapping, None), "as_of": (AsOf, None), "source": (Source, None), "query": (Query, None),
    "anonymise": (Anonymise, None),
}  # fmt: skip
STAFF: Options = {"teams": (Teams, None)}
FITTING: Options = {"spend": (Spend, None), "large": (Large, False), "dask": (Dask, None)}
AHEAD: Options = {
    "period": (PeriodKind, "quarter"),
    "periods": (Periods, None),
    "until": (Until, None),
    "model": (Known, None),
}
KEEPING: Options = {"cache": (Cache, True)}
LUCK: Options = {"draws": (Draws, 200), "seed": (Seed, 1)}
SAYING: Options = {"target": (Target, None), "engine": (Engine, None)}
ASKING: Options = {"scenario": (Scenario, None), "what_if": (WhatIf, None), "save": (Save, None)}

ALARM = 3  # of `health --fail-on-alert`, so that a scheduler can tell an alert from an error
STOPPED = 130  # by convention 128 and the number of the signal


def shared(*groups: Options) -> Callable[[Command], Command]:
    """Give a command options that others have too, after its own; its last parameter takes them by name."""
    options = {name: pair for group in groups for name, pair in group.items()}
    defaults = {name: default for name, (_, default) in options.items()}
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in options.items()
    ]

    def extended(command: Command) -> Command:
        own = signature(command, eval_str=True).parameters.values()
        every = [*(one for one in own if one.kind is not Parameter.VAR_KEYWORD), *more]

        @wraps(command)
        def whole(*words: Any, **given: Any) -> None:
            command(*words, **(defaults | given))

        whole.__signature__ = Signature(every)  # type: ignore[attr-defined]
        whole.__annotations__ = {}  # those of the signature count, and need not be read twice
        return whole

    return extended


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
    _make_folder(page)
    typer.echo("The company is made up; its story stands in benchmarks/sample/company.py.\n")
    forecast(str(sample_path()), mapping=sample_path("mapping.yaml"), html=page)


@app.command(epilog="Example: funnelsim check deals.csv --mapping deals.yaml --horizon 180 --target 2.5M")
@shared(READING)
def check(
    what: What,
    json: Json = None,
    by: MeasuresBy = None,
    spend: Spend = None,
    horizon: Annotated[
        float | None,
        typer.Option(help="days after entering within which something must happen to count [default: 90]"),
    ] = None,
    target: Annotated[str | None, typer.Option(help="money still to be won, for the coverage: 2.5M")] = None,
    **given: Any,
) -> None:
    """Read a history and say what was understood, used, set aside, and how far it can be trusted."""
    from funnelsim.files import aside, write_all, write_text
    from funnelsim.forecasting.outputs import say_metrics_by, summary_json
    from funnelsim.history.export import reading_notes
    from funnelsim.history.metrics import HORIZON
    from funnelsim.show.terminal import show_metrics, show_table
    from funnelsim.verbs import check as read

    if spend is not None and by != "channel":
        raise FunnelError("--spend: is stated by channel; ask --by channel")

    outputs = [_data("--json", json)]
    _refuse_outputs(outputs, what, given)
    within = HORIZON if horizon is None else horizon
    result = read(what, horizon=within, target=target, **given)
    with aside(outputs):
        typer.echo(result.history.source)
        for note in reading_notes(result.history):
            typer.echo(f"- {note}")
        show_table(result.quality, "What was read")
        show_metrics(result.metrics, "What happened")
        if by is not None:
            say_metrics_by(result.metrics_by(by, spend), by, result.horizon)
        for finding in result.findings:
            typer.echo(f"- {finding}")
    write_all((json, lambda path: write_text(path, summary_json(result.history))))


@app.command(epilog="Example: funnelsim calibrate deals.csv --spend spend.csv -o model.json")
@shared(READING, FITTING)
def calibrate(
    what: What,
    output: Annotated[Path, typer.Option("-o", "--output", help="where the model is written")] = Path(
        "model.json"
    ),
    **given: Any,
) -> None:
    """Fit the funnel to a history, also to one larger than memory, and write the model as JSON."""
    from funnelsim.model.store import save_model
    from funnelsim.verbs import calibrate as fit

    _refuse_outputs([_data("--output", output)], what, given)
    model = fit(what, **given)
    save_model(model, output)
    for note in model.notes:
        typer.echo(f"- {note}")
    typer.echo(f"model written to {output}")


@app.command(
    epilog="Example: funnelsim forecast deals.csv --period quarter --target 1500000 --html forecast.html"
)
@shared(ASKING, AHEAD, SAYING, READING, FITTING, STAFF, LUCK, KEEPING)
def forecast(
    what: What,
    json: Json = None,
    html: Html = None,
    deals: Annotated[
        Path | None, typer.Option(help="write the open deals as .csv, .xlsx or .parquet")
    ] = None,
    own_record: OwnRecord = False,
    by: By = None,
    targets: Annotated[
        Path | None, typer.Option(help="with --by: CSV of group, period, target of each group")
    ] = None,
    record: Record = None,
    scores: Annotated[
        str | None,
        typer.Option(
            help="write the open deals for a CRM: salesforce:FILE.csv, hubspot:, pipedrive:, dynamics:"
        ),
    ] = None,
    **given: Any,
) -> None:
    """Forecast revenue and wins from open deals and from leads that do not exist yet.

    A history of under five wins, or shorter than a period, gets sentences on what is missing instead of
    numbers (null in JSON); as that is an answer, the exit code is 0.
    """
    from funnelsim.files import Output, aside, write_all, write_text
    from funnelsim.forecasting.outputs import as_json, say_forecast
    from funnelsim.forecasting.situation import INSTANT, asked_of, situation, under
    from funnelsim.verbs import forecast as expect
    from funnelsim.verbs import refuse_words

    save = given.pop("save")
    outputs = [_data("--json", json), _table("--deals", deals), _page("--html", html), _yaml(save)]
    crm, scored = _score_file(scores)
    outputs += [_base(record), Output("--scores", scored, (".csv",))]
    _refuse_outputs(outputs, what, given, [] if targets is None else [str(targets)])
    asked = {"scenario": given.pop("scenario"), "what_if": given.pop("what_if") or ()}
    said = {name: given.pop(name) for name in (*SAYING, *LUCK)}
    span = {name: given[name] for name in ("period", "periods", "until")}
    refuse_words(**span, by=by, **said, **asked, record=record)
    plain = situation(what, **given)
    plan = asked_of(plain, **asked)
    place = under(plain, plan)
    result = expect(
        place, **said, by=by, targets=targets, own_record=own_record, progress=at_terminal(), record=record
    )
    day = given["as_of"] or f"{place.model.as_of - INSTANT:%Y-%m-%d}"
    with aside(outputs):
        say_forecast(place, result, by)
        if record is not None and not result.silent:
            typer.echo(f"- Kept in the record {_shown(record)}.")
    write_all(
        (
            json,
            lambda path: write_text(path, as_json(result, as_of=day, period=place.kind)),
        ),
        (deals, lambda path: write_frame(path, result.deals)),
        (html, lambda path: _forecast_page(path, place, result)),
        (scored, lambda path: _score(path, place, result, str(crm))),
        (save, lambda path: _save(path, plan)),
    )


@app.command(epilog="Example: funnelsim compare deals.csv price_up 'days Qualified -20%' --html compare.html")
@shared(AHEAD, SAYING, READING, FITTING, STAFF, LUCK, KEEPING)
def compare(
    what: What,
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(metavar="SCENARIO...", help="files with levers, names in scenarios/, or words"),
    ] = None,
    what_if: WhatIf = None,
    save: Save = None,
    json: Json = None,
    xlsx: Annotated[Path | None, typer.Option(help="write the numbers as a workbook")] = None,
    html: Html = None,
    keep: Annotated[
        str | None,
        typer.Option(help="the scenario that was decided: with --record, what it promises is kept"),
    ] = None,
    record: Record = None,
    **given: Any,
) -> None:
    """Compare scenarios from the same state, with the same luck and draws, gains against costs.

    Each --what-if is a scenario of its own, which its words name.
    """
    from funnelsim.files import Output, aside, write_all, write_text
    from funnelsim.forecasting.outputs import comparison_json, comparison_sheets, say_comparison
    from funnelsim.history.export import write_workbook
    from funnelsim.model.scenario import check_words
    from funnelsim.verbs import compare as pair

    asked = [*(scenarios or ()), *(what_if or ())]
    book = Output("--xlsx", xlsx, (".xlsx",))
    outputs = [_data("--json", json), book, _page("--html", html), _yaml(save), _base(record)]
    _refuse_outputs(outputs, what, given, asked)
    if save is not None and len(asked) != 1:
        raise FunnelError(f"--save {save}: one scenario is written, but {len(asked)} were given")
    for words in what_if or ():
        check_words(words)
    told = json is not None or xlsx is not None  # nothing else shows the quantiles
    result = pair(what, asked, **given, keep=keep, record=record, progress=at_terminal(), quantiles=told)
    with aside(outputs):
        say_comparison(result)
        if keep is not None:
            typer.echo(f"- '{keep}' is kept as decided in the record {_shown(str(record))}.")
    write_all(
        (json, lambda path: write_text(path, comparison_json(result))),
        (xlsx, lambda path: write_workbook(comparison_sheets(result), path)),
        (html, lambda path: _compare_page(path, result)),
        (save, lambda path: _save(path, next(iter(result.plans.values())))),
    )


@app.command(
    epilog="Example: funnelsim seek deals.csv --target 6M --until 2026-12-31 --cost 'leads search=900'"
)
@shared(AHEAD, READING, {"spend": (Spend, None), "seed": (Seed, 1)}, KEEPING)
def seek(
    what: What,
    target: Annotated[str, typer.Option(help="money wanted in all periods together: 6M")],
    chance: Annotated[str, typer.Option(help="with which it is wanted")] = "80%",
    cost: Annotated[
        list[str] | None,
        typer.Option(help="for the cheapest mix: 'LEVER=MONEY' for each per cent of change, or each rep"),
    ] = None,
    json: Json = None,
    **given: Any,
) -> None:
    """Say what must change to reach a target: each lever alone, the cheapest mix, leads, must-win deals."""
    from funnelsim.files import aside, write_all, write_text
    from funnelsim.forecasting.outputs import say_search, search_json
    from funnelsim.forecasting.seek import chance_said, costs_said
    from funnelsim.verbs import seek as find

    outputs = [_data("--json", json)]
    _refuse_outputs(outputs, what, given)
    found = find(
        what,
        target,
        chance=chance_said(chance),
        costs=costs_said(cost or ()),
        progress=at_terminal(),
        **given,
    )
    with aside(outputs):
        say_search(found)
    write_all((json, lambda path: write_text(path, search_json(found))))


@app.command(epilog="Example: funnelsim bridge deals.csv --record record.db")
@shared(AHEAD, READING, LUCK, KEEPING)
def bridge(
    what: What,
    record: Record = None,
    since: Annotated[
        str | None, typer.Option(help="from the forecast of this day, made anew if none is kept")
    ] = None,
    than: Annotated[str | None, typer.Option(help="from a past period: 2025Q3, or 'last year'")] = None,
    json: Json = None,
    **given: Any,
) -> None:
    """Say what changed since the last forecast, or against a past period: parts that add up."""
    from funnelsim.files import aside, write_all, write_text
    from funnelsim.forecasting.outputs import bridge_json, say_bridge
    from funnelsim.verbs import bridge as waterfall

    outputs = [_data("--json", json)]
    _refuse_outputs(outputs, what, given)
    found = waterfall(what, since=since, than=than, record=record, **given)
    with aside(outputs):
        say_bridge(found)
    write_all((json, lambda path: write_text(path, bridge_json(found))))


@app.command(epilog="Example: funnelsim report deals.csv --target 1.5M --record record.db --html monday.html")
@shared(AHEAD, {"target": (Target, None), "spend": (Spend, None)}, READING, LUCK, KEEPING)
def report(
    what: What,
    html: Annotated[Path | None, typer.Option(help="where the page goes [default: out/report.html]")] = None,
    xlsx: Annotated[
        Path | None, typer.Option(help="where the workbook goes [default: beside the page]")
    ] = None,
    record: Record = None,
    since: Annotated[str | None, typer.Option(help="tell what changed since this day")] = None,
    by: By = None,
    targets: Annotated[
        Path | None, typer.Option(help="with --by: CSV of group, period, target of each group")
    ] = None,
    fail_on_alert: FailOnAlert = None,
    **given: Any,
) -> None:
    """Write the page of a Monday, and a workbook beside it whose totals follow a planner's own chances."""
    from funnelsim.files import Output
    from funnelsim.forecasting.health import level_said
    from funnelsim.pages import report as write
    from funnelsim.verbs import refuse_words

    page = html or Path("out") / "report.html"
    book = xlsx or page.with_suffix(".xlsx")
    _make_folder(page)
    outputs = [_page("--html", page), Output("--xlsx", book, (".xlsx",)), _base(record)]
    _refuse_outputs(outputs, what, given, [] if targets is None else [str(targets)])
    span = {name: given[name] for name in ("period", "periods", "until", "draws", "seed", "target")}
    refuse_words(**span, by=by, record=record)
    level = None if fail_on_alert is None else level_said(fail_on_alert)
    made = write(what, page, xlsx=book, record=record, since=since, by=by, targets=targets, **given)
    typer.echo(str(made))
    if level is not None and made.health is not None and made.health.alarm(*level):
        raise typer.Exit(ALARM)


@app.command(epilog="Example: funnelsim record record.db --commits commits.csv")
def record(
    address: Annotated[str, typer.Argument(metavar="RECORD", help="file, or URL of a data base")],
    company: Annotated[str | None, typer.Option(help="name of the history, where several are kept")] = None,
    period: Annotated[str | None, typer.Option(help="week, month, quarter, half or year")] = None,
    commits: Annotated[
        Path | None, typer.Option(help="CSV of who, when, period, amount: what people said; it is added")
    ] = None,
    overrides: Annotated[
        Path | None, typer.Option(help="CSV of lead, who, when, period, chance, reason; it is added")
    ] = None,
    json: Json = None,
) -> None:
    """Show what was said against what came: forecasts, simpler ways, people, plans, overrides."""
    from funnelsim.files import aside, refuse_outputs, write_all, write_text
    from funnelsim.forecasting.outputs import say_track, track_json
    from funnelsim.verbs import record as track

    outputs = [_data("--json", json)]
    refuse_outputs(outputs, (address, commits, overrides))
    found = track(address, company=company, period=period, commits=commits, overrides=overrides)
    with aside(outputs):
        say_track(found)
    write_all((json, lambda path: write_text(path, track_json(found))))


@app.command(epilog="Example: funnelsim health deals.csv --target 5M --fail-on-alert 5%")
@shared(AHEAD, {"target": (Target, None)}, READING, {"spend": (Spend, None)}, LUCK, KEEPING)
def health(
    what: What,
    days: Annotated[
        int | None, typer.Option(help="how long a stated funnel lives before it is looked at [default: 365]")
    ] = None,
    fail_on_alert: FailOnAlert = None,
    worries: Annotated[
        Path | None, typer.Option(help="write the deals to worry about as .csv, .xlsx or .parquet")
    ] = None,
    json: Json = None,
    xlsx: Annotated[Path | None, typer.Option(help="write all tables as a workbook")] = None,
    **given: Any,
) -> None:
    """Say what is going on: alerts, deals to worry about, what hangs on the largest, bottlenecks, people."""
    from funnelsim.files import Output, aside, write_all, write_text
    from funnelsim.forecasting.health import level_said
    from funnelsim.forecasting.outputs import health_json, say_health
    from funnelsim.history.export import write_workbook
    from funnelsim.verbs import health as look

    book = Output("--xlsx", xlsx, (".xlsx",))
    outputs = [_data("--json", json), _table("--worries", worries), book]
    _refuse_outputs(outputs, what, given)
    level = None if fail_on_alert is None else level_said(fail_on_alert)
    found = look(what, days=days, progress=at_terminal(), **given)
    with aside(outputs):
        say_health(found)
    write_all(
        (json, lambda path: write_text(path, health_json(found))),
        (worries, lambda path: write_frame(path, found.worries)),
        (xlsx, lambda path: write_workbook(found.frames, path)),
    )
    if level is not None and found.alarm(*level):
        raise typer.Exit(ALARM)


@app.command(epilog="Example: funnelsim live deals.csv --target 1.5M --html live.html")
@shared(AHEAD, {"target": (Target, None), "spend": (Spend, None)}, READING, LUCK, KEEPING)
def live(
    what: What,
    html: Annotated[Path | None, typer.Option(help="where the page goes [default: out/live.html]")] = None,
    language: Annotated[str, typer.Option(help="of the page's words: en or zh")] = "en",
    **given: Any,
) -> None:
    """Write a page that keeps answering, without Python or a network, while levers are moved."""
    from funnelsim.files import Output, write_all
    from funnelsim.verbs import live as answer

    page = html or Path("out") / "live.html"
    _make_folder(page)
    _refuse_outputs([Output("--html", page, (".html", ".htm"))], what, given)
    result = answer(what, language=language, **given)
    typer.echo(str(result))
    write_all((page, result.save))


@app.command(epilog="Example: funnelsim budget deals.csv --spend spend.csv --total 250000 --html budget.html")
@shared({"spend": (Spend, None)}, READING, LUCK, KEEPING)
def budget(
    what: What,
    total: Annotated[float | None, typer.Option(help="money to split [default: what is spent now]")] = None,
    extra: Annotated[float | None, typer.Option(help="instead, money on top of what is spent now")] = None,
    least: Annotated[list[str] | None, typer.Option(help="what contracts bind: 'CHANNEL=MONEY'")] = None,
    most: Annotated[list[str] | None, typer.Option(help="what a channel can take: 'CHANNEL=MONEY'")] = None,
    period: Annotated[str, typer.Option(help="spent over a week, month, quarter, half or year")] = "quarter",
    periods: Annotated[int, typer.Option(help="in how many periods revenue counts")] = 4,
    at_least: Annotated[float, typer.Option(help="of a channel's spend now")] = 0.7,
    at_most: Annotated[float, typer.Option(help="of a channel's spend now")] = 1.3,
    curve: Annotated[str, typer.Option(help="power or saturation")] = "power",
    aim: Annotated[str, typer.Option(help="mean, target, or worst: the mean of the worst fifth")] = "mean",
    target: Annotated[str | None, typer.Option(help="revenue of these channels, for the aim target")] = None,
    html: Html = None,
    **given: Any,
) -> None:
    """Say where the next euro should go, and how a budget is best split."""
    from funnelsim.files import write_all
    from funnelsim.forecasting.budget import bounds_said, budget_rows
    from funnelsim.model.units import quantity
    from funnelsim.show.terminal import show_table
    from funnelsim.show.words import titled
    from funnelsim.verbs import budget as best

    _refuse_outputs([_page("--html", html)], what, given)
    plan = best(
        what, total=total, extra=extra, least=bounds_said("--least", least or ()),
        most=bounds_said("--most", most or ()), period=period, periods=periods, at_least=at_least,
        at_most=at_most, curve=curve, aim=aim, target=None if target is None else quantity(target),
        **given,
    )  # fmt: skip
    rows, kinds = budget_rows(plan)
    show_table(rows, titled(f"Spend per {period}", plan.currency), kinds=kinds)
    for line in (str(plan), *plan.notes):
        typer.echo(f"- {line}")

    def page(path: Path) -> None:
        from funnelsim.pages import budget_page

        budget_page(path, plan)

    write_all((html, page))


@app.command(epilog="Example: funnelsim simulate lead_funnel --html lives.html")
@shared(ASKING, READING, {"seed": (Seed, 1)}, KEEPING)
def simulate(
    what: What,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="log as .csv, .xlsx or .parquet; - for the terminal")
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="how long [default: a year; 30 days where leads move within hours]")
    ] = None,
    engine: Annotated[str, typer.Option(help="simpy or compiled")] = "compiled",
    reps: Annotated[list[str] | None, typer.Option(help="another size of a pool: 'sales=12'")] = None,
    replications: Annotated[
        str | None, typer.Option(help="how often, for what luck does: a number, or auto [default: once]")
    ] = None,
    precision: Annotated[float, typer.Option(help="for auto: half-width of 95 %, by the mean")] = 0.01,
    html: Annotated[
        Path | None, typer.Option(help="write a page on which the leads move, with sliders; offline")
    ] = None,
    workers: Annotated[int, typer.Option(help="processes, for many replications")] = 1,
    list_: Listed = False,  # noqa: ARG001 - it has ended all by itself
    **given: Any,
) -> None:
    """Simulate the lives of all leads, say what became of them, and write the log, itself a valid history.

    With --replications they live many times: what is booked, and how far luck moves it; -o writes a row each.
    """
    from funnelsim.files import aside, write_all
    from funnelsim.forecasting.health import signals_of_run
    from funnelsim.forecasting.outputs import say_replications, say_run
    from funnelsim.forecasting.situation import asked_of, situation, under
    from funnelsim.simulation.run import check_replications
    from funnelsim.verbs import refuse_words
    from funnelsim.verbs import simulate as live

    save, seed, asked = given.pop("save"), given.pop("seed"), {"scenario": given.pop("scenario")}
    asked["what_if"] = given.pop("what_if") or ()
    outputs = [_table("--output", output), _page("--html", html), _yaml(save)]
    _refuse_outputs(outputs, what, given | asked)
    if html is not None and replications is not None:
        raise FunnelError(f"--html {html}: shows one life of all leads; leave out --replications")
    often = None
    if replications is None:
        _refuse_other_guide(_guide(output))
    else:
        often = int(replications) if replications.isdecimal() else replications
        check_replications(often, workers, precision)
    refuse_words(**asked)
    plain = situation(what, **given)
    plan = asked_of(plain, **asked)
    place = under(plain, plan)
    lives = {"seed": seed, "engine": engine, "reps": reps or ()}
    with aside(outputs):
        if plan.changes:
            typer.echo(f"{plan.sentence}\n")
    if often is None:
        run = live(place, days, **lives)
        signals = signals_of_run(run)
        with aside(outputs):
            say_run(run, signals)
        _write_log(run, output)
        write_all((html, lambda path: _moving_page(path, run, signals)))
    else:
        many = live(
            place, days, **lives, replications=often, precision=precision, workers=workers,
            progress=at_terminal(),
        )  # fmt: skip
        with aside(outputs):
            say_replications(many)
        write_all((output, lambda path: write_frame(path, many.frame)))
    write_all((save, lambda path: _save(path, plan)))


funnels = typer.Typer(
    add_help_option=False, help="Tell every key of a file that states a funnel, or begin one."
)
app.add_typer(funnels, name="funnel")


@funnels.callback(invoke_without_command=True)
def funnel(
    context: typer.Context,
    keys: Annotated[bool, typer.Option("--help", is_eager=True, help="tell every key")] = False,
) -> None:
    """Tell every key of a file that states a funnel, or begin one."""
    if keys or context.invoked_subcommand is None:
        tell_keys()


@funnels.command(epilog="Example: funnelsim funnel new our_funnel")
def new(name: Annotated[str, typer.Argument(help="of the file, with or without .yaml")]) -> None:
    """Write a commented file that simulates as it is, and beside it the schema for editors."""
    from funnelsim.model.reference import new_funnel

    path = new_funnel(name)
    typer.echo(f"written: {path.resolve()}\ntry it:  funnelsim simulate {path}")


@app.command(epilog="Example: funnelsim backtest deals.csv --period month --periods 3 --html record.html")
@shared(READING, {"seed": (Seed, 1)})
def backtest(
    what: What,
    period: PeriodKind = "month",
    periods: Annotated[int, typer.Option(help="how many ahead of each past date")] = 1,
    start: Annotated[
        str | None, typer.Option("--start", "--from", help="first past date to forecast from")
    ] = None,
    every: Annotated[int, typer.Option(help="forecast from every n-th period start")] = 1,
    draws: Annotated[int, typer.Option(help="posterior draws of each forecast")] = 60,
    workers: Annotated[int, typer.Option(help="processes")] = 2,
    json: Json = None,
    html: Html = None,
    model: Annotated[Path | None, typer.Option(hidden=True)] = None,
    **given: Any,
) -> None:
    """Forecast from past dates with what was known then, and score what was said."""
    from funnelsim.files import aside, write_all, write_text
    from funnelsim.forecasting.outputs import record_json, say_record
    from funnelsim.verbs import backtest as replay

    outputs = [_data("--json", json), _page("--html", html)]
    _refuse_outputs(outputs, what, given)
    record = replay(
        what, period=period, periods=periods, start=start, every=every, draws=draws, workers=workers,
        progress=at_terminal(), model=model, **given,
    )  # fmt: skip
    with aside(outputs):
        if record.note:
            typer.echo(record.note)
        say_record(record)

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


# Pages bring the charts with them, so only who asks for one waits for their import.
def _forecast_page(path: Path, place: Situation, result: Forecast) -> None:
    from funnelsim.pages import forecast_page

    forecast_page(path, place, result)


def _score_file(scores: str | None) -> tuple[str | None, Path | None]:
    if scores is None:
        return None, None
    from funnelsim.forecasting.delivery import score_file

    return score_file(scores)


def _score(path: Path, place: Situation, result: Forecast, crm: str) -> None:
    from funnelsim.forecasting.delivery import crm_scores

    write_frame(path, crm_scores(place, result, crm))


def _moving_page(path: Path, run: Run, signals: Signals | None) -> None:
    from funnelsim.forecasting.outputs import signal_texts
    from funnelsim.show.live import Moving

    told = {} if signals is None else {"signals": signal_texts(signals)}
    Moving(run.moving | told).save(path)


def _compare_page(path: Path, result: Comparison) -> None:
    from funnelsim.pages import compare_page

    compare_page(path, result)


def _refuse_outputs(
    outputs: Sequence[Output], what: str, given: dict[str, Any], scenarios: Sequence[str] = ()
) -> None:
    """Refuse, before any work, outputs that cannot be written or would replace what is read."""
    from funnelsim import files
    from funnelsim.history.mapping_file import files_named
    from funnelsim.model.scenario import is_words

    mapping, asked = given["mapping"], [*scenarios, *filter(None, [given.get("scenario")])]
    written = any(output.path is not None and str(output.path) != "-" for output in outputs)
    named = files_named(mapping, what) if written and mapping is not None else []
    read = [
        what,
        mapping,
        given.get("spend"),
        given.get("model"),
        given.get("teams"),
        *(one for one in asked if not is_words(one)),
    ]
    files.refuse_outputs(outputs, (*read, *named))


def _make_folder(page: Path) -> None:
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FunnelError(f"{page}: its folder cannot be made: {error.strerror}") from None


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


def _yaml(path: Path | None) -> Output:
    from funnelsim.files import Output

    return Output("--save", path, (".yaml", ".yml"), stream=True)


def _base(record: str | None) -> Output:
    from funnelsim.files import Output
    from funnelsim.history.databases import is_address

    path = None if record is None or is_address(record) else Path(record)
    return Output("--record", path, (".db", ".sqlite", ".sqlite3"), loose=True)


def _shown(record: str) -> str:
    from funnelsim.history.databases import without_password

    return without_password(record)


def _save(path: Path, plan: Plan) -> None:
    from funnelsim.files import write_text
    from funnelsim.model.scenario import scenario_text

    write_text(path, scenario_text(plan))


def _guide(output: Path | None) -> Path | None:
    """Return where the mapping of a log goes: beside it."""
    return None if output is None else output.with_name(f"{output.stem}.map.yaml")


def _write_log(run: Run, output: Path | None) -> None:
    """Write a log where that was asked, with a mapping beside it."""
    from funnelsim.files import write_text
    from funnelsim.forecasting.outputs import mapping_text

    guide = _guide(output)
    if output is None or guide is None:
        return
    write_frame(output, run.log)
    if str(output) == "-":
        return
    write_text(guide, mapping_text(run.model.funnel, output.name, run.model.currency))
    typer.echo(f"{len(run.log):,} rows written to {output}")
    typer.echo(f"read it back with: funnelsim check {output} --mapping {guide}")


def _refuse_other_guide(guide: Path | None) -> None:
    """Refuse to replace a mapping file that somebody else wrote beside the log that is asked for."""
    from funnelsim.forecasting.outputs import GUIDE

    if guide is not None and guide.exists() and not guide.read_bytes().startswith(GUIDE.encode()):
        raise FunnelError(f"{guide}: would be replaced, as the log's mapping goes there; name another log")


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a table in the format that its ending names; "-" is CSV on standard output."""
    from funnelsim.history.export import csv_text, write_table

    if str(path) == "-":
        sys.stdout.write(csv_text(frame))
    else:
        write_table(frame, path)


def list_funnels(asked: bool) -> bool:
    """Print the stated funnels that come along, and what each is about, and end."""
    if asked:
        import pandas as pd

        from funnelsim.model.stated import funnel_subjects
        from funnelsim.show.terminal import show_table

        rows = list(funnel_subjects().items())
        show_table(pd.DataFrame(rows, columns=["funnel", "what it is about"]), "Stated funnels")
        raise typer.Exit
    return asked


def tell_keys() -> None:
    """Print every key of a file that states a funnel, and end."""
    from funnelsim.model.reference import reference_text

    typer.echo("Usage: funnelsim funnel new NAME   writes a commented file to begin with\n")
    typer.echo(reference_text())
    raise typer.Exit


def in_words(given: list[str] | None) -> list[str] | None:
    """Return questions in words as they are; "help" tells how they are said, and ends."""
    if given and "help" in given:
        from funnelsim.model.scenario import grammar

        typer.echo(grammar())
        raise typer.Exit
    return given


def _secret(given: str | None) -> str | None:
    from funnelsim.files import secret

    return secret(given)


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
    finally:
        # Or Python looks for garbage among all that is loaded before it ends: a tenth of a cached answer.
        gc.freeze()


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
