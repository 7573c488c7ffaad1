"""An operator's view of a server: `/ready` and `/metrics` over HTTP."""

import asyncio
from collections.abc import Callable

from tests.support import rawws
from tests.support.load import Load
from tests.support.process import PATIENCE

# By server port.
ADMIN_PORTS: dict[int, int] = {}


class Operator:
    """Watches the server of a load from outside, or the one at ``port``."""

    def __init__(self, load: Load, *, port: Callable[[], int] | None = None) -> None:
        self._load = load
        self._port = port or load.find_port

    async def trouble(self) -> str | None:
        """Return the problem in `/ready`, in detail if the server has an ADMIN_PORT; None if it is ready."""
        answer = await self._ask("/ready")
        if answer.status == 200:
            return None
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        said = answer.json()
        return str(said.get("detail", said["reason"]))

    async def until_ready(self) -> None:
        await self._until(lambda said: said is None, "/ready is 200")

    async def until_said(self, *words: str, seconds: float = PATIENCE) -> str:
        """Wait until `/ready` is 503 with all of these words."""

        def is_said(said: str | None) -> bool:
            lost = self._load.refusals.get("not_stored", 0)
            assert not lost, f"{lost} messages were refused for good, and should have waited for storage"
            return said is not None and all(word in said for word in words)

        return str(await self._until(is_said, str(words), seconds))

    async def metric(self, name: str) -> float:
        """Return the sum of all samples of this name, whatever their labels."""
        text = (await self._ask("/metrics")).body.decode()
        samples = [line for line in text.splitlines() if line.partition(" ")[0].partition("{")[0] == f"parley_{name}"]
        assert samples, f"no metric parley_{name}"
        return sum(float(line.rpartition(" ")[2]) for line in samples)

    async def _ask(self, target: str) -> rawws.Reply:
        port = self._port()
        return await rawws.fetch(ADMIN_PORTS.get(port, port), target)

    async def _until(self, wanted: Callable[[str | None], bool], what: str, seconds: float = PATIENCE) -> str | None:
        said: str | None = "nothing"
        try:
            async with asyncio.timeout(seconds):
                while not wanted(said := await self.trouble()):  # noqa: ASYNC110  # it is another program's condition
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {seconds:g} s, /ready says {said}") from None
        return said
