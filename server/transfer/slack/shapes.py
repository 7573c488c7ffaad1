"""What is read of the JSON in Slack's export; everything else in it is ignored.

Source: https://slack.com/help/articles/220556107, and exports of workspaces. A field that Slack leaves out in one place
it has as null in another.
"""

from msgspec import Struct, field

# What Slack calls text fields that are sometimes missing.
_Text = str | None


class Profile(Struct):
    """Of a user."""

    display_name: _Text = ""
    real_name: _Text = ""
    email: _Text = ""


class SlackUser(Struct):
    """In ``users.json``."""

    id: str
    name: _Text = ""
    real_name: _Text = ""
    is_bot: bool | None = False
    deleted: bool | None = False
    profile: Profile | None = None


class Text(Struct):
    """A topic or a purpose."""

    value: _Text = ""


class SlackPin(Struct):
    """A pinned message. ``id``: its ``ts``, or the id of a file."""

    id: str = ""
    created: int | float | None = None
    user: _Text = ""


class Conversation(Struct):
    """In ``channels.json``, ``groups.json``, ``mpims.json`` and ``dms.json``."""

    id: str
    name: _Text = ""
    created: int | float | None = 0
    creator: _Text = ""
    is_archived: bool | None = False
    members: list[str] | None = field(default_factory=list)
    topic: Text | None = None
    purpose: Text | None = None
    pins: list[SlackPin] | None = None


class SlackReaction(Struct):
    """Who reacted with an emoji."""

    name: str
    users: list[str] | None = None


class Edited(Struct):
    """When a message was edited last."""

    ts: str | int | float | None = None


class SlackFile(Struct):
    """A file that is attached to a message; the file itself is not in the export."""

    name: _Text = None
    title: _Text = None
    permalink: _Text = None
    url_private: _Text = None


class Attachment(Struct):
    """What a bot shows, or the preview of a link."""

    pretext: _Text = None
    title: _Text = None
    title_link: _Text = None
    text: _Text = None
    fallback: _Text = None
    from_url: _Text = None


class SlackMessage(Struct):
    """In the file of a day."""

    ts: str
    subtype: _Text = None
    user: _Text = None
    bot_id: _Text = None
    username: _Text = None
    user_profile: Profile | None = None
    text: _Text = None
    thread_ts: _Text = None
    edited: Edited | None = None
    reactions: list[SlackReaction] | None = None
    files: list[SlackFile] | None = None
    attachments: list[Attachment] | None = None
