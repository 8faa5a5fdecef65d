"""What stands on the pages: a forecast and the report made of it, scenarios, a budget, a record."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np
import pandas as pd

from funnelsim.calibration.trust import thin_share
from funnelsim.errors import FunnelError
from funnelsim.forecasting import answers
from funnelsim.forecasting.backtest import SHARE_COLUMNS, Record
from funnelsim.forecasting.bridge import Bridge
from funnelsim.forecasting.budget import Plan, budget_rows, last_earning_day
from funnelsim.forecasting.compare import BASE, Comparison
from funnelsim.forecasting.delivery import as_of_day, reason_of, write_forecast_book
from funnelsim.forecasting.forecast import Forecast
from funnelsim.forecasting.health import NO_ALERT, Health, look
from funnelsim.forecasting.outputs import WORTH_KINDS, health_tables, worth_rows
from funnelsim.forecasting.periods import TOTAL, Targets, spoken
from funnelsim.forecasting.situation import ASKED, Anything, ReadOptions, Situation, situation
from funnelsim.forecasting.track import Track
from funnelsim.history.log import WINS, as_of_moment
from funnelsim.model.model import Model
from funnelsim.show import charts, words
from funnelsim.show.page import Fact, Section, write_report
from funnelsim.show.terminal import forecast_table
from funnelsim.verbs import Check, bridge_to, forecast, record

MOST_DEALS = 10  # rows of a table on the page that a reader takes in; all stand in the workbook
PRINTED = 6  # of them on paper, so that a report takes three sheets
EVERYBODY = ("people", "goals")  # tables of which paper leaves nobody out
READ = 2  # rows on paper of what was odd in the file: all stand in the workbook
MOST_ABREAST = 6  # columns of a table that half a desk's screen holds
HOW_TO_READ = (
    "Booked: won before the as-of date, in the period that holds it.",
    "Open deals: in the pipeline on the as-of date. Leads not yet created: those still to come in.",
    "80 % interval: of ten such forecasts, about eight should end inside it, one below and one above.",
    "Noise floor: the width that would remain if every rate were known: luck, which no model removes.",
    "A chance is of winning within the named period, never 'some day'.",
)
LIMITS = (
    "The future is taken to work like the past, recent months weighing most.",
    "A price list, a campaign or a new competitor that no past row shows must be stated in a scenario.",
    "Deals are independent, apart from a common factor on the intake and one on the wins of a period.",
)


@dataclass(frozen=True)
class Beside:
    """What stands on the page beside the forecast, where it is known.

    Args:
        bridge: what changed since the last forecast.
        track: what was said before, and what came.
        health: what is going on.
        year: why the first period brings more or less than the same one a year before.
    """

    bridge: Bridge | None = None
    track: Track | None = None
    health: Health | None = None
    year: Bridge | None = None


@dataclass(frozen=True)
class Monday:
    """What a report wrote, and what it says.

    Args:
        page, book: the files.
        forecast: what is expected.
        health: what is going on; None of a stated funnel, or where there is no forecast.
    """

    page: Path
    book: Path
    forecast: Forecast
    health: Health | None

    def __str__(self) -> str:
        return f"written: {self.page.resolve()}\nwritten: {self.book.resolve()}"


QUESTIONS = {
    "alerts": "Did a stage, a channel or a team break?",
    "rises": "Did something get better?",
    "overdue": "Which leads wait for longer than stated?",
    "worries": "Which deals to worry about?",
    "concentration": "What if the largest fall out?",
    "bottlenecks": "Where is the bottleneck?",
    "people": "Who stands out, beyond luck?",
    "pace": "Who is slower or quicker, beyond luck?",
    "onboarding": "How long do newcomers take?",
    "goals": "What is a good period, and is one to be expected?",
}


def report(
    what: Anything,
    path: str | Path = "report.html",
    *,
    xlsx: str | Path | None = None,
    record: str | Path | None = None,
    since: str | datetime.date | pd.Timestamp | None = None,
    target: Targets | None = None,
    targets: str | Path | pd.DataFrame | None = None,
    by: str | None = None,
    period: str | None = None,
    periods: int | None = None,
    until: str | datetime.date | None = None,
    spend: str | Path | pd.DataFrame | None = None,
    draws: int = 200,
    seed: int = 1,
    model: str | Path | Model | None = None,
    cache: bool = False,
    **reading: Unpack[ReadOptions],
) -> Monday:
    """Write the page of a Monday, and a workbook beside it.

    Args:
        what: a path, URL, table, history, situation, or a stated funnel.
        path: of the page.
        xlsx: of the workbook; beside the page, under its name, by default.
        record: a file, or the URL of a data base: the forecast is kept there, and held against the last one.
        since: instead of the last kept forecast, that of this day.
        target, targets, by, period, periods, until, spend, draws, seed, model, cache: as in `forecast`.
        **reading: mapping, as_of, source, query, anonymise.

    Returns:
        Both paths, the forecast, and what is going on.

    Raises:
        FunnelError: it cannot be read, an option is wrong, or a file cannot be written.
    """
    moment = None if since is None else as_of_moment(since)
    place = situation(
        what, period=period, periods=periods, until=until, spend=spend, model=model, cache=cache, **reading
    )
    found = forecast(place, draws=draws, seed=seed, target=target, targets=targets, by=by, record=record)
    state = None if found.silent or place.history is None else look(place, found, draws=draws, seed=seed)
    beside = Beside(*_past_of(place, found, record, moment, draws, seed), state, _year_before(place, found))
    page, book = Path(path), Path(xlsx) if xlsx is not None else Path(path).with_suffix(".xlsx")
    forecast_page(page, place, found, beside)
    notes = (*found.notes, *place.model.notes, *LIMITS)
    write_forecast_book(
        book, place, found, bridge=beside.bridge, track=beside.track,
        more={} if state is None else state.frames, notes=notes,
    )  # fmt: skip
    return Monday(page, book, found, state)


def _past_of(
    place: Situation,
    found: Forecast,
    record_: str | Path | None,
    moment: pd.Timestamp | None,
    draws: int,
    seed: int,
) -> tuple[Bridge | None, Track | None]:
    """Return what changed since the last forecast, and the record, as far as there are any."""
    if found.silent or (record_ is None and moment is None):
        return None, None
    try:
        changed = bridge_to(place, found, moment, record_, draws=draws, seed=seed)
    except FunnelError as error:
        if moment is not None or "is kept" not in str(error):
            raise
        changed = None  # the first forecast that is kept has none before it
    return changed, None if record_ is None else record(record_, company=None, period=place.kind)


def _year_before(place: Situation, found: Forecast) -> Bridge | None:
    """Return why the first period differs from the same one a year before, where that is on record."""
    if found.silent or found.measure != "revenue":
        return None
    from funnelsim.forecasting.cohorts import bridge_from_period

    try:
        return bridge_from_period(place, found, "last year")
    except FunnelError:
        return None  # the record is younger, or single deals have no chances


def forecast_page(path: Path, place: Situation, result: Forecast, beside: Beside | None = None) -> None:
    """Write the page of a forecast: fan, origins, width, open deals, funnel, and what was read.

    Where the history is too thin for numbers, the page says so, and shows what is known. A stated funnel has
    no record: of it only the forecast is shown.

    Args:
        path: where to.
        place: the situation that was forecast.
        result: its forecast.
        beside: what changed, the record and further tables, where they are known.
    """
    beside = beside or Beside()
    trust = None if place.history is None else Check(place.history, place.model, place.deals)
    sections = _reasons(result, trust) if result.silent else _numbers(place, result, trust, beside)
    headline, second = answers.headline(result)
    known = place.history or place.facts
    if trust is not None:
        sections += _record_sections(result, trust)
    notes = (*result.notes, *(known.limits if known else ()), *place.model.notes, *LIMITS)
    limits = tuple(dict.fromkeys(notes))
    write_report(
        path,
        "Forecast",
        sections,
        headline=headline,
        second=second,
        lede="" if beside.bridge is None else beside.bridge.sentences[0],
        identity=identity(place, result),
        facts=() if result.silent else _facts(result),
        how_to_read=HOW_TO_READ,
        limits=limits,
        footer=f"All is known until {result.as_of:%Y-%m-%d %H:%M}. Engine: {result.engine}.",
    )


def identity(place: Situation, result: Forecast) -> tuple[str, ...]:
    """Return whose page it is, until when all is known, what it counts in, of which periods, and the rows."""
    known = place.history or place.facts
    counted = "counted in wins" if result.currency == WINS else result.currency or "no currency stated"
    year = 1 if known is None else known.period_start
    months = "calendar" if year == 1 else f"from month {year} of the year on, fiscal"
    parts = [place.name, f"as of {as_of_day(place)}", counted, f"{months} {spoken(place.kind)}"]
    if known is not None and known.quality.read:
        parts.append(f"{known.quality.used:,} of {known.quality.read:,} rows used")
    return tuple(parts)


def _numbers(place: Situation, result: Forecast, trust: Check | None, beside: Beside) -> list[Section]:
    """Return the sections with the forecast's numbers."""
    table = forecast_table(*result.with_total)
    caption = f"{words.titled('Revenue', result.currency)}; the same numbers as in the terminal."
    asked = " ".join(note for note in result.notes if note.startswith(ASKED))
    known = result.with_total[1].dropna(subset=["target"])
    first = Section(
        kinds=dict.fromkeys(map(str, table.columns[1:]), "figure"),
        chart=charts.fan(result),
        table=table,
        caption=caption,
        text=asked,
        question="Will we make it?" if len(known) else "What will we close?",
        wide=True,
    )
    sections = [first, *_changed(beside)]
    sections.append(Section(chart=charts.split(result), question="Where does it come from?"))
    sections += _targets(place, result)
    sections += _ways(place, result)
    if result.goals is not None:
        kinds, said = {"target": "money", "expected": "money"}, answers.reach_words(result.goals)
        sections.append(Section(said, table=result.goals, kinds=kinds, question="Who reaches the target?"))
    caption = f"{words.titled('Standard deviations by chance, by rates, and of both', result.currency)}."
    sections.append(
        Section(
            chart=charts.spread(result),
            table=result.with_total[1].dropna(axis="columns", how="all"),
            kinds={"target": "money"},
            caption=caption,
            text="\n\n".join(result.notes),
            question="How sure is it, and why?",
            plain=True,
        )
    )
    if len(result.deals):
        sections.append(_deals(result))
    sections += _going_on(beside.health)
    sections += _track(beside.track, place.history is not None)
    if len(result.deals) and _pipeline(trust) is not None:
        sections.append(Section(chart=_pipeline(trust), question="How old are the open deals?", screen=True))
    return sections


