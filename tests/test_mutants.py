"""The mutants' benchmark: what it changes and what it leaves alone, how it draws, and a tree of its own."""

import os
import random
from pathlib import Path
from types import ModuleType

import pytest
from numpy.testing import assert_allclose
from scripts import script
from statsmodels.stats.proportion import proportion_confint

pytestmark = pytest.mark.skipif(os.name == "nt", reason="each mutant has a forked process of its own")
SOURCE = b'''
"""A module's words: 1 + 1."""
LIMIT = 3  # a comment with 2 < 3


def share(x: float, most: int = 7) -> float:
    """Never more than 1."""
    if x < 0:
        raise ValueError(f"{x + 1} given, expected 0 or more")
    return min(x, 1.0) if x != LIMIT and not most else x


def __repr__(x: int) -> str:
    return str(x + 1)
'''


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    return script("benchmarks/mutants.py")


def test_every_small_change_and_no_other(mutants: ModuleType) -> None:
    found = {(one.line, one.old, one.new) for one in mutants.mutants_of("funnelsim/model/a.py", SOURCE)}
    assert found == {
        (3, "3", "4"),
        (6, "7", "8"),
        (8, "x < 0", "(x <= 0)"),
        (8, "x < 0", "False"),
        (8, "0", "1"),
        (10, "min", "max"),
        (10, "1.0", "2.0"),
        (10, "x != LIMIT", "(x == LIMIT)"),
        (10, "x != LIMIT and not most", "((x != LIMIT) or (not most))"),
        (10, "x != LIMIT and not most", "(not (x != LIMIT and (not most)))"),
        (10, "not most", "(most)"),
    }


def test_a_change_touches_its_own_place_alone(mutants: ModuleType) -> None:
    every = mutants.mutants_of("funnelsim/model/a.py", SOURCE)
    one = next(one for one in every if one.old == "x < 0" and one.new != "False")
    assert one.applied(SOURCE) == SOURCE.replace(b"if x < 0:", b"if (x <= 0):")
    assert one.diff(SOURCE) == "funnelsim/model/a.py:8\n - if x < 0:\n + if (x <= 0):"
    assert one.package == "model" and one.traced
    assert not next(one for one in every if one.old == "3").traced


def test_every_mutant_of_the_package_is_python(mutants: ModuleType) -> None:
    for package in mutants.PACKAGES:
        for path in sorted((mutants.ROOT / "funnelsim" / package).glob("*.py")):
            source = path.read_bytes()
            every = mutants.mutants_of(path.relative_to(mutants.ROOT).as_posix(), source)
            for one in every[::25]:
                compile(one.applied(source), one.file, "exec")


def test_a_sample_is_spread_over_all_and_follows_its_seed(mutants: ModuleType) -> None:
    every = list(range(100))
    drawn = mutants.sampled(every, 10, random.Random(3))
    assert [number // 10 for number in drawn] == list(range(10))
    assert (
        drawn == mutants.sampled(every, 10, random.Random(3)) != mutants.sampled(every, 10, random.Random(5))
    )
    assert mutants.sampled(every, 200, random.Random(5)) == every


def test_narrow_tests_run_first_and_a_dear_fixture_is_paid_once(mutants: ModuleType) -> None:
    def told(seconds: float, lines: list[int], shared: dict[str, float] | None = None) -> dict:
        return {"seconds": seconds, "shared": shared or {}, "lines": {"f.py": lines}, "edited": []}

    tests = {
        "dear": told(9.0, [5]),
        "broad": told(1.0, [5, 6, 7, 8]),
        "elsewhere": told(0.5, [6]),
        "one": told(0.5, [5, 6], {"shared": 4.0}),
        "two": told(0.75, [4, 5, 6], {"shared": 4.0}),
    }
    line = mutants.Mutant("f.py", 5, (0, 1), "a", "a", "b", traced=True)
    assert mutants.concerned(line, tests, 7.0) == (["one", "two", "broad"], 6.25, 4)
    outside = mutants.Mutant("f.py", 99, (0, 1), "a", "a", "b", traced=False)
    assert mutants.concerned(outside, tests, 0.5) == (["elsewhere"], 0.5, 5)
    edited = {name: {**one, "edited": ["f.py"]} for name, one in tests.items()}
    assert mutants.concerned(line, edited, 0.5) == (["elsewhere"], 0.5, 5)


@pytest.mark.parametrize(("dead", "number"), [(17, 20), (0, 5), (40, 40)])
def test_the_interval_is_wilsons(mutants: ModuleType, dead: int, number: int) -> None:
    assert_allclose(
        mutants.wilson(dead, number), proportion_confint(dead, number, method="wilson"), atol=1e-6
    )


def test_what_was_read_and_left_out_is_still_in_the_code(mutants: ModuleType) -> None:
    """A reason is given for a mutant of the code as it is, not as it was."""
    for file, text, new in mutants.EQUIVALENT:
        every = mutants.mutants_of(f"funnelsim/{file}", (mutants.ROOT / "funnelsim" / file).read_bytes())
        assert any((one.text, one.new) == (text, new) for one in every), f"{file}: {text} -> {new}"


def test_a_mutant_dies_by_a_test_that_asks_and_lives_by_one_that_does_not(
    mutants: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tree of one module and two tests, run as the benchmark runs the project's own."""
    monkeypatch.syspath_prepend(mutants.ROOT / "benchmarks")  # its processes import it by name
    tree = tmp_path / "tree"
    for name, text in {
        "funnelsim/__init__.py": "",
        "funnelsim/model/__init__.py": "",
        "funnelsim/model/a.py": SOURCE.decode(),
        "tests/test_a.py": (
            "from funnelsim.model.a import share\n\n"
            "def test_of_the_share():\n    assert share(0.0) == 0.0\n\n"
            "def test_that_asks_nothing():\n    share(9.0)\n"
        ),
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text, encoding="utf-8")
    told = mutants.run_tests(tree, ["tests/test_a.py"], 60.0)
    assert (told["code"], told["failed"]) == (0, "")
    line = {"seconds": 0.1, "shared": {}, "lines": {"funnelsim/model/a.py": [8, 10]}, "edited": []}
    every = mutants.mutants_of("funnelsim/model/a.py", SOURCE)
    strict = next(one for one in every if one.new == "(x <= 0)")
    asked, idle = "tests/test_a.py::test_of_the_share", "tests/test_a.py::test_that_asks_nothing"
    assert mutants.fate(strict, tree, {asked: line, idle: line}, 60.0).noticed == asked
    assert mutants.fate(strict, tree, {idle: line}, 60.0).noticed == ""
    assert mutants.fate(strict, tree, {}, 60.0).tried == "no test comes here"
    assert (tree / "funnelsim/model/a.py").read_bytes() == SOURCE
