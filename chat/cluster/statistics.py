"""What a node counts, for an operator."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from chat.ports import Sample


@dataclass
class Statistics:
    """Counters since the start."""

    link_packets_sent: int = 0
    link_packets_received: int = 0
    link_packets_refused: int = 0
    link_bytes_sent: int = 0
    forwarded_commands: int = 0
    repeated_commands: int = 0
    rejoined_sessions: int = 0
    owner_changes: int = 0
    peers_given_up: int = 0

    def samples(self) -> Iterator[Sample]:
        """Yield every counter."""
        for field in fields(self):
            yield Sample(field.name, _TEXTS[field.name], float(getattr(self, field.name)), True)


_TEXTS = {
    "link_packets_sent": "packets sent to other nodes, repetitions and greetings included",
    "link_packets_received": "packets of other nodes",
    "link_packets_refused": "packets on the bus that no node of this installation made, or that came twice",
    "link_bytes_sent": "bytes sent to other nodes",
    "forwarded_commands": "commands sent to the node that has the rooms",
    "repeated_commands": "of those, commands that had been sent to the previous node that had the rooms",
    "rejoined_sessions": "sessions taken back into a room after another node got the rooms",
    "owner_changes": "changes of the node that has the rooms, as this node sees it",
    "peers_given_up": "nodes taken for dead",
}
