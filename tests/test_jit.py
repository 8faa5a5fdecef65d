"""Machine code: who waits for it at a terminal is told why, once; a file is not."""

import io
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numba
import pytest
from numba.core import event
from numba.core.sigutils import normalize_signature

import funnelsim
from funnelsim.forecasting.intensity import BESIDE
from funnelsim.sample import sample_path
from funnelsim.simulation.jit import Notice, strict

ROOT = Path(__file__).resolve().parents[1]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def listening():
    notice = Notice()
    event.register("numba:compile", notice)
    yield
    event.unregister("numba:compile", notice)


def compile_two() -> None:
    for number in (1, 2):
        assert numba.njit(lambda x, number=number: x + number)(1) == 1 + number


def test_a_terminal_is_told_once(listening, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    compile_two()
    lines = terminal.getvalue().splitlines()
    assert len(lines) in (1, 2), lines  # the module's own listener may speak too, if nothing was said before
    assert set(lines) == {"Compiling the engine, once after installing: about half a minute ..."}


def test_a_file_is_told_nothing(listening, monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    compile_two()
    assert file.getvalue() == ""


DOUBLE = """
from funnelsim.simulation.jit import kernel

@kernel
def double(number):
    return 2 * number

print(double(4.0), sum(double.stats.cache_hits.values()))
"""


def doubled(folder: Path) -> str:
    """Return what a new process says of a small kernel, with its machine code in a folder."""
    (folder / "double.py").write_text(DOUBLE)
    words = os.environ | {"NUMBA_CACHE_DIR": str(folder / "kept"), "PYTHONPATH": str(ROOT)}
    made = subprocess.run([sys.executable, folder / "double.py"], capture_output=True, text=True, env=words)
    assert (made.returncode, made.stderr) == (0, "")
    return made.stdout.strip()


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["empty", "garbage", "cut"])
def test_broken_machine_code_is_compiled_again(tmp_path, kind, damage):
    assert [doubled(tmp_path) for _ in range(2)] == ["8.0 0", "8.0 1"], "kept from the first time on"
    (file,) = (tmp_path / "kept").rglob(f"*.{kind}")
    file.write_bytes({"empty": b"", "garbage": b"garbage", "cut": file.read_bytes()[:50]}[damage])
    assert [doubled(tmp_path) for _ in range(2)] == ["8.0 0", "8.0 1"]


THEN_TRIPLE = """
import sys

from double import double
from funnelsim.simulation.jit import kernel
from numpy import arange

learned = lambda: "numba.np.arraymath" in sys.modules
before = learned()

@kernel
def triple(numbers):
    return double(numbers) + numbers.sum()

print(before, triple(arange(3.0)).tolist(), learned(), double(1.5))
"""


def test_numba_learns_what_it_compiles_with_only_when_it_compiles(tmp_path):
    doubled(tmp_path)
    (tmp_path / "beside.py").write_text(THEN_TRIPLE)
    words = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "kept"), "PYTHONPATH": str(ROOT)}
    made = subprocess.run(
        [sys.executable, tmp_path / "beside.py"], capture_output=True, text=True, env=words, check=True
    )
    assert made.stdout.splitlines() == ["8.0 1", "False [3.0, 5.0, 7.0] True 3.0"]


WAITING = """
import sys
from funnelsim.simulation.jit import compile_beside, is_kept

from double import double

before = is_kept(double)
compile_beside({sys.argv[1]: "(f8,)"})
print(double(4.0), sum(double.stats.cache_hits.values()), before, is_kept(double))
"""


def waited(folder: Path, place: str) -> str:
    """Return what a process says that calls a kernel while another one was asked to compile it."""
    (folder / "double.py").write_text(DOUBLE.rpartition("print")[0])
    (folder / "waiting.py").write_text(WAITING)
    words = os.environ | {"NUMBA_CACHE_DIR": str(folder / "kept"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, folder / "waiting.py", place]
    made = subprocess.run(command, capture_output=True, text=True, env=words, check=True)
    return made.stdout.strip() + made.stderr


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="on one core nothing is compiled beside")
def test_another_process_compiles_what_is_called_meanwhile(tmp_path):
    assert waited(tmp_path, "double:double") == "8.0 1 False True"


def test_where_the_other_process_fails_nothing_is_lost(tmp_path):
    assert waited(tmp_path, "nowhere:double") == "8.0 0 False True"


def test_what_is_compiled_beside_is_what_the_pass_calls():
    funnelsim.forecast(sample_path(), draws=2)
    for place, signature in BESIDE.items():
        module, _, name = place.partition(":")
        index = getattr(import_module(module), name)._cache._cache_file._load_index()
        # Other tests call some of them with other arrays, and what they had compiled lies there too.
        assert tuple(normalize_signature(signature)[0]) in {key[0] for key in index}, place


def test_where_machine_code_cannot_be_kept_it_is_made_each_time(monkeypatch):
    monkeypatch.setattr(numba.core.caching._CacheLocator, "ensure_cache_path", refuse)

    def three() -> int:
        return 3

    assert strict(three)() == 3
    assert getattr(strict(three), "_cache", None).__class__.__name__ == "NullCache"


def refuse(_: object) -> None:
    raise OSError("no space left")