def _ways(place: Situation, result: Forecast) -> list[Section]:
    """Return what simpler ways say, and why the first period is not what it was a year before."""
    sections = []
    if len(place.ways):
        caption = "Revenue by the last period, and by the same period a year before: what needs no model."
        kinds = dict.fromkeys(map(str, place.ways.columns[1:]), "money")
        said, question = answers.ways_words(place.ways, result), "What would simpler ways say?"
        sections.append(Section(said, table=place.ways, kinds=kinds, caption=caption, question=question))
    return sections


def _going_on(found: Health | None) -> list[Section]:
    """Return what is going on, as `funnelsim health` says it: a sentence above a table of each kind."""
    if found is None:
        return []
    sections = []
    for name, (title, frame, kinds) in health_tables(found).items():
        said, more = answers.health_heading(found, name, title)
        wide = len(frame.columns) > MOST_ABREAST
        sections.append(
            Section(
                said, table=frame.head(MOST_DEALS), kinds=kinds, caption=f"{title}.", text="\n\n".join(more),
                question=QUESTIONS[name], wide=wide, paper=None if name in EVERYBODY else PRINTED,
            )
        )  # fmt: skip
    if "alerts" not in found.frames:
        sections.insert(
            0,
            Section(answers.first_said(found.said.get("alerts", ()), NO_ALERT), question=QUESTIONS["alerts"]),
        )
    if found.notes:
        sections.append(Section("What could not be told", text="\n\n".join(found.notes)))
    return sections


