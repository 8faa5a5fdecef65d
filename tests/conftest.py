"""What tests share: where real data may lie, and what nbval leaves out of its comparison."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Matrices are small: threads of the linear algebra only wait for each other. Read when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# What the terminal keeps of the histories that tests read goes where it disturbs nobody.
KEPT = tempfile.TemporaryDirectory(prefix="funnelsim-cache-")
os.environ["XDG_CACHE_HOME"] = KEPT.name
# A busy machine is no fault of the code: no test is held against a clock.
CALM = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]  # fixtures here only name a folder
settings.register_profile("calm", deadline=None, suppress_health_check=CALM)
settings.load_profile("calm")
ROOT = Path(__file__).resolve().parent.parent


def find_real_data() -> Path | None:
    """Return the folder of real logs: what FUNNELSIM_REAL_DATA says, else one beside the checkout."""
    stated = os.environ.get("FUNNELSIM_REAL_DATA")
    folder = Path(stated) if stated else ROOT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder that holds real logs, one folder for each; the test is skipped where there is none."""
    folder = find_real_data()
    if folder is None:
        pytest.skip("no real data: set FUNNELSIM_REAL_DATA to a folder that holds bpic2012, olist, ...")
    return folder
