"""Machine code: who waits for it at a terminal is told why, once; a file is not."""

import io
import sys

import numba
import pytest
from numba.core import event

from funnelsim.simulation.jit import Notice


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