def _changed(beside: Beside) -> list[Section]:
    """Return what changed since the last forecast, and against the same period a year before."""
    asked = (
        (beside.bridge, "What changed since last time?"),
        (beside.year, "Why not the same as last year?"),
    )
    return [_steps(found, question) for found, question in asked if found is not None]


def _steps(found: Bridge, question: str) -> Section:
    """Return a bridge as steps, and as a table that adds up."""
    kinds = {"deals": "count", "change": "money", "level": "money"}
    caption = f"{words.titled('Expected revenue of ' + found.period, found.currency)}; parts add up exactly."
    table = found.frame if found.parts["deals"].any() else found.frame.drop(columns="deals")
    more = " ".join((caption, *found.sentences[1:], *found.notes))
    return Section(
        chart=charts.bridge(found), table=table, kinds=kinds, caption=more, question=question,
        wide=not found.than, paper=0 if found.than else None,
    )  # fmt: skip


def _targets(place: Situation, result: Forecast) -> list[Section]:
    """Return targets, what is still missing, and how often what is open covers it."""
    known = result.with_total[1].dropna(subset=["target"])
    if known.empty:
        return []
    value = float(np.nansum(place.deals.value))
    means = result.periods[result.periods["measure"] == "revenue"].set_index(["period", "origin"])["mean"]
    first = str(result.periods["period"].iloc[0])
    rows, missing = [], []
    for row in known.to_dict("records"):
        sure = float(means[first, "booked"]) if row["period"] in (first, TOTAL) else 0.0
        missing.append(max(float(row["target"]) - sure, 0.0))
        rows.append(
            {
                "period": row["period"], "target": row["target"], "booked": sure, "missing": missing[-1],
                "coverage": answers.covered(value, missing[-1]), "P(target)": row["p_target"],
            }
        )  # fmt: skip
    kinds = dict.fromkeys(("target", "booked", "missing"), "money")
    caption = (
        f"Coverage: {words.money(value, result.currency)}, the shown value of all open deals, over what is "
        "missing; most of it is never won."
    )
    said = f"{words.money(missing[0], result.currency)} missing in {words.name(rows[0]['period'])}"
    if missing[0]:
        said += f"; open deals show {answers.covered(value, missing[0])} as much"
    table, question = pd.DataFrame(rows), "Is the target covered?"
    return [Section(said, table=table, kinds=kinds, caption=caption, question=question)]


