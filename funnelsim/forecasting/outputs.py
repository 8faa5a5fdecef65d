"""Results as people read them at a terminal, and as JSON and mapping files for other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from funnelsim.forecasting.forecast import NAMES, Forecast
from funnelsim.forecasting.periods import spoken
from funnelsim.forecasting.situation import ASKED, INSTANT, Situation
from funnelsim.history.export import reading_notes, summary_of
from funnelsim.history.log import History
from funnelsim.model.funnel import Funnel
from funnelsim.show import words
from funnelsim.show.terminal import print_comparison, print_forecast, show_metrics, show_table
from funnelsim.show.words import titled

if TYPE_CHECKING:
    from funnelsim.forecasting.backtest import Record
    from funnelsim.forecasting.bridge import Bridge
    from funnelsim.forecasting.compare import Comparison
    from funnelsim.forecasting.health import Health, Signals
    from funnelsim.forecasting.seek import Search
    from funnelsim.forecasting.track import Track
    from funnelsim.simulation.record import Run
    from funnelsim.simulation.run import Replications

SHARES = dict.fromkeys(
    ("mape", "inside_50", "inside_80", "inside_95", "nominal", "covered", "low", "high", "skill"), "share"
)
MOST_WORRIES = 20  # what a meeting looks at; the workbook holds all
GUIDE = "# How to read"  # how a mapping file begins that was written beside a simulated log


def as_json(found: Forecast, *, as_of: str, period: str) -> str:
    """Return a forecast as JSON text; keys are kept from release to release.

    Top: as_of, period, currency, engine, no_forecast, notes, periods, and total, all periods together, like a
    period (null where there is one, or no forecast). Each period: start, end (the first day
    after it), mean, sd, quantiles ("0.01", "0.025" .. "0.99"), by_origin {booked, open, new}, wins (the same
    for the number of wins), noise_floor_sd (width that remains when every rate is known), and p_target.
    Where a history is too thin, no_forecast holds sentences on why, and numbers but those booked are null.
    Notes are sentences on what was done to the numbers, such as widening them by the own record. With a
    split there is parts: a list of part, period, leads, booked, open, new, expected; with targets of
    parts, targets: a list of part, period, target, expected, p_target.

    Args:
        as_of: the date as the user wrote it.
        period: week, month, quarter, half or year.
    """
    top: dict[str, object] = {
        "as_of": as_of,
        "period": period,
        "currency": found.currency or None,
        "engine": found.engine,
        "no_forecast": list(found.silent),
        "notes": list(found.notes),
        "periods": _spans(found.periods, found.widths),
        "total": next(iter(_spans(found.total, found.total_width)), None),
    }
    if found.parts is not None:
        top["parts"] = _cells(found.parts)
    if found.goals is not None:
        top["targets"] = _cells(found.goals)
    return _json_text(top)


def _json_text(found: Mapping[str, object]) -> str:
    """Return an answer as JSON text; what is not a number must have become null before."""
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _cells(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [
        {str(name): cell if isinstance(cell, str) else _number(cell) for name, cell in row.items()}
        for row in frame.to_dict("records")
    ]


def _spans(periods: pd.DataFrame, widths: pd.DataFrame) -> list[dict[str, object]]:
    """Return what is said of each period."""
    body: list[dict[str, object]] = []
    for label, rows in periods.groupby("period", sort=False) if len(periods) else ():
        width = widths.set_index("period").loc[label]
        dates = {
            "label": label,
            "start": f"{rows['start'].iloc[0]:%Y-%m-%d}",
            "end": f"{rows['end'].iloc[0]:%Y-%m-%d}",
        }
        more = {"noise_floor_sd": _number(width["chance"]), "parameter_sd": _number(width["parameter"])}
        if np.isfinite(width["target"]):
            more |= {"target": _number(width["target"]), "p_target": _number(width["p_target"])}
        body.append(dates | _measure(rows, "revenue") | {"wins": _measure(rows, "wins")} | more)
    return body


def _measure(rows: pd.DataFrame, measure: str) -> dict[str, object]:
    part = rows[rows["measure"] == measure].set_index("origin")
    origins = {origin: _spread(part.loc[origin]) for origin in ("booked", "open", "new")}
    return _spread(part.loc["total"]) | {"by_origin": origins}


def _spread(row: Any) -> dict[str, object]:
    return {
        "mean": _number(row["mean"]),
        "sd": _number(row["sd"]),
        "quantiles": {name: _number(row[name]) for name in NAMES},
    }


def _number(value: Any) -> float | None:
    """Return a number rounded to 12 digits, so that the file does not depend on the last bit; nan is null."""
    return float(f"{float(value):.12g}") if np.isfinite(value) else None


def summary_json(history: History) -> str:
    """Return what was read as JSON text: see `summary_of`."""
    return _json_text(summary_of(history))


def record_json(found: Record) -> str:
    """Return a backtest as JSON text: the scores of every method, skill, coverage, and the whole record."""
    from funnelsim.forecasting.backtest import coverage, skill, summary

    record = found.record
    top: dict[str, object] = {
        "period": found.kind,
        "currency": found.currency or None,
        "summary": _rows(summary(record)),
    }
    for measure in ("revenue", "wins"):
        top[measure] = {
            "skill": _rows(skill(record, measure=measure)),
            "coverage": _rows(coverage(record, measure=measure)),
        }
    return json.dumps(top | {"record": _rows(record)}, indent=1, ensure_ascii=False) + "\n"


def _rows(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Return a frame as rows for JSON: dates as text, what is not known as null."""
    rows: list[dict[str, object]] = json.loads(frame.to_json(orient="records", date_format="iso"))
    return rows


