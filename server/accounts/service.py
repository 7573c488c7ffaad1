"""What everything about accounts is done with."""

from server.auth.keys import ServerKeys
from server.settings.values import Settings
from storage.ports.storage import Storage
from utils.clock import Clock


class Accounts:
    """The parts that the endpoints of accounts and the tasks behind them share.

    Attributes:
        settings: the current ones; see :meth:`renew`.
    """

    def __init__(self, storage: Storage, keys: ServerKeys, clock: Clock, settings: Settings) -> None:
        self.storage = storage
        self.keys = keys
        self.clock = clock
        self.settings = settings

    def renew(self, settings: Settings) -> None:
        """Apply new values of live settings."""
        self.settings = settings
