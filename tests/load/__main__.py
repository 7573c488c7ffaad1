"""Measure Parley on this machine: `python3 dev.py bench --help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.load.bench import BenchError, Options, bench
from tests.load.record import RecordError, read_record
from tests.load.running import LoadError
from tests.load.tables import report
from tests.load.workloads import CURVES, FULL, OF_NODES, SHORT, WORKLOADS
from tests.support.process import NotReadyError, remove_own_temp_folders

EPILOG = """
Runs alternate between the servers. Each server has its own process and, if there are enough, its own core. Compare
the ratio of deliveries per CPU second between servers: absolute figures depend on the machine. Run it on an idle
machine; a run in which other programs used the server's core is repeated. See docs/performance.md.
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    described = "\n".join(f"  {one.name:<6} {one.title}" for one in WORKLOADS.values())
    curves = "\n".join(f"  {one.name:<12} {one.title}" for one in CURVES.values())
    it = argparse.ArgumentParser(
        prog="dev.py bench",
        description=f"Measure Parley on this machine, compared with two obvious ways to write such a server.\n\n"
        f"workloads, by default {' '.join(SHORT)} (about 2 minutes):\n{described}\n\ncurves:\n{curves}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="the workloads to measure")
    it.add_argument("-n", type=int, metavar="RUNS", help="counted runs of each server (2; 5 with --full; curves 1)")
    it.add_argument("--full", action="store_true", help=f"all of {' '.join(FULL)}, 5 runs each (about 12 minutes)")
    it.add_argument("--postgres", action="store_true", help="store messages in a temporary PostgreSQL")
    it.add_argument(
        "--nodes",
        type=int,
        metavar="N",
        help=f"measure N nodes over NATS, compared with one, both with PostgreSQL (about 6 minutes); the workloads are "
        f"{' '.join(OF_NODES)} if you name none, the runs 3",
    )
    it.add_argument("--json", type=Path, metavar="FILE", help="record every run in FILE")
    it.add_argument(
        "--against",
        metavar="COMMAND",
        help="measure another server that speaks parley.v1 as well, such as another checkout: {port} is replaced",
    )
    it.add_argument(
        "--curves",
        nargs="*",
        metavar="CURVE",
        help="measure these curves, by default all that apply, and only the workloads that you name (about 8 minutes)",
    )
    it.add_argument("--no-baselines", action="store_true", help="measure only Parley (and --against)")
    it.add_argument("--limit", action="store_true", help="also measure the minimum work: one send() per delivery, in C")
    it.add_argument("--generator", choices=("auto", "c", "python"), default="auto", help="auto: C where it compiles")
    it.add_argument(
        "--draw",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="print the tables of existing records and draw their curves next to them, without measuring",
    )
    it.add_argument(
        "--sizes",
        action="store_true",
        help="measure only what messages and users take in PostgreSQL, and connections and rooms in memory (1 minute)",
    )
    it.add_argument("--no-repeats", action="store_true", help="also count runs that other programs disturbed")
    return it


def options_of(arguments: Sequence[str]) -> Options:
    """Read the command line. Ends the process with status 2 for a wrong one."""
    it = parser()
    given = it.parse_args(arguments)
    if unknown := [name for name in given.workloads if name not in WORKLOADS]:
        it.error(f"no such workload: {', '.join(unknown)} (there are {', '.join(WORKLOADS)})")
    if unknown := [name for name in given.curves or () if name not in CURVES]:
        it.error(f"no such curve: {', '.join(unknown)} (there are {', '.join(CURVES)}; workloads come before --curves)")
    if given.n is not None and given.n < 1:
        it.error("-n must be 1 or more")
    if given.nodes is not None:
        return options_of_nodes(it, given)
    curves: Sequence[str] = ()
    if given.curves is not None:
        curves = given.curves or [name for name, one in CURVES.items() if given.postgres or not one.needs_postgres]
        if not given.postgres and any(CURVES[name].needs_postgres for name in curves):
            it.error("this curve needs --postgres")
    workloads = FULL if given.full else tuple(given.workloads) or (() if curves else SHORT)
    return Options(
        workloads=tuple(workloads),
        curves=tuple(curves),
        runs=given.n or (5 if given.full else 2),
        curve_runs=given.n or 1,
        postgres=given.postgres,
        json=given.json,
        against=given.against,
        baselines=not given.no_baselines,
        limit=given.limit,
        generator=given.generator,
        repeats=not given.no_repeats,
        draw=tuple(given.draw or ()),
        sizes=given.sizes,
    )


def options_of_nodes(it: argparse.ArgumentParser, given: argparse.Namespace) -> Options:
    """Read a command line with --nodes, which compares nothing else. Ends the process with status 2 for a wrong one."""
    if given.nodes < 2:
        it.error("--nodes must be 2 or more")
    if given.full or given.against or given.limit or given.draw or given.curves is not None:
        it.error(
            "--nodes compares several nodes with one, and nothing else: only -n, --json and --no-repeats go with it"
        )
    workloads = tuple(given.workloads or OF_NODES)
    if idle := [name for name in workloads if WORKLOADS[name].idle]:
        it.error(f"--nodes compares the cost of messages, and there are none in {' '.join(idle)}")
    return Options(
        workloads=workloads,
        runs=given.n or 3,
        postgres=True,
        json=given.json,
        repeats=not given.no_repeats,
        nodes=given.nodes,
    )


def draw_all(files: Sequence[Path]) -> None:
    """Draw the pictures of records, and print what is in them as Markdown. Raises RecordError, ImportError."""
    from tests.load.draw import draw

    for file in files:
        record = read_record(file)
        for path in draw(record, file.parent):
            print(f"drew {path}", file=sys.stderr)
        print(f"{report(record)}\n")


def main(arguments: Sequence[str]) -> int:
    """Measure and print. Return the exit status: 1 when something failed, or Parley lost or reordered a message."""
    options = options_of(arguments)
    try:
        if options.sizes:
            from tests.load.sizes import Amounts, measure

            print(measure(Amounts()))
            return 0
        if options.draw:
            draw_all(options.draw)
            return 0
        record, faults = bench(options)
    except (BenchError, LoadError, NotReadyError, RecordError, ImportError, OSError) as error:
        print(f"dev.py bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndev.py bench: interrupted", file=sys.stderr)
        return 130
    finally:
        remove_own_temp_folders()
    print(f"\n{report(record)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
