"""Change the package's code in small ways, one at a time: how many of the changes do the tests notice?

    python benchmarks/mutants.py                                    40 mutants of each of four packages
    python benchmarks/mutants.py --per-package 10 --seed 7          fewer, and others
    python benchmarks/mutants.py --packages history                 one package
    python benchmarks/mutants.py --at funnelsim/model/rates.py:80   every mutant of one line

Needs Linux or macOS, and `pip install coverage`. The tests run once, to learn which of them come to which
line (ten to twenty minutes; kept in the temporary folder, and only test files that have changed run again).
Then each mutant is written into a copy of the tree, never into the tree itself, and the tests that come to
its line run, those that come to few other lines first, until one fails. A test that does not end counts as
one that fails. Survivors are listed as lines of a diff. Those that were read and found to change nothing that
matters stand in EQUIVALENT, with the reason, and are left out of the share.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import math
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("model", "history", "calibration", "forecasting")
# What tests the set-up, the prose or a server, and not these packages; it takes most of the suite's time.
ELSEWHERE = (
    "notebooks",
    "start",
    "environment",
    "readme",
    "browser",
    "postgres",
    "renderer",
    "floors",
    "mutants",
)
# Imported once, before the processes of the mutants are made: seconds for each of them.
HEAVY = ["altair", "hypothesis", "numba", "numpy", "openpyxl", "pandas", "pydantic", "pytest", "scipy.stats"]
HEAVY += ["scipy.optimize", "sqlalchemy", "statsmodels.api", "typer.testing", "yaml"]
LONGEST_FILE = 75.0  # seconds: a test file that takes longer is known by what it did until then
NARROWEST = 15  # tests that run before the others are even imported: they find most mutants
PATIENCE = 6.0  # times its usual time, and a minute, may a test take: others may use the machine
ROUNDING = 1e-6  # smaller numbers guard against a rounding; twice as much does it as well
NORMAL_95 = 1.959964
ENOUGH = 0.85
CONTEXT = multiprocessing.get_context("forkserver")

# What was read and found to change nothing that a test should notice: module, line, new text, and why.
EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("model/dwell.py", "ACCURACY = 2e-6  # a bin that is as right as this is not cut any further", "4e-06"): (
        "a little less accurate, still far within the 1e-4 that is promised"
    ),
    ("model/dwell.py", "right > 4 * left, np.sqrt(np.maximum(left, right / 100) * right), (left + right) / 2",
     "((4) / (left))"): "where a bin is cut decides how many bins there are, not what they promise",
    ("model/dwell.py", "right > 4 * left, np.sqrt(np.maximum(left, right / 100) * right), (left + right) / 2",
     "5"): "where a bin is cut decides how many bins there are, not what they promise",
    ("model/model.py",
     "return OpenDeals(np.zeros(0, dtype=object), none, none, np.zeros(0), np.zeros(0))",
     "np.ones"): "an array without elements",
    ("calibration/parts.py", "bookings=pd.concat([booked for _, booked in samples], ignore_index=True),",
     "False"): "nobody looks at the numbers of these rows",
    ("calibration/parts.py", "wins = pd.concat([part.wins for part in parts], ignore_index=True)",
     "False"): "nobody looks at the numbers of these rows",
    ("forecasting/exact.py",
     "ages = 2 + int(np.ceil(reach / (width * min(1.0, float(table.speed.min())))))",
     "3"): "one age more than any lead reaches",
    ("calibration/trust.py",
     "third = np.clip(np.ceil(3 * rank / (size + 1)) - 1, 0, 2).fillna(0).astype(np.int64)",
     "1"): "the third of visits that follow none, which are left out",
    ("history/databases.py", 'elif engine.dialect.name in ("mysql", "mariadb"):',
     "(engine.dialect.name not in ('mysql', 'mariadb'))"): "no such server where the tests run",
    ("forecasting/split.py",
     "scaled[origin] = table[origin] * np.divide(goal, total, out=np.zeros(len(table)), where=total > 0)",
     "np.ones"): "parts that are all 0 stay 0, whatever they are multiplied by",
}  # fmt: skip

COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "/",
    ast.Mod: "*",
    ast.Pow: "*",
    ast.BitAnd: "|",
    ast.BitOr: "&",
}
PAIRS = ("min max", "minimum maximum", "any all", "floor ceil", "argmin argmax", "ffill bfill", "first last")
PAIRS += (
    "left right",
    "nanmin nanmax",
    "union intersection",
    "startswith endswith",
    "zeros ones",
    "head tail",
)
SWAPS = {a: b for pair in PAIRS for a, b in (pair.split(), pair.split()[::-1])}
# Arguments that check, or that save time and memory, without changing what comes out.
NO_EFFECT = {"strict", "copy", "cache", "nogil", "deep", "low_memory", "memory_map", "stacklevel", "observed"}


@dataclass(frozen=True)
class Mutant:
    """One small change: the file, where it stands in it (line; first and last byte), what it says instead.

    `text` is the line without the blanks around it, as EQUIVALENT names it.
    """

    file: str
    line: int
    span: tuple[int, int]
    text: str
    old: str
    new: str
    traced: bool  # whether a tracer sees the line, which holds inside functions that are not compiled

    @property
    def package(self) -> str:
        """The package that it changes."""
        return self.file.split("/")[1]

    @property
    def reason(self) -> str | None:
        """Why the mutant is no finding, where somebody read it."""
        return EQUIVALENT.get((self.file.removeprefix("funnelsim/"), self.text, self.new))

    def applied(self, source: bytes) -> bytes:
        """Return the file with the change made."""
        return source[: self.span[0]] + self.new.encode() + source[self.span[1] :]

    def diff(self, source: bytes) -> str:
        """Return the changed lines before and after."""
        first = source.rfind(b"\n", 0, self.span[0]) + 1
        last = source.find(b"\n", self.span[1])
        after = source[first : self.span[0]] + self.new.encode() + source[self.span[1] : last]
        texts = ((" -", source[first:last]), (" +", after))
        lines = [f"{mark} {row.strip()}" for mark, text in texts for row in text.decode().splitlines()]
        return "\n".join([f"{self.file}:{self.line}", *lines])


def mutants_of(file: str, source: bytes) -> list[Mutant]:
    """Return every mutant of a module, in the order of its lines."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node, new, traced in _changes(ast.parse(source), traced=False):
        first = starts[node.lineno - 1] + node.col_offset
        last = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        old = " ".join(source[first:last].decode().split())
        text = source[starts[node.lineno - 1] : starts[node.lineno]].decode().strip()
        found.append(Mutant(file, node.lineno, (first, last), text, old, new, traced))
    return sorted(found, key=lambda one: (one.line, one.span, one.new))


