"""Delete an account: for its user, and for operators."""

from model.account import DELETED_USER, Account, Basis, RoomWork
from model.audit import entry
from model.room import User
from storage.ports.storage import AccountStorage
from utils.clock import Clock
from utils.ids import new_token

# What stands for a deleted account, in the audit log too. Nothing else has ids like it.
_TOMBSTONE = "x_"


async def erase_account(
    storage: AccountStorage,
    clock: Clock,
    account: Account,
    actor: User,
    *,
    messages: bool,
    address: str = "",
    basis: Basis | None = None,
) -> bool:
    """Remove an account, and leave to the server with the rooms what its user wrote there (`chat.work`).

    Args:
        messages: whether the messages go, too; else they stay as by "deleted user".
        address: from where the actor acted. It is not stored if that is the account itself.

    Returns whether there was such an account, and the ``basis`` of its user still held.

    Raises:
        StorageUnavailable: the account may be deleted.
    """
    work = RoomWork("erase", new_token(_TOMBSTONE), (account.account_id,), DELETED_USER, messages)
    detail = "with all messages" if messages else "messages are kept"
    recorded = entry(clock, "erase", actor, target=account.user, address=address, detail=detail)
    return await storage.accounts.delete(account.account_id, work, recorded, basis=basis)