def _deals(result: Forecast) -> Section:
    """Return the open deals with most expected money, each with a reason."""
    deals = result.deals
    shown = [
        name
        for name in deals.columns
        if name in ("lead", "stage", "channel", "owner", "value", "expected")
        or str(name).startswith("P(win ")
    ]
    table = deals[shown].head(MOST_DEALS)
    table = table.assign(reason=[reason_of(row) for row in deals.head(MOST_DEALS).to_dict("records")])
    caption = f"{len(deals):,} open deals: those with most expected money, {MOST_DEALS} at most."
    said = answers.carry_words(deals, len(table))
    return Section(
        said, table=table, caption=caption, question="Which deals carry it?", wide=True, paper=PRINTED
    )


def _track(found: Track | None, kept: bool) -> list[Section]:
    """Return what was said before, and what came; that nothing is kept, where it could be."""
    if found is None:
        return [Section(answers.NOT_KEPT, question="How good were we, and who is biased?")] if kept else []
    over = found.over
    shown = over[["day", "period", "mean", "low", "high", "came", "miss", "inside"]].tail(MOST_DEALS)
    kinds = dict.fromkeys(("mean", "low", "high", "came", "miss"), "money") | {"inside": "flag"}
    caption = "What was kept on each day, with its 80 % interval, and what came." if len(over) else ""
    first = Section(
        answers.first_said(found.sentences, answers.NOT_KEPT), text="\n\n".join(found.sentences[1:]),
        table=shown if len(over) else None, kinds=kinds, caption=caption, question="How good were we?",
    )  # fmt: skip
    sections = [first]
    if len(found.people):
        shares = dict.fromkeys(("bias", "low", "high", "skill"), "share") | dict.fromkeys(
            ("error", "ours"), "money"
        )
        caption = "Bias: said less came, over what came. Skill: above 0 is nearer than our median."
        said = answers.bias_words(found.people)
        sections.append(
            Section(said, table=found.people, kinds=shares, caption=caption, question="Who is biased?")
        )
    if len(found.plans):
        money = dict.fromkeys(("without", "promised", "low", "high", "came"), "money")
        said, question = answers.plan_words(found.plans), "What became of decided plans?"
        sections.append(Section(said, table=found.plans, kinds=money, question=question))
    return sections


def _reasons(result: Forecast, trust: Check | None) -> list[Section]:
    """Return the sections on why there are no numbers, and on what is known all the same."""
    known = result.deals.dropna(axis="columns", how="all").head(MOST_DEALS)
    sections = [Section("What will we close?", text="\n\n".join(result.silent))]
    if len(result.past):
        sections.append(Section("What has been booked so far?", table=result.past))
    if len(known):
        sections.append(Section("Which deals are open?", chart=_pipeline(trust), table=known))
    return sections


def _pipeline(trust: Check | None) -> object:
    return charts.ages(trust) if trust is not None and len(trust.open) else None


