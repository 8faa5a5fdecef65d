"""What amounts tell, from a history: what wins are worth, how size tells on winning, and kinds by amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers
from funnelsim.calibration.counting import Visits, count_visits, group_numbers
from funnelsim.calibration.posterior import (
    PRIOR_CASES,
    all_together,
    expected_leavers,
    likelier_apart,
    posterior_table,
)
from funnelsim.history.log import History, among, open_leads, spells
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import SIZE, Sizes, Values
from funnelsim.model.rates import Counts

# Conventions. Two hundred amounts are quantiles in steps of half a percent; a stage's winners are never taken
# for more than twice, or less than half, what its leads are worth.
ATOMS, TILT_LIMITS = 200, (0.5, 2.0)
# Where losers show an amount this much less often than winners, amounts are written down on winning.
SHOWN_ALIKE = 0.8
# Conventions. A stage of whose visits four in five show an amount tells sizes apart; a lead keeps its size
# where nine in ten do; and a cut is looked for at a few quantiles, as a kind of few leads tells nothing.
KEEPS_SIZE, CUTS_AT = 0.9, (0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
# The cut has to make the record e^10 times as likely. Chosen on made-up companies: of 80 whose amounts tell
# nothing, and of 20 shuffles of two records, none reached e^3; of 240 whose amounts tell, cuts of e^5 to e^10
# changed errors (CRPS) by +1 % on average, those above by -9 %. A second cut made bpic2012 worse by 2 %. On
# real processes half or twice as much changes nothing (benchmarks/constants.py).
MUCH_LIKELIER = 10.0


def fit_values(
    spells: pd.DataFrame,
    bookings: pd.DataFrame,
    until: pd.Timestamp,
    stages: Sequence[str],
    groups: Sequence[str] = ("all",),
    *,
    grouped_by: str = "segment",
    half_life: float = np.inf,
) -> tuple[Values, tuple[str, ...]]:
    """Return amounts per win, the ratio of won to shown amounts, the size tilt, and that in words.

    Amounts of leads not yet born are those of past wins, not of past leads: large leads win less often.

    Args:
        spells: visits with columns lead, stage, start, exit, value (shown just before the visit stopped).
        bookings: one row per win with columns lead, at, value.
        until: the as-of moment.
        stages: stage names in the funnel's order.
        groups: group names; a win belongs to the group of its lead's visits.
        half_life: days after which a win weighs half.
    """
    own = spells.drop_duplicates("lead", keep="last").set_index("lead")
    names = own[grouped_by].reindex(bookings["lead"]).reset_index(drop=True) if grouped_by in own else None
    group = group_numbers(names, groups, len(bookings))
    value = np.asarray(bookings["value"], dtype=np.float64)
    day = np.asarray((bookings["at"] - until) / pd.Timedelta(days=1), dtype=np.float64)
    weight = 2.0 ** (day / half_life)
    if not (value > 0).any():
        return _without_amounts(spells, len(groups), len(bookings))
    known = ~np.isnan(value)
    amounts = won_amounts(value[known], weight[known], group[known], len(groups))
    shown = np.asarray(own["value"].reindex(bookings["lead"]), dtype=np.float64)
    ratio = won_to_shown(value, shown, weight, group, len(groups))
    tilt = size_tilt(spells, bookings["lead"], stages, grouped_by=grouped_by)
    return Values(amounts, ratio, tilt), _words(value, known, ratio, tilt, stages)


def won_amounts(value: Floats, weight: Floats, group: Integers, groups: int) -> Floats:
    """Return equally likely amounts per group, shape (groups, 200), ascending, with the weighted mean kept.

    A group with n wins takes the share n / (n + 10) of its amounts from its own wins and the rest from all
    wins, moved from their own group's level to this one's; the level is the mean log amount of the group,
    shrunk to that of all wins.
    """
    rows = []
    levels = _levels(value, weight, group, groups)
    for number in range(groups):
        mine = group == number
        moved = value * np.exp(levels[number] - levels[group])
        share = weight[mine].sum() / (weight[mine].sum() + PRIOR_CASES) if groups > 1 else 1.0
        amounts = np.concatenate([value[mine], moved])
        weights = np.concatenate(
            [share * weight[mine] / max(weight[mine].sum(), 1e-300), (1 - share) * weight / weight.sum()]
        )
        rows.append(_atoms(amounts, weights))
    return np.stack(rows)


def won_to_shown(value: Floats, shown: Floats, weight: Floats, group: Integers, groups: int) -> Floats:
    """Return won / shown amount per group, shape (groups,), shrunk to all groups' and that one to 1.

    Args:
        value, shown: (wins,) amount won, and amount shown just before the win; nan where none was.
    """
    both = (value > 0) & (shown > 0)
    if not both.any():
        return np.ones(groups)
    typical = float((weight * shown)[both].sum() / weight[both].sum())
    prior = PRIOR_CASES * typical
    pooled = ((weight * value)[both].sum() + prior) / ((weight * shown)[both].sum() + prior)
    if groups == 1:
        return np.array([pooled])
    won = np.bincount(group[both], (weight * value)[both], groups)
    asked = np.bincount(group[both], (weight * shown)[both], groups)
    ratio: Floats = (won + prior * pooled) / (asked + prior)
    return ratio


def size_tilt(
    spells: pd.DataFrame, winners: pd.Series, stages: Sequence[str], *, grouped_by: str = "segment"
) -> Floats | None:
    """Return mean amount of a stage's leads that won / of all its leads whose fate is known, shape (stages,).

    Winners are compared with the leads of their own group, whose rates are its own already. Shrunk to 1 as
    if ten more winners had been like all others; None where losers do not show amounts as winners do,
    because a file that records amounts only on winning says nothing about size.
    """
    lead, names = pd.factorize(spells["lead"])
    closed, shows = np.zeros(len(names), dtype=bool), np.zeros(len(names), dtype=bool)
    closed[lead] = (spells["exit"] != "").to_numpy()  # of several visits the last one counts
    shown = (spells["value"] > 0).to_numpy()
    shows[lead[shown]] = True
    won = among(names, winners)
    share = [shows[part].mean() for part in (won, closed & ~won) if part.any()]
    if len(share) < 2 or share[1] < SHOWN_ALIKE * share[0]:
        return None
    rows = np.flatnonzero(shown & closed[lead])
    visited = pd.DataFrame({"lead": lead[rows], "stage": pd.factorize(spells["stage"].iloc[rows])[0]})
    rows = rows[~visited.duplicated(keep="last").to_numpy()]
    known, wins = spells.iloc[rows], won[lead[rows]]
    group = known[grouped_by].astype(object).fillna("") if grouped_by in known else known["stage"]
    fair = known.groupby(["stage", group])["value"].transform("mean")
    winning = pd.DataFrame({"stage": known["stage"], "fair": fair})[wins]
    weight = winning["fair"].groupby(winning["stage"]).sum().reindex(list(stages)).fillna(0.0)
    won_value = known["value"][wins].groupby(winning["stage"]).sum().reindex(list(stages)).fillna(0.0)
    prior = PRIOR_CASES * winning["fair"].mean() if len(winning) else 1.0
    tilt = (won_value + prior) / (weight + prior)
    return np.clip(np.asarray(tilt, dtype=np.float64), *TILT_LIMITS)


def _without_amounts(spells: pd.DataFrame, groups: int, wins: int) -> tuple[Values, tuple[str, ...]]:
    """Return amounts when no win has one: those that leads show, else 1, so that revenue counts wins."""
    shown = np.asarray(spells.drop_duplicates("lead", keep="last")["value"], dtype=np.float64)
    shown = shown[shown > 0]
    if shown.size:
        sentence = (
            "Values: no win with an amount yet; those that leads show are taken for what wins will bring."
        )
        amounts = np.tile(_atoms(shown, np.ones(shown.size)), (groups, 1))
    else:
        sentence = "Values: the history has no amounts, so revenue is counted in wins, one each."
        amounts = np.ones((groups, 1))
    notes = (sentence,) if wins else (sentence, "Nothing was ever won: the forecast rests on assumptions.")
    return Values(amounts, np.ones(groups)), notes


def _levels(value: Floats, weight: Floats, group: Integers, groups: int) -> Floats:
    """Return each group's mean log amount, shrunk to the mean of all by the variance between groups."""
    positive = value > 0
    logs, weights, rows = np.log(value[positive]), weight[positive], group[positive]
    number = np.bincount(rows, weights, groups)
    overall = (logs * weights).sum() / weights.sum()
    mean = np.where(
        number > 0, np.bincount(rows, weights * logs, groups) / np.maximum(number, 1e-300), overall
    )
    within = float((weights * (logs - mean[rows]) ** 2).sum() / weights.sum())
    between = float(
        (number * ((mean - overall) ** 2 - within / np.maximum(number, 1.0))).sum() / number.sum()
    )
    strength = max(within / max(between, 1e-9), 1e-9)
    levels: Floats = (number * mean + strength * overall) / (number + strength)
    return levels


