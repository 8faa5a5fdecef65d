"""History -> model: everything that a forecast needs, counted from what happened, and that in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Floats
from funnelsim.calibration.counting import (
    OTHER,
    Visits,
    count_visits,
    funnel_of,
    group_numbers,
    visits_of,
)
from funnelsim.calibration.due import dates_tell, due_days, fit_due, lead_times
from funnelsim.calibration.intake import fit_entries
from funnelsim.calibration.posterior import PRIOR_CASES, table_of
from funnelsim.calibration.response import fit_response, spend_words
from funnelsim.calibration.shocks import (
    SUSPICIOUS_WINS,
    Level,
    win_calendar,
    win_level,
    wins_before_the_first,
    wins_by_day,
    won_visits,
)
from funnelsim.calibration.values import fit_sizes, fit_values, sized
from funnelsim.errors import FunnelError, nearest
from funnelsim.history.log import DAY, History, bookings, days_since, open_leads, shows_amounts, spells
from funnelsim.history.quality import most_first
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import SIZE, Calendar, Entries, Model, OpenDeals, Sizes
from funnelsim.model.rates import DEFAULT_BINS, Counts

ALL = "all"
GROUPINGS = ("segment", "channel", "owner", "")
# A convention: a table of more than a dozen groups is not read. A group of fewer leads than tell half of what
# it is like (`PRIOR_CASES`) has no name of its own; with thirty for ten errors were 3 % larger on the periods
# that chose it, on others about the same (benchmarks/constants.py).
MOST_GROUPS = 12
# The level of wins is judged in windows as long as the period to be forecast, so that both differ alike, but
# of whole weeks, as weekdays differ, and of four at most, or young companies would have none.
SHORTEST_WINDOW, LONGEST_WINDOW = 7.0, 28.0
# A level is judged for one period ahead, however many are forecast; half a year is what short records bear.
MOST_AHEAD = 6
# Conventions of what is warned of. A rate counted from under thirty wins is uncertain by more than 18 %; two
# percent of wins that no rate can foresee are less than any forecast errs; a quiet week is usual anywhere.
FEW_WINS, FEW_APART, USUAL_DAYS = 30, 0.02, 7.0

# Of two hundred columns of pure luck none has such a rank correlation; money that comes half as late again as
# wins do would be booked a month early where a cycle takes two.
SURELY, LATE = 3.0, 1.5


def fit_model(
    history: History,
    *,
    groups: str = "segment",
    bins: Sequence[float] | Floats = DEFAULT_BINS,
    half_life: float = 365.0,
    period: float = 91.0,
    spend: pd.DataFrame | None = None,
) -> Model:
    """Fit a model to a history: exits, intake, values and common shocks.

    Args:
        history: what happened.
        groups: the column whose values get rates and amounts of their own: "segment", "channel", "owner",
            or "" for one group. Values with under ten leads, and beyond the twelve largest, form "other".
        bins: left edges of the age bins in days, first 0.
        half_life: days after which an observation weighs half; inf: all weigh alike.
        period: days of one period to be forecast; how much periods differ is judged on such windows, of
            7 days at least and 28 at most. How many periods are forecast changes nothing.
        spend: channel, start, spend as `read_spend` returns: the model then knows how leads answer to it.

    Raises:
        FunnelError: an unknown grouping, a half-life or period that is not positive, or no visit at all.
    """
    check_request(groups, half_life, period)
    if history.cash_after:  # nobody pays sooner, and all pay then: an edge of ages there keeps the day sharp
        bins = np.union1d(np.asarray(bins, dtype=np.float64), [history.cash_after])
    basis = basis_of(history, groups, bins, half_life)
    model = model_of(basis, half_life, period, spend)
    due, words = fit_due(
        basis.history, basis.funnel, basis.groups, grouped_by=basis.grouped_by, half_life=half_life,
        typical=model.values.mean,
    )  # fmt: skip
    return replace(model, due=due, notes=(*model.notes, *words))


def check_request(groups: str, half_life: float, period: float) -> None:
    """Look at what calibration is asked, before any work.

    Raises:
        FunnelError: no such column to group by, or days that are not positive.
    """
    if groups not in GROUPINGS:
        raise FunnelError(f"groups '{groups}' is no column to group by; {nearest(groups, GROUPINGS[:3])}")
    if not (half_life > 0 and period > 0):
        raise FunnelError(f"half-life {half_life:g} and period {period:g}: both must be positive days")


@dataclass(frozen=True)
class Basis:
    """What calibration rests on: all that it needs of a history, or of the parts of a larger one.

    Args:
        history: of it, only what holds for all leads: as-of date, beginning, currency, fiscal year.
        funnel, groups, grouped_by: the map, and the kinds of lead.
        visits, counts: all visits as arrays, and what was counted in them.
        entries: the visits by which leads came in, at least.
        spells, bookings: visits to stages and wins that amounts are learnt from: all, or those of some leads.
        wins: moments of all wins.
        sizes: the rule of the groups, where amounts make them.
    """

    history: History
    funnel: Funnel
    groups: tuple[str, ...]
    grouped_by: str
    visits: Visits
    counts: Counts
    entries: pd.DataFrame
    spells: pd.DataFrame
    bookings: pd.DataFrame
    wins: pd.Series
    sizes: Sizes | None = None

    @property
    def began(self) -> float:
        """Day on which recording began, in days since the as-of date."""
        return float((self.history.began - self.history.until) / DAY)


def model_of(basis: Basis, half_life: float, period: float, spend: pd.DataFrame | None = None) -> Model:
    """Return the model that rests on a basis; `fit_model` says what the arguments mean."""
    known = basis.history
    entries, intake_notes = _intake(basis, period, spend)
    values, value_notes = fit_values(
        basis.spells, basis.bookings, known.until, basis.funnel.stages, basis.groups,
        grouped_by=basis.grouped_by, half_life=half_life,
    )  # fmt: skip
    calendar, calendar_notes = _calendar(basis)
    window = float(np.clip(period, SHORTEST_WINDOW, LONGEST_WINDOW))
    ahead = int(np.clip(period // window, 1, MOST_AHEAD))
    level = win_level(basis.visits, basis.funnel, basis.counts, window=window, ahead=ahead, began=basis.began)
    notes = (
        *_rate_words(basis, half_life),
        _level_words(level, ahead * window),
        *intake_notes,
        *value_notes,
        *calendar_notes,
        *_warnings(basis),
    )
    table = table_of(basis.counts, basis.funnel, level.factor)
    return Model(
        basis.funnel, basis.groups, table, entries, values, known.until, known.currency, counts=basis.counts,
        win_spread=level.spread, win_window=ahead * window, win_level=level.factor, calendar=calendar,
        notes=notes, grouped_by=basis.grouped_by if len(basis.groups) > 1 else "", sizes=basis.sizes,
    )  # fmt: skip


def _calendar(basis: Basis) -> tuple[Calendar, tuple[str, ...]]:
    """Return the calendar of wins since the first one, and what it says in words."""
    known, first = basis.history, max(basis.history.began, basis.wins.min())
    if pd.isna(first):
        return win_calendar(basis.wins, known.began, known.until, known.period_start)
    days = len(pd.date_range(first.normalize(), known.until - pd.Timedelta(1, "ns")))
    until_midnight = (known.until.ceil("D") - known.until) / DAY
    fair = wins_by_day(basis.visits, basis.funnel, basis.counts, days, until_midnight)
    return win_calendar(basis.wins, first, known.until, known.period_start, fair)


def basis_of(history: History, grouped_by: str, bins: Sequence[float] | Floats, half_life: float) -> Basis:
    """Return the history's visits and counts; refuse one without any visit."""
    every = spells(history)
    if every.empty:
        raise FunnelError(f"no lead was in any stage before {history.until:%Y-%m-%d}: nothing to learn from")
    began = (history.began - history.until) / DAY
    names = group_names(every, grouped_by)
    funnel = funnel_of(every, history.waits, history.won, history.lost, handed_over=history.handed_over)
    visits = visits_of(every, funnel, names, grouped_by=grouped_by, began=began)
    sizes = None
    # Leads with a date have the pace of their size, and its season, in the days to that date already.
    if grouped_by == "segment" and len(names) == 1 and not dates_tell(history):
        sizes = fit_sizes(history, visits, funnel, bins, half_life)
    if sizes is not None:
        history, grouped_by, names = sized(history, sizes), SIZE, sizes.names
        every = spells(history)
        visits = replace(visits, group=group_numbers(every[SIZE], names, len(every)))
    counts = count_visits(visits, (len(names), *funnel.targets.shape), bins, half_life)
    wins = bookings(history)
    before = every[~every["stage"].isin(history.won).to_numpy()]
    return Basis(history, funnel, names, grouped_by, visits, counts, every, before, wins, wins["at"], sizes)


