"""The money of rows: one currency or rates to it, and refunds, which are no wins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.files import shown
from funnelsim.history.quality import Finding, found

# A bare sign may stand for any of these; a column or a mapping that names one of them is right.
ALIKE = {
    "USD": frozenset(["USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "TWD", "ARS", "CLP", "COP"]),
    "CNY": frozenset(("CNY", "JPY")),
}
RATES = "give `rates` to one currency in the mapping, such as `currency: EUR` with `rates: {USD: 0.92}`"
TAKEN_OFF = "set aside: no win, taken off the payments before it"
EARLIER = "Refunds are taken off the payments before them, also where an earlier date is asked for."


@dataclass(frozen=True)
class Money:
    """Amounts in one currency ("" where none is stated), one per row, and what was found."""

    value: pd.Series
    currency: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Currencies:
    """What a table and its mapping say of currencies.

    Args:
        where: the file and the column with the amounts, for sentences.
        column: the name of the column of currencies, "" for none.
        named: the currency that this column names for each row, "" where it is blank.
        signs: the currency whose sign or code stands with each amount, "" where there is none.
        stated: that of the mapping, "" for none.
        rates: currency -> worth in the one stated.
    """

    where: str
    column: str
    named: pd.Series
    signs: pd.Series
    stated: str
    rates: dict[str, float]


def _fits(sign: pd.Series, name: pd.Series) -> pd.Series:
    """Return whether each sign can stand for the currency that is named beside it."""
    pairs = zip(sign, name, strict=True)
    return pd.Series([a in ("", b) or b in ALIKE.get(a, ()) for a, b in pairs], sign.index, dtype=bool)


def in_one_currency(value: pd.Series, told: Currencies) -> Money:
    """Return amounts in one currency.

    Args:
        value: amounts, one per row.
        told: what is said of their currencies, one cell per row.

    Raises:
        FunnelError: several currencies and no rates, a currency without a rate, or a sign that contradicts
            the column or the mapping; names the row.
    """
    named = told.named.where(told.named != "", told.signs)
    wrong = (told.named != "") & ~_fits(told.signs, told.named)
    _refuse(wrong, told, "{} stands beside an amount in {}", told.named, told.signs)
    there = sorted(set(named) - {""}, key=list(named).index)
    if told.rates:
        return _converted(value, named, told)
    if len(there) > 1:
        where = f"choose with `where: {{{told.column}: {there[0]}}}`, or " if told.column else ""
        raise FunnelError(
            f"{told.where}: amounts in {', '.join(there[:6])} cannot be added up; {where}{RATES}"
        )
    if told.stated and there:
        other = (named != "") & ~_fits(named, pd.Series(told.stated, named.index))
        _refuse(other, told, "the mapping says `currency: {}`, the amount is in {}", named, named)
    return Money(value, told.stated or "".join(there))


def _refuse(wrong: pd.Series, told: Currencies, words: str, first: pd.Series, second: pd.Series) -> None:
    if wrong.any():
        row = wrong.index[wrong.to_numpy()][0]
        one = told.stated if first is second else first[row]
        raise FunnelError(f"{told.where}, row {row}: {words.format(one, second[row])}; {RATES}")


def _converted(value: pd.Series, named: pd.Series, told: Currencies) -> Money:
    """Return amounts times the rate of their currency; an amount without one is in that of the mapping."""
    rates = told.rates | {told.stated: told.rates.get(told.stated, 1.0)}
    unknown = ~named.isin(["", *rates])
    if unknown.any():
        row = named.index[unknown.to_numpy()][0]
        raise FunnelError(f"{told.where}, row {row}: no rate for {shown(named[row])}; give one under `rates`")
    factor = named.replace("", told.stated).map(rates).astype(np.float64)
    findings: list[Finding] = []
    other = (named != told.stated) & (named != "") & value.notna()
    if other.any():
        codes = ", ".join(f"{code} at {rates[code]:g}" for code in sorted(set(named[other])))
        findings.append(Finding("amounts converted", int(other.sum()), codes, f"kept: in {told.stated}"))
    bare = (named == "") & value.notna()
    if bare.any():
        example = f"row {bare.index[bare.to_numpy()][0]}"
        done = f"kept: taken as {told.stated}"
        findings.append(Finding("amounts without a currency", int(bare.sum()), example, done))
    return Money(value * factor, told.stated, tuple(findings))


@dataclass(frozen=True)
class Paid:
    """Rows without refunds, what was found, and what cannot be told of them."""

    rows: pd.DataFrame
    findings: tuple[Finding, ...] = ()
    limits: tuple[str, ...] = ()


def without_refunds(rows: pd.DataFrame, wins: list[str], subtract: bool, file: str) -> Paid:
    """Return rows without those whose amount is negative: refunds of wins.

    Args:
        rows: columns lead, stage, at, value; the index is the row number in the file.
        wins: the won places.
        subtract: whether a refund is taken off the lead's payments before it, the latest first.
        file: its name, for the sentence.

    Raises:
        FunnelError: a negative amount of a row that is no win.
    """
    negative = (rows["value"] < 0).to_numpy()
    labels = set(rows.index[negative & rows["stage"].isin(wins).to_numpy()])
    odd = rows[negative & ~np.asarray(rows.index.isin(labels))]
    if len(odd):
        raise FunnelError(
            f"{file}, row {odd.index[0]}: a negative amount ({odd['value'].iloc[0]:g}) of a lead that is not "
            "won; a refund is a negative amount of a win"
        )
    if not labels:
        return Paid(rows)
    refund = np.asarray(rows.index.isin(labels))
    refunds = rows[refund & negative & rows["stage"].isin(wins).to_numpy()]
    rest = rows[~refund]
    if not subtract:
        return Paid(rest, found("refunds", refunds, "set aside: no win"))
    value, unpaid = _taken_off(rest, refunds, wins)
    findings = found("refunds", refunds, TAKEN_OFF)
    if len(unpaid):
        total = f"{sum(unpaid.values()):,.2f} of them is more than was paid before"
        findings += found("refunds of more than was paid", refunds.loc[list(unpaid)], f"not used: {total}")
    return Paid(rest.assign(value=value), findings, (EARLIER,))


def _taken_off(
    rest: pd.DataFrame, refunds: pd.DataFrame, wins: list[str]
) -> tuple[pd.Series, dict[object, float]]:
    """Return the amounts less the refunds, and what is left of each refund that exceeds what was paid."""
    order = rest.assign(turn=np.arange(len(rest)))
    paid = order[rest["stage"].isin(wins).to_numpy()].sort_values(["at", "turn"], kind="stable")
    turns = {lead: part["turn"].to_list() for lead, part in paid.groupby("lead", sort=False)}
    value, at = rest["value"].to_numpy(copy=True), rest["at"].to_numpy()
    unpaid = {}
    for row, lead, moment, amount in refunds[["lead", "at", "value"]].sort_values("at").itertuples():
        left = -float(amount)
        for turn in reversed(turns.get(lead, [])):
            if at[turn] <= np.datetime64(moment) and value[turn] > 0 and left > 0:
                part = min(left, value[turn])
                value[turn] -= part
                left -= part
        if left > 0:
            unpaid[row] = left
    return pd.Series(value, rest.index), unpaid