def mapping_text(funnel: Funnel, name: str, currency: str = "") -> str:
    """Return a mapping file for a simulated log: its stages in order, which places are wins, the currency.

    >>> tiny = Funnel("tiny", ("Lead",), ("Sold", "Gone"), (("Sold", "Gone"),), {"Sold": 1.0})
    >>> print(mapping_text(tiny, "log.csv"))
    # How to read log.csv, simulated from the funnel 'tiny'.
    stages: ["Lead"]
    won: ["Sold"]
    lost: ["Gone"]
    <BLANKLINE>
    """
    lines = [f"{key}: {json.dumps(names, ensure_ascii=False)}" for key, names in funnel.roles.items()]
    lines += [f"currency: {currency}"] if currency else []
    return "\n".join([f"{GUIDE} {name}, simulated from the funnel '{funnel.name}'.", *lines, ""])


def say_forecast(place: Situation, result: Forecast, by: str | None) -> None:
    """Print a forecast, what simpler ways would say, what calibration notes, and the split if asked for."""
    known = place.history or place.facts
    if known is not None:
        for note in reading_notes(known):
            print(f"- {note}")
        print("")
    for note in result.notes:
        if note.startswith(ASKED):
            print(f"{note}\n")
    if result.silent:
        print("No forecast:")
        for reason in result.silent:
            print(f"- {reason}")
        print("")
    if place.model.funnel.earns:
        print_forecast(*result.with_total, currency=result.currency)
    if not result.silent and len(place.ways):
        kinds = dict.fromkeys(map(str, place.ways.columns[1:]), "money")
        show_table(place.ways, titled("What simpler ways would say", result.currency), kinds=kinds)
    for note in dict.fromkeys((*result.notes, *place.model.notes)):
        if not note.startswith(ASKED):
            print(f"- {note}")
    if result.parts is not None:
        from funnelsim.forecasting.split import wide

        shown = wide(result.parts)
        kinds = dict.fromkeys(map(str, shown.columns[2:]), "money") | {"open leads": "count"}
        print("")
        show_table(shown, f"{titled('Expected revenue', result.currency)} by {by}", kinds=kinds)
    if result.goals is not None:
        print()
        heads = {"part": str(by), "p_target": "chance to reach it"}
        kinds = {"target": "money", "expected": "money", "chance to reach it": "share"}
        title = f"{titled('Targets', result.currency)} by {by}"
        show_table(result.goals.rename(columns=heads), title, kinds=kinds)


