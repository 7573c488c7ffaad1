"""A client's copy of a room's messages, maintained by the rules of docs/protocol.md from received frames alone."""

from collections import defaultdict
from typing import Any

from model.limits import QUOTE_CHARS

Frame = dict[str, Any]
CHANGES = ("edited", "deleted", "reaction", "pinned")
"""The events that change a message; in a resume, `message` does too."""


class Copy:
    """The messages of one room, complete from its beginning once `settled`.

    Attributes:
        states: undeleted messages by seq, in the form of `message` frames.
        since: the largest known version or head; a resume needs it and `epoch`.
        joined: the connection is in the room.
        loaded: the history has been read.
        synced: no resume is in progress.
        disorder: how many events arrived twice, out of order, or contradict each other.
    """

    def __init__(self) -> None:
        self.states: dict[int, Frame] = {}
        self.epoch: str | None = None
        self.since = 0
        self.joined = False
        self.loaded = False
        self.synced = False
        self.disorder = 0
        self._early: set[int] = set()  # replayed last, as of the head, including later changes
        self._replies: defaultdict[int, set[int]] = defaultdict(set)

    @property
    def settled(self) -> bool:
        """Whether the copy is complete, apart from future events."""
        return self.joined and self.loaded and self.synced

    def resume(self) -> Frame:
        """Return the fields of `join` for a resume."""
        return {"since": self.since, "epoch": self.epoch} if self.loaded else {}

    def forget(self) -> None:
        """Start again with the next `joined`."""
        self.loaded = False

    def on_joined(self, frame: Frame, since: int | None = None) -> bool:
        """Handle `joined`; return whether the history must be loaded.

        ``since`` is that of the `join` which it answers. Everything after it follows, although some may have arrived
        already: a `join` that was refused as unavailable and sent again may be answered twice.
        """
        self.joined = True
        # An unasked one may come while the history is loaded for an earlier one: what follows continues that.
        loading = "id" not in frame and frame["epoch"] == self.epoch
        if frame["recovered"] and (self.loaded or loading):
            self.synced = False
            if since is not None:
                self.since = min(self.since, since)
            return False
        self.epoch, self.since = frame["epoch"], frame["head"]
        self.loaded, self.synced = False, True
        self.states, self._early = {}, set()
        self._replies.clear()
        return True

    def on_synced(self, frame: Frame) -> None:
        """Handle `synced`, the end of a resume."""
        self.since, self.synced = max(self.since, frame["head"]), True

    def on_page(self, frame: Frame) -> int | None:
        """Add a page of history, newest page first; return the `before` of the next one, None at the end.

        A page includes everything that was received before it.
        """
        for state in frame["messages"]:
            self._take(state)
        if frame["has_older"]:
            return int(frame["messages"][0]["seq"])
        self.loaded = True
        return None

    def on_state(self, frame: Frame) -> None:
        """Handle a `message`, or a change of one."""
        version, seq = frame["version"], frame["seq"]
        known = self.states.get(seq)
        if version <= self.since:
            # The last messages of a resume have its head as version and were changed since; the change follows.
            if version == self.since and not self.synced and (known is None or known["version"] < version):
                self._early.add(seq)
            else:
                self.disorder += 1
        elif known is not None and version < known["version"]:
            self.disorder += 1  # a second replay that is older than the first
        self.since = max(self.since, version)
        self._take(frame)

    def differs(self, other: "Copy") -> str:
        """Return a message that differs from the other copy; "" if none does."""
        for seq in sorted(self.states.keys() | other.states.keys()):
            ours, theirs = self.states.get(seq), other.states.get(seq)
            if ours != theirs:
                return f"message {seq} is {ours}, and should be {theirs}"
        return ""

    def on_retracted(self, seq: int) -> None:
        """Handle `retracted`."""
        self.states.pop(seq, None)
        self._quote(seq, {"seq": seq})

    def _take(self, frame: Frame) -> None:
        seq, version = frame["seq"], frame["version"]
        known = self.states.get(seq)
        if known is not None and version < known["version"]:
            return
        if "deleted_at" in frame:
            self.states.pop(seq, None)
            self._quote(seq, {"seq": seq, "sender": frame["sender"]})
            return
        if "content" in frame:
            self._quote(seq, {"seq": seq, "sender": frame["sender"], "content": frame["content"][:QUOTE_CHARS]})
        if frame["type"] == "message":
            self.states[seq] = frame
            if "reply_to" in frame:
                self._replies[frame["reply_to"]["seq"]].add(seq)
        elif known is not None and version > known["version"]:
            after = known | {"version": version}
            if frame["type"] == "edited":
                _put(after, frame, "content", "edited_at", "mentions")
            elif frame["type"] == "pinned":
                _put(after, {**frame, "pinned_by": frame["by"]["id"]} if frame["on"] else {}, "pinned_at", "pinned_by")
            else:
                self._react(after, frame)
            self.states[seq] = after

    def _react(self, state: Frame, frame: Frame) -> None:
        emoji, user = frame["emoji"], frame["user"]["id"]
        reactions = dict(state.pop("reactions", {}))
        people = [other for other in reactions.pop(emoji, []) if other != user or frame["on"]]
        people += [user] * (frame["on"] and user not in people)
        self.disorder += len(people) != frame["count"] and state["seq"] not in self._early
        if people:
            reactions[emoji] = people
        if reactions:
            state["reactions"] = reactions

    def _quote(self, seq: int, quote: Frame) -> None:
        for reply in self._replies.get(seq, ()):
            if reply in self.states:
                self.states[reply] = self.states[reply] | {"reply_to": quote}


def _put(state: Frame, frame: Frame, *names: str) -> None:
    """Copy these fields from the frame, or remove them if the frame has none."""
    for name in names:
        state.pop(name, None)
        if name in frame:
            state[name] = frame[name]
