"""The command line: arguments, ``.env``, logging, the event loop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import resource
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from server.app import serve
from server.settings import SettingError, read_settings, settings_help


def main(arguments: Sequence[str]) -> int:
    """Run a server as told by ``arguments``. Returns the exit status: 2 for wrong arguments or settings."""
    parser = argparse.ArgumentParser(
        prog="main.py",
        description="Parley: a self-hosted real-time chat server.",
        epilog=f"Settings, from the environment or a .env file in the working folder:\n\n{settings_help()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", help="address to listen on (setting HOST)")
    parser.add_argument("--port", help="port to listen on (setting PORT)")
    options = parser.parse_args(arguments)
    try:
        settings = read_settings(os.environ, Path(".env"), host=options.host, port=options.port)
        if settings.event_loop == "uvloop" and find_spec("uvloop") is None:
            raise SettingError("EVENT_LOOP takes auto or asyncio, as uvloop is not installed")
    except SettingError as error:
        print(f"main.py: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("websockets").setLevel(logging.WARNING)  # one line per connection is not news
    _raise_file_limit()
    # What was imported is never garbage, and what a chat makes is freed by counting: looking for cycles every 700
    # objects took 40 % of the time of a message (measured).
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        with asyncio.Runner(loop_factory=_loop_factory(settings.event_loop)) as runner:
            return runner.run(serve(settings))
    except SettingError as error:
        print(f"main.py: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"main.py: cannot listen on HOST {settings.host}, PORT {settings.port}: {error.strerror}", file=sys.stderr
        )
        return 1


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "asyncio" or (name == "auto" and find_spec("uvloop") is None):
        return asyncio.new_event_loop
    uvloop = import_module("uvloop")
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _raise_file_limit() -> None:
    """Every connection is an open file; many systems start programs with a limit of 1024 and allow far more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # not allowed here: the limit stays as it is
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < 4096:
        logging.getLogger(__name__).warning("only %d open files are allowed (was %d): connections are few", hard, soft)
