"""What stands on the pages that the terminal writes: a forecast, scenarios, a budget, a record."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from funnelsim.calibration.trust import thin_share
from funnelsim.forecasting.backtest import SHARE_COLUMNS, Record
from funnelsim.forecasting.budget import Plan, budget_rows, last_earning_day
from funnelsim.forecasting.compare import BASE, Comparison
from funnelsim.forecasting.forecast import Forecast
from funnelsim.forecasting.outputs import WORTH_KINDS, worth_rows
from funnelsim.forecasting.periods import TOTAL
from funnelsim.forecasting.situation import ASKED, Situation
from funnelsim.show import charts, words
from funnelsim.show.page import Fact, Section, write_report
from funnelsim.show.terminal import forecast_table
from funnelsim.verbs import Check

MOST_DEALS = 100
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


def forecast_page(path: Path, place: Situation, result: Forecast) -> None:
    """Write the page of a forecast: fan, origins, width, open deals, funnel, and what was read.

    Where the history is too thin for numbers, the page says so, and shows what is known. A stated funnel has
    no record: of it only the forecast is shown.

    Args:
        path: where to.
        place: the situation that was forecast.
        result: its forecast.
    """
    trust = None if place.history is None else Check(place.history, place.model, place.deals)
    sections = _reasons(result, trust) if result.silent else _numbers(place, result, trust)
    known = place.history or place.facts
    if trust is not None:
        sections += _record_sections(result, trust)
    notes = (*result.notes, *(known.limits if known else ()), *place.model.notes, *LIMITS)
    limits = tuple(dict.fromkeys(notes))
    write_report(
        path,
        "Forecast",
        sections,
        headline="No forecast: there is no number to give" if result.silent else str(result),
        facts=() if result.silent else _facts(result),
        how_to_read=HOW_TO_READ,
        limits=limits,
        footer=f"As of {result.as_of:%Y-%m-%d %H:%M}, engine: {result.engine}.",
    )


def _numbers(place: Situation, result: Forecast, trust: Check | None) -> list[Section]:
    """Return the sections with the forecast's numbers."""
    money = dict.fromkeys(map(str, place.ways.columns[1:]), "money")
    deals = result.deals
    table = forecast_table(*result.with_total)
    caption = f"{words.titled('Revenue', result.currency)}; the same numbers as in the terminal."
    asked = " ".join(note for note in result.notes if note.startswith(ASKED))
    sections = [
        Section("What will we close?", chart=charts.fan(result), table=table, caption=caption, text=asked)
    ]
    if len(place.ways):
        caption = "Revenue by the last period, the same period a year before, and exponential smoothing."
        title = "What would simpler ways say?"
        sections.append(Section(title, table=place.ways, kinds=money, caption=caption))
    if result.goals is not None:
        kinds = {"target": "money", "expected": "money"}
        sections.append(Section("Who reaches the target?", table=result.goals, kinds=kinds))
    sections += [
        Section("Where does it come from?", chart=charts.split(result)),
        Section(
            "How sure is it, and why?",
            chart=charts.spread(result),
            table=result.with_total[1].dropna(axis="columns", how="all"),
            kinds={"target": "money"},
            caption=words.titled("Standard deviations by chance, by rates, and of both", result.currency)
            + ".",
            text="\n\n".join(result.notes),
        ),
    ]
    if len(deals):
        caption = f"{len(deals):,} open deals: those with most expected money, {MOST_DEALS} at most."
        table = deals.head(MOST_DEALS)
        sections.append(
            Section("Which deals carry it?", chart=_pipeline(trust), table=table, caption=caption)
        )
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
    return [
        Section("How many leads come in?", chart=intake),
        Section("How does the funnel convert?", chart=funnel),
        Section("Do the rates fit what happened?", text="\n\n".join(text), chart=curves),
        Section("How long do leads wait?", chart=charts.dwell(trust)),
        Section("What was read", text=trust.history.source, table=trust.quality),
    ]


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
        for name, frame in result.parts.items()
    ]
    sections += [
        Section(f"What does '{words.name(name)}' hang on?", chart=charts.swings(result, name))
        for name in result.swings
    ]
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
            "Gain: over the same total, split as today. Its interval holds what is not known, not luck.",
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
