"""How this package's inner loops are compiled: once, kept on disk, and never out of date.

Where numba is absent, as in a browser, the same functions run as plain Python: same results, slower.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

COMPILES = find_spec("numba") is not None
if COMPILES:
    import numba
    from numba.core import event
    from numba.core.runtime.nrt import rtsys
    from numba.core.sigutils import normalize_signature

    _njit: Callable[..., Callable[..., object]] = numba.njit
    _parsed: Callable[[str], tuple[Any, Any]] = normalize_signature
Function = TypeVar("Function", bound=Callable[..., object])
LONGEST_WAIT = 60.0  # seconds for another process's machine code: several times what it takes
BETWEEN_LOOKS = 0.05  # seconds
_BESIDE: dict[str, subprocess.Popen[bytes]] = {}  # kernel -> the process that compiles it


def kernel(function: Function) -> Function:
    """Compile a function that makes arrays, at its first call, and keep the machine code on disk."""
    return _made(function, error_model="numpy")


def bare(function: Function) -> Function:
    """Compile a function that makes no arrays: nothing is spent on counting who refers to them.

    Counting costs more than the work itself where a call is one event of one lead and hands on
    tuples of arrays.
    """
    return _made(function, error_model="numpy", _nrt=False)


def inlined(function: Function) -> Function:
    """Compile a small function into its callers, so that loops around it become vector instructions.

    Nowhere in this package may arithmetic be reordered or fused: a lead's moments must come out equal,
    bit for bit, in a vector loop and when Python calls the function for one lead.
    """
    return _made(function, error_model="numpy", forceinline=True, _nrt=False)


def strict(function: Function) -> Function:
    """Compile a function in which a division by zero is an error, as it is in Python."""
    return _made(function)


def instead(plain: Function) -> Callable[[Function], Function]:
    """Take another function in the place of this one where nothing is compiled: one that is quick there.

    Args:
        plain: does the same, with NumPy's arrays or Python's integers in the place of loops.
    """
    return lambda function: function if COMPILES else plain


def _made(function: Function, **options: object) -> Function:
    """Compile a function and keep its machine code on disk, where a folder for it can be written."""
    if not COMPILES:
        return function
    try:
        made = _njit(cache=True, nogil=True, **options)(function)
    except (RuntimeError, OSError):
        return cast(Function, _njit(nogil=True, **options)(function))
    _forgive(getattr(made, "_cache", None), f"{function.__module__}:{function.__name__}")
    return cast(Function, made)


def _forgive(cache: Any, name: str) -> None:
    """Compile again where what lies on disk cannot be read, and go on where nothing can be written.

    What a damaged file raises is anybody's guess: it is read by pickle, and says which functions to call.
    """
    if cache is None:
        return
    # numba's own road first learns, for half a second, all that it knows of Python and NumPy, which only who
    # compiles has to know: it learns it again then. Machine code needs the memory that it counts in.
    read, write = getattr(cache, "_load_overload", cache.load_overload), cache.save_overload

    def load(signature: object, context: object) -> object:
        try:
            rtsys.initialize(context)
            return _patiently(lambda: read(signature, context), _BESIDE.get(name))
        except Exception:
            with suppress(OSError):
                cache.flush()
            return None

    def save(signature: object, data: object) -> None:
        with suppress(Exception):
            write(signature, data)

    cache.load_overload, cache.save_overload = load, save


def _patiently(read: Callable[[], object], maker: subprocess.Popen[bytes] | None) -> object:
    """Read machine code; where another process makes it, wait until it is there or that process has ended."""
    found, until = read(), time.monotonic() + LONGEST_WAIT
    while found is None and maker is not None and time.monotonic() < until:
        ended = maker.poll() is not None  # asked before reading, or what it wrote last would be missed
        time.sleep(BETWEEN_LOOKS)
        found = read()
        if ended:
            break
    return found


def is_kept(function: Any) -> bool:
    """Return whether a kernel's machine code lies on disk, or cannot: then nobody need make it beforehand."""
    folder = getattr(getattr(function, "stats", None), "cache_path", None)
    if folder is None:
        return True
    module, name = function.__module__.rpartition(".")[2], function.__name__
    return any(Path(folder).glob(f"{module}.{name}-{function.py_func.__code__.co_firstlineno}.*nbi"))


def compile_beside(kernels: Mapping[str, str]) -> None:
    """Let another process compile kernels and keep them on disk; who calls one meanwhile waits for it.

    Where that process cannot be started, or fails, they are compiled by who calls them, as ever.

    Args:
        kernels: "module:name" -> signature, as numba writes it.
    """
    if (os.cpu_count() or 1) < 2 or not sys.executable or getattr(sys, "frozen", False):
        return
    words = f"from funnelsim.simulation.jit import compile_named; compile_named({dict(kernels)!r})"
    paths = os.pathsep.join(path for path in sys.path if path)
    silent = subprocess.DEVNULL
    with suppress(OSError):
        maker = subprocess.Popen(
            [sys.executable, "-c", words], stdin=silent, stdout=silent, stderr=silent,
            env=os.environ | {"PYTHONPATH": paths},
        )  # fmt: skip
        _BESIDE.update(dict.fromkeys(kernels, maker))
        NOTICE.tell()


def compile_named(kernels: Mapping[str, str]) -> None:
    """Compile kernels, each for a signature: what `compile_beside` asks of the other process."""
    for place, signature in kernels.items():
        module, _, name = place.partition(":")
        kinds, _ = _parsed(signature)  # on disk it lies under these, as in a call
        getattr(import_module(module), name).compile(tuple(kinds))


def forget_outdated() -> None:
    """Remove machine code that is older than any source file of this package.

    numba looks at the file of the compiled function only, not at the files that it calls.
    """
    folder = Path(__file__).parent
    newest = max(source.stat().st_mtime for source in folder.glob("*.py"))
    for index in (folder / "__pycache__").glob("*.nbi"):
        with suppress(OSError):  # another process may have just removed it, or the folder cannot be written
            if index.stat().st_mtime < newest:
                index.unlink()


class Notice:
    """Says to whoever is at a terminal, once in a process, why the first run after installing is slow."""

    def __init__(self) -> None:
        self.over = False

    def notify(self, happening: Any) -> None:
        """Hear that numba begins or ends to compile; code that is kept on disk is not compiled again."""
        if happening.is_start:
            self.tell()

    def tell(self) -> None:
        """Say it, if somebody looks and it was not said yet."""
        if not self.over and sys.stderr.isatty():
            self.over = True
            print("Compiling the engine, once after installing: about half a minute ...", file=sys.stderr)


NOTICE = Notice()

if COMPILES:
    event.Listener.register(Notice)
    listen: Callable[[str, object], None] = event.register
    listen("numba:compile", NOTICE)
    forget_outdated()
