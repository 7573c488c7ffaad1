"""Accounts that post over HTTP while something breaks, at any node. They send each message until it is stored."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.support.operations import Post
from tests.support.person import PAUSE, Entry, Person
from tests.support.web import Web, token_of

if TYPE_CHECKING:
    from tests.support.load import Load

# Seconds after which an answer is given up: the node may hang.
GIVE_UP = 5.0
# What a message may be answered with for now.
FOR_NOW = (429, 503)
DAY_SECONDS = 86_400


class Bot(Person):
    """An account that posts one message after another, and reads nothing."""

    def __init__(self, load: Load, name: str, secret: str) -> None:
        super().__init__(load.notes, name, [])
        self._load = load
        self._web = Web(0, name, secret=secret)
        self._web.token = token_of(name, seconds=DAY_SECONDS, secret=secret)  # nodes' clocks may be an hour apart
        self.user = self._web.id
        self._online = True

    async def talk(self) -> None:
        """Post until the load stops, once every client has posted: then all rooms exist."""
        await self._load.until(
            lambda: all(person.acked for person in self._load.people), "everybody is acked something"
        )
        while self._load.talking:
            name = f"{self.name}-{len(self.sent)}"
            post = Post(name, random.choice(self._load.rooms), f"{name} over HTTP")
            self.sent.append(post)
            self.outbox.append(Entry(post))
            while self.outbox:
                await self._try(post)
            await asyncio.sleep(self._load.every * random.uniform(0.5, 1.5))

    async def _try(self, post: Post) -> None:
        self._web.port = self._load.find_port()
        target = f"/api/rooms/{quote(post.room)}/messages"
        try:
            async with asyncio.timeout(GIVE_UP):
                answer = await self._web.ask("POST", target, {"content": post.content, "id": post.id})
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            self._notes.lost_answers += 1  # it may be stored
        else:
            if answer.status == 201:
                self.acked[post.id] = {answer.json()["seq"]}
                self.outbox.clear()
                return
            if answer.status not in FOR_NOW:
                self.faults.append(f"was answered {answer.status} {answer.body[:200]!r}")
                self.outbox.clear()
                return
        await asyncio.sleep(random.uniform(*PAUSE))
