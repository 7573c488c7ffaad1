"""What the pictures of the page show: people who prepare a makers' fair, on a morning in May."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from server.auth.tokens import sign_account
from tests.browser.peer import Peer, peer
from tests.support.server import ServerProcess

SECRET = "a secret of the pictures, long enough for HS256"
MAIN = Path(__file__).parents[1] / "support" / "still_main.py"
NOW = datetime(2026, 5, 14, 10, 42, tzinfo=UTC)
ME, TOM, PRIYA, JONAS, ELIF = "Maya Lindqvist", "Tom Okafor", "Priya Nair", "Jonas Weber", "Elif Demir"
SAM, ROBIN = "Sam", "Robin"  # guests
OPERATOR = "Operator"
ACCOUNTS = {ME: "organizer", TOM: "user", PRIYA: "user", JONAS: "user", ELIF: "user", OPERATOR: "admin"}
"""The roles of accounts."""
IDS = {ME: 18, TOM: 52, PRIYA: 5, JONAS: 24, ELIF: 21, OPERATOR: 40}
"""Such that their colours differ: those depend on the id."""

ROOMS = {
    "fair": ("Makers' fair", "Saturday 13 June at the old tram depot. The plan and the budget are pinned."),
    "website": ("Website", "fair.example.org: pages, the sign-up form, bugs"),
    "workshop": ("Workshop", "Tools, materials, and who has the key to the laser cutter"),
    "garden": ("Garden", "Beds, bees and the compost rota"),
    "volunteers": ("Volunteers", "Shifts and questions. New here? Say hello!"),
    "lunch": ("Lunch", "Where today?"),
    "photos": ("Photos", "Links to albums of past fairs"),
    "radio": ("Radio club", "Antennas, and the balloon flight in autumn"),
}
MINE = ("fair", "website", "workshop", "volunteers", "lunch")
PLAN = """**Plan**
1. Friday: power, tables, signs
2. Saturday: doors at 10, talks at 14
3. Sunday: take down by noon"""
MISSING = """Before it goes live I still need:
- the **opening hours**
- a photo of last year's fair
- somebody who reads it once more"""
SIGN_UP = """The form now refuses a second sign-up with the same address:

```sql
CREATE UNIQUE INDEX stalls_email
    ON stalls (lower(email));
```

