"""What stands on the pages that the terminal writes: a forecast, or scenarios side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from funnelsim.calibration.trust import (
    Trust,
    dwell_times,
    findings,
    incidence_frame,
    thin_share,
    trust_of,
    winner_ages,
)
from funnelsim.forecasting.backtest import OURS, Backtest, coverage_table, skill_table, summary
from funnelsim.forecasting.budget import Budget, budget_rows, budget_words, last_earning_day
from funnelsim.forecasting.forecast import Forecast, totals
from funnelsim.forecasting.situation import Situation
from funnelsim.history.log import open_leads, quality_table
from funnelsim.history.metrics import metrics
from funnelsim.show import words
from funnelsim.show.charts import (
    backtest_fan,
    budget,
    differences,
    dwell,
    fan,
    funnel_chart,
    incidence,
    open_ages,
    pit,
    split,
    spread,
)
from funnelsim.show.charts import coverage as coverage_chart
from funnelsim.show.charts import skill as skill_chart
from funnelsim.show.page import Fact, Section, write_report

HORIZON = 90.0
MOST_DEALS = 100
SCORES = dict.fromkeys(("mape", "inside_50", "inside_80", "inside_95"), "share")
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


def forecast_page(
    path: Path, place: Situation, found: Forecast, past: pd.DataFrame, ways: pd.DataFrame
) -> None:
    """Write the page of a forecast: fan, origins, width, open deals, funnel, and what was read.

    Where the history is too thin for numbers, the page says so, and shows what is known.

    Args:
        path: where to.
        place: the company's situation.
        found: the forecast.
        past: period, start, revenue and wins of whole past periods.
        ways: what simpler ways would say, a column per period.
    """
    first = _reasons(place, found, past) if found.silent else _numbers(place, found, past, ways)
    sections = [
        *first,
        Section("How does the funnel convert?", chart=_funnel(place)),
        *_trust(place, found),
        Section("What was read", text=place.history.source, table=quality_table(place.history)),
    ]
    write_report(
        path,
        "Forecast",
        sections,
        headline="No forecast: the history is too thin" if found.silent else _headline(found),
        facts=() if found.silent else _facts(found),
        how_to_read=HOW_TO_READ,
        limits=(*found.notes, *place.history.limits, *place.model.notes, *LIMITS),
        footer=f"As of {found.as_of:%Y-%m-%d %H:%M}, engine: {found.engine}.",
    )


def _numbers(place: Situation, found: Forecast, past: pd.DataFrame, ways: pd.DataFrame) -> list[Section]:
    """Return the sections with the forecast's numbers."""
    money = bool((past["revenue"] > 0).any() or (found.periods["mean"] > 0).any())
    target = None if np.isnan(found.target) else found.target
    return [
        Section("What will we close?", chart=fan(found.periods, target, past, found.widths, found.currency))
        if money
        else Section("What will we close?", chart=fan(found.periods, past=past, measure="wins")),
        Section(
            "What would simpler ways say?",
            table=ways,
            kinds=dict.fromkeys(ways.columns[1:], "money"),
            caption="Revenue by the last period, the same period a year before, and exponential smoothing.",
        ),
        Section("Where does it come from?", chart=split(found.periods, found.currency)),
        Section(
            "How sure is it, and why?",
            chart=spread(found.widths),
            table=found.widths.dropna(axis="columns", how="all"),
            caption=f"Standard deviations in {found.currency}: by chance, by rates not known, and of both.",
            text="\n\n".join(found.notes),
        ),
        Section(
            "Which deals carry it?",
            chart=_pipeline(place, found.currency),
            table=found.deals.head(MOST_DEALS),
            caption=f"{len(found.deals):,} open deals: those with most expected money, {MOST_DEALS} at most.",
        ),
    ]


def _reasons(place: Situation, found: Forecast, past: pd.DataFrame) -> list[Section]:
    """Return the sections on why there are no numbers, and on what is known all the same."""
    known = found.deals.dropna(axis="columns", how="all")
    return [
        Section("What will we close?", text="\n\n".join(found.silent)),
        Section("What has been booked so far?", table=past),
        Section(
            "Which deals are open?", chart=_pipeline(place, found.currency), table=known.head(MOST_DEALS)
        ),
    ]


def compare_page(path: Path, table: pd.DataFrame, currency: str, parts: dict[str, pd.DataFrame]) -> None:
    """Write the page of a comparison: differences with intervals, and what each lever brings.

    Args:
        path: where to.
        table: what `compare` returned.
        currency: three letters.
        parts: scenario -> its levers and their parts of the gain.
    """
    shown = table[["scenario", "period", "mean", "difference", "low", "high", "p_better"]]
    caption = f"Revenue in {currency}; low and high: the 80 % interval of the difference."
    drawn = differences(table, currency)
    sections = [Section("What would change?", chart=drawn, table=shown, caption=caption)]
    together = f"In {currency}, all periods together; parts add up to the whole gain."
    sections += [
        Section(f"Which lever brings what in '{name}'?", table=frame, caption=together)
        for name, frame in parts.items()
    ]
    write_report(
        path,
        "Scenarios",
        sections,
        how_to_read=(
            "The same leads live through every scenario with the same luck: a difference is never noise.",
            "Better: the share of futures in which the scenario earns more than the present plan.",
            "The difference is exact, its interval simulated: few large deals can pull them apart.",
        ),
        limits=LIMITS,
    )


