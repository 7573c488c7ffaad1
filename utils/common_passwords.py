"""Passwords that attackers try first: the 30,000 most common ones, from the list that zxcvbn ships."""

from functools import cache

from utils.unicode import casefold


@cache
def common_passwords() -> frozenset[str]:
    """Return them, casefolded. The first call reads the list, which takes 160 ms: make it in a thread."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(map(casefold, FREQUENCY_LISTS["passwords"]))
