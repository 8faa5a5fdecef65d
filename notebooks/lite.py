"""Build a site on which the course runs in a browser alone: `python start.py lite [--out FOLDER]`.

It was built, never run to the end: its Python (Pyodide), NumPy, pandas and SciPy come from the network when a
page is opened. What funnelsim does without its compiled libraries is tested.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
NEEDED = ("jupyterlite_core", "jupyterlite_pyodide_kernel")
# All that funnelsim needs but what no browser has: numba, pyarrow, statsmodels, vl-convert.
LIBRARIES = (
    "numpy", "pandas", "scipy", "pyyaml", "pydantic", "altair", "simpy", "joblib", "platformdirs", "rich",
    "typer", "tqdm",
)  # fmt: skip
PARTS = ("course", "exercises")


def first_cell() -> dict[str, Any]:
    """Return the cell that installs funnelsim in a browser, to stand above all others."""
    text = (
        "# In a browser: install once for each notebook, which takes a minute.\n"
        "import piplite\n\n"
        f"await piplite.install({json.dumps(list(LIBRARIES))})\n"
        'await piplite.install("funnelsim", deps=False)'
    )
    return {
        "cell_type": "code", "id": "install", "metadata": {}, "execution_count": None, "outputs": [],
        "source": text,
    }  # fmt: skip


def gather(folder: Path) -> list[Path]:
    """Copy the lessons and sheets into a folder, each with the cell that installs, and return their paths."""
    copies = []
    for part in PARTS:
        for path in sorted((FOLDER / part).glob("[0-9]*.ipynb")):
            book = json.loads(path.read_text(encoding="utf-8"))
            book["cells"].insert(0, first_cell())
            book["metadata"]["kernelspec"] = {"name": "python", "display_name": "Python (Pyodide)"}
            copy = folder / part / path.name
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(json.dumps(book, ensure_ascii=False), encoding="utf-8")
            copies.append(copy)
    return copies


def wheels(folder: Path) -> list[Path]:
    """Make wheels of funnelsim and of SimPy, which Pyodide does not bring, and return their paths."""
    asked = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*asked, str(ROOT), "simpy"], check=True)
    return sorted(folder.glob("*.whl"))


def build(out: Path) -> int:
    """Build the site into a folder, and return the exit code of what builds it."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for part in ("contents", "wheels"):
            (work / part).mkdir()
        gather(work / "contents")
        bundled = [word for path in wheels(work / "wheels") for word in ("--piplite-wheels", str(path))]
        asked = [sys.executable, "-m", "jupyterlite_core", "build", "--lite-dir", name]
        asked += ["--contents", str(work / "contents"), "--output-dir", str(work / "site"), *bundled]
        code = subprocess.run(asked, cwd=name).returncode
        if code == 0:
            shutil.rmtree(out, ignore_errors=True)
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(work / "site", out)
    return code


def main(words: list[str]) -> int:
    """Build the site and return 0, or say in one sentence what is missing and return 2."""
    asked = argparse.ArgumentParser(prog="start.py lite", description="Build a site that needs no set-up.")
    asked.add_argument("--out", default="out/lite", help="folder for the site (default: out/lite)")
    out = Path(asked.parse_args(words).out).resolve()
    lacking = [name for name in NEEDED if find_spec(name) is None]
    if lacking:
        print(
            f"The site needs {' and '.join(lacking)}, which are not installed here:"
            " pip install 'funnelsim[lite]', with a network.",
            file=sys.stderr,
        )
        return 2
    if out.exists() and not (out / "jupyter-lite.json").exists():
        print(f"{out}: is there already, and is no such site; name another folder", file=sys.stderr)
        return 2
    code = build(out)
    if code == 0:
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
        print(f"{size:.0f} MB in {out}. Serve it: python -m http.server --directory {out}")
        print("Untested end to end: a browser fetches Pyodide and its libraries from the network.")
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
