"""Cells to amounts of money: decimal commas, thousands separators, currency signs, brackets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.files import shown
from funnelsim.history.dates import BLANK

SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "CNY", "￥": "CNY", "R$": "BRL", "₹": "INR", "元": "CNY"}
SIGN = r"(?:[A-Z]{2,3}|R\$|US\$|[€$£¥￥₹元]|Fr\.|kr)"
MANY = 1e15


def to_amounts(cells: pd.Series, where: str, decimal: str = "") -> pd.Series:
    """Return cells as amounts, nan where the cell is blank.

    Args:
        cells: as they stand in the file, indexed by row number.
        where: file and column, for the sentence.
        decimal: "comma" or "point"; told from the whole column when not given.

    Raises:
        FunnelError: a cell is no amount, or a negative one; names the row.

    >>> to_amounts(pd.Series(["1.234,50 €", "", "20"]), "a.csv").tolist()
    [1234.5, nan, 20.0]
    """
    if cells.dtype.kind in "iuf":
        amounts = cells.astype(np.float64)
        text = cells.astype("str")
    else:
        text = cells.astype("str").str.strip().mask(cells.isna(), "")
        text = text.mask(text.str.lower().isin(BLANK), "")
        codes, unique = pd.factorize(text)
        parsed = _parsed(pd.Series(unique, dtype="str"), decimal).to_numpy(dtype=np.float64)
        amounts = pd.Series(parsed[codes], index=cells.index)
    blank = (text == "") | cells.isna()
    for wrong, problem in (
        (~blank & ~np.isfinite(amounts), "is no amount; expected one like 1234.50"),
        (amounts < 0, "is a negative amount; expected zero or more"),
        (amounts > MANY, "is too large an amount"),
    ):
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise FunnelError(f"{where}, row {text.index[row]}: {shown(text.iloc[row])} {problem}")
    return amounts


def currency_of(cells: pd.Series) -> str:
    """Return the currency that the signs in a column name, "" where there is none or several.

    >>> currency_of(pd.Series(["12 €", "1.000 €"]))
    'EUR'
    """
    if cells.dtype.kind in "iufM":
        return ""
    sign = cells.astype("str").str.extract(r"([A-Z]{3}|R\$|[€$£¥￥₹元])")[0].dropna().unique()
    return SIGNS.get(str(sign[0]), str(sign[0])) if len(sign) == 1 else ""


def _parsed(text: pd.Series, decimal: str) -> pd.Series:
    bare = text.str.replace(r"[\s\u00a0\u202f'’]", "", regex=True)
    bare = bare.str.replace(rf"^(-?){SIGN}|{SIGN}$", r"\1", regex=True)
    bare = bare.str.replace(r"^\((.*)\)$", r"-\1", regex=True)
    if (decimal or _decimal(bare)) == "comma":
        bare = bare.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    else:
        bare = bare.str.replace(",", "", regex=False)
    return pd.to_numeric(
        bare.where(bare.str.fullmatch(r"-?\d*\.?\d+(?:[eE][+-]?\d{1,2})?|-?\d+\.")), errors="coerce"
    )


def _decimal(bare: pd.Series) -> str:
    """Return which mark is the decimal one, told by the whole column: "comma" or "point"."""
    both = bare[bare.str.contains(".", regex=False) & bare.str.contains(",", regex=False)]
    if len(both):
        return "comma" if both.str.rfind(",").gt(both.str.rfind(".")).mean() > 0.5 else "point"
    if bare.str.contains(",", regex=False).any():
        grouped = bare[bare.str.contains(",", regex=False)].str.fullmatch(r"-?[1-9]\d{0,2}(?:,\d{3})+")
        return "point" if grouped.all() else "comma"
    dotted = bare.str.contains(".", regex=False)
    grouped = bare[dotted].str.fullmatch(r"-?[1-9]\d{0,2}(?:\.\d{3})+")
    plain_thousands = bare[~dotted].str.fullmatch(r"-?\d{4,}")
    return "comma" if dotted.any() and grouped.all() and not plain_thousands.any() else "point"
