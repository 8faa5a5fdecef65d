"""What nbval leaves out when it compares a notebook's outputs with a fresh run."""

from __future__ import annotations

import pytest


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Do not compare what libraries write to stderr: their versions decide it, not the lesson."""
    if collector.path.suffix == ".ipynb":
        collector.skip_compare += ("stderr",)  # type: ignore[attr-defined]
