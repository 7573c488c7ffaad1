"""Slack's messages as messages of a room."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from model.errors import ParleyError
from model.limits import REACTIONS, REACTORS
from model.text import check_content, check_emoji, find_mentions
from server.transfer.archive import CorruptFile
from server.transfer.slack.emoji import emoji_of
from server.transfer.slack.people import People
from server.transfer.slack.rooms import Place
from server.transfer.slack.shapes import Attachment, SlackFile, SlackMessage
from server.transfer.slack.text import Words
from storage.ports.transfer import StoredMessage
from utils.clock import rfc3339

# What people and bots wrote. The other subtypes are about joins, topics, huddles and so on.
_WRITTEN = frozenset(
    {"", "bot_message", "file_comment", "file_share", "me_message", "reply_broadcast", "slackbot_response"}
    | {"thread_broadcast"}
)
# A message that was deleted, but has replies.
_DELETED = "tombstone"
_TS = re.compile(r"(\d{1,11})(?:\.(\d{1,6}))?")
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_CHARS = 500


class Converter:
    """Makes messages of Slack's.

    Attributes:
        lost: what was not taken over, in words, and how often.

    Args:
        most: characters of a message; a longer one becomes several.
        now_us: messages cannot be later.
    """

    def __init__(self, people: People, words: Words, *, most: int, now_us: int) -> None:
        self._people = people
        self._words = words
        self._most = most
        self._now_us = now_us
        self.lost: Counter[str] = Counter()

    def messages(
        self, place: Place, day: str, found: Iterable[SlackMessage], seen: set[int]
    ) -> Iterator[StoredMessage]:
        """Yield the messages of a day in a room, in their order.

        Args:
            seen: the seqs of the room so far, to which those of this day are added.

        Raises:
            CorruptFile: the time of one is none.
        """
        pins = {
            pin.id: (round((pin.created or 0) * 1_000_000), self._people.find(pin.user).id if pin.user else "")
            for pin in place.conversation.pins or ()
        }
        timed = sorted(((self._time(one.ts, day), one) for one in found), key=lambda pair: pair[0])
        for seq, one in timed:
            subtype = one.subtype or ""
            if subtype not in _WRITTEN and subtype != _DELETED:
                self.lost[f"messages of the kind {subtype[:40]}"] += 1
                continue
            if seq in seen:
                self.lost["messages that are in the export twice"] += 1
                continue
            author = self._people.author(one)
            if author is None:
                self.lost["messages without an author"] += 1
                continue
            parts = [""] if subtype == _DELETED else self._parts(one, subtype)
            if not parts:
                self.lost["messages without a text"] += 1
                continue
            thread = self._time(one.thread_ts, day) if one.thread_ts else seq
            pinned_us, pinned_by = pins.get(one.ts, (0, ""))
            edited = one.edited is not None and subtype != _DELETED
            for part in parts:
                while seq in seen:  # of a message in several
                    seq += 1
                first = part is parts[0]
                seen.add(seq)
                yield StoredMessage(
                    room_id=place.record.room_id,
                    seq=seq,
                    version=seq,
                    sender=author.name,
                    sender_id=author.id,
                    content=part,
                    at=rfc3339(seq),
                    edited_at=rfc3339(max(seq, self._us(str(one.edited.ts)))) if one.edited and edited else None,
                    deleted_at=rfc3339(seq) if subtype == _DELETED else None,
                    reply_to=thread if thread != seq and first else None,
                    mentions=find_mentions(part),
                    reactions=self._reactions(one) if first else None,
                    pinned_at=rfc3339(min(pinned_us or seq, self._now_us)) if pinned_by and first else None,
                    pinned_by=pinned_by if pinned_by and first else None,
                )

    def _time(self, ts: str, day: str) -> int:
        """Return the time of a message in Unix microseconds, by which it is found.

        Raises:
            CorruptFile: it is none, or in the future.
        """
        us = self._us(ts)
        if not us:
            raise CorruptFile(f"{day[:80]} has a message with the time {ts[:40]!r}")
        return us

    def _us(self, ts: str) -> int:
        match = _TS.fullmatch(ts)
        us = int(match[1]) * 1_000_000 + int((match[2] or "0").ljust(6, "0")) if match else 0
        return us if us <= self._now_us else 0

    def _parts(self, one: SlackMessage, subtype: str) -> list[str]:
        text = self._words.markdown(one.text or "")
        if subtype == "me_message" and text:
            text = f"_{text}_"
        files = [self._file(file) for file in one.files or ()]
        if not text.strip():  # else attachments are previews of what it links to
            shown = [self._attachment(each) for each in one.attachments or ()]
            text = "\n\n".join(filter(None, shown))
        self.lost["files, of which only the name and the address are taken over"] += len(files)
        whole = "\n".join(filter(None, [text, *files]))
        try:
            clean = check_content(_FORBIDDEN.sub("", whole), len(whole) + 1)
        except ParleyError:
            return []
        parts = _pieces(clean, self._most)
        self.lost[f"messages of more than {self._most:,} characters, which become several"] += len(parts) > 1
        return parts

    def _file(self, file: SlackFile) -> str:
        name = " ".join((file.title or file.name or "a file").split())[:_LINE_CHARS]
        address = file.permalink or file.url_private or ""
        if not re.fullmatch(r"https?://[^\s<>()\[\]]{1,1000}", address):
            return name
        label = re.sub(r"([\\\[\]])", r"\\\1", name)
        return f"[{label}]({address})"

    def _attachment(self, each: Attachment) -> str:
        title = f"<{each.title_link}|{each.title}>" if each.title and each.title_link else each.title
        lines = [self._words.markdown(line) for line in (each.pretext, title, each.text) if line]
        return "\n".join(lines) or self._words.markdown(each.fallback or "")

    def _reactions(self, one: SlackMessage) -> dict[str, list[str]] | None:
        found: dict[str, list[str]] = {}
        for reaction in one.reactions or ():
            known = emoji_of(reaction.name)
            self.lost["reactions with an emoji of the workspace, which the page does not show"] += known is None
            try:
                emoji = check_emoji(known or f":{reaction.name}:")
            except ParleyError:
                self.lost["reactions whose emoji has too long a name"] += 1
                continue
            if emoji not in found and len(found) >= REACTIONS:
                self.lost[f"reactions above {REACTIONS} different ones to a message"] += 1
                continue
            ids = dict.fromkeys([*found.get(emoji, ()), *(self._people.find(user).id for user in reaction.users or ())])
            found[emoji] = list(ids)[:REACTORS]
        return {emoji: ids for emoji, ids in found.items() if ids} or None


def _pieces(text: str, most: int) -> list[str]:
    """Cut a text into messages, at the ends of lines or words where that is possible."""
    pieces = []
    while len(text) > most:
        end = max(text.rfind("\n", most // 2, most), 0) or max(text.rfind(" ", most // 2, most), 0) or most
        pieces.append(text[:end])
        text = text[end:].lstrip("\n")
    return [piece for piece in (*pieces, text) if piece.strip()]
