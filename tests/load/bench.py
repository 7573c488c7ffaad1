"""The order of a measurement: who runs when, what is repeated, what is written down."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.load import subjects
from tests.load.building import BuildError, build
from tests.load.figures import summarize
from tests.load.nodes import run_nodes
from tests.load.place import SPARE_FILES, Cores, choose_cores, describe_machine, pin, raise_file_limit
from tests.load.progress import Steps
from tests.load.record import Record, Run, Series, write_record
from tests.load.running import Generator, run_once
from tests.load.subjects import Subject
from tests.load.workloads import CURVES, WORKLOADS, Workload
from tests.support.postgres import PostgresCluster


class BenchError(Exception):
    """It cannot be measured as asked; the text says why, in one line."""


@dataclass(frozen=True)
class Options:
    """The command line, checked."""

    workloads: tuple[str, ...]
    curves: tuple[str, ...] = ()
    runs: int = 2
    curve_runs: int = 1
    postgres: bool = False
    json: Path | None = None
    against: str | None = None
    baselines: bool = True
    limit: bool = False
    generator: str = "auto"
    repeats: bool = True
    draw: tuple[Path, ...] = ()
    nodes: int = 0
    sizes: bool = False


@dataclass(frozen=True)
class Job:
    """One series to fill: `runs` counted runs of each of `who`."""

    workload: Workload
    series: Series
    who: tuple[Subject, ...]
    runs: int


def bench(options: Options) -> tuple[Record, bool]:
    """Measure; return the record, and whether Parley lost, doubled or reordered anything. Raises BenchError, LoadError.

    What was measured is in the file of `--json` after every run. This process, and all that it starts but the servers,
    keeps to the cores that the servers do not have.
    """
    files = raise_file_limit()
    cores = choose_cores() if not options.nodes else Cores(None, ())
    pin(0, cores.others if cores.server is not None else ())
    generator = choose_generator(options, Generator(None, cores))
    who = choose_subjects(options)
    record = Record(
        machine=describe_machine(cores),
        generator=generator.title,
        storage="memory",
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        subjects={one.key: one.title for one in who},
    )
    jobs = [job for job in plan(options, who) if enough_files(job.workload, files)]
    if not jobs:
        raise BenchError("nothing left to measure")
    with contextlib.ExitStack() as stack:
        database: PostgresCluster | None = None
        if options.postgres:
            database = stack.enter_context(PostgresCluster(durable=True))
            record.storage = "PostgreSQL, made for this, with its own defaults (fsync on)"
        steps = stack.enter_context(Steps(sum(job.runs * len(job.who) for job in jobs)))
        for job in jobs:
            record.series.append(job.series)
            measure(job, options, generator, database, steps, record)
    ours = [summarize(one, subject.key) for one in record.series for subject in who if subject.is_this]
    return record, any(figure.faults for figure in ours if figure is not None)


def choose_generator(options: Options, python: Generator) -> Generator:
    """Return the C generator where it can be built, else the Python one, and say so. Raises BenchError."""
    if options.generator == "python":
        return python
    try:
        return Generator(build("wsload"), python.cores)
    except BuildError as error:
        if options.generator == "c" or options.nodes:
            raise BenchError(str(error)) from error
        print(f"using the Python load generator, which is slower than Parley: {error}", file=sys.stderr)
        return python


def choose_subjects(options: Options) -> list[Subject]:
    """Return who is measured, Parley first. Raises BenchError."""
    who = [subjects.parley()]
    if options.nodes:
        return [*who, *subjects.several(options.nodes)]
    if options.against:
        if "{port}" not in options.against:
            raise BenchError("--against needs a command that contains {port}")
        who.append(subjects.against(options.against))
    if options.baselines:
        who += subjects.baselines()
    if options.limit:
        try:
            who.append(subjects.limit(build("limit")))
        except BuildError as error:
            raise BenchError(str(error)) from error
    return who


def plan(options: Options, who: Sequence[Subject]) -> list[Job]:
    """Return everything to measure, in order."""
    jobs = [
        Job(one, Series(one.name, one.title, one.options), tuple(who), options.runs)
        for one in (WORKLOADS[name] for name in options.workloads)
    ]
    for curve in (CURVES[name] for name in options.curves):
        on_it = tuple(one for one in who if one.is_parley or not curve.parley_only)
        for x in curve.xs:
            one = curve.at(x)
            series = Series(one.name, one.title, one.options, curve=curve.name, x=x)
            jobs.append(Job(one, series, on_it, options.curve_runs))
    return jobs


def enough_files(workload: Workload, files: int) -> bool:
    """Return whether a server and a generator may hold all connections; say so in a line where they may not."""
    needed = int(workload.number("clients")) + SPARE_FILES
    if needed <= files:
        return True
    print(
        f"left out {workload.name} ({workload.title}): each program needs {needed:,} open files, and only "
        f"{files:,} are allowed here (`ulimit -Hn`)",
        file=sys.stderr,
    )
    return False


def measure(
    job: Job, options: Options, generator: Generator, database: PostgresCluster | None, steps: Steps, record: Record
) -> None:
    """Fill one series: A B A B, until each has its undisturbed runs, or there were twice as many as asked for."""
    for turn in range(job.runs * 2):
        if not any(wants_more(job, one, turn, options) for one in job.who):
            return
        if turn >= job.runs:
            steps.more(len(job.who))
        for subject in job.who:  # all of them again: a ratio wants runs of the same minute
            steps.start(f"{job.workload.name} {job.workload.title}: {subject.title}")
            if options.nodes and database is not None:
                run = run_nodes(subject, job.workload, generator, database)
            else:
                run = run_once(subject, job.workload, generator, database, acks=database is not None)
            job.series.runs.append(run)
            if options.json:
                write_record(record, options.json)
            if run.disturbed:
                steps.say(f"other programs were busy during {job.workload.name} of {subject.title}")
            steps.done()


def wants_more(job: Job, subject: Subject, turn: int, options: Options) -> bool:
    """Return whether a server has fewer runs than asked for, of those that count."""
    if turn < job.runs:
        return True
    return options.repeats and len(undisturbed(job.series.runs, subject.key)) < job.runs


def undisturbed(runs: Sequence[Run], subject: str) -> list[Run]:
    """Return the runs of one server that nobody disturbed."""
    return [run for run in runs if run.subject == subject and not run.disturbed]