def _intake(basis: Basis, period: float, spend: pd.DataFrame | None) -> tuple[Entries, tuple[str, ...]]:
    """Return the leads to come, with how they answer to spend where that is known, and words."""
    entries, notes = fit_entries(
        basis.entries, basis.funnel.stages, basis.groups, grouped_by=basis.grouped_by, began=basis.began,
        period=period, as_of=basis.history.until,
    )  # fmt: skip
    if spend is None:
        return entries, notes
    answers = fit_response(basis.history, spend, visits=basis.entries)
    return replace(entries, spend=answers), (*notes, *spend_words(answers, spend))


def open_pipeline(history: History, model: Model) -> OpenDeals:
    """Return the leads that are in a stage on the history's as-of date, by the model's numbers.

    Raises:
        FunnelError: a lead is in a stage that the model does not have.
    """
    leads = open_leads(sized(history, model.sizes))
    number = {name: row for row, name in enumerate(model.funnel.stages)}
    stage = leads["stage"].astype(object).map(number)
    if stage.isna().any():
        name = leads["stage"][stage.isna()].iloc[0]
        raise FunnelError(f"stage '{name}' is no stage of the model; {nearest(name, number)}")
    grouping = leads[model.grouped_by] if model.grouped_by else None
    due = None if model.due is None else due_days(leads["expected_close"], history.until)
    return OpenDeals(
        leads["lead"].astype(str).to_numpy(dtype=object),
        np.asarray(stage, dtype=np.int64),
        group_numbers(grouping, model.groups, len(leads)),
        np.asarray(leads["age"], dtype=np.float64),
        np.asarray(leads["value"] if shows_amounts(history) else leads["value"] * np.nan, dtype=np.float64),
        due,
        None if due is None else lead_times(history, leads["lead"].tolist(), due),
    )


