"""The directory of one server: every connected user and their sessions, in memory."""

from chat.rooms.room import Session
from model.events import AnyEvent
from model.room import RANKING, User


class LocalDirectory:
    """The adapter of `chat.ports.Directory` for one server: a device is a session."""

    def __init__(self) -> None:
        self.people: dict[str, User] = {}
        self.ranking: set[Session] = set()
        # A tuple takes a third of the bytes of a set, and almost every user has one device.
        self._devices: dict[str, tuple[Session, ...]] = {}

    def arrived(self, device: Session) -> None:
        self.people[device.user.id] = device.user
        self._devices[device.user.id] = (*self.devices(device.user.id), device)
        if device.identity is not None and device.identity.role in RANKING:
            self.ranking.add(device)

    def departed(self, device: Session) -> None:
        user_id = device.user.id
        self.ranking.discard(device)
        if others := tuple(other for other in self.devices(user_id) if other is not device):
            self._devices[user_id] = others
        else:
            self._devices.pop(user_id, None)
            self.people.pop(user_id, None)

    def devices(self, user_id: str) -> tuple[Session, ...]:
        return self._devices.get(user_id, ())

    def tell(self, user_id: str, event: AnyEvent) -> None:
        for device in self.devices(user_id):
            device.reply(event)
