"""Networks by the addresses in them: the same answers as from comparing an address with each network."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.networks import check_network, is_network
from server.access.networks import Networks

addresses = st.one_of(
    st.ip_addresses(v=4, network="10.0.0.0/28"), st.ip_addresses(v=6, network="2001:db8::/124"), st.ip_addresses()
).map(str)
networks = (
    st.builds(
        lambda address, length: f"{address}/{length if ':' in address else length // 4}",
        addresses,
        st.integers(32, 128),
    )
    .filter(is_network)  # a network of IPv4 addresses in IPv6 may be too wide
    .map(check_network)
)


@given(among=st.lists(networks, max_size=6, unique=True), gone=st.lists(networks, max_size=3), address=addresses)
def test_an_address_is_in_the_networks_that_contain_it(among: list[str], gone: list[str], address: str) -> None:
    table = Networks([*among, *gone])
    for network in gone:
        table.discard(network)
    expected = {one for one in among if one not in gone and ip_address(address) in ip_network(one)}
    assert set(table.containing(address)) == expected


@pytest.mark.parametrize("address", ["192.0.2.7", "::ffff:192.0.2.7", "::ffff:192.0.2.7%eth0"])
def test_each_form_of_an_address_is_found(address: str) -> None:
    assert Networks(["192.0.2.7", "192.0.2.0/24", "2001:db8::/32"]).containing(address) == ["192.0.2.7", "192.0.2.0/24"]


@pytest.mark.parametrize("address", ["", "unknown", "192.0.2", "192.0.2.0/24"])
def test_an_unknown_address_is_in_no_network(address: str) -> None:
    assert Networks(["192.0.2.0/24", "2001:db8::/32"]).containing(address) == []
