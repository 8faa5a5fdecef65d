"""Set up funnelsim and run it, with nothing but Python: `python start.py --help` says how."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import time
from pathlib import Path

HELP = """\
python start.py              set up, then forecast the bundled sample (the main job)
python start.py test         set up, then lint, format, types, unit tests, doctests, notebooks
python start.py lab [...]    set up, then open the notebooks in JupyterLab (further words go to it)
python start.py course [...] set up, then write the lessons as pages that need no network, into out/course/
                             (--out FOLDER: elsewhere; --language zh: in Chinese where translated)
python start.py lite         set up, then build a site that runs in a browser alone, into out/lite/
                             (untested end to end: its Python comes from the network)
python start.py --help       this text

The set-up goes into the folder .venv beside this file; delete that folder to start afresh.
Only the first set-up needs the network."""

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "funnelsim-stamp.txt"
LOCK = "requirements.lock"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
# Excel, data bases, Parquet: companies have them, so they belong to every set-up.
EXTRAS: dict[str, set[str]] = {
    "demo": {"formats"},
    "test": {"formats", "lab", "test"},
    "lab": {"formats", "lab"},
    "course": {"formats"},
    "lite": {"formats", "lite"},
}
# Words that hand further ones on.
OPEN = {"lab", "course", "lite"}
WORKERS = str(max(1, min(os.cpu_count() or 1, 4)))

# `loadfile` keeps a notebook's cells, and a file's expensive fixtures, on one worker.
PYTEST = ["pytest", "-q", "-n", WORKERS, "--dist", "loadfile"]
NBVAL = [
    "--nbval",
    "--nbval-current-env",
    "--nbval-cell-timeout=300",
    "--nbval-sanitize-with=tests/sanitize.cfg",
]
CHECKS = [
    ("lint", ["ruff", "check", "--no-unsafe-fixes", "."]),
    ("format", ["ruff", "format", "--check", "."]),
    ("types", ["mypy"]),
    ("unit tests and doctests", PYTEST),
    ("notebooks", [*PYTEST, *NBVAL, "notebooks"]),
]


class SetupError(Exception):
    """The set-up cannot go on; the message says why and what to do."""


def say(text: str) -> None:
    """Print a line at once, also where the output is a file."""
    print(text, flush=True)


def surroundings() -> dict[str, str]:
    """Return the caller's environment without what would lead the new Python astray."""
    astray = {"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
    kept = {name: value for name, value in os.environ.items() if name not in astray}
    # Companies' networks often sign with a certificate that only the system's own store knows.
    ours = {"JUPYTER_PREFER_ENV_PATH": "1", "PYTHONUTF8": "1", "UV_SYSTEM_CERTS": "true"}
    return {**ours, **kept}


def run(command: list[str], quiet: bool = False) -> int:
    """Run a command in the project's folder and return its exit code."""
    silence = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, cwd=ROOT, env=surroundings(), stdout=silence, stderr=silence).returncode


def module(*words: str) -> list[str]:
    """Return the command that runs a module with the project's own Python."""
    return [str(PYTHON), "-m", *words]


def fingerprint() -> str:
    """Return what an installation depends on, in short: the two files, this Python, this folder."""
    known = hashlib.sha256(f"{sys.version_info[:2]} {ROOT}".encode())
    for name in ("pyproject.toml", LOCK):
        known.update((ROOT / name).read_bytes())
    return known.hexdigest()


def installed() -> set[str] | None:
    """Return the extras that are installed, or None when nothing fit for use is."""
    if not STAMP.is_file() or not PYTHON.exists():
        return None
    stamp, *extras = STAMP.read_text(encoding="utf-8").split()
    if stamp != fingerprint() or run([str(PYTHON), "-c", "import funnelsim"], quiet=True) != 0:
        return None
    return set(extras)


def same_python() -> bool:
    """Tell whether .venv holds a working Python of the version that runs this script, with pip."""
    version = f"{sys.version_info[0]}, {sys.version_info[1]}"
    check = f"import pip, sys; sys.exit(sys.version_info[:2] != ({version}))"
    return PYTHON.exists() and run([str(PYTHON), "-c", check], quiet=True) == 0


def make_venv() -> None:
    """Make .venv, unless a good one is there.

    Raises:
        SetupError: this Python cannot make virtual environments, or the folder cannot be written.
    """
    if same_python():
        return
    say(f"Making a Python {sys.version_info[0]}.{sys.version_info[1]} environment in {VENV} ...")
    if run([sys.executable, "-m", "venv", "--clear", str(VENV)]) != 0:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise SetupError(
            f"{sys.executable} could not make {VENV}. On Debian and Ubuntu the part that is missing is"
            f" 'sudo apt install {package}'; elsewhere check that the folder can be written and that the disk"
            " has room."
        )