def _atoms(amounts: Floats, weights: Floats) -> Floats:
    """Return 200 equally likely amounts: weighted quantiles, scaled so that the weighted mean is kept."""
    order = np.argsort(amounts)
    chance = np.cumsum(weights[order]) / weights.sum()
    places = np.searchsorted(chance, (np.arange(ATOMS) + 0.5) / ATOMS)
    atoms = amounts[order][np.minimum(places, len(order) - 1)]
    mean = float((amounts * weights).sum() / weights.sum())
    scaled: Floats = atoms * (mean / atoms.mean()) if atoms.mean() > 0 else atoms
    return scaled


def _words(
    value: Floats, known: NDArray[np.bool_], ratio: Floats, tilt: Floats | None, stages: Sequence[str]
) -> tuple[str, ...]:
    many = "win" if known.sum() == 1 else "wins"
    sentences = [f"Values: amounts of {int(known.sum())} {many}, mean {value[known].mean():,.0f}."]
    if not known.all():
        sentences.append(
            f"Values: of {len(known):,} wins {int((~known).sum()):,} show no amount and count as those that "
            "do."
        )
    if (abs(ratio - 1) > 0.02).any():
        low, high = f"{ratio.min():.0%}", f"{ratio.max():.0%}"
        between = low if low == high else f"{low} to {high}"
        sentences.append(f"Values: deals close at {between} of the amount they show.")
    if tilt is not None and (abs(tilt - 1) > 0.05).any():
        stage = int(np.argmax(abs(tilt - 1)))
        sentences.append(
            f"Values: winners in '{stages[stage]}' are worth {tilt[stage]:.0%} of all leads there."
        )
    return tuple(sentences)


