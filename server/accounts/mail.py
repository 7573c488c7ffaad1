"""Send mail in the background, so that no answer tells, by its text or its time, whether a mail is sent.

Each letter is sent at most once, with some attempts. Those in the queue are lost when the server stops: users ask
again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid

import aiosmtplib

from chat.delivery.ratelimit import Allowances, Rate
from model.account import fold_email
from model.errors import ParleyError
from server.accounts.letters import Letter
from server.settings.values import Settings
from storage.ports.errors import StorageError
from storage.ports.storage import READER
from utils.fairness import Party

log = logging.getLogger(__name__)

QUEUE = 1000
TRIES = 3
PAUSES = (1.0, 10.0)  # seconds before the second and the third attempt
# Letters to one address, whatever they are about: visitors can have them sent to the address of any other person.
LETTERS = Rate(6 / 3600, 12.0)
SECONDS = 20.0  # time limit of each step of an attempt

# What a letter is made from: a task that finds out whether there is one to send.
Prepare = Callable[[], Awaitable[Letter | None]]


class Mailer:
    """The queue and the task that empties it.

    Attributes:
        active: whether there is a server that sends mail (``SMTP_URL``).
    """

    def __init__(self, settings: Settings) -> None:
        self._server = settings.smtp_url
        self._sender: str = settings.mail_from
        self.active = self._server is not None
        self._queue: asyncio.Queue[Letter | Prepare] = asyncio.Queue(QUEUE)
        self._letters = Allowances(*LETTERS)
        self._busy = False

    def send(self, letter: Letter | Prepare) -> None:
        """Queue a letter, or work whose result is one. A full queue drops it, with a line in the log."""
        if not self.active:
            return
        try:
            self._queue.put_nowait(letter)
        except asyncio.QueueFull:
            log.warning("a mail was dropped: %d others are waiting", QUEUE)

    def is_idle(self) -> bool:
        """Return whether nothing is queued, and nothing is being sent."""
        return self._queue.empty() and not self._busy

    async def run(self) -> None:
        """Send what is queued, until it is cancelled."""
        READER.set(Party("mail"))
        task = asyncio.current_task()
        assert task is not None
        # Python 3.11's `wait_for`, which aiosmtplib uses, loses a cancellation that comes together with an answer.
        while not task.cancelling():
            self._busy = False
            work = await self._queue.get()
            self._busy = True
            try:
                await self._work_off(work)
            except (StorageError, ParleyError) as error:
                log.warning("a mail was dropped: %s", error)
            except Exception:
                # An unforeseen error of one mail must not keep back all others.
                log.exception("a mail was dropped")

    async def _work_off(self, work: Letter | Prepare) -> None:
        letter = work if isinstance(work, Letter) else await work()
        if letter is None:
            return
        if self._letters.take(fold_email(letter.to), time.monotonic()):
            log.warning("a mail was dropped: its address gets too many")
            return
        await self._deliver(letter)

    async def _deliver(self, letter: Letter) -> None:
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(PAUSES[attempt - 1])
            try:
                await self._attempt(letter)
            except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused) as error:
                if not _may_pass(error):
                    log.warning("the mail server refused a mail: %s", _reason(error))
                    return
                log.warning("a mail could not be sent, attempt %d of %d: %s", attempt + 1, TRIES, _reason(error))
            except (aiosmtplib.SMTPException, OSError) as error:
                log.warning("a mail could not be sent, attempt %d of %d: %s", attempt + 1, TRIES, _reason(error))
            else:
                return

    async def _attempt(self, letter: Letter) -> None:
        server = self._server
        assert server is not None
        await aiosmtplib.send(
            self._message(letter),
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            timeout=SECONDS,
        )

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = letter.to
        message["Subject"] = letter.subject
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers of machines
        message.set_content(letter.text)
        return message


def _may_pass(error: aiosmtplib.SMTPException) -> bool:
    """Whether another attempt may succeed: the mail server answered with a temporary code (RFC 5321 section 4.2.1)."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(400 <= one.code < 500 for one in error.recipients)
    return isinstance(error, aiosmtplib.SMTPResponseException) and 400 <= error.code < 500


def _reason(error: Exception) -> str:
    """Describe an error without the address of the user, which some of them contain."""
    code = getattr(error, "code", None)
    return f"{type(error).__name__} {code}" if code is not None else type(error).__name__
