"""The load generator for machines without a C compiler: several Python processes. The options are those of wsload.

It prints the JSON that wsload prints. It is slower than Parley: where it is full, its figures say little of the server.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any
from urllib.parse import urlsplit

import psutil

from tests.load.generator_clients import Load
from tests.load.generator_rooms import Histogram
from tests.load.generator_worker import Report, Worker
from tests.load.place import raise_file_limit

_spawned = multiprocessing.get_context("spawn")  # fork is no good beside threads, and not for macOS


def read_options(arguments: Sequence[str]) -> tuple[Load, list[int], int]:
    """Return the load, the server's process ids, and how many processes to make it with."""
    it = argparse.ArgumentParser(prog="generator", description=__doc__)
    it.add_argument("--url", required=True)
    for name in ("header", "join"):
        it.add_argument(f"--{name}", action="append", default=[])
    for name in ("wait-join", "acks", "refusals", "pub"):
        it.add_argument(f"--{name}", default="")
    for name, default in (
        ("clients", 1),
        ("rooms", 1),
        ("inflight", 64),
        ("publishers", 1),
        ("size", 80),
        ("window", 0),
    ):
        it.add_argument(f"--{name}", type=int, default=default)
    for name, seconds in (("rate", 0.0), ("warmup", 1.0), ("seconds", 5.0), ("drain", 10.0)):
        it.add_argument(f"--{name}", type=float, default=seconds)
    it.add_argument("--ack", choices=("all",), default="all")
    it.add_argument("--idle", action="store_true")
    it.add_argument("--pid", type=int, action="append", default=[])
    it.add_argument("--processes", type=int, default=1)
    given = vars(it.parse_args(arguments))
    parts = urlsplit(given.pop("url"))
    pids, processes, _ = given.pop("pid"), given.pop("processes"), given.pop("ack")
    if not given["idle"] and (bool(given["rate"]) == bool(given["window"]) or "{payload}" not in given["pub"]):
        it.error("--pub with {payload} and either --rate or --window are needed")
    load = Load(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 80,
        path=f"{parts.path}?{parts.query}",
        headers=tuple(given.pop("header")),
        joins=tuple(given.pop("join")),
        **given,
    )
    # A room that is in several processes has members in each of them.
    most = load.clients if load.rooms >= processes else load.clients // load.rooms
    return load, pids, max(1, min(processes, most))


# --- what the server uses --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Usage:
    """CPU seconds so far and resident bytes of the server's processes; seconds that each processor was busy so far."""

    cpu: float
    rss: float
    processors: tuple[float, ...]
    at: float

    def busy_since(self, before: Usage) -> list[float]:
        """Return the busy part of each processor."""
        seconds = max(self.at - before.at, 1e-9)
        return [(now - then) / seconds for now, then in zip(self.processors, before.processors, strict=True)]


def usage(pids: Sequence[int]) -> Usage:
    """Look at processes, their children included."""
    cpu = rss = 0.0
    for pid in pids:
        server = psutil.Process(pid)
        for process in (server, *server.children(recursive=True)):
            times = process.cpu_times()
            cpu += times.user + times.system
            rss += process.memory_info().rss
    at = time.monotonic()
    # As in wsload: what was not idle, so that work which the kernel charges to nobody counts.
    idle = [one.idle + getattr(one, "iowait", 0.0) for one in psutil.cpu_times(percpu=True)]
    return Usage(cpu, rss, tuple(at - one for one in idle), at)


# --- the run ---------------------------------------------------------------------------------------------------------


def work(load: Load, index: int, workers: int, pipe: Connection, seen: Any) -> None:
    """What each process does."""
    raise_file_limit()
    Worker(load, index, workers, pipe, seen).run()


