"""The same work by Winnow and by its peers, against an endpoint of fixed latency.

    python -m benchmarks.peers

2,000 texts generated, each judged, half pass, 64 requests at a time, 50 ms each. Every rival runs
as its own documentation recommends, in an environment that is built once in --envs (2.5 GB, some
minutes). Runs are interleaved, so that a busy machine slows all alike; what is timed is the
peer's process from start to end. A run whose texts or verdicts were not all asked for is reported
as failed, not timed.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.environment import RESULTS, describe_environment, write_result
from benchmarks.peer_runs import Run, median_and_range, run, write_sources
from benchmarks.peer_setups import IN_FLIGHT, PEERS, Peer, build

ENVS = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "winnow-peers"
MEASURES = ("wall_s", "cpu_s", "peak_mb", "start_s", "most_in_flight", "extra")
Row = dict[str, Any]


def summarise(runs: Sequence[Run], records: int, ideal_s: float) -> list[Row]:
    """One row per peer: medians and ranges of its good runs, and the reasons of the others."""
    rows = []
    for peer in PEERS:
        mine = [run for run in runs if run.peer == peer.name]
        good = [run for run in mine if not run.failure]
        failures = [run.failure for run in mine if run.failure]
        if not mine:
            continue
        row: Row = {"peer": peer.name, "title": peer.title, "rival": peer.rival}
        row |= {"runs": len(good), "failures": failures}
        if good:
            row |= {name: median_and_range([getattr(r, name) for r in good]) for name in MEASURES}
            row["times_ideal"] = row["wall_s"]["median"] / ideal_s
            row["cpu_ms_per_record"] = 1000 * row["cpu_s"]["median"] / records
        rows.append(row)
    return rows


def comparison(rows: Sequence[Row]) -> dict[str, float]:
    """How Winnow stands to the bare loop and to the best rival; empty where one is missing."""
    timed = {row["peer"]: row for row in rows if row["runs"]}
    rivals = [row for row in timed.values() if row["rival"]]
    if "winnow" not in timed:
        return {}
    ours, found = timed["winnow"], {}
    for name in ("times_ideal", "cpu_ms_per_record"):
        if "bare" in timed:
            found[f"{name}_over_bare"] = ours[name] / timed["bare"][name]
        if rivals:
            found[f"{name}_best_rival_over_ours"] = min(row[name] for row in rivals) / ours[name]
    return found


def table(rows: Sequence[Row]) -> str:
    """Markdown: medians, ranges in brackets."""
    lines = [
        "| | wall s | × ideal | CPU-ms a record | memory MB | first request after s |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if not row["runs"]:
            lines.append(f"| {row['title']} | failed: {row['failures'][0]} | | | | |")
            continue
        wall = row["wall_s"]
        lines.append(
            f"| {row['title']} | {wall['median']:.1f} ({wall['least']:.1f}-{wall['most']:.1f}) "
            f"| {row['times_ideal']:.2f} | {row['cpu_ms_per_record']:.2f} "
            f"| {row['peak_mb']['median']:.0f} | {row['start_s']['median']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def account(results: Mapping[str, Any]) -> str:
    """The table with what it was measured on and how Winnow stands."""
    work, machine = results["work"], results["environment"]
    load, runs = work["load"], max(row["runs"] for row in results["peers"])
    lines = [
        f"# {work['records']:,} texts generated and judged, {work['in_flight']} at a time\n",
        f"Ideal: {work['ideal_s']:.2f} s, at {1000 * work['latency_s']:.0f} ms a request. Medians "
        f"of {runs} interleaved runs, ranges in brackets.\n",
        table(results["peers"]),
    ]
    stands = results["comparison"]
    if "cpu_ms_per_record_best_rival_over_ours" in stands:
        lines.append(
            f"The best rival takes {stands['times_ideal_best_rival_over_ours']:.1f} times as long "
            f"as Winnow and {stands['cpu_ms_per_record_best_rival_over_ours']:.1f} times the CPU.\n"
        )
    lines.append(
        f"{machine['cpu']}, {machine['cores']} cores (load average {load['median']:.1f} before a "
        f"run, at most {load['most']:.1f}), Python {machine['python']}, {results['date']}: "
        f"`{machine['command']}`\n"
    )
    return "\n".join(lines)


def draw(rows: Sequence[Row], ideal_s: float, target: Path) -> None:
    """Wall time and CPU time side by side, one bar a peer."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    timed = [row for row in rows if row["runs"]][::-1]
    titles = [row["title"] for row in timed]
    colours = ["#999999" if row["rival"] else "#1f6f8b" for row in timed]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.2), sharey=True)
    walls = [row["wall_s"] for row in timed]
    medians = [wall["median"] for wall in walls]
    below = [wall["median"] - wall["least"] for wall in walls]
    above = [wall["most"] - wall["median"] for wall in walls]
    left.barh(titles, medians, xerr=(below, above), color=colours, ecolor="#444444")
    left.axvline(ideal_s, color="black", linestyle=":", label="ideal")
    left.set_xlabel("wall time, s")
    left.legend()
    right.barh(titles, [row["cpu_ms_per_record"] for row in timed], color=colours)
    right.set_xlabel("CPU-ms a record")
    figure.tight_layout()
    figure.savefig(target, dpi=120)


def write(out: Path, runs: Sequence[Run], records: int, latency_s: float) -> str:
    """Write json, md and png; the text of the second."""
    ideal_s = 2 * records * latency_s / IN_FLIGHT
    rows = summarise(runs, records, ideal_s)
    results = {
        "environment": describe_environment(),
        "date": datetime.now(UTC).date().isoformat(),
        "work": {
            "records": records,
            "latency_s": latency_s,
            "in_flight": IN_FLIGHT,
            "ideal_s": ideal_s,
            "load": median_and_range([one.load for one in runs]),
        },
        "peers": rows,
        "comparison": comparison(rows),
        "runs": [asdict(one) for one in runs],
    }
    write_result(out / "peers.json", results)
    (out / "peers.md").write_text(account(results))
    draw(rows, ideal_s, out / "peers.png")
    return account(results)


def measure(peers: Sequence[Peer], given: argparse.Namespace) -> Iterator[list[Run]]:
    """Each peer in turn, over again; all runs so far after each round."""
    done: list[Run] = []
    with TemporaryDirectory() as folder:
        write_sources(Path(folder, "sources.jsonl"), given.records)
        for number in range(given.runs):
            for peer in peers:
                one = run(peer, given.envs, Path(folder), given.records, given.latency)
                said = one.failure or f"{one.wall_s:.2f} s, {one.cpu_s:.2f} s of CPU"
                print(f"run {number + 1}, {peer.name}: {said}", file=sys.stderr)
                done.append(one)
            yield list(done)


def main() -> None:
    """Build, measure, print, write json, md and png."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [peer.name for peer in PEERS]
    parser.add_argument("--records", type=int, default=2000, help="texts; an even number")
    parser.add_argument("--runs", type=int, default=5, help="of each peer")
    parser.add_argument("--latency", type=float, default=0.05, help="of the endpoint, in seconds")
    parser.add_argument("--peers", nargs="+", choices=names, default=names, metavar="PEER")
    parser.add_argument("--envs", type=Path, default=ENVS, help="where environments are kept")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    peers = [peer for peer in PEERS if peer.name in given.peers]
    for peer in peers:
        build(peer, given.envs)
    given.out.mkdir(parents=True, exist_ok=True)
    told = ""
    for runs in measure(peers, given):  # each round is written: who is interrupted keeps the others
        told = write(given.out, runs, given.records, given.latency)
    print(told)


if __name__ == "__main__":
    main()
