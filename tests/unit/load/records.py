"""Made-up records with round figures."""

from typing import Any

from tests.load.record import Machine, Percentiles, Record, Result, Run, Series

SUBJECTS = {"parley": "Parley", "baseline_aiohttp": "aiohttp, send_str"}
MACHINE = Machine("A processor", 4, 8 << 30, "Linux 6, x86_64", "3.11.9", "uvloop 0.23.0", "server on core 0")


def result(per_cpu_s: float = 1000, **others: Any) -> Result:
    """Return an undisturbed run of two seconds without faults."""
    given: dict[str, Any] = {
        "clients": 10,
        "rooms": 1,
        "seconds": 2,
        "msgs_per_s": 500,
        "server_cpu_s": 1,
        "server_busy": 0.95,
        "generator_busy": 0.5,
        "bytes_per_conn": 2000,
        "latency_us": Percentiles(p50=300, p99=12_000),
        "cpu_busy": [0.96, 0.5],
    }
    return Result(deliveries_per_cpu_s=per_cpu_s, **(given | others))


def series(*runs: Run, name: str = "W1", **others: Any) -> Series:
    return Series(name, "one busy room", others.pop("options", "--clients 10"), list(runs), **others)


def record(*measured: Series) -> Record:
    return Record(MACHINE, "wsload (C)", "memory", "2026-11-21T08:00:00Z", SUBJECTS, list(measured))