def run(load: Load, pids: Sequence[int], workers: int) -> dict[str, Any]:
    """Make the load; return what is to be printed. Raises EOFError when a process of ours failed."""
    seen = _spawned.RawArray("Q", max(1, workers * load.publishers * load.rooms))
    pipes: list[Connection] = []
    processes: list[SpawnProcess] = []
    for index in range(workers):
        ours, theirs = _spawned.Pipe()
        process = _spawned.Process(target=work, args=(load, index, workers, theirs, seen), daemon=True)
        process.start()
        theirs.close()  # so that its end is noticed here
        pipes.append(ours)
        processes.append(process)

    def tell(what: object) -> None:
        for pipe in pipes:
            pipe.send(what)

    for pipe in pipes:
        pipe.recv()  # it is up
    before = usage(pids)
    tell("connect")
    opened = [pipe.recv() for pipe in pipes]
    connected = usage(pids)
    settled = time.monotonic_ns() + int((1.0 if load.idle else 0.5) * 1e9)  # join notices are over by then
    measure = settled + (0 if load.idle else int(load.warmup * 1e9))
    end = measure + int(load.seconds * 1e9)
    tell((settled, measure, end, end + int(load.drain * 1e9)))
    _sleep_until(measure)
    first = usage(pids)
    _sleep_until(end)
    last = usage(pids)
    if not load.idle:
        total: Counter[int] = Counter()
        for pipe in pipes:
            total.update(pipe.recv())
        tell(total)
    reports: list[Report] = [pipe.recv() for pipe in pipes]
    tell("done")
    for process in processes:
        process.join(5)
    result = summary(load, reports, max(seconds for _, seconds in opened), before, connected, last)
    result["cpu_busy"] = [round(part, 3) for part in last.busy_since(first)]
    cpu, elapsed = last.cpu - first.cpu, last.at - first.at
    if load.idle:
        return result | {"idle_cpu_fraction": round(cpu / elapsed, 4)}
    return result | talk(load, reports, cpu, elapsed)


def summary(
    load: Load, reports: Sequence[Report], connect_s: float, before: Usage, connected: Usage, last: Usage
) -> dict[str, Any]:
    """Return the part that every run has."""
    opened = sum(report.opened for report in reports)
    return {
        "clients": load.clients,
        "rooms": load.rooms,
        "publishers": 0 if load.idle else load.publishers * load.rooms,
        "connected": opened,
        "disconnects": sum(report.dead for report in reports),
        "connect_s": round(connect_s, 3),
        "connects_per_s": round(opened / connect_s) if connect_s else 0,
        "connect_cpu_us": round((connected.cpu - before.cpu) * 1e6 / opened, 1) if opened else 0,
        "rss_before": before.rss,
        "rss_after": last.rss,
        "bytes_per_conn": round((last.rss - before.rss) / opened) if opened else 0,
        "other_frames": sum(report.other_frames for report in reports),
    }


def talk(load: Load, reports: Sequence[Report], cpu: float, elapsed: float) -> dict[str, Any]:
    """Return the part of a run in which people talk; `cpu` seconds of the server in `elapsed` seconds."""
    latency, ack_lag = Histogram(), Histogram()
    for report in reports:
        latency.merge(report.latency)
        ack_lag.merge(report.ack_lag)

    def total(name: str) -> int:
        return sum(int(getattr(report, name)) for report in reports)

    measured = total("measured")
    result = {
        "seconds": round(elapsed, 3),
        "msgs_per_s": round(total("measured_sent") / elapsed),
        "deliveries_per_s": round(measured / elapsed),
        "bytes_per_delivery": round(total("measured_bytes") / measured) if measured else 0,
        "server_cpu_s": round(cpu, 2),
        "server_busy": round(cpu / elapsed, 3),
        "deliveries_per_cpu_s": round(measured / cpu) if cpu > 0 else 0,
        "generator_busy": round(max(report.busy for report in reports), 3),  # of the process that is fullest
        "latency_us": latency.percentiles(),
        "sent": total("sent"),
        "expected": total("expected"),
        "received": total("received"),
        "refused": total("refused"),
        "lost": total("expected") - total("received"),
        "order_violations": total("order_violations"),
        "divergent_rooms": divergent(reports),
        "misrouted": total("misrouted"),
        "stalls": 0,
        "protocol_errors": total("protocol_errors"),
    }
    if load.acks:
        result |= {"ack_us": ack_lag.percentiles(), "acked": total("acked")}
        result["unacked"] = total("sent") - total("acked") - total("refused")
    return result


def divergent(reports: Sequence[Report]) -> int:
    """Return how many rooms' members saw different orders, in one process or between them."""
    found = set().union(*(report.divergent for report in reports))
    logs: dict[int, tuple[int, int]] = {}
    for report in reports:
        for room, log in report.logs.items():
            if logs.setdefault(room, log) != log:
                found.add(room)
    return len(found)


def _sleep_until(nanoseconds: int) -> None:
    time.sleep(max(0.0, (nanoseconds - time.monotonic_ns()) / 1e9))


def main(arguments: Sequence[str]) -> int:
    """Return the exit status, as wsload does: 1 when something was lost, late for ever, or out of order."""
    result = run(*read_options(arguments))
    print(json.dumps(result))
    wrong = ("refused", "lost", "order_violations", "divergent_rooms", "misrouted", "protocol_errors", "disconnects")
    return 1 if any(result.get(name) for name in wrong) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
