"""Addresses and networks that operators block."""

import pytest

from model.errors import ParleyError
from model.networks import check_network


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("192.0.2.77/24", "192.0.2.0/24"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("2001:db8::1/64", "2001:db8::/64"),
        ("2001:db00::/24", "2001:db00::/24"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ],
)
def test_a_network_has_one_form(given: str, stored: str) -> None:
    assert check_network(given) == stored
    assert check_network(stored) == stored


@pytest.mark.parametrize(
    "given",
    [
        *("", "example.org", "192.0.2", "192.0.2.7/33", "0.0.0.0/0", "8.0.0.0/7", "2001::/23", "::ffff:0:0/96"),
        *("fe80::1%eth0", "1" * 5000),
    ],
)
def test_other_texts_and_wide_networks_are_refused(given: str) -> None:
    with pytest.raises(ParleyError) as refused:
        check_network(given, "net")
    assert (refused.value.code, refused.value.field) == ("bad_field", "net")
