"""The verbs: whatever you have - a company's record or a stated funnel - and what you want to know of it.

Each verb loads the rooms that it needs when it is first called, so that who checks a file does not wait
for the engines.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, overload

import numpy as np
import pandas as pd

from funnelsim.cards import card
from funnelsim.errors import FunnelError, check_word
from funnelsim.forecasting.periods import Targets, amounts_wanted, past_periods, periods_from
from funnelsim.forecasting.situation import (
    ASKED,
    INSTANT,
    Anything,
    ReadOptions,
    Situation,
    history_of,
    reach_of,
    read_by_parts,
    refuse_thin,
    situation,
    spend_table,
    stated_model,
    unanswerable,
    under,
)
from funnelsim.history.log import DAY, History, as_of_moment, first_moments, open_leads, quality_table, spells
from funnelsim.history.metrics import HORIZON, metrics
from funnelsim.model.levers import Scenario, with_sizes
from funnelsim.model.model import Model, OpenDeals
from funnelsim.model.scenario import WhatIf, check_question, check_words, scenario_of
from funnelsim.model.units import check_span

if TYPE_CHECKING:
    from funnelsim.calibration.trust import Trust
    from funnelsim.forecasting.backtest import Record
    from funnelsim.forecasting.bridge import Bridge
    from funnelsim.forecasting.budget import Plan
    from funnelsim.forecasting.compare import Comparison
    from funnelsim.forecasting.forecast import Forecast
    from funnelsim.forecasting.health import Health
    from funnelsim.forecasting.live import Live
    from funnelsim.forecasting.seek import Search
    from funnelsim.forecasting.track import Track
    from funnelsim.simulation.record import Run
    from funnelsim.simulation.run import Replications

BY = ("channel", "segment", "owner", "team", "period")  # what measures are told side by side of
MOST_PAST = 60  # periods of entry that are told apart: fifteen years of quarters
A_DAY = pd.Timestamp("2000-01-01")  # any day will do to see whether periods can be counted from it
DAYS_BY_THE_HOUR = 30  # of a web shop's life: a hundred thousand leads, as many as a year of others
YEAR = 365  # days of a stated funnel's life that are looked at where it is to be checked


@dataclass(frozen=True)
class Check:
    """What was read, what happened, and how far a forecast from it can be trusted.

    Args:
        history: what was read; of a stated funnel, a year of simulated lives.
        model: fitted to it.
        deals: its open pipeline.
        spend: columns channel and spend, money over the whole record; costs and ROI are told with it.
        target: money still to be won; coverage is told with it.
        horizon: days after entering within which something must happen to count.
    """

    history: History
    model: Model
    deals: OpenDeals
    spend: pd.DataFrame | None = None
    target: float | None = None
    horizon: float = HORIZON

    @cached_property
    def trust(self) -> Trust:
        """What the history says for and against the model that was fitted to it."""
        from funnelsim.calibration.trust import trust_of

        return trust_of(self.history, self.model)

    @cached_property
    def quality(self) -> pd.DataFrame:
        """Rows read, used, set aside and why."""
        return quality_table(self.history)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """The measures of marketing and sales: metric, scope, value, unit, low, high, leads, note."""
        return metrics(self.history, self.horizon, self.spend, self.target)

    def metrics_by(
        self, by: str, spend: str | Path | pd.DataFrame | None = None, period: str = "quarter"
    ) -> pd.DataFrame:
        """Return the measures of each channel, segment, owner, team or period of entry, side by side.

        Args:
            by: "channel", "segment", "owner", "team" or "period".
            spend: channel, start, spend, and clicks or visits where they are counted; for channels.
            period: kind of period, where they are compared.

        Raises:
            FunnelError: another word, no such column in the history, or no teams in its mapping.
        """
        from funnelsim.history.metrics import metrics_by, metrics_by_team

        check_word("by", by, list(BY))
        if by == "team":
            return metrics_by_team(self.history, self.horizon)
        if spend is not None and by != "channel":
            raise FunnelError(f"spend: is stated by channel, not by {by}; ask by channel")
        table = metrics_by(self.history, self._part(by, period), self.horizon, spend_table(spend))
        return table.sort_values("part", ignore_index=True) if by == "period" else table

    def _part(self, by: str, period: str) -> pd.Series:
        """Return the part that each lead belongs to."""
        leads = self.history.leads
        if by != "period":
            if by not in leads.columns:
                raise FunnelError(f"by {by}: the history has no {by}; name its column in the mapping")
            return leads[by]
        came = first_moments(self.history)
        spans = past_periods(self.history.until, period, MOST_PAST, self.history.period_start)
        spans += periods_from(self.history.until, period, 1, self.history.period_start)
        starts = np.array([one.start for one in spans], dtype="datetime64[ns]")
        place = np.searchsorted(starts, came.to_numpy(dtype="datetime64[ns]"), side="right")
        return pd.Series([spans[max(n - 1, 0)].label for n in place], index=came.index)

    @cached_property
    def findings(self) -> tuple[str, ...]:
        """What to know before trusting a forecast, a sentence each."""
        from funnelsim.calibration.trust import findings

        return findings(self.trust, self.deals)

    @cached_property
    def incidence(self) -> pd.DataFrame:
        """Share that left each stage by each exit against days, fitted and counted."""
        from funnelsim.calibration.trust import incidence_frame

        return incidence_frame(self.trust)

    @cached_property
    def dwell(self) -> pd.DataFrame:
        """Days by which 10, 25, 50, 75 and 90 % of leads have left each stage."""
        from funnelsim.calibration.trust import dwell_times

        return dwell_times(self.trust)

    @cached_property
    def conversion(self) -> pd.DataFrame:
        """Of the leads that enter each stage, those that go on within the horizon."""
        return conversion_table(self.metrics, self.history.stages, self.horizon)

    @cached_property
    def open(self) -> pd.DataFrame:
        """Open leads in the order of their stages: lead, stage, age, value, zombie."""
        leads = open_leads(self.history)
        order = leads["stage"].map({stage: i for i, stage in enumerate(self.history.waits)})
        return leads.iloc[order.argsort(kind="stable")].reset_index(drop=True)

    @cached_property
    def winners(self) -> pd.DataFrame:
        """The ages at which later winners had left each stage."""
        from funnelsim.calibration.trust import winner_ages

        return winner_ages(self.trust)

    @cached_property
    def intake(self) -> pd.DataFrame:
        """Leads per block of days, past and to come, with level and season; no rows of a short record."""
        from funnelsim.calibration.intake import intake_blocks

        return intake_blocks(spells(self.history), (self.history.began - self.history.until) / DAY)

    @property
    def currency(self) -> str:
        """Three letters, or nothing where no currency is stated."""
        return self.history.currency

    def __str__(self) -> str:
        quality = self.history.quality
        return (
            f"{len(self.history.leads):,} leads, {len(self.deals):,} of them open; "
            f"{quality.used:,} of {quality.read:,} rows used. {len(self.findings)} things to know."
        )

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(str(self), self.quality)


def check(
    what: Anything,
    *,
    horizon: float = HORIZON,
    spend: str | Path | pd.DataFrame | None = None,
    target: float | str | None = None,
    **reading: Unpack[ReadOptions],
) -> Check:
    """Return what was read, what happened, and how far to trust it; of a stated funnel, of a simulated year.

    Args:
        what: a path, URL, table, history, situation, or a stated funnel.
        horizon: days after entering within which something must happen to count.
        spend: channel and spend over the whole record: costs and ROI of channels are then told.
        target: money still to be won, as a number or as "2.5M": coverage is then told.
        **reading: mapping, as_of, source, query, anonymise.

    Raises:
        FunnelError: it cannot be read or understood, or an option is wrong.

    >>> measures = check("flywheel", target="1M").metrics.set_index("metric")["value"]
    >>> bool(measures["pipeline coverage"] == measures["open pipeline"] / 1e6)
    True
    """
    from funnelsim.calibration.calibrate import fit_model, open_pipeline

    if not horizon > 0:
        raise FunnelError(f"horizon {horizon}: expected a number of days above 0")
    wanted = amounts_wanted(target)
    if list(wanted) not in ([], [""]):
        raise FunnelError(f"target {target}: expected one amount, the money still to be won")
    asked = (spend_table(spend), wanted.get(""), horizon)
    model = _stated(what, reading)
    if isinstance(what, Situation) and what.history is not None:
        return Check(what.history, what.model, what.deals, *asked)
    history = history_of(what, **reading) if model is None else simulate(model).history
    fitted = fit_model(history)
    return Check(history, fitted, open_pipeline(history, fitted), *asked)


def calibrate(
    what: Anything,
    *,
    spend: str | Path | pd.DataFrame | None = None,
    large: bool = False,
    dask: str | None = None,
    **reading: Unpack[ReadOptions],
) -> Model:
    """Return the model fitted to a history; a stated funnel is a model already.

    Args:
        what: a path, URL, table, history, situation, or a stated funnel.
        spend: channel, start, spend: a file or a table.
        large, dask: as in `forecast`.
        **reading: mapping, as_of, source, query, anonymise.

    Raises:
        FunnelError: it cannot be read, or no lead ever visited a stage.
    """
    from funnelsim.calibration.calibrate import fit_model

    model = what.model if isinstance(what, Situation) and what.facts else _stated(what, reading)
    if model is not None:
        return model
    if not isinstance(what, Situation) and read_by_parts(what, large, dask):
        return situation(what, spend=spend, large=large, dask=dask, **reading).model
    return fit_model(history_of(what, **reading), spend=spend_table(spend))


def forecast(
    what: Anything,
    *,
    period: str | None = None,
    periods: int | None = None,
    until: str | datetime.date | None = None,
    spend: str | Path | pd.DataFrame | None = None,
    scenario: WhatIf | None = None,
    what_if: str | Sequence[str] = (),
    target: Targets | None = None,
    targets: str | Path | pd.DataFrame | None = None,
    draws: int = 200,
    seed: int = 1,
    engine: str | None = None,
    by: str | None = None,
    own_record: bool = False,
    progress: bool = False,
    model: str | Path | Model | None = None,
    teams: str | Path | None = None,
    large: bool = False,
    dask: str | None = None,
    cache: bool = False,
    record: str | Path | None = None,
    **reading: Unpack[ReadOptions],
) -> Forecast:
    """Forecast revenue and wins from open deals and from leads that do not exist yet.

    Of a history that is too thin, or where nothing is won, `silent` says why, and the numbers are nan (see
    `unanswerable`).

    Args:
        what: a path, URL, table, history, situation, or a stated funnel.
        period: "week", "month", "quarter" (the default), "half" or "year".
        periods: how many, 2 by default; the first holds the as-of date.
        until: instead, the last day, as in 2026-11-15, 2026-12 or 2026Q4; the last period may be cut there.
        spend: channel, start, spend: leads then answer to money.
        scenario: levers to pull: a file, a name in `scenarios/`, or words.
        what_if: levers to pull, in words such as "price +5%; days Qualified -20%"; several together.
        target: money wanted in each period, as a number or as "2.5M"; or by name of the period and of the
            total, as "2026Q3=2.5M, total=6M" or a mapping.
        targets: of parts of the business: a table, or its file, of group, period, target; `by` says of what.
        draws: posterior draws of the rates (replications when simulated).
        seed: same seed, same numbers.
        engine: "exact", "compiled" or "simpy"; by default exact where it fits.
        by: "segment", "channel", "owner" or "stage": expected revenue also by these, in `parts`.
        own_record: whether intervals are as wide as the last eight forecasts needed; seconds more.
        progress: whether to show a bar.
        model: fitted before, as `calibrate` returns or the terminal writes it; only open leads are read then.
        teams: a YAML file of pools of reps and the stages that need them: leads then wait for reps.
        large: whether a file is read in parts; so it is where it is too large to be held.
        dask: address of a Dask cluster whose workers read and count the parts.
        cache: whether what is made of files is kept in the user's cache folder, and taken from there.
        record: a file, or the URL of a data base, in which the forecast is kept, for `bridge` and `record`.
        **reading: mapping, as_of, source, query, anonymise.

    Raises:
        FunnelError: it cannot be read, or an option is wrong.

    >>> str(forecast("ecommerce", period="month", periods=1, draws=20)).split(":")[0]
    '2026-01'
    """
    from funnelsim.forecasting.forecast import (
        Forecast,
        forecast_periods,
        handover_words,
        silenced,
        with_names,
    )
    from funnelsim.forecasting.kept import find_noun, keep_noun, print_of

    refuse_words(
        period=period, periods=periods, until=until, engine=engine, by=by, target=target, draws=draws,
        seed=seed, scenario=scenario, what_if=what_if, record=record,
    )  # fmt: skip
    if targets is not None and by is None:
        raise FunnelError("targets: say by 'by' whether groups are segments, channels, owners or stages")
    wanted = _goals(targets)
    place = situation(
        what, period=period, periods=periods, until=until, spend=spend, scenario=scenario, what_if=what_if,
        model=model, teams=teams, large=large, dask=dask, cache=cache, **reading,
    )  # fmt: skip
    if by is not None and place.facts is not None:
        raise FunnelError(f"by {by}: of a history that was read in parts only the sums are known")
    same = print_of(place.model) if place.key else ""
    about = ("forecast", same, place.periods, draws, seed, engine, target)
    made = find_noun(Forecast, place.key, *about)
    if made is None:
        made = forecast_periods(
            place.model, place.deals, place.periods, booked=place.booked, draws=draws, seed=seed,
            engine=engine, target=target, whole=True, progress=progress,
        )  # fmt: skip
        keep_noun(made, place.key, *about)
    reasons = unanswerable(place)
    if reasons and not place.model.funnel.earns:
        reasons += handover_words(place.model, place.deals, place.periods)
    if place.history is not None:
        by_date = place.model.due is not None
        due = pd.Series(place.deals.due, index=place.deals.name) if by_date else None
        made = replace(made, deals=with_names(made.deals, open_leads(place.history), due))
    made = silenced(made, reasons) if reasons else made
    if own_record:
        from funnelsim.forecasting.backtest import by_own_record

        made = by_own_record(made, history_of(place), place.kind, seed=seed, progress=progress)
    parts = goals = None
    if by is not None and not made.silent:
        from funnelsim.forecasting.split import goal_chances, revenue_by

        parts = revenue_by(place, made, by)
        if wanted is not None:
            goals = goal_chances(place, made, by, wanted, draws=draws, seed=seed)
    asked = tuple(note for note in place.model.notes if note.startswith(ASKED))
    made = replace(made, past=place.past, parts=parts, goals=goals, notes=(*asked, *made.notes))
    if record is not None:
        from funnelsim.forecasting.ledger import keep

        keep(record, place, made, draws=draws, seed=seed)
    return made


def compare(
    what: Anything,
    scenarios: WhatIf | Sequence[WhatIf],
    *,
    period: str | None = None,
    periods: int | None = None,
    until: str | datetime.date | None = None,
    spend: str | Path | pd.DataFrame | None = None,
    target: Targets | None = None,
    draws: int = 200,
    seed: int = 1,
    engine: str | None = None,
    progress: bool = False,
    quantiles: bool = True,
    model: str | Path | Model | None = None,
    teams: str | Path | None = None,
    large: bool = False,
    dask: str | None = None,
    cache: bool = False,
    keep: str | None = None,
    record: str | Path | None = None,
    **reading: Unpack[ReadOptions],
) -> Comparison:
    """Compare scenarios with the present plan: same state, same luck, same posterior draws.

    Args:
        what: a path, URL, table, history, situation, or a stated funnel.
        scenarios: one or several: files with levers, names in `scenarios/`, or words such as "price +5%".
        period, periods, until, spend, target, draws, seed, engine, progress, model, teams, large, dask: as in
            `forecast`.
        quantiles: whether the quantiles of each plan's revenue are wanted; they take as long as all the rest.
        cache: as in `forecast`.
        keep: name of the scenario that was decided; what it promises is kept in `record`, to be held against
            what comes, beside the forecast without it.
        record: a file, or the URL of a data base.
        **reading: mapping, as_of, source, query, anonymise.

    Raises:
        FunnelError: no scenario, one that cannot be read, or a history too thin for numbers.
    """
    from funnelsim.forecasting.compare import compared, scenario_names

    asked = [scenarios] if isinstance(scenarios, str | Path | Scenario) else scenarios
    if not asked:
        raise FunnelError("compare: name at least one scenario to compare with the present plan")
    refuse_words(
        period=period, periods=periods, until=until, engine=engine, target=target, draws=draws, seed=seed,
        scenarios=asked, record=record,
    )  # fmt: skip
    if (keep is None) != (record is None):
        raise FunnelError("compare: `keep` names the plan that was decided, `record` says where; give both")
    if keep is not None:
        check_word("keep", keep, list(scenario_names(asked)))
    place = situation(
        what,
        period=period,
        periods=periods,
        until=until,
        spend=spend,
        model=model,
        teams=teams,
        large=large,
        dask=dask,
        cache=cache,
        **reading,
    )
    refuse_thin(place)
    plans = {name: scenario_of(one, place.model) for name, one in scenario_names(asked).items()}
    result = compared(
        place, plans, draws=draws, seed=seed, engine=engine, target=target, progress=progress,
        quantiles=quantiles,
    )  # fmt: skip
    if keep is not None and record is not None:
        from funnelsim.forecasting.ledger import keep as put

        for name, one in (("", place), (keep, under(place, plans[keep]))):
            said = forecast(one, draws=draws, seed=seed, engine=engine, target=target)
            put(
                record,
                one,
                said,
                draws=draws,
                seed=seed,
                plan=name,
                says=plans[keep].sentence if name else "",
            )
    return result


@overload
def simulate(
    what: Anything, days: float | None = ..., *, seed: int = ..., replicate: int = ..., engine: str = ...,
    scenario: WhatIf | None = ..., what_if: str | Sequence[str] = ..., reps: Sequence[str] = ...,
    replications: None = ..., precision: float = ..., workers: int = ..., progress: bool = ...,
    cache: bool = ..., **reading: Unpack[ReadOptions],
) -> Run: ...  # fmt: skip


@overload
def simulate(
    what: Anything, days: float | None = ..., *, seed: int = ..., replicate: int = ..., engine: str = ...,
    scenario: WhatIf | None = ..., what_if: str | Sequence[str] = ..., reps: Sequence[str] = ...,
    replications: int | str, precision: float = ..., workers: int = ..., progress: bool = ...,
    cache: bool = ..., **reading: Unpack[ReadOptions],
) -> Replications: ...  # fmt: skip


def simulate(
    what: Anything,
    days: float | None = None,
    *,
    seed: int = 1,
    replicate: int = 0,
    engine: str = "compiled",
    scenario: WhatIf | None = None,
    what_if: str | Sequence[str] = (),
    reps: Sequence[str] = (),
    replications: int | str | None = None,
    precision: float = 0.01,
    workers: int = 1,
    progress: bool = False,
    cache: bool = False,
    **reading: Unpack[ReadOptions],
) -> Run | Replications:
    """Simulate the lives of all leads, open and not yet born, for so many days: once, or many times.

    One life of all leads gives a log that is itself a history; many give what is booked and how far luck
    moves it, at the model's own rates.

    Args:
        what: a stated funnel, or a path, URL, table, history or situation, whose open leads live on.
        days: how long; a year by default, 30 days where the funnel's unit is shorter than a day.
        seed: same seed, same lives, in every engine.
        replicate: another number gives other, independent lives.
        engine: "compiled" or "simpy".
        scenario, what_if: levers to pull, as in `forecast`.
        reps: other sizes of pools, such as "sales=12".
        replications: how many times; "auto": until the revenue's mean and quantiles are known well enough.
        precision: for "auto": half-width of their 95 % intervals, as a share of the mean.
        workers: processes, for many times.
        progress: whether to show a bar, for many times.
        cache: as in `forecast`.
        **reading: mapping, as_of, source, query, anonymise.

    Raises:
        FunnelError: it cannot be read, or an option is wrong.

    >>> run = simulate("sales_funnel_5", days=30)
    >>> set(run.log["stage"]) <= set(run.model.funnel.places)
    True
    >>> len(simulate("sales_funnel_5", days=30, replications=8))
    8
    """
    from funnelsim.simulation.run import check_replications, run_model
    from funnelsim.simulation.run import replicate as many

    refuse_words(scenario=scenario, what_if=what_if)
    if replications is not None:
        check_replications(replications, workers, precision)
    place = situation(what, scenario=scenario, what_if=what_if, cache=cache, **reading)
    model = with_sizes(place.model, reps)
    days = _usual_days(model) if days is None else days
    if replications is None:
        return run_model(model, days, seed=seed, replicate=replicate, open_deals=place.deals, engine=engine)
    return many(
        model, [0.0, days], open_deals=place.deals, replications=replications, seed=seed, engine=engine,
        workers=workers, precision=precision, progress=progress,
    )  # fmt: skip


def backtest(
    what: Anything,
    *,
    period: str = "month",
    periods: int = 1,
    start: str | None = None,
    every: int = 1,
    draws: int = 60,
    seed: int = 1,
    workers: int = 2,
    progress: bool = False,
    model: str | Path | Model | None = None,
    **reading: Unpack[ReadOptions],
) -> Record:
    """Forecast from past dates with what was known then, and score what was said.

    Args:
        what: a path, URL, table, history, or a situation with a history; a stated funnel has no past.
        period: "week", "month", "quarter", "half" or "year".
        periods: how many ahead of each past date.
        start: first past date to forecast from; by default after the first third, 24 dates at most.
        every: forecast from every n-th period start.
        draws: posterior draws of each forecast.
        seed: same seed, same numbers.
        workers: processes.
        progress: whether to show a bar.
        model: refused, whatever it is: it would know the future of every past date.
        **reading: mapping, as_of, source, query, anonymise.

    Raises:
        FunnelError: a model, a stated funnel, or a history with too few whole periods or wins.
    """
    from funnelsim.forecasting.backtest import check_pace, replay

    refuse_words(period=period, periods=periods, draws=draws, seed=seed)
    check_pace(every, workers)
    if model is not None:
        raise FunnelError(
            "model: fitted to the whole history it knows the future of every past date; leave it out, and "
            "backtest counts again at each"
        )
    stated = _stated(what, reading)
    if stated is not None:
        raise FunnelError(
            f"{stated.funnel.name} is a stated funnel: it has no past that forecasts could be held against"
        )
    return replay(
        history_of(what, **reading), period=period, count=periods, start=start, every=every, draws=draws,
        seed=seed, workers=workers, progress=progress,
    )  # fmt: skip


def budget(
    what: Anything,
    *,
    spend: str | Path | pd.DataFrame | None = None,
    total: float | None = None,
    extra: float | None = None,
    least: Mapping[str, float] | None = None,
    most: Mapping[str, float] | None = None,
    period: str | None = None,
    periods: int | None = None,
    at_least: float = 0.7,
    at_most: float = 1.3,
    curve: str = "power",
    aim: str = "mean",
    target: float | None = None,
    draws: int = 200,
    seed: int = 1,
    cache: bool = False,
    **reading: Unpack[ReadOptions],
) -> Plan:
    """Return where the next euro should go, and how a budget is best split among the channels.

    Args:
        what: a path, URL, table, history, situation, or a stated funnel whose channels cost money.
        spend: channel, start, spend: what was spent; a stated funnel says it itself.
        total: money to split over one period; what is spent now if not given.
        extra: instead, money on top of what is spent now, which each channel keeps.
        least, most: channel -> money over one period: what contracts bind, and what it can take.
        period: spent over a week, month or quarter (the default).
        periods: in how many of these periods revenue counts, 4 by default.
        at_least, at_most: bounds of each channel, in parts of its spend now.
        curve: "power" or "saturation".
        aim: what the split is best for: "mean", "target" (the chance to reach it), or "worst" (the mean of
            the worst fifth of the draws, CVaR).
        target: revenue of the leads of these channels that is wanted.
        draws: posterior draws.
        seed: same seed, same numbers.
        cache: as in `forecast`.
        **reading: mapping, as_of, source, query, anonymise.

    Raises:
        FunnelError: nothing is known of spend, or a history too thin for numbers.
    """
    from funnelsim.forecasting.budget import best_budget, check_aim, check_extra

    refuse_words(period=period, periods=periods, curve=curve, draws=draws, seed=seed)
    check_extra(total, extra)
    check_aim(aim, target)
    count = periods if periods is not None or isinstance(what, Situation) else 4
    place = situation(what, period=period, periods=count, spend=spend, cache=cache, **reading)
    refuse_thin(place)
    return best_budget(
        place, total=total, extra=extra, least=least, most=most, per=place.kind, bounds=(at_least, at_most),
        curve=curve, aim=aim, target=target, draws=draws, seed=seed,
    )  # fmt: skip


def seek(
    what: Anything,
    target: float | str,
    *,
    until: str | datetime.date | None = None,
    chance: float = 0.8,
    costs: Mapping[str, float] | None = None,
    period: str | None = None,
    periods: int | None = None,
    spend: str | Path | pd.DataFrame | None = None,
    draws: int = 60,
    seed: int = 1,
    progress: bool = False,
    model: str | Path | Model | None = None,
    cache: bool = False,
    **reading: Unpack[ReadOptions],
) -> Search:
    """Return what must change to reach a target with a chance, and the deals on which it hangs.

    Args:
        what: a path, URL, table, history, situation, or a stated funnel.
        target: money wanted in all periods together: 6e6, or "6M".
        until: the last day, as in 2026-12-31; instead of it, a number of periods.
        chance: with which the target is wanted.
        costs: lever -> money for each per cent of change (for reps: each rep), for the cheapest mix.
        period, periods, spend, model: as in `forecast`.
        draws: posterior draws in each trial.
        seed: same seed, same numbers.
        progress: whether to show a bar.
        cache: as in `forecast`.
        **reading: mapping, as_of, source, query, anonymise.

    Raises:
        FunnelError: a wrong option, an unknown lever, or a history too thin for numbers.

    >>> found = seek("sales_funnel_5", 1e6, until="2026-03-31", draws=1)
    >>> str(found).rpartition(". ")[2]
    'Nothing must change.'
    """
    from funnelsim.forecasting.seek import check_wish, find_ways

    refuse_words(period=period, periods=periods, until=until, target=target, draws=draws, seed=seed)
    wanted = amounts_wanted(target)
    if list(wanted) != [""]:
        raise FunnelError(f"target {target}: expected one amount, of all periods together")
    check_wish(wanted[""], chance)
    place = situation(
        what, period=period, periods=periods, until=until, spend=spend, model=model, cache=cache, **reading
    )
    refuse_thin(place)
    return find_ways(place, wanted[""], chance=chance, costs=costs, draws=draws, seed=seed, progress=progress)


def bridge(
    what: Anything,
    *,
    since: str | datetime.date | pd.Timestamp | None = None,
    than: str | None = None,
    record: str | Path | None = None,
    period: str | None = None,
    periods: int | None = None,
    until: str | datetime.date | None = None,
    draws: int = 200,
    seed: int = 1,
    model: str | Path | Model | None = None,
    cache: bool = False,
    **reading: Unpack[ReadOptions],
) -> Bridge:
    """Return what changed since the last forecast, or why a period is lower than a past one, part by part.

    Args:
        what: a path, URL, table, history, or a situation with a history.
        since: a day: without a record the forecast is made as the history was known at its end; with one the
            last that was kept until then.
        than: instead, a past period such as "2025 Q3", or "last year".
        record: a file, or the URL of a data base, in which forecasts are kept.
        period, periods, until, draws, seed, model, cache: as in `forecast`.
        **reading: mapping, as_of, source, query, anonymise.

    Raises:
        FunnelError: neither is given, nothing earlier is kept, or a history too thin for numbers.
    """
    refuse_words(period=period, periods=periods, until=until, draws=draws, seed=seed, record=record)
    if (since is None and record is None and than is None) or (than is not None and since is not None):
        raise FunnelError("bridge: say from where: a `record`, a day as `since`, or a past period as `than`")
    moment = None if since is None else as_of_moment(since)
    place = situation(what, period=period, periods=periods, until=until, model=model, cache=cache, **reading)
    refuse_thin(place)
    now = forecast(place, draws=draws, seed=seed)
    if than is not None:
        from funnelsim.forecasting.cohorts import bridge_from_period

        return bridge_from_period(place, now, than)
    return bridge_to(place, now, moment, record, draws=draws, seed=seed)


def bridge_to(
    place: Situation,
    now: Forecast,
    moment: pd.Timestamp | None,
    record: str | Path | None,
    *,
    draws: int,
    seed: int,
) -> Bridge:
    """Return what changed until a forecast, as `bridge` does: from the last kept one, or from that of a day.

    Args:
        place, now: where the company stands, and its forecast with these draws and this seed.
        moment: the end of the day from which; the last kept forecast by default.
        record: as in `bridge`; it or a moment is given.
        draws, seed: of both forecasts.

    Raises:
        FunnelError: nothing earlier is kept, or a history too thin for numbers.
    """
    from funnelsim.forecasting.bridge import as_kept, bridge_between, earlier_place
    from funnelsim.forecasting.ledger import last_kept

    then = None if record is None else last_kept(record, place, since=moment)
    if then is None and moment is None:
        day = f"{place.model.as_of - INSTANT:%Y-%m-%d}"
        raise FunnelError(
            f"bridge: no forecast of {place.name} from before {day} is kept there; say --since DAY"
        )
    if then is None and moment is not None:
        last = (place.periods[-1].end - INSTANT).date()

        def fit(known: History) -> Situation:
            return situation(known, period=place.kind, until=last)

        before = earlier_place(place, moment, fit)
        refuse_thin(before)
        then = as_kept(before, forecast(before, draws=draws, seed=seed), draws, seed)
    assert then is not None  # noqa: S101 - one of the two made it
    return bridge_between(then, place, now, draws=draws, seed=seed)


def record(
    address: str | Path,
    *,
    company: str | None = None,
    period: str | None = None,
    commits: str | Path | pd.DataFrame | None = None,
    overrides: str | Path | pd.DataFrame | None = None,
) -> Track:
    """Return what was said in the record against what came: ours, simpler ways, people, plans, overrides.

    Args:
        address: a file, or the URL of a data base, in which `forecast` kept what it said.
        company: name of the history, where several are kept.
        period: kind of period; that of most kept forecasts by default.
        commits: what people said, added to the record: a table, or its file, of who, when, period, amount.
        overrides: chances of single deals that people set, kept apart: a table, or its file, of lead, who,
            when, period, chance, reason.

    Raises:
        FunnelError: nothing is kept there, or a table that cannot be read.
    """
    from funnelsim.forecasting.track import track_of

    refuse_words(period=period, record=address)
    return track_of(address, company=company, kind=period, commits=commits, overrides=overrides)


def live(
    what: Anything,
    *,
    period: str | None = None,
    periods: int | None = None,
    until: str | datetime.date | None = None,
    spend: str | Path | pd.DataFrame | None = None,
    target: float | str | None = None,
    draws: int = 200,
    seed: int = 1,
    language: str = "en",
    model: str | Path | Model | None = None,
    cache: bool = False,
    **reading: Unpack[ReadOptions],
) -> Live:
    """Return a page that keeps answering without Python while odds, days, leads, spend and price are moved.

    Its numbers are those of `forecast`, and under changes those of `compare`. A model that its engine does
    not know (reps, referrals, expected dates ...) gets a page that stands still and says why. Among the
    cells of JupyterLab it is a widget, and `plan` of what is returned says in words what was moved there.

    Args:
        what: a path, URL, table, history, situation, or a stated funnel.
        period, periods, until, draws, seed, model, cache: as in `forecast`.
        spend: channel, start, spend: a file or a table; what is spent on a channel can then be moved too.
        target: money wanted in each period, as a number or as "2.5M".
        language: of the page's words: "en" or "zh".
        **reading: mapping, as_of, source, query, anonymise.

    Raises:
        FunnelError: it cannot be read, an option is wrong, or a history too thin for numbers.

    >>> live("ecommerce", period="month", periods=1, draws=20).why
    ''
    """
    from funnelsim.forecasting.live import live_page
    from funnelsim.show.live import live_words

    refuse_words(period=period, periods=periods, until=until, target=target, draws=draws, seed=seed)
    wanted = amounts_wanted(target)
    if list(wanted) not in ([], [""]):
        raise FunnelError(f"target {target}: the page moves one amount, wanted in each period, such as 2.5M")
    live_words(language)
    place = situation(
        what,
        period=period,
        periods=periods,
        until=until,
        spend=spend,
        model=model,
        cache=cache,
        **reading,
    )
    return live_page(place, target=wanted.get(""), draws=draws, seed=seed, language=language)


def health(
    what: Anything | Run,
    *,
    period: str | None = None,
    periods: int | None = None,
    until: str | datetime.date | None = None,
    spend: str | Path | pd.DataFrame | None = None,
    target: Targets | None = None,
    days: float | None = None,
    draws: int = 200,
    seed: int = 1,
    progress: bool = False,
    model: str | Path | Model | None = None,
    cache: bool = False,
    **reading: Unpack[ReadOptions],
) -> Health:
    """Return what is going on: alerts, deals to worry about, concentration, bottlenecks, people.

    Args:
        what: a path, URL, table, history or situation; a stated funnel, which lives for some days and is held
            against what was stated, or a run of one.
        period, periods, until, spend, draws, seed, progress, model, cache: as in `forecast`.
        target: as in `forecast`; money at stake is told of the first period, or of the total where it alone
            has a target.
        days: of a stated funnel's life; a year, or 30 days where it lives by the hour.
        **reading: mapping, as_of, source, query, anonymise.

    Raises:
        FunnelError: it cannot be read, or an option is wrong.

    >>> health("lead_funnel", days=90, draws=1).span
    '2026 Q2'
    """
    from funnelsim.forecasting.health import look
    from funnelsim.forecasting.situation import after_run
    from funnelsim.simulation.record import Run

    refuse_words(period=period, periods=periods, until=until, target=target, draws=draws, seed=seed)
    if not isinstance(what, Run):
        stated = _stated(what, reading)
        if stated is not None:
            what = simulate(stated, days, seed=seed)
    if isinstance(what, Run):
        place = after_run(what, period or "quarter", reach_of(periods, until) or 2)
    else:
        place = situation(
            what, period=period, periods=periods, until=until, spend=spend, model=model, cache=cache,
            **reading,
        )  # fmt: skip
    made = forecast(place, target=target, draws=draws, seed=seed, progress=progress)
    return look(place, made, draws=draws, seed=seed)


def _usual_days(model: Model) -> int:
    """Return the days of a funnel's life that are looked at unless a user says otherwise."""
    return YEAR if model.funnel.step >= 1 else DAYS_BY_THE_HOUR


