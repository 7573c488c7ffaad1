"""What is measured: the workloads by name, and the curves, in the words of the load generators' options."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """One load: `options` are those of wsload (and of the Python generator), without where to connect."""

    name: str
    title: str
    options: str
    idle: bool = False  # nobody talks: memory and the cost of connecting are the figures

    def number(self, option: str, default: float = 0) -> float:
        """Return the value of one option, as `number("clients")`."""
        words = self.options.split()
        return float(words[words.index(f"--{option}") + 1]) if f"--{option}" in words else default


WORKLOADS = {
    one.name: one
    for one in (
        Workload("W1", "one busy room", "--clients 100 --rooms 1 --publishers 1 --window 16 --warmup 1 --seconds 3"),
        Workload("W2", "one big room", "--clients 1000 --rooms 1 --publishers 1 --window 4 --warmup 1 --seconds 3"),
        Workload(
            "W3", "many small rooms", "--clients 1000 --rooms 200 --publishers 5 --window 1 --warmup 1 --seconds 3"
        ),
        Workload(
            "W4b",
            "latency at 50k deliveries/s",
            "--clients 500 --rooms 50 --publishers 10 --rate 5000 --warmup 1 --seconds 4",
        ),
        Workload(
            "W1o",
            "open loop, 400k deliveries/s",
            "--clients 100 --rooms 1 --publishers 10 --rate 4000 --warmup 1 --seconds 4",
        ),
        Workload("W5", "idle connections", "--clients 10000 --rooms 100 --idle --seconds 2 --inflight 128", idle=True),
        # What `--nodes` measures: all posts are of different members, whose connections are spread over the nodes.
        Workload(
            "N10",
            "rooms of 10, 3,000 messages/s",
            "--clients 300 --rooms 30 --publishers 10 --rate 3000 --warmup 2 --seconds 6",
        ),
        Workload(
            "N100",
            "rooms of 100, 150 messages/s",
            "--clients 600 --rooms 6 --publishers 10 --rate 150 --warmup 2 --seconds 8",
        ),
        # Says that everything works together, and nothing about speed.
        Workload(
            "smoke",
            "a second of everything",
            "--clients 20 --rooms 2 --publishers 2 --window 4 --warmup 0.1 --seconds 0.4 --drain 1",
        ),
    )
}
SHORT = ("W1", "W3", "W4b")
FULL = ("W1", "W2", "W3", "W4b", "W1o", "W5")
OF_NODES = ("N10", "N100")


@dataclass(frozen=True)
class Curve:
    """A figure of many servers, or of Parley alone, against something that grows.

    `options` holds `{x}`; `figure` is the name of the figure on the other axis (`tests.load.figures.CURVE_FIGURES`).
    """

    name: str
    title: str
    x_label: str
    xs: tuple[int, ...]
    options: str
    figure: str
    idle: bool = False
    needs_postgres: bool = False
    parley_only: bool = False

    def at(self, x: int) -> Workload:
        """Return the load at one place of the curve."""
        return Workload(f"{self.name}={x}", self.title, self.options.replace("{x}", str(x)), self.idle)


CURVES = {
    one.name: one
    for one in (
        Curve(
            "members",
            "What a message costs, by the size of its room",
            "members of the room",
            (10, 20, 50, 100, 200, 500, 1000, 2000, 5000),
            "--clients {x} --rooms 1 --publishers 1 --window 4 --warmup 0.5 --seconds 2",
            "cpu_us_per_message",
        ),
        # One member a room, and the same number of messages at every point: only the number of rooms changes.
        Curve(
            "rooms",
            "What a message costs, by the number of rooms",
            "rooms of one member each",
            (1, 10, 100, 1000, 10000),
            "--clients {x} --rooms {x} --publishers 1 --rate 4000 --warmup 0.5 --seconds 3 --inflight 128",
            "cpu_us_per_message",
        ),
        Curve(
            "connections",
            "Memory of idle connections",
            "connections",
            (1000, 2000, 5000, 10000, 15000),
            "--clients {x} --rooms 100 --idle --seconds 1 --inflight 128",
            "bytes_per_conn",
            idle=True,
        ),
        Curve(
            "acks",
            "How long until a message is stored in PostgreSQL",
            "messages/s",
            (100, 300, 1000, 3000, 10000),
            "--clients 200 --rooms 40 --publishers 5 --rate {x} --warmup 1 --seconds 4",
            "ack_ms",
            needs_postgres=True,
            parley_only=True,
        ),
    )
}