def fit_sizes(
    history: History,
    visits: Visits,
    funnel: Funnel,
    bins: Sequence[float] | Floats,
    half_life: float = np.inf,
) -> Sizes | None:
    """Return kinds of lead by amount, where they leave stages at other rates; None where the data do not say.

    A cut is taken where two kinds with multipliers of their own are likelier than one by e^10. Only stages
    that show amounts are looked at: elsewhere those whose amount is known have come far already.

    Args:
        history: what happened.
        visits: its visits as arrays, in the order of `spells`.
        funnel: their map.
        bins: left edges of the age bins in days.
        half_life: days after which an observation weighs half.
    """
    lead, amount = pd.factorize(spells(history)["lead"])[0], _amounts_shown(history)
    if history.again or not amount.notna().any():
        return None
    first, last = amount.groupby(lead).first().dropna(), amount.groupby(lead).last()
    known = last.dropna()
    cuts = np.unique([float(f"{cut:.2g}") for cut in known.quantile(CUTS_AT, interpolation="higher")])
    cuts = np.array([cut for cut in cuts if ((first >= cut) == (known >= cut)).mean() >= KEEPS_SIZE])
    told = amount.notna().groupby(visits.stage).transform("mean") >= SHOWN_ALIKE
    own = last.to_numpy()[lead]
    rows = np.flatnonzero(told.to_numpy() & ~np.isnan(own))
    if not len(cuts) or not len(rows):
        return None
    part = replace(visits.rows(rows), group=np.searchsorted(cuts, own[rows], side="right"))
    likelier = _likelier_by(count_visits(part, (len(cuts) + 1, *funnel.targets.shape), bins, half_life))
    best = cuts[int(likelier.argmax())]
    return Sizes(float(best), float((known >= best).mean())) if likelier.max() >= MUCH_LIKELIER else None


def _likelier_by(counts: Counts) -> Floats:
    """Return by how much two kinds are likelier than one, as a log, for a cut between any two groups."""
    rate = np.broadcast_to(posterior_table(all_together(counts)), counts.events.shape)
    both = counts.events.sum(-1), expected_leavers(counts, rate).sum(-1)
    places = range(1, len(counts.events))
    return np.array([likelier_apart(*(np.add.reduceat(one, [0, k]) for one in both)) for k in places])


def _amounts_shown(history: History) -> pd.Series:
    """Return the amount that each visit shows, nan where none above 0 is."""
    value = spells(history)["value"]
    return value.where(value > 0)


def sized(history: History, sizes: Sizes | None) -> History:
    """Return the history whose visits and open leads say in a column `size` of which kind by amount they are.

    A lead is of one size all its life: by the amount that it showed last, but not by what was won. Of
    those that show none the usual share is dear, stage by stage, those with the least hash of their names: so
    that the share is met, and a lead seldom changes its size when others come.

    Args:
        history: what happened.
        sizes: the rule; without it the history is the same object.
    """
    if sizes is None:
        return history
    known = vars(history).get("sized")  # kept as what a history works out once is, and gone with it
    if known is None or known[0] != sizes:
        known = vars(history)["sized"] = (sizes, _with_sizes(history, sizes))
    whole: History = known[1]
    return whole


def _with_sizes(history: History, sizes: Sizes) -> History:
    visits, whole = spells(history), replace(history)
    lead, names = pd.factorize(visits["lead"])
    last = _amounts_shown(history).groupby(lead).last().to_numpy()
    dear, unknown = last >= sizes.cut, np.isnan(last)
    order = pd.Series(pd.util.hash_array(np.asarray(names, dtype=object)[unknown]))
    final = visits[["stage", "exit"]][~pd.Series(lead).duplicated(keep="last").to_numpy()]
    final = final.iloc[np.argsort(lead[final.index])][unknown]
    stage = final["stage"].to_numpy(dtype=object)
    alike = order.groupby([stage, (final["exit"] == "").to_numpy()])
    # By luck, or a stage of few leads would never have a dear one.
    rounding = pd.util.hash_array(stage) / 2.0**64
    dear[unknown] = (alike.rank(method="first") - rounding) / alike.transform("size") < sizes.share
    size = np.array(sizes.names, dtype=object)[dear.astype(np.int64)][lead]
    visits[SIZE] = size
    waiting = open_leads(history)
    waiting[SIZE] = size[(visits["exit"] == "").to_numpy()]
    vars(whole).update(visits=visits, open=waiting, wins=history.wins)
    return whole
