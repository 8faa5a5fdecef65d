"""The open pipeline: parts of it keep its order and its numbers."""

from __future__ import annotations

import numpy as np
import pytest

from funnelsim.errors import FunnelError
from funnelsim.model.model import OpenDeals, only


def deals() -> OpenDeals:
    names = np.array(["a", "b", "c"], dtype=object)
    numbers = np.array([0, 1, 2])
    return OpenDeals(
        names, numbers, numbers[::-1].copy(), np.array([1.0, 2.0, 3.0]), np.array([10.0, np.nan, 30.0])
    )


def test_only_keeps_the_order_and_the_facts_of_each_deal():
    part = only(deals(), ["c", "a"])
    assert part.name.tolist() == ["a", "c"]
    assert (part.stage.tolist(), part.group.tolist()) == ([0, 2], [2, 0])
    assert (part.age.tolist(), part.value.tolist()) == ([1.0, 3.0], [10.0, 30.0])


def test_only_refuses_a_lead_that_is_not_open():
    with pytest.raises(FunnelError, match="lead 'd' is not open; known: a, b, c"):
        only(deals(), ["d"])
