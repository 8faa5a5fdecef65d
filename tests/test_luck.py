"""The luck generator: published answers, uniform, and unrelated between neighbours of every kind."""

import numpy as np
import pytest
from scipy import stats

from funnelsim.errors import FunnelError
from funnelsim.simulation import luck

ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_its_published_answers(counter, key, answer):
    # kat_vectors of the Random123 distribution (Salmon et al. 2011)
    assert luck.philox(*map(np.uint32, counter), *map(np.uint32, key)) == answer


def lots(leads=(0,), visits=(0,), purposes=(luck.MOVE,), replicates=(0,)):
    """Return both uniforms for every combination, shape (leads, visits, purposes, replicates, 2)."""
    return np.array(
        [
            [
                [
                    [
                        [
                            luck.uniform(np.uint64(word))
                            for word in luck.words(np.uint64(7), np.uint32(r), lead, v, p)
                        ]
                        for r in replicates
                    ]
                    for p in purposes
                ]
                for v in visits
            ]
            for lead in map(np.uint64, leads)
        ]
    )


@pytest.mark.parametrize("axis", ["leads", "visits", "purposes", "replicates"])
def test_neighbours_are_uniform_and_uncorrelated(axis):
    count = 2000 if axis != "purposes" else 60
    drawn = lots(**{axis: range(count)}, **({} if axis != "purposes" else {"visits": range(40)}))
    lines = (
        drawn.reshape(count, -1, 2)
        if axis != "purposes"
        else drawn[0].transpose(1, 0, 2, 3).reshape(60, -1, 2)
    )
    first, second = lines[..., 0].ravel(), lines[..., 1].ravel()
    assert stats.kstest(first, "uniform").pvalue > 1e-4
    assert stats.kstest(second, "uniform").pvalue > 1e-4
    error = 1 / np.sqrt(first.size)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 * error
    neighbours = np.corrcoef(lines[:-1, :, 0].ravel(), lines[1:, :, 0].ravel())[0, 1]
    assert abs(neighbours) < 4 * error


def test_exponential_is_the_logarithm_to_the_last_bit_or_two():
    words = np.random.default_rng(1).integers(0, 2**64, 5000, dtype=np.uint64)
    number = ((words >> np.uint64(12)).astype(float) + 0.5) / 2**52
    found = np.array([luck.unit_exponential(word) for word in words])
    np.testing.assert_allclose(found, -np.log(number), rtol=4e-16)
    assert luck.unit_exponential(np.uint64(2**64 - 1)) > 0


def test_moments_on_the_grid_add_without_rounding():
    moments = np.array([luck.on_grid(x) for x in np.random.default_rng(2).uniform(0, 3e4, 2000)])
    np.testing.assert_array_equal(moments * 2**32, np.round(moments * 2**32))
    start, end = moments[:1000], moments[1000:]
    np.testing.assert_array_equal(start + (end - start), end)


def counts(mean, seed=3):
    return luck.intake(np.uint64(seed), np.uint32(0), np.ascontiguousarray(mean))


@pytest.mark.parametrize("mean", [0.3, 5.0, 63.9, 64.0, 1000.0])
def test_intake_is_poisson(mean):
    found = counts(np.full((4, 1000), mean)).ravel()
    assert abs(found.mean() - mean) < 4 * np.sqrt(mean / found.size)
    dispersion = found.var() / mean
    assert abs(dispersion - 1) < 4 * np.sqrt((2 + 1 / mean) / found.size)


def test_a_higher_rate_only_adds_leads():
    rates = np.linspace(0, 200, 400)
    found = np.array([counts(np.full((1, 30), rate)) for rate in rates])
    assert np.all(np.diff(found, axis=0) >= 0)
    assert found[-1].sum() > found[0].sum() == 0


def test_intake_of_a_day_does_not_depend_on_other_days_or_ways_in():
    small, large = counts(np.full((2, 5), 9.0)), counts(np.full((3, 50), 9.0))
    np.testing.assert_array_equal(small, large[:2, :5])


def test_shock_has_mean_one_and_the_stated_spread():
    found = np.array([luck.shock(1, replicate, 0.2) for replicate in range(3000)])
    assert abs(found.mean() - 1) < 4 * 0.2 / np.sqrt(3000)
    assert abs(found.std() - 0.2) < 4 * 0.2 / np.sqrt(2 * 3000)
    assert luck.shock(1, 0, 0.0) == 1.0


def test_identities_do_not_collide_and_tell_their_kind():
    names = luck.open_lead_numbers(np.array([f"deal {i}" for i in range(500)], dtype=object)).tolist()
    born = [int(luck.born_lead(c, d, k)) for c in range(5) for d in range(10) for k in range(10)]
    paths = [(v, r, k) for v in range(2) for r in range(2) for k in range(2)]
    kinder = [int(luck.referred_lead(np.uint64(lead), *path)) for lead in born for path in paths]
    assert len({*names, *born, *kinder}) == len(names) + len(born) + len(kinder)
    assert {lead >> 62 for lead in names} == {0}
    assert {lead >> 63 for lead in born} == {1}
    assert {lead >> 62 for lead in kinder} == {1}


def test_two_deals_of_one_name_are_refused():
    with pytest.raises(FunnelError, match="'Acme' is listed twice"):
        luck.open_lead_numbers(np.array(["Acme", "Bolt", "Acme"], dtype=object))
