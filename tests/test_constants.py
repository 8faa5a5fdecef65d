"""The table of the tuned constants: each is varied wherever it is used, and given back."""

import pytest
from numpy.testing import assert_allclose
from scripts import script

script("benchmarks/record.py")
constants = script("benchmarks/constants.py")


def test_no_two_lines_share_their_numbers() -> None:
    labels = [one.label for one in constants.CONSTANTS]
    assert len(set(labels)) == len(labels)
    assert len({one.name for one in constants.DROPPED}) == len(constants.DROPPED)


@pytest.mark.parametrize(
    "constant", [one for one in constants.CONSTANTS if one.room], ids=lambda one: one.label
)
def test_a_constant_is_varied_and_given_back(constant) -> None:
    def now() -> list[object]:
        return [getattr(constant.module, name) for name in constant.names]

    before = now()
    for values in constant.values():
        with constants.changed(constant, values):
            assert now() == list(values) != before
        assert all(one is other for one, other in zip(now(), before, strict=True))


def test_a_constant_is_varied_in_every_room_that_uses_it() -> None:
    from funnelsim.calibration import calibrate, due, intake, shocks, values
    from funnelsim.forecasting import by_date

    rooms = (calibrate, due, shocks, values, by_date)
    cases = next(one for one in constants.CONSTANTS if one.name == "PRIOR_CASES")
    with constants.changed(cases, (99.0,)):
        assert {room.PRIOR_CASES for room in rooms} == {99.0}
    assert {room.PRIOR_CASES for room in rooms} == {10.0}
    grid = next(one for one in constants.CONSTANTS if "SIZES" in one.names)
    with constants.changed(grid, grid.values()[1]):
        assert intake.OF_COUNTS.seasons == (0.06, 0.2, 0.6)
        assert_allclose(sorted(set(intake.sizes(intake.OF_COUNTS)[0])), (0.06, 0.2, 0.6))