def say_comparison(result: Comparison) -> None:
    """Print which plan is best, what each changes, costs and hangs on, and what each lever brings."""
    print(f"{result}\n")
    for name, plan in result.plans.items():
        print(f"{name}: {plan.sentence or 'Nothing changes.'}")
    print()
    print_comparison(result.table, result.currency)
    if (result.worth["cost"] != 0).any():
        title = titled(f"What each plan costs and returns, {result.span}", result.currency)
        show_table(worth_rows(result), title, kinds=WORTH_KINDS)
    for note in filter(None, (*result.findings, result.where_from, *result.cautions)):
        print(f"- {note}")
    print()
    for name, frame in result.rounded_parts.items():
        title = titled(f"What each lever of '{name}' brings, all periods together", result.currency)
        show_table(frame, title, kinds={"error": "money"})
    for name, frame in result.rounded_swings.items():
        title = titled(f"What '{name}' hangs on: its net gain with one lever weak or strong", result.currency)
        show_table(frame, title, kinds=dict.fromkeys(("weak", "strong", "error"), "money"))


def worth_rows(result: Comparison) -> pd.DataFrame:
    """Return what each plan costs and returns, as people read it."""
    frame = result.worth
    whole = result.rounded.loc[result.whole.index].set_index("scenario").loc[frame["scenario"]].reset_index()
    told = whole[["scenario", "cost", "difference", "net", "net_low", "net_high"]].copy()
    told["net above 0"] = frame["p_net"].where((frame["cost"] != 0) | (frame["futures"] > 0))
    told["ROI"] = frame["roi"]
    told["pays from"] = frame["pays"].where(frame["pays"] != "", "not within the span")
    told.loc[~(frame["cost"] > 0), "pays from"] = ""
    return told.rename(columns={"difference": "gain", "net_low": "80 % from", "net_high": "to"})


WORTH_KINDS = dict.fromkeys(("cost", "gain", "net", "80 % from", "to"), "money")
WORTH_KINDS |= {"net above 0": "share", "ROI": "share"}


def comparison_json(result: Comparison) -> str:
    """Return a comparison as JSON text; keys are kept from release to release.

    Top: headline, best (scenario), currency, scenarios, widths (rows as in `Comparison.widths`), notes. Each
    scenario: name, change (in words), periods (rows as in `Comparison.table`, the last being "total"),
    together (as in `Comparison.worth`; null for the present plan), months, parts and levers. Null stands for
    what is not known, and for `futures` of a plan that is surely better or worse.
    """
    scenarios = []
    for name in dict.fromkeys(result.table["scenario"]):
        rows = result.table[result.table["scenario"] == name].drop(columns="scenario")
        worth = result.worth[result.worth["scenario"] == name].drop(columns="scenario")
        months = result.months
        own = months[months["scenario"] == name].drop(columns="scenario") if len(months) else months
        plan = result.plans.get(name)
        scenarios.append(
            {
                "name": name,
                "change": "" if plan is None else plan.sentence,
                "periods": _cells(_dated(rows)),
                "together": next(iter(_cells(worth)), None),
                "months": _cells(own),
                "parts": _cells(result.parts.get(name, pd.DataFrame())),
                "levers": _cells(result.swings.get(name, pd.DataFrame())),
            }
        )
    top = {"headline": str(result), "best": result.best, "currency": result.currency or None}
    told = [*filter(None, (*result.findings, result.where_from, *result.cautions))]
    found = top | {"scenarios": scenarios, "widths": _cells(result.widths), "notes": told}
    return _json_text(found)


def _dated(rows: pd.DataFrame) -> pd.DataFrame:
    days = {name: rows[name].dt.strftime("%Y-%m-%d") for name in ("start", "end")}
    return rows.assign(**days)


def comparison_sheets(result: Comparison) -> dict[str, pd.DataFrame]:
    """Return the sheets of a comparison's workbook, those that have rows."""
    sheets = {
        "plans": result.worth,
        "periods": result.table,
        "months": result.months,
        "widths": result.widths,
    }
    for title, frames in (("parts", result.parts), ("levers", result.swings)):
        told = [frame.assign(scenario=name) for name, frame in frames.items()]
        sheets[title] = pd.concat(told, ignore_index=True) if told else pd.DataFrame()
    return {title: frame for title, frame in sheets.items() if len(frame)}