def group_names(spells: pd.DataFrame, column: str) -> tuple[str, ...]:
    """Return the groups that are large enough to stand alone, largest first, and "other" for the rest.

    >>> frame = pd.DataFrame({"lead": range(100), "segment": ["small"] * 60 + ["big"] * 35 + ["odd"] * 5})
    >>> group_names(frame, "segment")
    ('small', 'big', 'other')
    """
    if not column or column not in spells:
        return (ALL,)
    return large_groups(group_sizes(spells, column))


def group_sizes(spells: pd.DataFrame, column: str) -> pd.Series:
    """Return the number of leads of each value of a column, most leads first."""
    return most_first(
        spells.drop_duplicates("lead")[column].astype(object).replace("", np.nan).value_counts()
    )


def large_groups(sizes: pd.Series) -> tuple[str, ...]:
    """Return the groups that are large enough to stand alone, and "other" for the rest; sizes descend."""
    large = [str(name) for name in sizes[sizes >= PRIOR_CASES].index if str(name) != OTHER][:MOST_GROUPS]
    if not large:
        return (ALL,)
    rest = len(sizes) > len(large)
    return (*large, OTHER) if rest else tuple(large)


def _rate_words(basis: Basis, half_life: float) -> tuple[str, ...]:
    """Say what the rates were counted from, and which groups there are."""
    visits, names = basis.visits, basis.groups
    weighing = "all alike" if np.isinf(half_life) else f"half as much after {half_life:g} days"
    sentence = (
        f"Rates: {int((visits.exit >= 0).sum()):,} moves in {len(visits):,} visits to "
        f"{len(basis.funnel.stages)} stages, by age in {len(basis.counts.edges)} bins; observations weigh "
        f"{weighing}."
    )
    if len(names) == 1:
        return (sentence,)
    by = basis.grouped_by if basis.sizes is None else "amount, as no segment is named"
    return sentence, f"Groups: by {by}: {', '.join(names)}; each shrunk to all as far as the data asks."


