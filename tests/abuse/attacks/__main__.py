"""Run one attack as a program, with the lowest priority on its core."""

import asyncio
import os
import sys

from tests.abuse.attacks import ATTACKS


def ready() -> None:
    """Notify the parent process."""
    print("ready", flush=True)


if __name__ == "__main__":
    os.nice(15)  # the normal client shares the core, and must measure the server, not us
    asyncio.run(ATTACKS[sys.argv[1]].run(int(sys.argv[2]), ready))