def say_search(found: Search) -> None:
    """Print what must change to reach a target, and what it hangs on."""
    print(f"{found}\n")
    levers = found.levers[["lever", "words", "chance", "cost"]]
    levers = levers if found.levers["cost"].notna().any() else levers.drop(columns="cost")
    levers = levers.rename(columns={"words": "smallest change that does it"})
    show_table(levers, "Each lever alone, from today on", kinds={"chance": "share", "cost": "money"})
    if len(found.mix):
        title = f"The cheapest mix, {words.money(float(found.mix['cost'].sum()), found.currency)}"
        show_table(found.mix[["lever", "words", "cost"]], title, kinds={"cost": "money"})
    if len(found.leads):
        told = found.leads.rename(columns={"way": "leads", "leads": "expected", "by": "late after"})
        kinds = {"expected": "count", "more": "count", "late after": "date"}
        show_table(told, "How many more leads would do it", kinds=kinds)
    if len(found.deals):
        shares = dict.fromkeys(("P(win)", "P(target)", "if won", "if lost"), "share")
        title = titled("Deals on which the target hangs", found.currency)
        show_table(found.deals, title, kinds=shares | {"value": "money"})
    if len(found.learn):
        title = titled("What it is worth to know, before deciding on the mix", found.currency)
        show_table(found.learn, title, kinds={"perfect": "money", "sample": "money"})
    for note in found.notes:
        print(f"- {note}")


def search_json(found: Search) -> str:
    """Return what must change as JSON text; keys are those of `Search`, null where nothing is known."""
    top: dict[str, object] = {
        "target": found.target,
        "wanted": found.sure,
        "until": f"{found.until:%Y-%m-%d}",
        "currency": found.currency or None,
        "chance": _number(found.now),
        "mean": _number(found.mean),
    }
    dated = (
        found.leads.assign(by=found.leads["by"].dt.strftime("%Y-%m-%d")) if len(found.leads) else found.leads
    )
    frames = {
        "levers": found.levers,
        "mix": found.mix,
        "leads": dated,
        "deals": found.deals,
        "learn": found.learn,
    }
    top |= {name: _cells(frame) for name, frame in frames.items()}
    return _json_text(top | {"notes": list(found.notes)})


def say_bridge(found: Bridge) -> None:
    """Print the parts of a bridge, and the deals that moved it most."""
    for sentence in found.sentences:
        print(sentence)
    print()
    counted = found.frame if found.parts["deals"].any() else found.frame.drop(columns="deals")
    kinds = {"deals": "count", "change": "money", "level": "money"}
    show_table(counted, titled("What changed", found.currency), kinds=kinds)
    for note in found.notes:
        print(f"- {note}")


def bridge_json(found: Bridge) -> str:
    """Return a bridge as JSON text: period, earlier, before, after, change, parts (which add up), deals."""
    top: dict[str, object] = {
        "period": found.period,
        "earlier": found.earlier,
        "as_of": f"{found.as_of - INSTANT:%Y-%m-%d}",
        "currency": found.currency or None,
        "before": found.before,
        "after": found.after,
        "change": found.change,
        "parts": found.parts.to_dict("records"),
        "deals": _cells(found.deals),
        "notes": list(found.notes),
    }
    return _json_text(top)


def say_track(found: Track) -> None:
    """Print what was said in the record against what came."""
    for sentence in found.sentences:
        print(sentence)
    print()
    shown = found.said.drop(columns=["start", "end", "median"])
    show_table(shown, titled("What was said, and what came", found.currency), kinds=TRACK_KINDS)
    if len(found.people):
        shares = dict.fromkeys(("bias", "low", "high", "skill"), "share")
        show_table(found.people, "People: what they said, beside ours", kinds=shares | TRACK_KINDS | shares)
    for title, frame in (
        ("Plans that were decided", found.plans),
        ("Overrides of single deals", found.overrides),
    ):
        if len(frame):
            kinds = TRACK_KINDS | (
                {"chance": "share", "ours": "share", "came": "number"} if "lead" in frame else {}
            )
            show_table(frame, title, kinds=kinds)
    if found.scores is not None:
        say_record(found.scores)


TRACK_KINDS = dict.fromkeys(
    ("mean", "low", "high", "came", "miss", "error", "ours", "without", "promised"), "money"
) | {"day": "date", "inside": "flag"}


def track_json(found: Track) -> str:
    """Return the record as JSON text: company, period, currency, said, people, plans, overrides, summary."""
    top: dict[str, object] = {
        "company": found.company,
        "period": found.kind,
        "currency": found.currency or None,
    }
    frames = {
        "said": found.said, "people": found.people, "plans": found.plans, "overrides": found.overrides,
        "summary": pd.DataFrame() if found.scores is None else found.scores.summary,
    }  # fmt: skip
    top |= {name: _rows(frame) for name, frame in frames.items()}
    return _json_text(top)