def _level_words(level: Level, days: float) -> str:
    """Say at which level wins run, and how much periods differ."""
    return (
        f"Level of wins: taken at {level.factor:.0%} of the counted rates, as wins ran of late; {days:g} "
        f"days may differ from that by {level.spread:.0%} beyond chance (by {level.windows} past windows)."
    )


def _warnings(basis: Basis) -> tuple[str, ...]:
    """Say what makes this history doubtful."""
    visits, funnel, history = basis.visits, basis.funnel, basis.history
    wins, recorded = len(won_visits(visits, funnel)), basis.wins[basis.wins >= history.began]
    sentences = list(_silence(visits, history, recorded))
    if wins < FEW_WINS:
        number = f"{wins} win{'' if wins == 1 else 's'} by way of a stage"
        sentences.append(f"Warning: only {number} in the history; the forecast rests mostly on assumptions.")
    apart = len(recorded) - wins
    if apart > FEW_APART * len(recorded):
        sentences.append(
            f"Warning: {apart:,} of {len(recorded):,} wins came without a visit to a stage before, as those "
            "of leads that begin with the win; none such is expected: too low a forecast where they go on."
        )
    sentences += _slow_money(basis)
    expected, first = wins_before_the_first(visits, funnel, basis.counts.edges, len(basis.groups))
    if expected > SUSPICIOUS_WINS:
        date = history.until + first * DAY
        sentences.append(
            f"Warning: {expected:.0f} wins would be expected before the first recorded one, {date:%Y-%m-%d}; "
            "if wins were recorded only from some date on, state it (`began:` in the mapping file), or leave "
            "out the leads that came before (`since:`)."
        )
    return tuple(sentences)


def _slow_money(basis: Basis) -> list[str]:
    """Return a warning where dear leads take longer to win than others, and nothing tells which they are."""
    won = basis.bookings[(basis.bookings["value"] > 0).to_numpy()]
    if len(basis.groups) > 1 or len(won) < FEW_WINS:
        return []
    entered = basis.spells.groupby("lead")["start"].min()
    days = pd.Series(days_since(won["at"], basis.history.until)) - won["lead"].map(entered).to_numpy()
    r = float(won["value"].reset_index(drop=True).rank().corr(days.rank()))
    order = np.argsort(days.to_numpy(), kind="stable")
    money = np.cumsum(won["value"].to_numpy()[order])
    half, late = (days.to_numpy()[order][n] for n in (len(won) // 2, np.searchsorted(money, money[-1] / 2)))
    if not (r * np.sqrt(len(won)) > SURELY and late > LATE * half):
        return []
    sentence = (
        f"Warning: half of all wins took up to {half:.0f} days, half of the money up to {late:.0f}: dear "
        "leads take longer, and neither a segment nor amounts of open leads tell which they are, so their "
        "money is expected too early. Name a column that does (`columns: {segment: ...}` in the mapping "
        "file)."
    )
    return [sentence]


def _silence(visits: Visits, history: History, won: pd.Series) -> tuple[str, ...]:
    """Return a warning where the as-of date lies farther from the last event than any two events before."""
    days = np.flatnonzero(_days_with_events(visits, won, history.until))
    usual = max(float(np.diff(days).max(initial=0)), USUAL_DAYS)
    if not len(days) or days[0] <= usual:
        return ()
    last = history.until - (days[0] + 1) * DAY
    sentence = (
        f"Warning: nothing is recorded in the {days[0]:,} days before the as-of date (last event: "
        f"{last:%Y-%m-%d}); the longest pause before took {usual:,.0f} days. The forecast takes it for a "
        "standstill: where the record just ends there, leave the as-of date out."
    )
    return (sentence,)


def _days_with_events(visits: Visits, won: pd.Series, until: pd.Timestamp) -> NDArray[np.bool_]:
    """Return for each day, counted back from the as-of date, whether a lead came, moved, left or was won."""
    wins = -days_since(won, until)
    eventful = np.zeros(int(max(-visits.start.min(initial=0.0), wins.max(initial=0.0))) + 1, dtype=bool)
    eventful[wins.astype(np.int64)] = True
    for _, part in visits.blocks():
        eventful[(-part.start).astype(np.int64)] = True
        left = part.start + part.dwell
        eventful[np.maximum(-left[part.exit >= 0], 0.0).astype(np.int64)] = True
    return eventful
