"""``key``: API keys, with which bots act."""

from argparse import Namespace

from model.account import ApiKey
from model.api_keys import make_key
from model.audit import OPERATOR, entry
from model.errors import ParleyError
from model.limits import KEY_DAYS, KEYS
from model.lookalikes import skeleton
from model.principals import BOT
from model.room import User
from model.text import check_user_name
from server.accounts.lines import time_of
from server.commands.opening import Command, CommandRefused, Nouns, add_noun, add_verb

_COLUMNS = ("id", "prefix", "name", "bot", "scope", "created_at", "until", "used_at")


def add(nouns: Nouns) -> None:
    """Add the parser."""
    verbs = add_noun(
        nouns,
        "key",
        "make, list and revoke API keys, with which bots act",
        "  main.py key create news --scope write\n  main.py key list\n  main.py key revoke k_Zb7sW0fNq3hTgX1m",
    )
    create = add_verb(
        verbs,
        "create",
        _create,
        "make a key, which is shown once",
        "  main.py key create backup --scope read\n"
        "  main.py key create news --scope write --days 90 --bot b_4tWm1dQpXz8sLr2k     (a new key for the same bot)",
    )
    create.add_argument("name", help="name of the bot, which others see")
    create.add_argument(
        "--scope", required=True, choices=("read", "write", "moderate"), help="each includes the ones before it"
    )
    create.add_argument(
        "--days", type=int, default=365, metavar="N", help=f"days until it expires, up to {KEY_DAYS} (default: 365)"
    )
    create.add_argument("--bot", metavar="ID", help="an existing bot (default: a new one)")
    add_verb(verbs, "list", _list, "list the keys", "  main.py key list\n  main.py key list --json")
    revoke = add_verb(
        verbs,
        "revoke",
        _revoke,
        "revoke a key; its connections close within a second",
        "  main.py key revoke k_Zb7sW0fNq3hTgX1m",
    )
    revoke.add_argument("key", metavar="ID", help="id or prefix of the key, see key list")


async def _create(command: Command, options: Namespace) -> None:
    name = check_user_name(options.name, "name")
    if not 0 < options.days <= KEY_DAYS:
        raise ParleyError("bad_field", f"--days must be 1 to {KEY_DAYS}", field="--days")
    if await command.storage.accounts.named_like(skeleton(name)) is not None:
        raise CommandRefused(f"the name {name!r} looks like the username of an account")
    there = await _keys(command)
    if options.bot is not None and (
        not options.bot.startswith(BOT) or options.bot not in {key.bot_id for key in there}
    ):
        raise CommandRefused(f"no key belongs to a bot {options.bot!r}")
    secret, key = make_key(name, options.scope, OPERATOR.id, command.clock.now_us(), options.days, options.bot)
    recorded = entry(command.clock, "key", OPERATOR, target=User(key.bot_id, name), detail=f"{key.key_id} {key.scope}")
    if not await command.storage.access.insert_key(key, KEYS, recorded):
        raise CommandRefused(f"there are {KEYS} keys already; revoke one first")
    text = f"{secret}\n\nThis is the key of {name} ({key.bot_id}), scope {key.scope}. It is not shown again."
    command.output.done(text, {"secret": secret, **_row(key)})


async def _list(command: Command, options: Namespace) -> None:
    command.output.rows(_COLUMNS, [_row(key) for key in await _keys(command)])


async def _revoke(command: Command, options: Namespace) -> None:
    found = [key for key in await _keys(command) if options.key in (key.key_id, key.prefix)]
    if len(found) != 1:
        raise CommandRefused(f"there is no key {options.key!r}" if not found else "several keys begin so: give its id")
    (key,) = found
    recorded = entry(command.clock, "key_revoke", OPERATOR, target=User(key.bot_id, key.name), detail=key.key_id)
    if not await command.storage.access.revoke_key(key.key_id, recorded):
        raise CommandRefused(f"there is no key {options.key!r} any more")
    command.output.done(f"revoked the key {key.prefix}... of {key.name}", {"id": key.key_id})


async def _keys(command: Command) -> list[ApiKey]:
    return await command.storage.access.keys(command.clock.now_us())


def _row(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.key_id,
        "prefix": key.prefix,
        "name": key.name,
        "bot": key.bot_id,
        "scope": key.scope,
        "maker": key.maker_id,
        "created_at": time_of(key.created_at),
        "until": time_of(key.until),
        "used_at": time_of(key.used_at),
    }
