"""From a history larger than memory to a forecast: time and peak memory of 20 million events.

    python benchmarks/large.py [--events 20000000] [--csv] [--limit 2.0] [--workers 0]

The events are made up, one lead in seven of them forgotten in its stage, so that a million are open. They are
written to a temporary folder in pieces, and forecast in one command by a process of its own, whose peak
resident memory is measured by the kernel: reading, calibrating, and a forecast of 200 draws. With workers, a
local Dask cluster of so many processes reads and counts the parts; memory is then that of the process that
asked or of its largest worker. The exit code is 1 when it was more than the limit in GiB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

PIECE = 200_000
DAYS = 1460
STAGES = ("Inquiry", "Qualified", "Proposal")
CHANNELS = ("web", "partner", "event", "outbound", "referral")
FORGOTTEN, LONGER = 0.14, 100.0
FORECAST = """
import resource, sys, time
import funnelsim as fs

def main():
    workers, client, address = int(sys.argv[2]), None, None
    if workers:
        from distributed import Client
        client = Client(n_workers=workers, threads_per_worker=1, dashboard_address=None)
        address = client.scheduler.address
    begun = time.perf_counter()
    place = fs.situation(sys.argv[1], large=True, dask=address)
    read = time.perf_counter()
    found = fs.forecast(place)
    print("\\n".join(place.model.notes))
    print(found)
    print(f"{len(place.deals):,} leads are open; read and calibrated in {read - begun:.0f} s, "
          f"forecast in {time.perf_counter() - read:.0f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if client is not None:
        peaks = client.run(lambda: __import__("resource").getrusage(0).ru_maxrss)
        peak = max(peak, *peaks.values())
        client.close()
    print(peak)

if __name__ == "__main__":
    main()
"""


def piece(number: int, leads: int) -> pd.DataFrame:
    """Return the events of some leads, in the order of time: about three for each lead."""
    rng = np.random.default_rng((20, number))
    lead = np.arange(leads) + number * leads
    at = rng.uniform(0, DAYS, leads)
    channel, segment = rng.integers(0, len(CHANNELS), leads), rng.integers(0, 3, leads)
    value = np.exp(rng.normal(9 + segment / 2, 1.0, leads)).round(2)
    going, forgotten, found = np.ones(leads, dtype=bool), rng.random(leads) < FORGOTTEN, []
    for place, (stage, days, on) in enumerate(zip(STAGES, (12, 25, 40), (0.6, 0.5, 0.35), strict=True)):
        rows = np.flatnonzero(going & (at < DAYS))
        found.append((lead[rows], np.full(len(rows), stage), at[rows]))
        at = at + rng.exponential(days, leads) * np.where(forgotten, LONGER, 1.0)
        moves = going & (at < DAYS)
        going = moves & (rng.random(leads) < on)
        ended = np.flatnonzero(moves & ~going)
        found.append((lead[ended], np.full(len(ended), "Lost"), at[ended]))
        if place == len(STAGES) - 1:
            rows = np.flatnonzero(going)
            found.append((lead[rows], np.full(len(rows), "Won"), at[rows]))
    who = np.concatenate([rows for rows, _, _ in found])
    local = who - number * leads
    frame = pd.DataFrame(
        {
            "lead": [f"L{name:08d}" for name in who],
            "stage": np.concatenate([names for _, names, _ in found]),
            "at": pd.Timestamp("2022-01-01")
            + pd.to_timedelta((np.concatenate([days for _, _, days in found]) * 86400).astype(int), unit="s"),
            "channel": np.array(CHANNELS)[channel[local]],
            "segment": np.array(("small", "middle", "large"))[segment[local]],
            "value": value[local],
        }
    )
    return frame.sort_values("at", kind="stable")


def write(path: Path, events: int) -> int:
    """Write at least so many events, piece by piece; return how many they are."""
    written, number = 0, 0
    first = pa.Table.from_pandas(piece(0, 10), preserve_index=False)
    kind = pyarrow.csv.CSVWriter if path.suffix == ".csv" else pyarrow.parquet.ParquetWriter
    with kind(path, first.schema) as writer:
        while written < events:
            table = pa.Table.from_pandas(piece(number, PIECE), preserve_index=False)
            writer.write_table(table)
            written, number = written + table.num_rows, number + 1
    return written


def main() -> int:
    """Run from a terminal; the exit code is 1 when memory was over the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--csv", action="store_true", help="text instead of Parquet")
    parser.add_argument("--limit", type=float, default=2.0, help="GiB")
    parser.add_argument("--workers", type=int, default=0, help="processes of a local Dask cluster")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("events.csv" if asked.csv else "events.parquet")
        count = write(path, asked.events)
        print(f"{count:,} events, {path.stat().st_size / 2**20:,.0f} MiB of {path.suffix[1:]}", flush=True)
        started = time.perf_counter()
        script = Path(folder) / "forecast.py"
        script.write_text(FORECAST, encoding="utf-8")
        child = subprocess.run(
            [sys.executable, str(script), str(path), str(asked.workers)],
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
        )
        spent = time.perf_counter() - started
    *notes, peak = child.stdout.splitlines()
    print("\n".join(f"  {note}" for note in notes))
    used = int(peak) / (2**30 if sys.platform == "darwin" else 2**20)
    print(f"forecast in {spent:.0f} s, peak resident memory {used:.2f} GiB (limit {asked.limit:g} GiB)")
    return int(used > asked.limit)


if __name__ == "__main__":
    sys.exit(main())