def _record_sections(result: Forecast, trust: Check) -> list[Section]:
    """Return what the record says: conversion, whether the rates fit, how long leads wait, what was read."""
    text = [sentence for sentence in trust.findings if sentence not in trust.history.limits]
    share = _thin_part(result, trust)
    if share > 0:
        text.append(f"Of this forecast, {words.percent(share)} rests on open deals of such thin ages.")
    curves = charts.incidence(trust) if len(trust.incidence) else None
    funnel = charts.funnel(trust) if len(trust.conversion) else None
    intake = charts.intake(trust) if len(trust.intake) else None
    drawn = (
        ("How many leads come in?", intake, True),
        ("How does the funnel convert?", funnel, False),
        ("How long do leads wait?", charts.dwell(trust), True),
        ("Do the rates fit what happened?", curves, True),
    )
    read = Section(
        answers.used_words(trust.history.quality),
        text="\n\n".join((trust.history.source, *text)),
        table=trust.quality,
        question="What was read, and does it fit?",
        wide=True,
        paper=READ,
    )
    shown = [
        Section(chart=chart, question=asked, screen=screen)
        for asked, chart, screen in drawn
        if chart is not None
    ]
    return [*shown, read]


def compare_page(path: Path, result: Comparison) -> None:
    """Write the page of a comparison: which plan, how much, how sure, what it costs and what it hangs on."""
    shown = result.rounded[["scenario", "period", "mean", "difference", "low", "high", "p_better"]]
    caption = f"{words.titled('Revenue', result.currency)}; low, high: the 80 % interval of the difference."
    drawn = charts.differences(result)
    said = "\n\n".join(f"{name}: {plan.sentence}" for name, plan in result.plans.items() if plan.changes)
    said = "\n\n".join((said, *result.findings))
    worth = f"{words.titled(f'{result.span}', result.currency)}; net: gain less cost, with its 80 % interval."
    sections = [
        Section("Which plan?", table=worth_rows(result), kinds=WORTH_KINDS, caption=worth, text=said),
        Section("What would change?", chart=drawn, table=shown, caption=caption),
    ]
    if len(result.months):
        wide = result.months.pivot(index="month", columns="scenario", values="net").reset_index()
        caption = f"{words.titled('Expected gain less cost, cumulated', result.currency)}."
        kinds = dict.fromkeys(map(str, wide.columns[1:]), "money")
        sections.append(Section("When does it pay?", table=wide, kinds=kinds, caption=caption))
    together = f"{words.titled('All periods together', result.currency)}; parts add up to the whole gain."
    sections += [
        Section(f"Which lever brings what in '{words.name(name)}'?", table=frame, caption=together)
        for name, frame in result.rounded_parts.items()
    ]
    sections += [
        Section(f"What does '{words.name(name)}' hang on?", chart=charts.swings(result, name))
        for name in result.swings
    ]
    sections.append(
        Section("Where does the width come from?", chart=charts.spread(result), text=result.where_from)
    )
    sections += _ask_on(result)
    write_report(
        path,
        "Scenarios",
        sections,
        headline=result.answer,
        facts=_plan_facts(result),
        how_to_read=(
            "Every scenario has the same leads with the same luck: a difference is never noise.",
            "Better: the share of futures in which the scenario earns more than the present plan.",
            "The difference is exact, its interval is counted: few large deals can pull them apart.",
            "Total: all periods together. A deal wins once in it, so its interval is no sum of intervals.",
        ),
        limits=(*result.cautions, *LIMITS),
    )


def _ask_on(result: Comparison) -> list[Section]:
    """Return the present plan's page that answers by itself, or why there is none."""
    from funnelsim.forecasting.live import live_page

    if result.place is None:
        return []
    goal = float(result.table["target"].iloc[0])
    lives = live_page(result.place, target=None if np.isnan(goal) else goal)
    if lives.why:
        return [Section("Ask on", text=lives.why)]
    text = "Move a lever: the present plan's forecast answers here, without Python or a network."
    return [Section("What else could change?", text=text, wide=True, screen=True, frame=lives.html)]


