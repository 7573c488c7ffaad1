"""What a measurement leaves behind: one JSON file, written after every run, read by the table and by the pictures."""

from pathlib import Path

import msgspec

FORMAT = 1


class Percentiles(msgspec.Struct, frozen=True):
    """Microseconds."""

    p50: float = 0
    p90: float = 0
    p99: float = 0
    p999: float = 0
    max: float = 0


class Result(msgspec.Struct, frozen=True):
    """What a load generator prints. Those of a run in which people talk are 0 for an idle one."""

    clients: int
    rooms: int
    publishers: int = 0
    connected: int = 0
    disconnects: int = 0
    connect_s: float = 0
    connects_per_s: float = 0
    connect_cpu_us: float = 0
    rss_before: float = 0
    rss_after: float = 0
    bytes_per_conn: float = 0
    seconds: float = 0
    msgs_per_s: float = 0
    deliveries_per_s: float = 0
    bytes_per_delivery: float = 0
    server_cpu_s: float = 0
    server_busy: float = 0
    deliveries_per_cpu_s: float = 0
    generator_busy: float = 0
    latency_us: Percentiles = Percentiles()
    ack_us: Percentiles | None = None
    sent: int = 0
    expected: int = 0
    received: int = 0
    refused: int = 0
    lost: int = 0
    unacked: int = 0
    order_violations: int = 0
    divergent_rooms: int = 0
    misrouted: int = 0
    stalls: int = 0
    protocol_errors: int = 0
    other_frames: int = 0
    idle_cpu_fraction: float = 0
    cpu_busy: list[float] = []


class Nodes(msgspec.Struct, frozen=True):
    """What was used while a run of several nodes was measured, or of one to compare them with; CPU in seconds.

    Attributes:
        cpu_s: of each node, that of the owner first.
        nats_cpu_s: of nats-server.
        database_cpu_s: of PostgreSQL.
        link_messages: messages that nats-server received from the nodes.
    """

    cpu_s: list[float]
    nats_cpu_s: float = 0
    database_cpu_s: float = 0
    link_messages: int = 0


class Run(msgspec.Struct, frozen=True):
    """One run. `disturbed`: other programs used the server's core during it. `nodes`: only with `--nodes`."""

    subject: str
    result: Result
    disturbed: bool = False
    nodes: Nodes | None = None


class Series(msgspec.Struct):
    """The runs of one workload, or of one point of a curve (`x`), of all servers in the order of running."""

    name: str
    title: str
    options: str
    runs: list[Run] = []
    curve: str = ""
    x: int = 0


class Machine(msgspec.Struct):
    """Where it was measured."""

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    python: str
    event_loop: str
    placement: str = ""


class Record(msgspec.Struct):
    """One measurement as a whole. `subjects`: {key: the name that tables show}."""

    machine: Machine
    generator: str
    storage: str
    made: str  # UTC, RFC 3339
    subjects: dict[str, str]
    series: list[Series] = []
    format: int = FORMAT


class RecordError(Exception):
    """A file that is no record of ours; the text is one line that says why."""


def write_record(record: Record, path: Path) -> None:
    """Write the file whole or not at all: a measurement that is interrupted keeps what it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    draft.replace(path)


def read_record(path: Path) -> Record:
    """Raises RecordError for a file that is missing, broken, or of another format."""
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise RecordError(f"{path}: {error}") from error
    if record.format != FORMAT:
        raise RecordError(f"{path}: format {record.format}, not {FORMAT}")
    return record
