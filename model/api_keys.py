"""How API keys are made."""

from model.account import ApiKey, Scope
from model.principals import BOT
from utils.clock import DAY_US
from utils.ids import hash_secret, new_token

PREFIX = "pk_"
_KEY_BYTES = 32
# Characters of a key that are stored and shown, to recognize it.
_SHOWN = len(PREFIX) + 6


def make_key(
    name: str, scope: Scope, maker_id: str, now_us: int, days: float, bot_id: str | None = None
) -> tuple[str, ApiKey]:
    """Return a new key for a bot, which is shown once, and what is stored of it.

    Args:
        name: of the bot.
        days: how long it is valid.
        bot_id: a bot that has had a key before; None for a new one.
    """
    key = new_token(PREFIX, _KEY_BYTES)
    until = now_us + round(days * DAY_US)
    bot_id = bot_id or new_token(BOT)
    return key, ApiKey(new_token("k_"), hash_secret(key), key[:_SHOWN], bot_id, name, maker_id, scope, now_us, until)