MEASURES = {
    "share": (
        "follow-ups", "win rate", "hand-over rate", "conversion", "low", "high", "retention", "churn",
        "click rate", "bounce rate", "visits to leads",
    ),
    "money": (
        "average order value", "total revenue", "lifetime value", "open pipeline", "pipeline velocity",
        "cost per lead", "cost per customer",
    ),
    "count": ("entrances", "leads", "wins"),
    "days": ("cycle length", "flow rate"),
}  # fmt: skip


def say_metrics_by(table: pd.DataFrame, by: str, horizon: float) -> None:
    """Print the measures of each part of a business side by side."""
    heads = {"low": "95 % from", "high": "to", "part": by}
    kinds = {heads.get(name, name): kind for kind, names in MEASURES.items() for name in names}
    shown = table.dropna(axis="columns", how="all").rename(columns=heads)
    show_table(shown, f"By {by}; shares within {words.days(horizon)} of coming in", kinds=kinds)


def say_health(found: Health) -> None:
    """Print what is going on: sentences first, then a table of each kind."""
    for sentence in found.sentences or (str(found),):
        print(f"- {sentence}")
    print()
    for title, frame, kinds in health_tables(found).values():
        show_table(frame, title, kinds=kinds, rows=MOST_WORRIES)
    for note in found.notes:
        print(f"- {note}")


Told: TypeAlias = "tuple[str, pd.DataFrame, dict[str, str]]"


def health_tables(found: Health) -> dict[str, Told]:
    """Return what is going on as people read it: by a frame's name its title, table and kinds of columns."""
    span, unit = words.name(found.span), found.currency
    tables: dict[str, Told] = {
        **_signal_tables(found),
        "worries": (titled(f"Deals to worry about, {span}", unit), _worry_rows(found), {"stake": "money"}),
        "concentration": (
            titled(f"If the largest fall out, {span}", unit),
            _rid(found.concentration, ["stake"], {"low": "80 % from", "high": "to", "p_target": "P(target)"}),
            {"80 % from": "money", "to": "money"},
        ),
        "bottlenecks": (
            titled(f"What moves {span} most: gain by 10 % more", unit),
            _rid(found.bottlenecks, ["why"]),
            {"gain": "money", "busy": "share", "work": "days"},
        ),
    }
    apart = found.pace[found.pace["verdict"].isin(["above", "below"])]
    heads = {"expected": "such leads in all hands", "low": "95 % from", "high": "to", "p_best": "P(best)"}
    kinds = dict.fromkeys(("leads", "wins", "left"), "count")
    kinds |= dict.fromkeys(("95 % from", "to", "skill", "such leads in all hands"), "number")
    for name, title, frame in (
        ("people", "People by wins, on their own mix of leads", found.people.drop(columns="why")),
        ("pace", "Pace that luck does not explain", apart),
        ("onboarding", "Newcomers by time since their first lead", found.onboarding),
    ):
        tables[name] = (title, frame.rename(columns=heads), kinds)
    title = "What a good period was, one in four, and what is expected of this one"
    from funnelsim.forecasting.goals import goals_table

    tables["goals"] = (titled(title, unit), *goals_table(found.goals))
    return {name: told for name, told in tables.items() if len(told[1])}


def _signal_tables(found: Health | Signals) -> dict[str, Told]:
    """Return what broke, what got better and where leads wait as people read it."""
    span, unit = words.name(found.span), found.currency
    overdue = {"alert_after": "days", "expected": "number", "oldest": "days"}
    return {
        "alerts": (titled(f"Alerts; at stake in {span}", unit), *_alert_rows(found.alerts)),
        "rises": (titled(f"Good news; gain in {span}", unit), *_alert_rows(found.rises)),
        "overdue": ("Leads in a stage for longer than it states", found.overdue, overdue),
    }


def say_signals(found: Signals) -> None:
    """Print what broke, what got better and where leads wait: sentences, and a table of each kind."""
    for sentence in signal_words(found):
        print(f"- {sentence}")
    print()
    for title, frame, kinds in _signal_tables(found).values():
        if len(frame):
            show_table(frame, title, kinds=kinds)


