"""This server as one node of several: joins the bus as soon as it knows the installation and the keys."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from chat.chat import Chat
from chat.cluster.greetings import Notices
from chat.cluster.node import Node
from chat.link.bus import Bus
from chat.link.envelope import Envelope
from chat.ports import Dialect
from server.auth.fingerprints import differing, fingerprints
from server.auth.keys import KeyUse, ServerKeys
from server.dialects import NATIVE
from server.settings.shared import disagreements, shared_settings
from server.settings.values import Settings
from storage.ports.servers import Gained
from utils.tasks import TaskRegistry

log = logging.getLogger(__name__)


class _Terms:
    """The settings that change stored or shared results, and the secrets."""

    def __init__(self, settings: Settings, keys: ServerKeys) -> None:
        self._keys = keys
        self.renew(settings)

    def renew(self, settings: Settings) -> None:
        self._settings = settings
        self._own = shared_settings(settings)
        self.look_at_secrets()

    def look_at_secrets(self) -> None:
        """Take the secrets as they are now: a fingerprint costs too much to be made for every greeting."""
        self._fingerprints = fingerprints(self._settings, self._keys)

    def own(self) -> dict[str, str]:
        return self._own

    def differences(self, theirs: Mapping[str, str]) -> list[str]:
        return list(disagreements(self._own, theirs))

    def fingerprints(self) -> dict[str, str]:
        return self._fingerprints

    def differing(self, theirs: Mapping[str, str]) -> list[str]:
        return differing(self.fingerprints(), theirs)


class Cluster:
    """The cluster that this server is a node of: its own node, and its connection to the bus.

    Args:
        settings: with ``NATS_URL``.
        chat: the chat of this server.
        keys: those of the servers, from which the link's are derived.
        node_id: 8 random bytes; storage has the same.
        dialects: besides the native one, by path.
        serve: answers a question of an edge.
        notices: those that this server knows.
    """

    def __init__(
        self,
        settings: Settings,
        chat: Chat,
        keys: ServerKeys,
        node_id: bytes,
        dialects: Mapping[str, Dialect],
        serve: Callable[[bytes], Awaitable[bytes]],
        notices: Notices,
    ) -> None:
        by_name = {dialect.name: dialect for dialect in (NATIVE, *dialects.values())}
        self._terms = _Terms(settings, keys)
        self.node = Node(chat, node_id, by_name, serve, self._terms, notices)
        self._settings = settings
        self._keys = keys
        self._installation: bytes | None = None
        self._joined: tuple[bytes, bytes] | None = None  # the installation and the key
        self._joining = asyncio.Lock()
        self._name = ""
        self._started = False
        self._tasks = TaskRegistry()

    def start(self, name: str) -> None:
        """Begin, under a name for operators."""
        self._name = name
        self.node.start(name)
        self._started = True
        self.join()

    def renew(self, settings: Settings) -> None:
        """Apply new settings to nodes that are met from now on."""
        self._terms.renew(settings)

    def gained(self, tenure: Gained) -> None:
        """Have the rooms from now on."""
        self.node.gained(tenure.token, tenure.epoch)

    def learn_installation(self, installation: bytes) -> None:
        """Take the identity of the database: only servers of the same one are nodes of this cluster."""
        self._installation = installation
        self.join()

    def join(self) -> None:
        """Join the bus if everything needed is known; again if it has changed."""
        self._terms.look_at_secrets()
        key = self._keys.key(KeyUse.LINK_MACS)
        if not self._started:
            return
        if self._installation is not None and key is not None and self._joined != (self._installation, key):
            self._joined = self._installation, key
            self._tasks.spawn(self._join(self._installation, key), name="join the bus")

    async def _join(self, installation: bytes, key: bytes) -> None:
        async with self._joining:
            await self.node.leave_bus()
            envelope = self._envelope(installation, key)
            log.info("looking for other nodes, with a key that has the fingerprint %s", envelope.fingerprint)
            await self.node.join_bus(self._bus(installation), envelope)

    def _bus(self, installation: bytes) -> Bus:
        from server.bus.nats import NatsBus  # only a server with NATS_URL needs the client

        settings = self._settings
        return NatsBus(
            settings.nats_url,
            f"{settings.nats_prefix}.{installation.hex()}",
            name=self._name,
            credentials=settings.nats_creds,
            authorities=settings.nats_ca,
        )

    def _envelope(self, installation: bytes, key: bytes) -> Envelope:
        if not self._settings.nats_encrypt:
            return Envelope(installation, key)
        from server.bus.sealing import XChaChaSealer

        encryption = self._keys.key(KeyUse.LINK_ENCRYPTION)
        assert encryption is not None
        return Envelope(installation, key, XChaChaSealer(encryption))

    async def close(self) -> None:
        """Leave the bus."""
        for name in await self._tasks.close(1.0):
            log.error("task %s did not stop", name)
        await self.node.close()
