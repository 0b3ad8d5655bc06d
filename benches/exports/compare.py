"""NDJSON to tables in megabytes a second: `salus ingest fhir` beside DuckDB and Polars, on the same files, in turns.

    python3 benches/exports/compare.py SALUS [--persons N] [--rounds R] [--work DIR] [--out FILE.json]

SALUS is the optimised binary; the Python that runs this has `duckdb` and `polars`. Each figure is that of a whole process: its
time from start to end, and the most memory it held. What Salus does beyond the others: it checks every line, keeps what it cannot use,
gives persons their numbers, sorts by them, encrypts, and commits all tables at once.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KINDS = ["Patient", "Encounter", "Condition", "Observation", "MedicationRequest"]
HERE = Path(__file__).parent


def run(command: list[str], environment: dict[str, str] | None = None) -> tuple[float, float]:
    """Seconds, and megabytes (10^6) of memory at the most."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return seconds, usage.ru_maxrss * 1024 / 1e6


def export(salus: str, persons: int, work: Path) -> Path:
    """An export of these resource types alone."""
    whole, some = work / "whole", work / "export"
    subprocess.run([salus, "synth", "--persons", str(persons), "--seed", "1", "--out", str(whole)], check=True, stdout=subprocess.DEVNULL)
    some.mkdir()
    for file in whole.iterdir():
        if any(file.name.split(".")[0] == kind for kind in KINDS):
            file.rename(some / file.name)
    shutil.rmtree(whole)
    return some


def once(tool: str, salus: str, source: Path, work: Path) -> tuple[float, float]:
    out = Path(tempfile.mkdtemp(dir=work))
    try:
        if tool == "salus":
            # Its home is made before the clock starts.
            home = {"SALUS_HOME": str(out / "home"), "XDG_STATE_HOME": str(out / "state")}
            run([salus, "init"], home)
            return run([salus, "ingest", "fhir", str(source)], home)
        script = {"duckdb": "duck.py", "polars": "polar.py"}[tool]
        return run([sys.executable, str(HERE / script), str(source), str(out)])
    finally:
        shutil.rmtree(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("salus")
    parser.add_argument("--persons", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", action="append", choices=["salus", "duckdb", "polars"])
    asked = parser.parse_args()
    tools = asked.only or ["salus", "duckdb", "polars"]
    work = Path(tempfile.mkdtemp(dir=asked.work))
    try:
        source = export(asked.salus, asked.persons, work)
        megabytes = sum(file.stat().st_size for file in source.iterdir()) / 1e6
        print(f"{megabytes:.0f} MB of NDJSON, {len(list(source.iterdir()))} files, load {os.getloadavg()[0]:.1f}")
        figures: dict[str, list[tuple[float, float]]] = {tool: [] for tool in tools}
        for round_ in range(asked.rounds + 1):
            for tool in tools:
                figure = once(tool, asked.salus, source, work)
                # The first round brings the files into memory for all.
                if round_ > 0:
                    figures[tool].append(figure)
        report = {"megabytes": megabytes, "load": os.getloadavg()[0], "tools": {}}
        for tool, runs in figures.items():
            speeds = [megabytes / seconds for seconds, _ in runs]
            memory = max(held for _, held in runs)
            report["tools"][tool] = {"megabytes_a_second": speeds, "memory_megabytes": memory}
            middle, least, most = statistics.median(speeds), min(speeds), max(speeds)
            print(f"{tool:8} {middle:7.0f} MB/s [{least:.0f} … {most:.0f}]  {memory:6.0f} MB of memory")
        if "duckdb" in figures and "salus" in figures:
            ratios = [duck / ours for (ours, _), (duck, _) in zip(figures["salus"], figures["duckdb"])]
            report["over_duckdb"] = ratios
            print(f"Salus over DuckDB, in speed: {statistics.median(ratios):.2f} [{min(ratios):.2f} … {max(ratios):.2f}]")
        if asked.out:
            asked.out.write_text(json.dumps(report, indent=2) + "\n")
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
