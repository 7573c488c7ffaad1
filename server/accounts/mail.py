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

from chat.delivery.ratelimit import Allowances, Rate, rate_limited
from model.account import fold_email
from model.errors import ParleyError
from server.accounts.letters import Letter
from server.settings.readers import MailServer
from server.settings.values import Settings
from storage.ports.errors import StorageError
from storage.ports.storage import READER
from utils.fairness import Party
from utils.tasks import is_cancelled

log = logging.getLogger(__name__)

QUEUE = 1000  # letters that wait for their first attempt, and as many for another one
SENDERS = 4  # letters that are sent at a time
PAUSES = (1.0, 10.0)  # seconds before the second and the third attempt, the last one
# Letters of one kind to one address: visitors can have some kinds sent to the address of any other person, and must not
# use up what its owner gets for a change of the account. A link to reset lives longer than the wait for the next one,
# so that the owner always has one that works, no matter who asked for it.
LETTERS = Rate(6 / 3600, 12.0)
# Letters that one account has sent to addresses that are not confirmed; to one of them.
ADDRESSES = Rate(6 / 3600, 12.0)
AGAIN_TO = Rate(1 / 3600, 3.0)
SECONDS = 20.0  # time limit of each step of an attempt


class MailProblem(Exception):
    """Why a mail server cannot be used; the text is for an operator."""


# What a letter is made from: a task that finds out whether there is one to send.
Prepare = Callable[[], Awaitable[Letter | None]]


class Mailer:
    """The queue and the tasks that empty it.

    Attributes:
        active: whether there is a server that sends mail (``SMTP_URL``).
    """

    def __init__(self, settings: Settings) -> None:
        self._server = settings.smtp_url
        self._sender: str = settings.mail_from
        self.active = self._server is not None
        self._queue: asyncio.Queue[Letter | Prepare] = asyncio.Queue(QUEUE)
        self._letters = Allowances(*LETTERS)
        self._addresses = Allowances(*ADDRESSES)
        self._again_to = Allowances(*AGAIN_TO)
        self._busy = 0
        self._away = False  # the mail server was out of reach at the last attempt
        self._again = 0  # letters that wait for another attempt
        self._senders = asyncio.Semaphore(SENDERS)
        self._writing = asyncio.Lock()  # one at a time: each counts those before it

    def send(self, letter: Letter | Prepare) -> None:
        """Queue a letter, or work whose result is one. A full queue drops it, with a line in the log."""
        if not self.active:
            return
        try:
            self._queue.put_nowait(letter)
        except asyncio.QueueFull:
            log.warning("a mail was dropped: %d others are waiting", QUEUE)

    def count_address(self, account_id: str, email: str) -> None:
        """Count an address to which an account has a letter sent: few to one address, which may be that of another user
        who waits for a letter, too.

        Raises:
            ParleyError: ``rate_limited``.
        """
        now = time.monotonic()
        wait = self._again_to.take(f"{account_id} {fold_email(email)}", now) or self._addresses.take(account_id, now)
        if wait:
            raise rate_limited(wait)

    def count_letter(self, letter: Letter) -> bool:
        """Count a letter to an address, and return whether it may be sent; for what `Prepare` returns, which does this
        before it stores anything.
        """
        if self._letters.take(f"{letter.subject} {fold_email(letter.to)}", time.monotonic()):
            log.warning("a mail was dropped: its address gets too many")
            return False
        return True

    def is_idle(self) -> bool:
        """Return whether nothing is queued, and nothing is being sent."""
        return self._queue.empty() and not self._busy and not self._again

    async def run(self) -> None:
        """Send what is queued, until it is cancelled."""
        READER.set(Party("mail"))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(SENDERS):
                tasks.create_task(self._empty(tasks))

    async def _empty(self, tasks: asyncio.TaskGroup) -> None:
        while not is_cancelled():
            work = await self._queue.get()
            self._busy += 1
            try:
                async with self._writing:
                    letter = await self._written(work)
                if letter is not None and not await self._is_settled(letter):
                    self._try_again(letter, tasks)
            except (StorageError, ParleyError) as error:
                log.warning("a mail was dropped: %s", error)
            except Exception:
                # An unforeseen error of one mail must not keep back all others.
                log.exception("a mail was dropped")
            finally:
                self._busy -= 1

    async def _written(self, work: Letter | Prepare) -> Letter | None:
        if not isinstance(work, Letter):
            return await work()
        return work if self.count_letter(work) else None

    def _try_again(self, letter: Letter, tasks: asyncio.TaskGroup) -> None:
        """Make the other attempts in a task of their own: one mail that is refused for now holds up no other."""
        if self._again >= QUEUE:
            log.warning("a mail was dropped: %d others wait for another attempt", QUEUE)
            return
        tasks.create_task(self._other_attempts(letter))

    async def _other_attempts(self, letter: Letter) -> None:
        self._again += 1
        try:
            for pause in PAUSES:
                await asyncio.sleep(pause)
                if is_cancelled() or await self._is_settled(letter):
                    return
            log.warning("a mail was dropped after %d attempts", 1 + len(PAUSES))
        except Exception:
            # An unforeseen error would end the task group, and with it all other mail.
            log.exception("a mail was dropped")
        finally:
            self._again -= 1

    async def _is_settled(self, letter: Letter) -> bool:
        """Make one attempt, and return whether there is to be no other one."""
        try:
            async with self._senders:
                await self._attempt(letter)
        except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused) as error:
            if not _may_pass(error):
                log.warning("the mail server refused a mail: %s", _reason(error))
                return True
            log.warning("a mail could not be sent for now: %s", _reason(error))
            return False
        except (aiosmtplib.SMTPException, OSError) as error:
            log.warning("a mail could not be sent for now: %s", _reason(error))
            self._away = True
            return False
        if self._away:
            self._away = False
            log.info("the mail server takes mail again")
        return True

    async def _attempt(self, letter: Letter) -> None:
        assert self._server is not None
        async with _client(self._server, SECONDS) as client:
            await client.send_message(self._message(letter), sender=self._sender, recipients=[letter.to])

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


async def try_mail(server: MailServer, sender: str, seconds: float) -> None:
    """Log in to a mail server, and ask whether it takes mail of a sender, without sending any.

    Raises:
        MailProblem: it cannot be reached, or refuses that.
    """
    try:
        async with asyncio.timeout(seconds), _client(server, seconds) as client:
            await client.mail(sender)
            await client.rset()
    except aiosmtplib.SMTPSenderRefused as error:
        raise MailProblem(f"it refuses the sender of MAIL_FROM: {error.code} {error.message}") from error
    except aiosmtplib.SMTPResponseException as error:
        raise MailProblem(f"it answers {error.code} {error.message}") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise MailProblem(str(error) or "no answer in time") from error


def _client(server: MailServer, seconds: float) -> aiosmtplib.SMTP:
    """Return what connects to a mail server and logs in; ``seconds`` limit each step."""
    return aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user or None,
        password=server.password or None,
        use_tls=server.security == "tls",
        start_tls=server.security == "starttls",
        timeout=seconds,
    )


def _may_pass(error: aiosmtplib.SMTPException) -> bool:
    """Whether another attempt may succeed: the mail server answered with a temporary code (RFC 5321 section 4.2.1)."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(400 <= one.code < 500 for one in error.recipients)
    return isinstance(error, aiosmtplib.SMTPResponseException) and 400 <= error.code < 500


def _reason(error: Exception) -> str:
    """Describe an error without the address of the user, which some of them contain."""
    code = getattr(error, "code", None)
    return f"{type(error).__name__} {code}" if code is not None else type(error).__name__
