"""Deleting an account in memory, and all that names it except in rooms."""

from msgspec.structs import replace

from model.account import DELETED_USER, Notice, RoomWork, guess_keys
from model.audit import AuditEntry
from model.room import User
from storage.memory.account_tables import WORK, AccountTables, check_space
from storage.ports.access import account_deleted, key_changed, more_room_work, name_taken


def delete_account(tables: AccountTables, account_id: str, work: RoomWork, entry: AuditEntry) -> None:
    """See `storage.ports.accounts.AccountRepository.delete`."""
    account = tables.accounts[account_id]
    check_space(len(tables.work), WORK)
    aliases = [guest for guest, (of, _) in tables.aliases.items() if of == account_id]
    work = replace(work, ids=tuple(dict.fromkeys((*work.ids, *aliases))))
    tables.drop_account(account)
    tables.record([entry])  # which names the account
    revoked = remove_traces(tables, work, entry.at)
    forgotten = frozenset(guess_keys(account))
    for pair in [pair for pair in tables.guesses if pair[0] in forgotten]:
        del tables.guesses[pair]
    tables.work = {number: one for number, one in tables.work.items() if one.account_id != account_id}
    tables.add_work(work)
    tables.note(
        [
            account_deleted(account_id, entry.at),
            name_taken(account.look, entry.at, taken=False),
            more_room_work(entry.at),
            *revoked,
        ]
    )


def remove_traces(tables: AccountTables, work: RoomWork, at: int) -> list[Notice]:
    """See `storage.ports.accounts.AccountRepository.remove_traces`. Returns the notices of the keys that it revoked."""
    ids, stone = frozenset(work.ids), User(work.account_id, "")
    for key, (number, one) in tables.audit.items():
        tables.audit[key] = (number, _without(one, ids, stone))
    _erase_reports(tables, ids, work)
    for of in ids:
        tables.user_blocks.pop(of, None)
    for blocked in tables.user_blocks.values():
        for of in ids:
            blocked.pop(of, None)
    tables.links = {key: link for key, link in tables.links.items() if link.maker_id not in ids}
    keys = [key for key, one in tables.keys.items() if one.maker_id in ids]
    for key_id in keys:
        del tables.keys[key_id]
    return [key_changed(key_id, 0, at) for key_id in keys]


def _without(entry: AuditEntry, ids: frozenset[str], stone: User) -> AuditEntry:
    actor, target = entry.actor, entry.target
    if target is not None and target.id in ids:
        entry = replace(entry, target=stone, address=entry.address if actor.id else "")
    return replace(entry, actor=stone, address="") if actor.id in ids else entry


def _erase_reports(tables: AccountTables, ids: frozenset[str], work: RoomWork) -> None:
    for key, report in tables.reports.items():
        changed = report
        if report.reporter.id in ids:
            changed = replace(changed, reporter=User(report.report_id, DELETED_USER))
        if report.sender.id in ids:
            content = "" if work.messages else report.content
            changed = replace(changed, sender=User(work.account_id, DELETED_USER), content=content)
        if report.handler_id in ids:
            changed = replace(changed, handler_id=work.account_id)
        tables.reports[key] = changed
