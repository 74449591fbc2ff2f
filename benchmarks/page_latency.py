"""From the failed probe to the page at the sink: the whole story told N times, each time on a fresh installation.

    python -m benchmarks.page_latency [N]

Prints every run, the median and the worst, and the disk's fsync time, because six of them lie on the way.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LAG = "probe_failed_to_page_handed_over"


def fsync_ms(folder: Path, writes: int = 200) -> float:
    """The median of some small appends, each flushed to the disk, in milliseconds."""
    took = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(writes):
            file.write(b"x" * 200)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def one_run(folder: Path, number: int) -> float:
    """Milliseconds of one story; ends the benchmark when a hop is missing."""
    story = folder / f"{number}.json"
    subprocess.run(
        [sys.executable, "-m", "cli", "demo", "--once", "--json", str(story)], check=True, stdout=subprocess.DEVNULL
    )
    return float(json.loads(story.read_text(encoding="utf-8"))["lags_ms"][LAG])


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{platform.machine()}, {os.cpu_count()} cores, fsync {fsync_ms(folder):.2f} ms (median of 200)")
        lags = []
        for number in range(runs):
            lags.append(one_run(folder, number))
            print(f"run {number + 1:>2}: {lags[-1]:7.1f} ms", flush=True)
    print(f"{LAG}: median {statistics.median(lags):.1f} ms, worst {max(lags):.1f} ms, {runs} runs")


if __name__ == "__main__":
    main()