def install(extras: set[str]) -> None:
    """Install funnelsim and its libraries, by uv where that can be had, else by pip.

    Raises:
        SetupError: neither way worked.
    """
    target = "." + (f"[{','.join(sorted(extras))}]" if extras else "")
    what = ["install", "--quiet", "--constraint", LOCK, "--editable", target]
    say(f"Installing funnelsim{target[1:]} and its libraries: some hundred megabytes, a minute or two ...")
    uv = module("pip", "install", "--quiet", "--retries", "1", "--disable-pip-version-check", "uv>=0.5")
    if run(uv) == 0 and run(module("uv", "pip", *what, "--python", str(PYTHON))) == 0:
        return
    say("uv could not do it; trying pip, which is slower ...")
    if run(module("pip", *what, "--retries", "2", "--disable-pip-version-check")) != 0:
        raise SetupError(
            "the libraries could not be installed; the lines above say which and why."
            " Is there a network connection to a Python package index, and a gigabyte or two of disk?"
        )


def compile_all() -> None:
    """Compile libraries and package to bytecode, or the first questions wait for it.

    Libraries carry files that only other Pythons understand, so the exit code says nothing.
    """
    say("Compiling them, once ...")
    run(module("compileall", "-qq", "-j", WORKERS, str(VENV), str(ROOT / "funnelsim")), quiet=True)


def set_up(word: str) -> None:
    """Make sure that what `word` needs is installed; a second time this is a look at a stamp."""
    have = installed()
    if have is not None and have >= EXTRAS[word]:
        return
    began = time.monotonic()
    make_venv()
    extras = EXTRAS[word] | (have or set())
    STAMP.unlink(missing_ok=True)
    install(extras)
    compile_all()
    STAMP.write_text(" ".join([fingerprint(), *sorted(extras)]) + "\n", encoding="utf-8")
    say(f"Set up in {time.monotonic() - began:.0f} s.")


def watched(command: list[str]) -> tuple[int, str]:
    """Run a command, show its output as it comes, and return its exit code and its last line."""
    last = ""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=surroundings(),
        encoding="utf-8",
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as child:
        for line in child.stdout or ():
            say(line.rstrip("\n"))
            last = line.strip() or last
    return child.returncode, last


def check(title: str, command: list[str]) -> tuple[bool, str]:
    """Run one check and return whether it passed, and its line of the summary."""
    say(f"\n== {title}: {' '.join(command)}")
    began = time.monotonic()
    code, last = watched(module(*command))
    verdict = "ok    " if code == 0 else "FAILED"
    return code == 0, f"{verdict}  {title:24s} {time.monotonic() - began:5.0f} s   {last}"


def test() -> int:
    """Run every check, also after one has failed, and return 0 if all passed."""
    results = [check(title, command) for title, command in CHECKS]
    say("\n== summary")
    for _, line in results:
        say(line)
    failed = sum(not passed for passed, _ in results)
    say(f"{len(results) - failed} of {len(results)} checks passed" + (f", {failed} FAILED" if failed else ""))
    return 1 if failed else 0


def job(word: str, further: list[str]) -> int:
    """Do what was asked for, after the set-up."""
    if word == "test":
        return test()
    if word == "lab":
        return run(module("jupyterlab", "notebooks", *further))
    if word == "course":
        return run([str(PYTHON), "notebooks/hand_outs.py", *further])
    if word == "lite":
        return run([str(PYTHON), "notebooks/lite.py", *further])
    return run(module("funnelsim.cli", "demo"))


def refusal(words: list[str]) -> str:
    """Return why these words cannot be obeyed, or nothing if they can."""
    word = words[0] if words else "demo"
    if word not in EXTRAS:
        return f"start.py does not know '{word}': it takes no word, test, lab, course, lite or --help."
    if word not in OPEN and len(words) > 1:
        return f"start.py {word} takes no further word, but '{words[1]}' was given."
    if sys.version_info < OLDEST:
        return f"funnelsim needs Python 3.11 or newer, but {sys.executable} is {sys.version.split()[0]}."
    return ""


def main(words: list[str]) -> int:
    """Obey the words of the command line and return the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    if words and words[0] in {"-h", "--help", "help"}:
        say(HELP)
        return 0
    if problem := refusal(words):
        print(problem, file=sys.stderr)
        return 2
    word = words[0] if words else "demo"
    try:
        set_up(word)
        return job(word, words[1:])
    except SetupError as error:
        print(f"Set-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
