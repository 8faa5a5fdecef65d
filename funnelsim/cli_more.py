"""Commands that look sideways, ahead and back: compare, budget, simulate, backtest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from funnelsim.cli_parts import (
    Anonymise,
    AsOf,
    Draws,
    Engine,
    HistoryFile,
    Html,
    Json,
    Map,
    PeriodKind,
    Periods,
    Seed,
    Source,
    Spend,
    Target,
    at_terminal,
    history_of,
    refuse_unwritable,
    situation_of,
    write_all,
    write_text,
)

SHARES = dict.fromkeys(
    ("mape", "inside_50", "inside_80", "inside_95", "nominal", "covered", "low", "high", "skill"), "share"
)


def compare(
    history: HistoryFile,
    scenarios: Annotated[list[Path], typer.Argument(metavar="SCENARIO...", help="YAML files with levers")],
    mapping: Map = None,
    as_of: AsOf = None,
    source: Source = None,
    anonymise: Anonymise = None,
    spend: Spend = None,
    period: PeriodKind = "quarter",
    periods: Periods = 2,
    target: Target = None,
    draws: Draws = 200,
    seed: Seed = 1,
    engine: Engine = None,
    html: Html = None,
) -> None:
    """Compare scenarios from the same state, with the same luck and the same draws."""
    from funnelsim.forecasting.compare import compare as paired
    from funnelsim.forecasting.compare import lever_parts
    from funnelsim.forecasting.situation import under

    refuse_unwritable(html)
    known = history_of(history, mapping, as_of, source, anonymise)
    place = situation_of(known, period, periods, spend)
    models = {"as planned": place.model} | {path.stem: under(place, path).model for path in scenarios}
    table = paired(
        models, place.deals, place.periods, booked=place.booked, draws=draws, seed=seed, engine=engine,
        target=target, progress=at_terminal(),
    )  # fmt: skip
    parts = lever_parts(place, scenarios, draws=draws, seed=seed)
    _show_comparison(table, parts, place.model)
    write_all(((html, lambda path: _pages().compare_page(path, table, place.model.currency, parts)),))


def budget(
    history: HistoryFile,
    spend: Annotated[Path, typer.Option(help="CSV of channel, week, spend")],
    mapping: Map = None,
    as_of: AsOf = None,
    source: Source = None,
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
    from funnelsim.forecasting.budget import best_budget, budget_rows, budget_words
    from funnelsim.show.terminal import show_table

    refuse_unwritable(html)
    known = history_of(history, mapping, as_of, source, anonymise)
    place = situation_of(known, period, periods, spend)
    limits = (at_least, at_most)
    found = best_budget(place, total=total, per=period, bounds=limits, curve=curve, draws=draws, seed=seed)
    rows, kinds = budget_rows(found)
    show_table(rows, f"Spend per {period} ({found.currency})", kinds=kinds)
    for line in (budget_words(found), *found.notes):
        typer.echo(f"- {line}")
    write_all(((html, lambda path: _pages().budget_page(path, found)),))


def simulate(
    funnel: Annotated[
        str, typer.Argument(metavar="FUNNEL", help="a YAML file, or a name in scenarios/funnels")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="log as .csv or .parquet")],
    days: Annotated[int, typer.Option(help="how long")] = 365,
    seed: Seed = 1,
    engine: Annotated[str, typer.Option(help="simpy or compiled")] = "simpy",
    scenario: Annotated[Path | None, typer.Option(help="YAML with levers to pull")] = None,
    reps: Annotated[list[str] | None, typer.Option(help="another size of a pool: 'sales=12'")] = None,
) -> None:
    """Simulate a stated funnel and write its event log, itself a valid history."""
    from funnelsim.forecasting.outputs import mapping_text
    from funnelsim.model.levers import apply_scenario, with_sizes
    from funnelsim.model.scenario import read_scenario
    from funnelsim.model.stated import load_funnel
    from funnelsim.simulation.record import write_log
    from funnelsim.simulation.run import simulate as live

    refuse_unwritable(output)
    model = load_funnel(funnel)
    if scenario:
        model = apply_scenario(model, read_scenario(scenario, model))
    model = with_sizes(model, reps or ())
    run = live(model, days, seed=seed, engine=engine)
    write_log(run, output)
    guide = output.with_name(f"{output.stem}.map.yaml")
    write_text(guide, mapping_text(model.funnel, output.name))
    typer.echo(f"{len(run.log):,} rows written to {output}")
    typer.echo(f"read it back with: funnelsim check {output} --map {guide}")


def backtest(
    history: HistoryFile,
    mapping: Map = None,
    as_of: AsOf = None,
    source: Source = None,
    anonymise: Anonymise = None,
    period: PeriodKind = "month",
    periods: Annotated[int, typer.Option(help="how many ahead of each past date")] = 1,
    start: Annotated[str | None, typer.Option("--from", help="first past date to forecast from")] = None,
    every: Annotated[int, typer.Option(help="forecast from every n-th period start")] = 1,
    draws: Annotated[int, typer.Option(help="posterior draws of each forecast")] = 60,
    seed: Seed = 1,
    workers: Annotated[int, typer.Option(help="processes")] = 2,
    json: Json = None,
    html: Html = None,
) -> None:
    """Forecast from past dates with what was known then, and score what was said."""
    from funnelsim.forecasting.backtest import backtest as rolled
    from funnelsim.forecasting.outputs import record_json

    refuse_unwritable(json, html)
    found = rolled(
        history_of(history, mapping, as_of, source, anonymise), period=period, count=periods, start=start,
        every=every,
        draws=draws, seed=seed, workers=workers, progress=at_terminal(),
    )  # fmt: skip
    _show_record(found, period)
    outputs = (
        (json, lambda path: write_text(path, record_json(found))),
        (html, lambda path: _pages().backtest_page(path, found)),
    )
    write_all(outputs)


def _pages() -> Any:
    """Return the module that writes pages; it brings the charts with it, so only who asks for one waits."""
    from funnelsim import pages

    return pages


def _show_record(found: Any, period: str) -> None:
    """Print the scores of all methods, skill against simpler ways, and how intervals kept their promise."""
    from funnelsim.forecasting.backtest import coverage_table, skill_table, summary
    from funnelsim.show.terminal import show_table

    scores = summary(found.record)
    for measure, unit in (("revenue", f"revenue ({found.currency})"), ("wins", "wins")):
        mine = scores[scores["measure"] == measure].drop(columns="measure")
        show_table(mine, f"Record of {unit}, by {period}s ahead", kinds=SHARES)
        gains = skill_table(found.record, measure=measure)
        show_table(gains, f"Skill in {measure} against simpler ways, with its 90 % interval", kinds=SHARES)
        kept = coverage_table(found.record, measure=measure)
        show_table(kept, f"Intervals of {measure}: promised, and kept", kinds=SHARES)


def _show_comparison(table: Any, parts: Any, model: Any) -> None:
    """Print what each scenario changes, and what each of its levers brings."""
    from funnelsim.show.terminal import print_comparison, show_table

    print_comparison(table, model.currency)
    if model.due is not None:
        typer.echo("- Dates: set aside here: simulated lives do not know them, so all leads win by age.")
    for name, frame in parts.items():
        show_table(frame, f"What each lever of '{name}' brings ({model.currency}, all periods together)")
