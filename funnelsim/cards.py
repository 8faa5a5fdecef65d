"""How a result shows itself in a notebook: its one sentence, and a small table."""

from __future__ import annotations

import html

import pandas as pd

MOST_ROWS = 12  # what is seen at a glance; the frame itself holds all


def card(sentence: str, table: pd.DataFrame) -> str:
    """Return a sentence and the first rows of a table as HTML, numbers with thousands and three digits.

    Args:
        sentence: what the result says.
        table: any frame; its index is not shown.

    >>> card("Two of three won.", pd.DataFrame({"won": [2]})).startswith("<p><b>Two of three won.</b></p>")
    True
    """
    shown = table.head(MOST_ROWS).copy()
    for column in shown.columns:
        if pd.api.types.is_datetime64_any_dtype(shown[column]):
            shown[column] = shown[column].dt.strftime("%Y-%m-%d")
    rows = shown.to_html(index=False, border=0, na_rep="", float_format=_number)
    more = f"<p>({len(table) - MOST_ROWS:,} more rows)</p>" if len(table) > MOST_ROWS else ""
    return f"<p><b>{html.escape(sentence)}</b></p>{rows}{more}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
