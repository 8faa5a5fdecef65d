"""A made-up company with a known truth: three years of its leads, its spend, and what decided them.

Beside it lie a workshop with thirteen leads, few enough to count by hand, and what was said of a year of the
company's months (said.csv: of `backtest(start="2025-07-01", draws=20)`, revenue, in whole EUR).
"""

from __future__ import annotations

from pathlib import Path


def sample_path(name: str = "history.csv") -> Path:
    """Return where a file of the sample lies: history.csv, mapping.yaml, spend.csv, truth.json ...

    >>> sample_path().name
    'history.csv'
    """
    return Path(__file__).resolve().parent / name