def _changes(node: ast.AST, traced: bool) -> Iterator[tuple[Any, str, bool]]:
    """Every node below one that can be changed, its new text, and whether its line is traced."""
    if isinstance(node, ast.FunctionDef):
        if node.name.startswith("__") or "repr" in node.name:
            return
        compiled = any(
            "jit" in ast.unparse(one) or "compiled" in ast.unparse(one) for one in node.decorator_list
        )
        yield from _below([*node.args.defaults, *node.args.kw_defaults], traced)
        yield from _below(node.body, traced=not compiled)
        return
    if isinstance(node, ast.JoinedStr | ast.Raise | ast.Import | ast.ImportFrom):
        return
    for changed, new in _mutated(node):
        yield changed, new, traced
    if isinstance(node, ast.AnnAssign):
        yield from _below([node.value], traced)
    elif isinstance(node, ast.ClassDef):
        yield from _below(node.body, traced)
    else:
        yield from _below(ast.iter_child_nodes(node), traced)


def _below(nodes: Any, traced: bool) -> Iterator[tuple[Any, str, bool]]:
    for node in nodes:
        if node is not None and not (isinstance(node, ast.keyword) and node.arg in NO_EFFECT):
            yield from _changes(node, traced)


def _mutated(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """The new texts of one node; of those below it nothing."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
        yield node, f"({left} {COMPARISONS[type(node.ops[0])]} {right})"
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS and not _builds(node):
        yield node, f"(({ast.unparse(node.left)}) {OPERATORS[type(node.op)]} ({ast.unparse(node.right)}))"
    elif isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        target, value = ast.unparse(node.target), ast.unparse(node.value)
        yield node, f"{target} {OPERATORS[type(node.op)]}= {value}"
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield node, f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.BoolOp):
        word = " or " if isinstance(node.op, ast.And) else " and "
        yield node, "(" + word.join(f"({ast.unparse(one)})" for one in node.values) + ")"
    elif isinstance(node, ast.Constant):
        yield from ((node, new) for new in _other_constant(node.value))
    elif isinstance(node, ast.Attribute) and node.attr in SWAPS:
        yield node, ast.unparse(node).removesuffix(node.attr) + SWAPS[node.attr]
    elif isinstance(node, ast.Name) and node.id in ("min", "max", "any", "all"):
        yield node, SWAPS[node.id]
    elif isinstance(node, ast.If):
        refuses = len(node.body) == 1 and isinstance(node.body[0], ast.Raise)
        yield node.test, "False" if refuses else f"(not ({ast.unparse(node.test)}))"
    elif isinstance(node, ast.IfExp):
        yield node.test, f"(not ({ast.unparse(node.test)}))"
    elif isinstance(node, ast.Break | ast.Continue):
        yield node, "continue" if isinstance(node, ast.Break) else "break"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield node, "pass"


def _builds(node: ast.BinOp) -> bool:
    """Whether a sum joins texts, lists or types: what comes of the change is no number but an error."""
    built = ast.JoinedStr | ast.List | ast.Tuple | ast.ListComp
    sides = (node.left, node.right)
    words = any(
        isinstance(one, built) or (isinstance(one, ast.Constant) and isinstance(one.value, str))
        for one in sides
    )
    return words or any(isinstance(one, ast.Constant) and one.value is None for one in sides)


def _other_constant(value: object) -> list[str]:
    if isinstance(value, bool):
        return [str(not value)]
    if isinstance(value, int):
        return [str(value + 1)]
    if isinstance(value, float) and not 0 < value < ROUNDING:
        return [repr(value * 2) if value else "1.0"]
    return [repr(SWAPS[value])] if isinstance(value, str) and value in SWAPS else []


def sampled(mutants: list[Mutant], number: int, rng: random.Random) -> list[Mutant]:
    """Return so many of them, every module with its share and spread over its lines (systematic sampling)."""
    step = max(1.0, len(mutants) / number)
    start = rng.random() * step
    return [mutants[int(start + step * turn)] for turn in range(min(number, len(mutants)))]


class Watch:
    """A plugin of pytest: which test failed first and, with a tracer, the time and the lines of each test."""

    def __init__(self, tracer: Any = None) -> None:
        self.tracer, self.failed, self.now, self.began = tracer, "", "", time.perf_counter()
        self.seconds: Counter[str] = Counter()  # of tests and of fixtures that tests share
        self.passed: set[str] = set()
        self.shared: dict[str, list[str]] = {}

    def _account(self, name: str) -> None:
        if self.tracer:
            self.tracer.switch_context(name)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the first failure, and the time and end of every test."""
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed = self.failed or report.nodeid
            self.passed.discard(report.nodeid)
        elif report.passed and report.when == "call":
            self.passed.add(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Write what runs to the account of the test."""
        self.now = item.nodeid
        self._account(self.now)
        names = ("", *getattr(item, "fixturenames", ()))
        self.shared[self.now] = [self._fixture(name) for name in names]
        result = yield
        self._account("")
        if self.tracer and time.perf_counter() - self.began > LONGEST_FILE:
            item.session.shouldstop = "the map knows enough of this file"
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Any:
        """Write what a fixture does for several tests to an account of its own."""
        if fixturedef.scope == "function":
            return (yield)
        started, name = time.perf_counter(), self._fixture(fixturedef.argname)
        self._account(name)
        result = yield
        self._account(self.now)
        self.seconds[name] = time.perf_counter() - started
        self.seconds[self.now] -= self.seconds[name]
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Any:
        """Write what a test file does when it is imported to an account that all its tests share."""
        self.now = collector.nodeid
        name = self._fixture("")
        self._account(name)
        result = yield
        self._account("")
        self.seconds[name] = 0.0  # whichever test is asked for, this has been done
        return result

    def _fixture(self, name: str) -> str:
        return f"{self.now.split('::')[0]}@{name}"

    def map(self, tree: Path) -> dict[str, Any]:
        """Return, for each test that passed, its time, its shared fixtures with theirs, and its lines."""
        lines: dict[str, dict[str, set[int]]] = {}
        data = self.tracer.get_data()
        for path in data.measured_files():
            file = Path(path).relative_to(tree).as_posix()
            for line, names in data.contexts_by_lineno(path).items():
                for name in names:
                    lines.setdefault(name, {}).setdefault(file, set()).add(line)
        found = {}
        for test in sorted(self.passed):
            shared = {name: self.seconds[name] for name in self.shared[test] if name in self.seconds}
            touched: dict[str, set[int]] = {}
            for name in (test, *shared):
                for file, numbers in lines.get(name, {}).items():
                    touched.setdefault(file, set()).update(numbers)
            kept = {file: sorted(numbers) for file, numbers in touched.items()}
            found[test] = {"seconds": max(0.0, self.seconds[test]), "shared": shared, "lines": kept}
        return found


def _in_child(tree: Path, tests: list[str], traced: bool) -> None:
    """Run tests in a copy of the tree, in a process of its own; what came of it is left in told.json."""
    os.setsid()  # so that whatever the tests start can be ended with them
    os.chdir(tree)
    os.environ["PYTHONPATH"] = str(tree)
    sys.path.insert(0, str(tree))
    log = os.open(tree / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1), os.dup2(log, 2)
    tracer = _tracer(tree) if traced else None
    watch = Watch(tracer)
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *([] if traced else ["-x"])]
    code = int(pytest.main([*words, *tests], plugins=[watch]))
    tests_seen = watch.map(tree) if traced else {}
    (tree / "told.json").write_text(json.dumps({"code": code, "failed": watch.failed, "tests": tests_seen}))
    os._exit(0)


def _tracer(tree: Path) -> Any:
    try:
        import coverage
    except ImportError:
        raise SystemExit("this benchmark needs the package coverage: pip install coverage") from None
    sources = [str(tree / "funnelsim" / package) for package in PACKAGES]
    tracer = coverage.Coverage(data_file=None, config_file=False, source=sources)
    tracer.start()
    return tracer


def run_tests(tree: Path, tests: list[str], seconds: float, traced: bool = False) -> dict[str, Any]:
    """Run tests of a tree until one fails; return exit code, first failure and, if traced, the map.

    The exit code is -1 where the time was over.
    """
    (tree / "told.json").unlink(missing_ok=True)
    child = CONTEXT.Process(target=_in_child, args=(tree, tests, traced))
    child.start()
    try:
        child.join(seconds)
        late = child.is_alive()
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid or 0, signal.SIGKILL)
    child.join()
    if (tree / "told.json").exists():
        return dict(json.loads((tree / "told.json").read_text()))
    return {"code": -1 if late else 1, "failed": "(no end)" if late else "(crash)", "tests": {}}


def copied(target: Path, source: Path) -> Path:
    """Copy what the tests need; times stay, so that compiled code in the caches stays valid."""
    left_out = shutil.ignore_patterns(".*", "*.ipynb", "told.json", "log.txt")
    return Path(shutil.copytree(source, target, ignore=left_out))


def fingerprint(path: Path) -> str:
    """Return a short mark of what the Python files under a path hold."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def known_tests(tree: Path, kept: Path) -> dict[str, Any]:
    """Return what is known of every test; only files that are not in the kept map as they now are run.

    Of modules that were edited since a test ran, only that the test comes there is still known.
    """
    old = json.loads(kept.read_text()) if kept.exists() else {}
    modules = {
        file.relative_to(tree).as_posix(): fingerprint(file) for file in tree.glob("funnelsim/**/*.py")
    }
    files = [file for file in sorted((tree / "tests").glob("test_*.py")) if file.stem[5:] not in ELSEWHERE]
    found = {}
    for file in tqdm([*files, tree / "funnelsim"], desc="which test comes where", unit="file", leave=False):
        name, mark = file.relative_to(tree).as_posix(), fingerprint(file)
        found[name] = old.get(name, {})
        if found[name].get("mark") != mark:
            told = run_tests(tree, [name], 5 * LONGEST_FILE, traced=True)
            found[name] = {"mark": mark, "modules": modules, "tests": told["tests"]}
            if told["failed"]:
                tqdm.write(f"{name}: exit code {told['code']} {told['failed']} without any mutant")
        kept.write_text(json.dumps({**old, **found}))
    for each in found.values():
        for one in each["tests"].values():
            edited = {file for file in one["lines"] if each["modules"].get(file) != modules.get(file)}
            one["edited"] = sorted(edited)
    return {test: one for each in found.values() for test, one in each["tests"].items()}


def concerned(mutant: Mutant, tests: dict[str, Any], budget: float) -> tuple[list[str], float, int]:
    """Return the tests to run, narrow ones first, their usual seconds, and how many come to the line."""

    def comes(one: dict[str, Any]) -> bool:
        lines = one["lines"].get(mutant.file, ())
        vague = not mutant.traced or mutant.file in one["edited"]
        return bool(lines) and (vague or mutant.line in lines)

    def breadth(test: str) -> int:
        return sum(len(lines) for lines in tests[test]["lines"].values())

    asked = sorted((test for test, one in tests.items() if comes(one)), key=breadth)
    taken, paid, spent = [], set(), 0.0
    for test in asked:
        new = {name: cost for name, cost in tests[test]["shared"].items() if name not in paid}
        cost = tests[test]["seconds"] + sum(new.values())
        if spent + cost <= budget:
            taken.append(test)
            paid |= set(new)
            spent += cost
    return taken, spent, len(asked)


@dataclass(frozen=True)
class Fate:
    """What became of a mutant: the test that noticed it ("" if none did), and what was tried."""

    mutant: Mutant
    noticed: str
    tried: str


def fate(mutant: Mutant, base: Path, tests: dict[str, Any], budget: float) -> Fate:
    """Run the tests that come to a mutant's line."""
    taken, spent, count = concerned(mutant, tests, budget)
    if not taken:
        return Fate(mutant, "", "no test comes here")
    with tempfile.TemporaryDirectory(prefix="mutant_") as place:
        tree = copied(Path(place) / "tree", base)
        path = tree / mutant.file
        path.write_bytes(mutant.applied(path.read_bytes()))
        for some in filter(None, (taken[:NARROWEST], taken[NARROWEST:])):
            told = run_tests(tree, some, 60.0 + PATIENCE * spent)
            if told["code"] != 0:
                break
    noticed = "" if told["code"] == 0 else told["failed"] or "(import)"
    return Fate(mutant, noticed, f"{len(taken)} of {count} tests, {spent:.0f} s")


def wilson(dead: int, number: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    if not number:
        return 0.0, 1.0
    z = NORMAL_95**2 / number
    middle = (dead / number + z / 2) / (1 + z)
    half = math.sqrt(dead / number * (1 - dead / number) * z + z * z / 4) / (1 + z)
    return middle - half, middle + half


def report(fates: list[Fate], base: Path) -> bool:
    """Print the survivors and the table by package; return whether each has 85 %."""
    for title, decided in (("Survivors", True), ("Left out: they change nothing that matters", False)):
        shown = [one for one in fates if not one.noticed and (one.mutant.reason is None) is decided]
        print(f"\n{title}: {len(shown)}")
        for one in shown:
            print(one.mutant.diff((base / one.mutant.file).read_bytes()))
            print(f"    {one.mutant.reason or one.tried}")
    print(
        f"\n{'package':<14}{'mutants':>8}{'left out':>9}{'dead':>6}{'alive':>7}{'share':>8}   95 % interval"
    )
    enough = True
    for package in sorted({one.mutant.package for one in fates}):
        mine = [one for one in fates if one.mutant.package == package]
        dead = sum(bool(one.noticed) for one in mine)
        decided = sum(bool(one.noticed) or one.mutant.reason is None for one in mine)
        low, high = wilson(dead, decided)
        share = dead / max(1, decided)
        enough &= share >= ENOUGH
        counts = f"{len(mine):>8}{len(mine) - decided:>9}{dead:>6}{decided - dead:>7}"
        print(f"{package:<14}{counts}{share:>8.0%}   {low:.0%} to {high:.0%}")
    return enough


def chosen(tree: Path, asked: argparse.Namespace) -> list[Mutant]:
    """Return the mutants that were asked for."""
    every = {}
    for package in asked.packages:
        files = sorted((tree / "funnelsim" / package).rglob("*.py"))
        sources = [(file.relative_to(tree).as_posix(), file.read_bytes()) for file in files]
        every[package] = [mutant for name, source in sources for mutant in mutants_of(name, source)]
    if asked.at:
        return [one for each in every.values() for one in each if f"{one.file}:{one.line}" in asked.at]
    return [
        mutant
        for package, each in every.items()
        for mutant in sampled(each, asked.per_package, random.Random(f"{asked.seed} {package}"))
    ]


def main() -> int:
    """Run from a terminal; the exit code is 1 when a package has less than 85 %."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--per-package", type=int, default=40, help="mutants of each package (40)")
    parser.add_argument("--seed", type=int, default=1, help="another seed draws other mutants (1)")
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=PACKAGES)
    parser.add_argument("--at", nargs="+", metavar="FILE:LINE", help="every mutant of these lines instead")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="usual time of the tests of a mutant (60)"
    )
    parser.add_argument("--map", type=Path, default=Path(tempfile.gettempdir()) / "funnelsim_mutants.json")
    asked = parser.parse_args()
    CONTEXT.set_forkserver_preload(HEAVY)
    with tempfile.TemporaryDirectory(prefix="mutants_") as place:
        base = copied(Path(place) / "tree", ROOT)
        mutants = chosen(base, asked)
        tests = known_tests(base, asked.map)
        fates = []
        for mutant in tqdm(mutants, desc="mutants", unit="mutant"):
            fates.append(fate(mutant, base, tests, asked.seconds))
            tqdm.write(f"{fates[-1].noticed or 'ALIVE':<60.60} {mutant.file}:{mutant.line} {mutant.new[:60]}")
        enough = report(fates, base)
        killers = sorted({one.noticed for one in fates} & set(tests))
        if killers and (told := run_tests(base, killers, 10 * LONGEST_FILE))["code"] != 0:
            print(f"{told['failed']} fails without any mutant too: its mutants are not decided")
            return 1
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
