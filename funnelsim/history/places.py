"""Which places are wins, which are losses, and in which order the stages are usually passed."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WON = _words("""
    won closedwon win wins dealwon gewonnen gagné ganado ganada ganho 赢单 已赢单 成交 已成交 赢得 签约成功
""")
LOST = _words("""
    lost closedlost loss deallost verloren perdu perdido perdida disqualified unqualified
    输单 已输单 丢单 已丢单 流失 失败 未成交 战败
""")
# These name an end only where no lead ever goes on from there.
WON_IF_LAST = _words("""
    purchase purchased bought customer ordered signed sold sales converted approved
    购买 客户 签约
""")
LOST_IF_LAST = _words("""
    declined cancelled canceled rejected abandoned dropped churned churn expired aborted withdrawn deleted
    left gone lapsed     取消 拒绝 放弃 关闭
""")
MOST_PLACES = 200
MOST_CELLS = 20_000_000


def plain(name: str) -> str:
    """Return a place's name without case, blanks and marks.

    >>> plain("Closed - Won")
    'closedwon'
    """
    return re.sub(r"[\W_]+", "", name.casefold())


def last_word(name: str) -> str:
    """Return the word that a name consists of beside words of one or two letters, "" where there are more.

    >>> last_word("A_APPROVED"), last_word("To sales"), last_word("Former customer")
    ('approved', 'sales', '')
    """
    *others, last = re.split(r"[\W_]+", name.casefold().strip(" _-"))
    return last if all(len(word) <= 2 for word in others) else ""


Ends = tuple[tuple[str, ...], tuple[str, ...]]


def guess_ends(
    tables: tuple[pd.DataFrame, ...], file: str, stages: tuple[str, ...], stated: Ends = ((), ())
) -> Ends:
    """Return the names of the wins and of the losses: stated, or guessed from names and from where they lead.

    Args:
        tables: columns lead, stage, sorted by lead and time; the first in which something looks like a
            win decides (what is known on the as-of date, then the whole file).
        file: its name, for the sentence.
        stages: places that are known to be stages, unless they are called like an end.
        stated: won and lost, where they are known.

    Raises:
        FunnelError: no place looks like a win.
    """
    won, lost = stated
    for events in tables:
        won = won or _alike(events, WON, WON_IF_LAST, stages, lost)
        if won:
            return won, lost or _alike(events, LOST, LOST_IF_LAST, stages, won)
    names = tables[-1]["stage"].value_counts().index
    shown = ", ".join(f"'{str(name)[:40]}'" for name in names[:12])
    raise FunnelError(
        f"{file}: no stage looks like a win; name it under `won` in a mapping file (stages: {shown})"
    )


def _alike(
    events: pd.DataFrame,
    always: frozenset[str],
    if_last: frozenset[str],
    stages: tuple[str, ...],
    taken: tuple[str, ...],
) -> tuple[str, ...]:
    """Return the places that are called like an end, or whose last word is like one and that lead nowhere."""
    goes_on = events["lead"].eq(events["lead"].shift(-1)).to_numpy()
    no_end = {*stages, *events.loc[goes_on, "stage"]}
    return tuple(
        name
        for name in map(str, events["stage"].unique())
        if name not in taken
        and (plain(name) in always or (name not in no_end and last_word(name) in always | if_last))
    )


def guess_order(events: pd.DataFrame, ends: tuple[str, ...]) -> tuple[str, ...]:
    """Return the stages in the order in which leads usually pass them.

    A stage stands before another when more leads see it first; a stage's place is its mean share of
    such leads over all stages that occur together with it. So leads that enter late do not disturb it.

    Args:
        events: columns lead, stage, sorted by lead and time.
        ends: places that are no stages.
    """
    visits = events[~events["stage"].isin(ends).to_numpy()]
    names = [str(name) for name in visits["stage"].unique()]
    if len(names) > MOST_PLACES:
        raise FunnelError(
            f"{len(names):,} different stages ('{names[0][:40]}', ...); is it the right column?"
        )
    every = max(1, visits["lead"].nunique() * len(names) // MOST_CELLS)
    some = visits[(pd.factorize(visits["lead"])[0] % every == 0)]
    first = some.assign(turn=np.arange(len(some))).drop_duplicates(["lead", "stage"])
    turn = (
        first.pivot(index="lead", columns="stage", values="turn")
        .reindex(columns=names)
        .to_numpy(dtype=np.float64)
    )
    score = np.full(len(names), 0.5)
    for number in range(len(names)):
        before = (turn[:, [number]] < turn).sum(axis=0)
        after = (turn[:, [number]] > turn).sum(axis=0)
        met = before + after > 0
        if met.any():
            score[number] = float(np.mean(before[met] / (before + after)[met]))
    return tuple(names[number] for number in np.argsort(-score, kind="stable"))
