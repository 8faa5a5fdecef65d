"""Words for the arrays that the package hands on: what a signature says of their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Words = NDArray[np.uint64]
Codes = NDArray[np.integer[Any]]
Complexes = NDArray[np.complex128]

MOST_SEED = 2**64  # as many as a word has
