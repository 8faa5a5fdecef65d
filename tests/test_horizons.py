"""How many periods are asked for moves none of them."""

import json

import pytest

from funnelsim.forecasting.outputs import as_json
from funnelsim.forecasting.situation import Situation, situation
from funnelsim.sample import sample_path
from funnelsim.verbs import forecast


def first(place: Situation) -> str:
    found = as_json(forecast(place, draws=6, target=1e6), as_of="2026-06-30", period=place.kind)
    return json.dumps(json.loads(found)["periods"][0])


@pytest.mark.parametrize("kind", ["week", "month", "quarter"])
def test_the_first_period_is_the_same_however_many_follow(kind: str) -> None:
    place = situation(sample_path(), period=kind, periods=1)
    told = first(place)
    for count in (2, 4):
        fresh = situation(sample_path(), period=kind, periods=count)
        moved = situation(place, periods=count)
        assert len(fresh.periods) == len(moved.periods) == count
        assert first(fresh) == first(moved) == told
