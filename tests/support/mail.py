"""A mail server on loopback, in a thread of its own."""

import asyncio
import email
import re
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from tests.support.process import PATIENCE, free_port, poll_until


class _Controller(Controller):
    """Knows its connections, so that none is left open."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.connections: list[SMTP] = []
        super().__init__(*arguments, **options)

    def factory(self) -> SMTP:
        connection: SMTP = super().factory()  # type: ignore[no-untyped-call]
        self.connections.append(connection)
        return connection


class MailServer:
    """Receives mail.

    Attributes:
        letters: what it has received, with the recipient of each.
        refusals: answers for the next mails, instead of taking them, such as "451 later".
    """

    def __init__(self) -> None:
        self.letters: list[tuple[str, EmailMessage]] = []
        self.refusals: list[str] = []
        self._controller = _Controller(self, hostname="127.0.0.1", port=free_port(), ready_timeout=PATIENCE)

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a server that sends its mail here."""
        return {
            "SMTP_URL": f"smtp://127.0.0.1:{self._controller.port}?starttls=no",
            "MAIL_FROM": "chat@example.org",
            "PUBLIC_URL": "https://chat.example.org/talk",
        }

    def to(self, address: str) -> list[EmailMessage]:
        """Return the letters to an address."""
        return [letter for to, letter in self.letters if to == address]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        """Take a mail."""
        if self.refusals:
            return self.refusals.pop(0)
        letter = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(letter, EmailMessage)
        self.letters.extend((to, letter) for to in envelope.rcpt_tos)
        return "250 OK"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop_listening(), self._controller.loop).result(PATIENCE)
        connections = self._controller.connections
        poll_until(lambda: all(map(_is_over, connections)), what="no mail is under way")
        self._controller.stop()

    async def _stop_listening(self) -> None:
        """Accept no more connections; those that were accepted last get their protocols within a few iterations.

        Closing the server before that would leave them open: its loop refuses them then, and does not close them.
        """
        server = self._controller.server
        assert isinstance(server, asyncio.Server)
        for listening in server.sockets:
            self._controller.loop.remove_reader(listening.fileno())
        for _ in range(5):
            await asyncio.sleep(0)


def _is_over(connection: SMTP) -> bool:
    """Whether a connection was made, and is closed again."""
    return connection.session is not None and connection.transport is None


def secret_in(letter: EmailMessage, kind: str) -> str:
    """Return the secret in the link of a letter."""
    found = re.search(rf"https://chat\.example\.org/talk/client\.html#{kind}=([\w-]{{43}})\s", letter.get_content())
    assert found is not None, letter.get_content()
    return found[1]
