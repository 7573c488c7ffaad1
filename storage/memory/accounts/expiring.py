"""Rows of accounts in memory whose time is over."""

from collections.abc import Callable
from itertools import islice
from typing import TypeVar

from storage.memory.account_tables import AccountTables
from storage.ports.secrets import GUESSES_US

K = TypeVar("K")
V = TypeVar("V")


def expire(tables: AccountTables, now: int, limit: int) -> int:
    """See `storage.ports.accounts.AccountRepository.expire`."""
    forgotten = now - GUESSES_US
    logins = _due(tables.logins, lambda one: one.ends_at <= now, limit)
    for login_id in logins:
        tables.drop_login(login_id)
    return (
        len(logins)
        + _drop_due(tables.tickets, lambda one: one.until <= now, limit)
        + _drop_due(tables.guesses, lambda one: one.last_at <= forgotten, limit)
        + _drop_due(tables.links, lambda one: one.until <= now, limit)
        + _drop_due(tables.notices, lambda one: one.until <= now and one.number < tables.last_notice, limit)
        + _drop_due(tables.keys, lambda one: one.until <= now, limit)
    )


def _due(table: dict[K, V], is_due: Callable[[V], bool], limit: int) -> list[K]:
    return list(islice((key for key, one in table.items() if is_due(one)), limit))


def _drop_due(table: dict[K, V], is_due: Callable[[V], bool], limit: int) -> int:
    due = _due(table, is_due, limit)
    for key in due:
        del table[key]
    return len(due)
