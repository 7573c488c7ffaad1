"""What everything about accounts is done with."""

from server.auth.access_list import AccessList
from server.auth.follower import Follower
from server.auth.keys import ServerKeys
from server.settings.values import Settings
from storage.ports.storage import Storage
from utils.clock import Clock


class Accounts:
    """The parts that the endpoints of accounts and the tasks behind them share.

    Attributes:
        access: who may not act.
        follower: keeps ``access`` up to date; :meth:`~server.auth.follower.Follower.catch_up` after a change that must
            take effect here before it is answered.
        settings: the current ones; see :meth:`renew`.
    """

    def __init__(
        self, storage: Storage, access: AccessList, keys: ServerKeys, clock: Clock, settings: Settings
    ) -> None:
        self.storage = storage
        self.access = access
        self.follower = Follower(storage, access)
        self.keys = keys
        self.clock = clock
        self.settings = settings

    def renew(self, settings: Settings) -> None:
        """Apply new values of live settings."""
        self.settings = settings