def _plan_facts(result: Comparison) -> list[Fact]:
    """Return what a leader asks first of the best plan: how much, how sure, what it costs, when it pays."""
    if result.best == BASE:
        return []
    row = result.best_row
    low, high = (
        words.money(words.to_error(row[end], row[f"{end}_error"]), sign=True) for end in ("low", "high")
    )
    gain = words.money(words.to_error(row["difference"], row["error"]), result.currency, sign=True)
    sure = words.verdict(row["p_better"], row["futures"], row["p_mean"])
    facts = [
        Fact("gain", gain, f"{low} to {high} (80 %)"),
        Fact("sure?", sure, f"net above 0 in {words.futures(row['p_net'], row['lives'])}"),
    ]
    if not row["cost"]:
        return [*facts, Fact("costs", "none stated")]
    net = words.money(words.to_error(row["net"], row["error"]), result.currency, sign=True)
    cost = Fact("costs", words.money(row["cost"], result.currency), f"net {net}")
    return [*facts, cost, Fact("pays from", result.pays or "not within the span", result.span)]


def budget_page(path: Path, plan: Plan) -> None:
    """Write the page of a budget: the best split, what one more euro brings, and how sure that is."""
    table, kinds = budget_rows(plan)
    than = "what is spent today, without the extra money" if plan.extra else "the same total, split as today"
    sections = [
        Section("Where should the next euro go?", chart=charts.budget(plan), table=table, kinds=kinds)
    ]
    write_report(
        path,
        "Budget",
        sections,
        headline=str(plan),
        how_to_read=(
            f"Money is spent for {plan.days:.0f} days; revenue until {last_earning_day(plan)} counts.",
            "A lead that comes late is worth what it can still earn by that day.",
            "Back per extra euro: revenue that one more euro brings at this spend. It falls as spend grows.",
            f"Gain: over {than}. Its interval holds what is not known, not luck.",
        ),
        limits=plan.notes,
    )


def backtest_page(path: Path, record: Record) -> None:
    """Write the page of a record: each past forecast and what happened, skill, coverage, and all scores."""
    sections = [Section("How to judge a forecast", table=record.summary, kinds=SHARE_COLUMNS)]
    for measure in ("revenue", "wins"):
        title = f"{measure.capitalize()}: said and happened"
        sections += [
            Section(title, chart=charts.record(record, measure)),
            Section("Better than simpler ways?", chart=charts.skill(record, measure)),
            Section("Do the intervals keep their promise?", chart=charts.coverage(record, measure)),
            Section("Do outcomes fall evenly?", chart=charts.pit(record, measure)),
        ]
    write_report(
        path,
        "Past performance",
        sections,
        headline=str(record),
        how_to_read=(
            "Every forecast was made with what was known at its date; no later row could change it.",
            "CRPS: mean distance of a whole forecast from what happened, in its own unit; lower is better.",
            "Skill: by how much smaller our CRPS is than a simpler way's; the bar is a 90 % interval.",
            "A single record of 15 to 30 forecasts cannot tell skills of 0.2 apart.",
        ),
        limits=LIMITS,
    )


def _facts(result: Forecast) -> list[Fact]:
    first = result.periods[result.periods["period"] == result.periods["period"].iloc[0]]
    revenue = first[first["measure"] == "revenue"].set_index("origin")
    facts = [
        Fact(name, words.money(revenue.loc[origin, "mean"], result.currency), str(first["period"].iloc[0]))
        for origin, name in (("booked", "booked"), ("open", "open deals"), ("new", "not yet created"))
    ]
    wins = first[(first["measure"] == "wins") & (first["origin"] == "total")].iloc[0]
    facts.append(Fact("wins", words.digits(wins["mean"]), f"{wins['0.10']:.0f} to {wins['0.90']:.0f} (80 %)"))
    known = result.with_total[1].dropna(subset=["target"])
    for width in known[known["period"].isin([first["period"].iloc[0], TOTAL])].to_dict("records"):
        note = f"{words.money(width['target'], result.currency)}, {width['period']}"
        facts.append(Fact("chance to reach the target", words.percent(width["p_target"]), note))
    return facts


def _thin_part(result: Forecast, trust: Check) -> float:
    """Return the share of the expected money (of the wins, without amounts) that rests on thin ages."""
    deals = result.deals.set_index("lead").reindex(trust.deals.name)
    money = deals["expected"].to_numpy(dtype=np.float64)
    total = result.periods[result.periods["origin"] == "total"]
    measure = "revenue" if np.nansum(money) > 0 else "wins"
    chances = deals.filter(like="P(win ").sum(axis=1).to_numpy(dtype=np.float64)
    weight = np.nan_to_num(money if measure == "revenue" else chances)
    whole = float(total.loc[total["measure"] == measure, "mean"].sum())
    if not weight.any() or not whole:
        return 0.0
    return float(thin_share(trust.trust, trust.deals, weight) * weight.sum() / whole)
