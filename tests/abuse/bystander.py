"""Run as a program: a normal client in a room of its own, which measures its response times.

    python -m tests.abuse.bystander PORT SECONDS

Begins when it receives a line on its standard input. Prints
``{"p99": seconds, "slowest": seconds, "answers": count}``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from tests.abuse.peers import Peer

# A command every 20 ms, half of them messages: within every rate limit of a client, for as long as a burst may last.
PAUSE = 0.02
# Not the attacker's address: the limits of one address must not affect others.
ADDRESS = "127.0.0.200"


async def measure(port: int, seconds: float) -> dict[str, float]:
    """Send commands for some seconds and measure the responses."""
    waits: list[float] = []
    async with await Peer.open(port, "/chat?u=bystander&r=quiet", source=ADDRESS) as peer:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            asked = time.perf_counter()
            if len(waits) % 2:
                answer = await peer.ask(type="ping")
            else:
                answer = await peer.ask(type="message", room="quiet", content="hello")
            waits.append(time.perf_counter() - asked)
            assert answer["type"] in ("ack", "pong"), answer
            await asyncio.sleep(PAUSE)
    waits.sort()
    return {"p99": waits[int(len(waits) * 0.99)], "slowest": waits[-1], "answers": len(waits)}


if __name__ == "__main__" and sys.stdin.readline():
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), float(sys.argv[2])))))