def budget_page(path: Path, found: Budget) -> None:
    """Write the page of a budget: the best split, what one more euro brings, and how sure that is."""
    table, kinds = budget_rows(found)
    chart = budget(found.table, found.currency)
    sections = [Section("Where should the next euro go?", chart=chart, table=table, kinds=kinds)]
    write_report(
        path,
        "Budget",
        sections,
        headline=budget_words(found),
        how_to_read=(
            f"Money is spent for {found.days:.0f} days; revenue until {last_earning_day(found)} counts.",
            "A lead that comes late is worth what it can still earn by that day.",
            "Back per extra euro: revenue that one more euro brings at this spend. It falls as spend grows.",
            "Gain: over the same total, split as today. Its interval holds what is not known, not luck.",
        ),
        limits=found.notes,
    )


def backtest_page(path: Path, found: Backtest) -> None:
    """Write the page of a record: each past forecast and what happened, skill, coverage, and all scores."""
    record = found.record
    sections = [Section("How to judge a forecast", table=summary(record), kinds=SCORES)]
    for measure in ("revenue", "wins"):
        mine = record[(record["measure"] == measure) & (record["method"] == OURS) & (record["step"] == 1)]
        kept = coverage_table(record, measure=measure)
        sections += [
            Section(
                f"{measure.capitalize()}: said and happened",
                chart=backtest_fan(mine, found.currency, measure),
            ),
            Section("Better than simpler ways?", chart=skill_chart(skill_table(record, measure=measure))),
            Section("Do the intervals keep their promise?", chart=coverage_chart(kept[kept["step"] == 1])),
            Section("Do outcomes fall evenly?", chart=pit(mine)),
        ]
    write_report(
        path,
        "Past performance",
        sections,
        how_to_read=(
            "Every forecast was made with what was known at its date; no later row could change it.",
            "CRPS: mean distance of a whole forecast from what happened, in its own unit; lower is better.",
            "Skill: by how much smaller our CRPS is than a simpler way's; the bar is a 90 % interval.",
            "A single record of 15 to 30 forecasts cannot tell skills of 0.2 apart.",
        ),
        limits=LIMITS,
    )


def _headline(found: Forecast) -> str:
    first = totals(found).iloc[0]
    low, high = (words.money(first[level], found.currency) for level in ("0.10", "0.90"))
    expected = words.money(first["mean"], found.currency)
    return f"{first['period']}: {expected} expected; in 80 of 100 futures {low} to {high}"


def _facts(found: Forecast) -> list[Fact]:
    first = found.periods[found.periods["period"] == found.periods["period"].iloc[0]]
    revenue = first[first["measure"] == "revenue"].set_index("origin")
    facts = [
        Fact(name, words.money(revenue.loc[origin, "mean"], found.currency), str(first["period"].iloc[0]))
        for origin, name in (("booked", "booked"), ("open", "open deals"), ("new", "not yet created"))
    ]
    wins = first[(first["measure"] == "wins") & (first["origin"] == "total")].iloc[0]
    facts.append(Fact("wins", words.digits(wins["mean"]), f"{wins['0.10']:.0f} to {wins['0.90']:.0f} (80 %)"))
    if np.isfinite(found.target):
        chance = found.widths["p_target"].iloc[0]
        facts.append(
            Fact(
                "chance to reach the target", words.percent(chance), words.money(found.target, found.currency)
            )
        )
    return facts


def _pipeline(place: Situation, currency: str) -> object:
    leads = open_leads(place.history)
    order = leads["stage"].map({stage: i for i, stage in enumerate(place.history.waits)})
    if leads.empty:
        return None
    winners = winner_ages(place.history, trust_of(place.history, place.model))
    return open_ages(leads.iloc[order.argsort(kind="stable")], winners if len(winners) else None, currency)


def _trust(place: Situation, found: Forecast) -> list[Section]:
    """Return the sections on whether the rates fit what was counted, and how long leads wait."""
    record = trust_of(place.history, place.model)
    curves, said = incidence_frame(record), findings(place.history, place.model, place.deals)
    text = [sentence for sentence in said if sentence not in place.history.limits]
    share = _thin_part(found, place, record)
    if share > 0:
        text.append(f"Of this forecast, {words.percent(share)} rests on open deals of such thin ages.")
    return [
        Section(
            "Do the rates fit what happened?",
            text="\n\n".join(text),
            chart=incidence(curves) if len(curves) else None,
        ),
        Section("How long do leads wait?", chart=dwell(dwell_times(record))),
    ]


def _thin_part(found: Forecast, place: Situation, record: Trust) -> float:
    """Return the share of the expected money (of the wins, without amounts) that rests on thin ages."""
    deals = found.deals.set_index("lead").reindex(place.deals.name)
    money, total = (
        deals["expected"].to_numpy(dtype=np.float64),
        found.periods[found.periods["origin"] == "total"],
    )
    measure = "revenue" if np.nansum(money) > 0 else "wins"
    chances = deals.filter(like="P(win ").sum(axis=1).to_numpy(dtype=np.float64)
    weight = np.nan_to_num(money if measure == "revenue" else chances)
    whole = float(total.loc[total["measure"] == measure, "mean"].sum())
    return thin_share(record, place.deals, weight) * weight.sum() / whole if weight.any() and whole else 0.0


def _funnel(place: Situation) -> object:
    """Return the funnel chart: of the leads that enter each stage, the share won within the horizon."""
    table = metrics(place.history, HORIZON)
    rows = table[(table["metric"] == "win rate") & table["scope"].isin(place.history.stages)]
    if rows.empty or not np.isfinite(rows["value"]).any():
        return None
    frame = pd.DataFrame(
        {
            "stage": rows["scope"],
            "entered": rows["leads"],
            "reached": rows["value"] * rows["leads"],
            "share": rows["value"],
            "horizon": HORIZON,
        }
    )
    return funnel_chart(frame)
