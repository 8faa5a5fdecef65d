"""What a planner should know before trusting a forecast: frames to draw, and findings in plain sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.calibrate.batches import batch_sentences
from funnelsim.calibrate.evidence import Record, observed_expected, past_visits, previous_dwell, record_of
from funnelsim.calibrate.incidence import incidence
from funnelsim.calibrate.posterior import effective_exposure
from funnelsim.calibrate.punctual import DATES
from funnelsim.history.incidence import NORMAL_95, Cohort, aalen_johansen
from funnelsim.history.log import History, open_leads
from funnelsim.model.model import Model, OpenDeals

Floats = NDArray[np.float64]

SHARES = (0.10, 0.25, 0.50, 0.75, 0.90)
THIN = 20
POINTS = 200
FAR = 0.995
FEW_VISITS = 30
NOTABLE_RATIO = 0.15
NOTABLE_Z = 3.0
NOTABLE_P = 0.01
NOTABLE_GAP = 0.05
EDGE = 1e-9
MOST_NAMED = 3
ATTRIBUTES = ("channel", "segment", "owner", "value", "expected_close")


def fitted_incidence(record: Record) -> pd.DataFrame:
    """Return, per stage and exit, the share that has left by each day: fitted, and as counted.

    Groups are pooled: at each age the fitted rate is the mean over the groups' leads at risk there.

    Returns:
        stage, exit, days, fitted, observed (Aalen-Johansen), low, high (its 95 % band); up to the age by
        which all but a few of the visits are over. Bin edges are among the days, and nothing lies within
        the first bin: rates do not tell when on the first day leads move.
    """
    days = effective_exposure(record.counts)
    share = days / np.maximum(days.sum(axis=0), 1e-12)
    pooled = (record.rate * share[:, :, None, :]).sum(axis=0)
    parts = []
    for number, stage in enumerate(record.funnel.stages):
        cohort = _cohort(record, number)
        if len(cohort.days) < 2:
            continue
        ages = _ages(record.counts.edges, float(np.quantile(cohort.days, FAR)))
        said = incidence(record.counts.edges, pooled[number], ages).left
        for taken, name in enumerate(record.funnel.exits[number]):
            counted = aalen_johansen(cohort, taken + 1)
            # A lead that leaves at the edge of a bin is counted in the bin that begins there.
            seen = np.array([counted.at(age - EDGE) for age in ages])
            parts.append(
                pd.DataFrame(
                    {"stage": stage, "exit": name, "days": ages, "fitted": said[taken]}
                    | dict(zip(("observed", "low", "high"), seen.T, strict=True))
                )
            )
    columns = ["stage", "exit", "days", "fitted", "observed", "low", "high"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def dwell_times(record: Record) -> pd.DataFrame:
    """Return, per stage, the days by which a tenth, a quarter, half ... of leads has left it, as counted.

    Returns:
        stage, leads, and "0.10", "0.25", "0.50", "0.75", "0.90" (nan where so many have never left).
    """
    rows = []
    for number, stage in enumerate(record.funnel.stages):
        cohort = _cohort(record, number)
        left = aalen_johansen(Cohort(cohort.days, np.minimum(cohort.cause, 1), cohort.since), 1)
        place = np.searchsorted(left.share, np.array(SHARES) - 1e-12)
        days = np.append(left.days, np.nan)[np.minimum(place, len(left.days))]
        rows.append((stage, len(cohort.days), *days))
    return pd.DataFrame(rows, columns=["stage", "leads", *(f"{share:.2f}" for share in SHARES)])


def winner_ages(history: History, record: Record) -> pd.DataFrame:
    """Return, per stage, the age by which half, and nine in ten, of later winners had moved on.

    Returns:
        stage, half, ninety (days), winners; stages that no winner passed are left out.
    """
    won = set(history.events.loc[history.events["stage"].isin(history.won).to_numpy(), "lead"])
    frame = record.frame.assign(days=record.visits.dwell)
    over = frame[frame["lead"].isin(won).to_numpy() & (frame["exit"] != "").to_numpy()]
    days = over.groupby("stage")["days"]
    table = pd.DataFrame({"half": days.quantile(0.5), "ninety": days.quantile(0.9), "winners": days.size()})
    order = [stage for stage in record.funnel.stages if stage in table.index]
    return table.loc[order].rename_axis("stage").reset_index()


def thin_share(record: Record, deals: OpenDeals, weight: Floats | None = None) -> float:
    """Return the share of open deals at ages that fewer than 20 past visits to their stage outlasted.

    Args:
        deals: the open pipeline.
        weight: (deals,) what each deal counts for, such as the money expected of it; all alike by default.

    Returns:
        A share of the weight; nan when there is none.
    """
    weights = np.ones(len(deals)) if weight is None else np.nan_to_num(weight)
    thin = past_visits(record, deals.stage, deals.age) < THIN
    return float(weights[thin].sum() / weights.sum()) if weights.sum() > 0 else np.nan


def findings(history: History, model: Model, deals: OpenDeals | None = None) -> tuple[str, ...]:
    """Return what this history can and cannot bear, in sentences: fit, drift, memory, thin ages, limits.

    Args:
        history: what the model was fitted to.
        model: fitted.
        deals: its open pipeline; without it nothing is said of the ages of open deals.

    Raises:
        FunnelError: the model was stated and not fitted.
    """
    record = record_of(history, model)
    return (
        *_fit(record),
        *_slices(record),
        *_memory(record),
        *batch_sentences(record),
        *(() if deals is None or not len(deals) else _thin(record, deals)),
        *_zombies(history),
        *(note for note in model.notes if note.startswith(DATES)),
        *history.limits,
        *_unknown(history),
    )


def _cohort(record: Record, stage: int) -> Cohort:
    here = record.visits.stage == stage
    visits = record.visits
    return Cohort(visits.dwell[here], visits.exit[here] + 1, visits.since[here])


def _ages(edges: Floats, last: float) -> Floats:
    """Return the days at which curves are compared: 0, the end of the first bin, and many up to the last."""
    first = float(edges[1]) if edges.size > 1 else 0.0
    many = np.linspace(0.0, max(last, first), POINTS)
    return np.unique(np.concatenate([[0.0], many[many >= first], edges[edges <= max(last, first)]]))


def _fit(record: Record) -> tuple[str, ...]:
    curves = fitted_incidence(record)
    visits = pd.Series(record.frame["stage"]).value_counts()
    at_edges = curves["days"].isin(record.counts.edges[1:]) | (record.counts.edges.size == 1)
    curves = curves[at_edges & (curves["stage"].map(visits) >= FEW_VISITS)]
    if curves.empty:
        return ("Fit: no stage was visited often enough to compare the rates with what was counted.",)
    gap = (curves["fitted"] - curves["observed"]).to_numpy()
    band = (curves["high"] - curves["low"]).to_numpy() / (2 * NORMAL_95)
    real = np.abs(gap) * (np.abs(gap) > 2 * band)
    worst = curves.iloc[int(np.argmax(real))] if real.any() else curves.iloc[int(np.argmax(np.abs(gap)))]
    size = 100 * abs(worst["fitted"] - worst["observed"])
    where = f"{worst['stage']} to {worst['exit']} at day {worst['days']:g}"
    if real.max() < NOTABLE_GAP:
        return (f"Fit: rates and counted shares agree within {size:.1f} points ({where}) or within luck.",)
    way = "more" if worst["fitted"] > worst["observed"] else "fewer"
    why = "rates follow recent leads, so the process has changed"
    return (f"Fit: the rates let {size:.0f} points {way} leads leave than were counted ({where}); {why}.",)


def _slices(record: Record) -> tuple[str, ...]:
    """Say in which segments, months, ages and cohorts wins ran clearly off the rates."""
    said = []
    kinds = {"segment": "in segment", "month": "in", "cohort": "of leads that came in", "age": "at an age of"}
    for by, words in kinds.items():
        table = observed_expected(record, by)
        off = (table["wins_z"].abs() > NOTABLE_Z) & ((table["wins_ratio"] - 1).abs() > NOTABLE_RATIO)
        found = table[off].sort_values("wins_z", key=np.abs, ascending=False)
        listed = [
            f"{words} {row[by]} {row['wins']:.0f} ({row['wins_expected']:.0f} expected)"
            for _, row in found.head(MOST_NAMED).iterrows()
        ]
        more = f", and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        if listed:
            said.append(f"Wins off the rates: {', '.join(listed)}{more}.")
    if not said:
        return ("Wins: as many as the rates expect, by segment, month, entry cohort and age.",)
    return tuple(said)


def _memory(record: Record) -> tuple[str, ...]:
    table = previous_dwell(record)
    stages = table.drop_duplicates("stage")
    clear = stages[stages["p"] < NOTABLE_P / max(len(stages), 1)]
    if stages.empty:
        return ()
    if clear.empty:
        tested = f"({len(stages)} stages tested)"
        return (f"Memory: how long the stage before took tells nothing clear about the next one {tested}.",)
    said = []
    for stage in clear["stage"]:
        here = table[table["stage"] == stage]
        wide = here.pivot_table(index="exit", columns="previous", values="ratio")
        taken = str((wide["fast"] - wide["slow"]).abs().idxmax())
        fast, slow = wide.loc[taken, ["fast", "slow"]]
        said.append(
            f"Memory: at {stage}, leads that came fast leave to {taken} {fast:.2f} times as often as "
            f"expected, slow ones {slow:.2f} times (p = {here['p'].iloc[0]:.1g}); the rates do not know it."
        )
    return tuple(said)


def _thin(record: Record, deals: OpenDeals) -> tuple[str, ...]:
    share, money = thin_share(record, deals), thin_share(record, deals, deals.value)
    if share == 0:
        return (f"Thin ages: none; at every open deal's age, {THIN} past leads or more went on.",)
    amount = f" and {money:.0%} of the amount shown" if np.isfinite(money) else ""
    ages = f"ages that fewer than {THIN} past leads outlasted"
    return (f"Thin ages: {share:.0%} of open deals{amount} are at {ages}; their chances rest on little.",)


def _zombies(history: History) -> tuple[str, ...]:
    leads = open_leads(history)
    old = int(leads["zombie"].sum())
    if not old:
        return ()
    return (f"Never closed: {old:,} of {len(leads):,} open leads are older than any visit that ever ended.",)


def _unknown(history: History) -> tuple[str, ...]:
    """Say what the export does not hold."""
    held = history.leads.columns[history.leads.notna().any().to_numpy()]
    missing = [name.replace("_", " ") for name in ATTRIBUTES if name not in held]
    said = []
    if missing:
        said.append(f"Not in the export: {', '.join(missing)}.")
    if history.lost and not history.events["stage"].isin(history.lost).any():
        said.append("The export records no loss: a lead that is lost looks like one that waits.")
    return tuple(said)