def _goals(targets: str | Path | pd.DataFrame | None) -> pd.DataFrame | None:
    """Return targets of parts of the business as a table, whether they come as one or as a file."""
    if not isinstance(targets, str | Path):
        return targets
    from funnelsim.forecasting.split import read_goals

    return read_goals(targets)


def conversion_table(measures: pd.DataFrame, stages: Sequence[str], horizon: float = HORIZON) -> pd.DataFrame:
    """Return, of the leads that enter each stage, those that go on in time; no row if none is known.

    Going on is reaching a later stage of the way, or winning: who skips a stage has not stayed behind.

    Args:
        measures: see `metrics`, within the horizon.
        stages: names of the stages.
        horizon: days.

    Returns:
        stage, entered, reached, share, horizon (days).
    """
    rows = measures[(measures["metric"] == "conversion") & measures["scope"].isin(list(stages))]
    frame = pd.DataFrame({"stage": rows["scope"], "entered": rows["leads"], "share": rows["value"]})
    frame["reached"], frame["horizon"] = frame["share"] * frame["entered"], horizon
    return frame.reset_index(drop=True) if frame["share"].notna().any() else frame.iloc[:0]


def refuse_words(
    *,
    period: str | None = None,
    periods: int | None = None,
    until: str | datetime.date | None = None,
    engine: str | None = None,
    by: str | None = None,
    curve: str | None = None,
    scenarios: Sequence[WhatIf] = (),
    scenario: WhatIf | None = None,
    what_if: str | Sequence[str] = (),
    target: Targets | None = None,
    draws: int = 1,
    seed: int = 1,
    record: str | Path | None = None,
) -> None:
    """Refuse wrong words before anything is read or fitted: seconds of work are not spent on a typo.

    Raises:
        FunnelError: one of them is unknown, out of range, or a scenario is misspelt.
    """
    from funnelsim.forecasting.forecast import ENGINES, check_luck

    reach_of(periods, until)
    periods_from(A_DAY, period or "quarter", periods or 1)
    if isinstance(until, str):
        check_span("until", until)
    if engine is not None:
        check_word("engine", engine, ENGINES)
    if by is not None:
        from funnelsim.forecasting.split import check_column

        check_column(by)
    if curve is not None:
        from funnelsim.forecasting.budget import CURVES

        check_word("curve", curve, CURVES)
    amounts_wanted(target)
    check_luck(draws, seed)
    if record is not None:
        from funnelsim.forecasting.ledger import check_record

        check_record(record)
    for one in scenarios if scenario is None else (*scenarios, scenario):
        check_question(one)
    for words in [what_if] if isinstance(what_if, str) else what_if:
        check_words(words)


def _stated(what: Anything, reading: ReadOptions) -> Model | None:
    """Return the model of a stated funnel, whether given by name, as a model, or as a situation."""
    if isinstance(what, Situation):
        return what.model if what.history is None and what.facts is None else None
    return stated_model(what, **reading)