def signal_words(found: Signals) -> tuple[str, ...]:
    """Return all sentences on what broke, got better or waits; that nothing broke, where nothing did."""
    from funnelsim.forecasting.health import NO_ALERT

    return (*(found.said["alerts"] or (f"{NO_ALERT}.",)), *found.said["rises"], *found.said["overdue"])


def signal_texts(found: Signals) -> dict[str, object]:
    """Return the same as texts for a page: sentences, and of each table its title, heads and rows."""
    tables = []
    for title, frame, kinds in _signal_tables(found).values():
        told = words.kinds_of(frame, kinds)
        heads = [[words.label(name), told[str(name)] in ("text", "date", "flag")] for name in frame.columns]
        rows = [
            [words.cell(value, told[str(name)]) for name, value in zip(frame.columns, row, strict=True)]
            for row in frame.itertuples(index=False, name=None)
        ]
        tables.append({"title": title, "heads": heads, "rows": rows})
    return {"said": signal_words(found), "tables": [table for table in tables if table["rows"]]}


def _alert_rows(alerts: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the alerts with the columns that fit a page."""
    names = {"low": "95 % from", "high": "to", "luck": "by luck", "whole": "all periods"}
    kinds = dict.fromkeys(("seen", "expected"), "count")
    kinds |= dict.fromkeys(("ratio", "95 % from", "to", "by luck"), "share") | {
        "stake": "money",
        "all periods": "money",
    }
    return _rid(alerts.replace("", np.nan), ["why", "advice", "e", "share"], names), kinds


def _worry_rows(found: Health) -> pd.DataFrame:
    """Return the deals to worry about with the columns that fit a page."""
    shown = ["lead", "stage", "owner", "value", "P(win)", "stake", "p_without", "reason", "why"]
    return _rid(found.worries[shown], [], {"p_without": "P(target) without it"})


def _rid(frame: pd.DataFrame, less: Sequence[str], heads: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return a table without some columns and without empty ones, its heads in words."""
    return frame.drop(columns=less).dropna(axis="columns", how="all").rename(columns=heads or {})


def health_json(found: Health) -> str:
    """Return what is going on as JSON text; keys are those of `Health`, null where nothing is known."""
    top: dict[str, object] = {
        "as_of": f"{found.as_of - INSTANT:%Y-%m-%d}",
        "currency": found.currency or None,
        "span": found.span,
        "target": _number(found.target),
        "mean": _number(found.mean),
        "sentences": list(found.sentences),
    }
    top |= {name: _rows(frame) for name, frame in found.frames.items()}
    return _json_text(top | {"notes": list(found.notes)})


def say_run(run: Run, signals: Signals | None = None) -> None:
    """Print what became of all leads, and what is not as it was stated."""
    from funnelsim.history.metrics import metrics

    print(run)
    if len(run.log):
        kinds = {"half_leave_within": "span"}
        show_table(run.stages, "\nWho came, and who is there", kinds=kinds)
        within = f"within {run.horizon:.2g} days"
        exits = run.exits.rename(columns={"chance": "stated chance", "within": within})
        kinds = {"stated chance": "share", within: "share", "visits": "count"}
        show_table(exits, "\nWhere they went", kinds=kinds)
        show_metrics(metrics(run.history, run.horizon), "\nWhat happened")
    if signals is not None:
        print("What is not as it was stated")
        say_signals(signals)


def say_replications(many: Replications) -> None:
    """Print what many lives of all leads booked."""
    print(many)
    show_table(many.table, "What luck does, at the model's own rates")


def say_record(record: Record) -> None:
    """Print the scores of all methods, skill against simpler ways, and how intervals kept their promise."""
    scores = record.summary
    for measure, unit in (("revenue", titled("revenue", record.currency)), ("wins", "wins")):
        mine = scores[scores["measure"] == measure].drop(columns="measure")
        show_table(mine, f"Record of {unit}, by {spoken(record.kind)} ahead", kinds=SHARES)
        title = f"Skill in {measure} against simpler ways, with its 90 % interval"
        show_table(record.skill(measure), title, kinds=SHARES)
        show_table(record.coverage(measure), f"Intervals of {measure}: promised, and kept", kinds=SHARES)