`lower()` because people type *Ann@* on phones."""


class Story:
    """The people, and the clock of their server.

    Attributes:
        seqs: the numbers of messages that something happens to later, by a word for each.
        direct: the room of Maya and Tom.
    """

    def __init__(self, server: ServerProcess, clock: Path) -> None:
        self.server = server
        self.people: dict[str, Peer] = {}
        self.seqs: dict[str, int] = {}
        self._clock = clock
        self._room = ""
        self._day = NOW.day
        self._last = 0
        self.direct = ""

    @property
    def token(self) -> str:
        return token_for(ME)

    def at(self, hour: str, room: str = "", *, day: int = 0) -> None:
        """Go to a time of a day in May, and to a room; without them, of the same day and in the same room."""
        self._day = day or self._day
        set_clock(self._clock, datetime.fromisoformat(f"2026-05-{self._day:02}T{hour}:00+00:00"))
        self._room = room or self._room

    async def say(self, who: str, text: str, key: str = "", reply: str = "") -> None:
        """Post a message, and keep its number under a key."""
        fields = {"reply_to": self.seqs[reply]} if reply else {}
        (self._last,) = await self.people[who].at(self._room).say([text], **fields)
        self.seqs[key] = self._last

    async def react(self, key: str, emoji: str, *people: str) -> None:
        for who in people:
            await self.people[who].at(self._room).change(type="react", seq=self.seqs[key], emoji=emoji)

    async def type(self, who: str, room: str) -> None:
        """Show that somebody writes, for the seconds of a picture."""
        await self.people[who].at(room).tell(type="typing")

    async def begin(self) -> None:
        """Make the rooms, and let everybody enter those that they talk in."""
        self.at("09:00", day=4)
        admin, me = self.people[OPERATOR], self.people[ME]
        for name, (title, topic) in ROOMS.items():
            maker = me if name in MINE else self.people[JONAS]
            await maker.ask(type="create_room", room=name, title=title, topic=topic)
        for who, person in self.people.items():
            for name in ROOMS if person is not admin else ():
                if who == ME and name not in MINE:
                    continue
                if who in (SAM, ROBIN) and name in ("website", "workshop"):
                    continue
                await person.at(name).join()
        for room, who, role in (("fair", TOM, "moderator"), ("fair", PRIYA, "owner"), ("website", JONAS, "owner")):
            await me.ask(type="set_role", room=room, user=self.people[who].user_id, role=role)

    async def talk(self) -> None:
        """Fill the rooms with what was said until now."""
        await self._website()
        await self._fair()
        await self._others()
        self.at("10:42")

    async def _fair(self) -> None:
        self.at("16:05", "fair", day=13)
        await self.say(PRIYA, "The depot is ours from Friday noon. The city confirmed it today 🎉", "depot")
        await self.react("depot", "🎉", ME, TOM, JONAS, ELIF)
        await self.react("depot", "🙌", ROBIN)
        self.at("16:09")
        await self.say(PRIYA, PLAN, "plan")
        await self.people[PRIYA].at("fair").change(type="pin", seq=self.seqs["plan"])
        self.at("16:31")
        await self.say(TOM, "Great! How many tables do we need?", "tables")
        self.at("09:12", day=14)
        await self.say(ELIF, "34 stalls have signed up so far, so 40 tables to be safe.", "stalls", reply="tables")
        self.at("09:14")
        await self.say(TOM, "Then I'll ask the library for another ten.")
        await self.say(TOM, "They lent us theirs last year, too.", "library")
        await self.react("library", "👍", ME, PRIYA)
        self.at("09:40")
        await self.say(ME, "Thank you! I can drive the van on Friday.", "van")
        await self.react("van", "🚐", TOM, ELIF)
        self.at("10:21")
        await self.say(SAM, "Hi all! Is there still room for a stall with bicycle repairs?", "bikes")
        self.at("10:23")
        await self.say(JONAS, "Sure, welcome! The form is on https://fair.example.org/stalls", reply="bikes")

        await self._read()
        self.at("10:38")  # from here on she was away
        await self.say(ROBIN, "I have two repair stands that you could borrow, Sam.")
        self.at("10:40")
        await self.say(PRIYA, "@[Maya Lindqvist] could you put Sam next to the door? Bikes need space.", "door")
        self.at("10:41")
        await self.say(TOM, "And next to the coffee, please ☕")

    async def _website(self) -> None:
        self.at("17:20", "website", day=13)
        await self.say(JONAS, "The new start page is online. Tell me what looks odd on your phones.", "page")
        self.at("17:26")
        await self.say(ELIF, "Looks good! Only the map is too tall, I have to scroll past it.", "map", reply="page")
        self.at("17:41")
        await self.say(JONAS, "Fixed: the map is now half as tall.", reply="map")
        self.at("17:43")
        await self.say(ELIF, "Perfect, thanks", "perfect")
        await self.react("perfect", "✨", JONAS)
        self.at("09:02", day=14)
        await self.say(TOM, "Somebody signed up for two stalls by accident. Can we prevent that?", "twice")
        self.at("09:20")
        await self.say(JONAS, SIGN_UP, "index", reply="twice")
        await self.react("index", "👏", ME, TOM, PRIYA)
        await self.react("index", "🤓", ELIF)
        self.at("09:24")
        await self.say(PRIYA, "Nice. @[Maya Lindqvist] do we tell people that they are on the list already?", "tell")
        self.at("09:31")
        await self.say(
            ME, "Yes, with a friendly sentence:\n> You have signed up already. We look forward to seeing you!", "yes"
        )
        await self.react("yes", "❤️", PRIYA, JONAS, ELIF)
        self.at("09:33")
        await self.say(JONAS, MISSING, "need")
        self.at("09:36")
        await self.say(
            TOM, "I'll read it. Photos are in #photos, take the one with the robot 🤖", "robot", reply="need"
        )
        self.at("09:37")
        await self.say(ME, "10 to 18 on Saturday.", "hours")
        await self._read()

    async def _others(self) -> None:
        for hour, room, who, text in (
            ("08:15", "garden", ELIF, "The bees are awake!"),
            ("09:50", "workshop", JONAS, "The laser cutter has a new lens."),
            ("10:12", "workshop", TOM, "Tried it. Plywood cuts like butter."),
            ("10:15", "workshop", TOM, "The key is in the box next to the door."),
            ("10:05", "volunteers", ROBIN, "I can take the morning shift on Saturday."),
            ("10:18", "volunteers", SAM, "And I the one after lunch."),
            ("10:30", "volunteers", ELIF, "@[Maya Lindqvist] who has the list?"),
            ("10:33", "lunch", TOM, "Soup at Rosa's, half past twelve?"),
        ):
            self.at(hour, room)
            await self.say(who, text)
        self.at("09:30")
        met = await self.people[TOM].ask(type="direct", user=self.people[ME].user_id)
        for hour, who, text in (
            ("18:02", TOM, "Do you have a minute for the budget?"),
            ("18:04", ME, "Sure. What is missing?"),
            ("18:05", TOM, "The van. 90 a day, or 150 from Friday to Sunday."),
            ("18:09", ME, "Take the three days. Then nobody has to hurry on Sunday."),
        ):
            self.at(hour, met["room"], day=13)
            await self._whisper(who, text)
        for hour, who, text in (
            ("08:47", TOM, "Booked! The confirmation: https://vans.example.com/booking/4711"),
            ("08:48", TOM, "We pick it up at the station at **11:30**."),
            ("08:55", ME, "You are the best 🙏"),
        ):
            self.at(hour, met["room"], day=14)
            await self._whisper(who, text)
        await self._read()
        self.direct = met["room"]
        self.at("10:36")
        met = await self.people[ELIF].ask(type="direct", user=self.people[ME].user_id)
        self._room = met["room"]
        await self.say(ELIF, "Call me when you are back?")
        self.at("10:37")
        await self.people[JONAS].ask(type="create_room", room="budget", title="Budget 2026", private=True)
        await self.people[JONAS].ask(type="invite", room="budget", user=self.people[ME].user_id)

    async def _read(self) -> None:
        """Let Maya read everything that was said in this room."""
        await self.people[ME].at(self._room).tell(type="read", seq=self._last)

    async def _whisper(self, who: str, text: str) -> None:
        if who == ME:
            await self.people[ME].ask(type="direct", user=self.people[TOM].user_id)
        await self.say(who, text)


def token_for(name: str) -> str:
    """Return the token with which an application lets its user in."""
    expires = int(NOW.timestamp()) + 86_400
    return sign_account(SECRET, userid=str(IDS[name]), username=name, role=ACCOUNTS[name], expires=expires)


def set_clock(path: Path, moment: datetime) -> None:
    """Set the clock of the server, which may read it at any time."""
    part = path.with_suffix(".part")
    part.write_text(str(int(moment.timestamp()) * 1_000_000))
    part.replace(path)


@contextlib.asynccontextmanager
async def told(folder: Path) -> AsyncIterator[Story]:
    """Start a server on which all of this was said, and everybody is present."""
    clock = folder / "clock"
    set_clock(clock, NOW)
    settings = {
        "JWT_SECRET": SECRET,
        "SERVER_SECRET": SECRET[::-1],
        "RATE_LIMIT_MESSAGES": "0",
        "PARLEY_STILL_CLOCK": str(clock),
        "REGISTRATION": "open",
    }
    async with ServerProcess(settings, main=MAIN) as server, contextlib.AsyncExitStack() as stack:
        story = Story(server, clock)
        for name in (*ACCOUNTS, SAM, ROBIN):
            token = token_for(name) if name in ACCOUNTS else None
            story.people[name] = await stack.enter_async_context(peer(server, "", name, token=token))
        await story.begin()
        await story.talk()
        yield story
