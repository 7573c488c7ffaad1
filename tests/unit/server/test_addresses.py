"""The address of a client: headers of trusted proxies, forged headers, and the network that limits count."""

import time
from collections.abc import Sequence

import pytest

from server.access.addresses import Addresses, Client, Headers, network_of, plain_address, trusted_networks, values_in

PROXIES = trusted_networks("10.0.0.0/8, 2001:db8:f::/48,127.0.0.1")


def headers(**lines: str | Sequence[str]) -> Headers:
    named = {
        name.replace("_", "-").lower(): [value] if isinstance(value, str) else value for name, value in lines.items()
    }
    return lambda name: named.get(name.lower(), ())


def address_of(entries: str | Sequence[str], peer: str = "10.0.0.1", header: str = "X-Forwarded-For") -> str:
    return Addresses(PROXIES, header).client(peer, headers(**{header.replace("-", "_"): entries})).address


@pytest.mark.parametrize("peer", ["192.0.2.1", "2001:db8::1", "", "nonsense"])
def test_an_untrusted_peer_is_the_client_whatever_its_headers_say(peer: str) -> None:
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        said = headers(
            X_Forwarded_For="203.0.113.9",
            Forwarded="for=203.0.113.9;proto=https;host=evil.example",
            X_Real_IP="203.0.113.9",
            X_Forwarded_Proto="https",
            X_Forwarded_Host="evil.example",
        )
        client = Addresses(PROXIES, header, forwarded_host=True).client(peer, said)
        assert client == Client(peer, network_of(peer))


@pytest.mark.parametrize(
    ("trusted", "peer"),
    [("", "203.0.0.9"), ("", "2001:4860::1"), ("", "unix"), ("127.0.0.1", "10.0.0.1"), ("", "")],
)
def test_a_client_of_the_internet_is_no_proxy_to_report(
    caplog: pytest.LogCaptureFixture, trusted: str, peer: str
) -> None:
    """Nor is any, once proxies are trusted: what others say of themselves is for nobody."""
    addresses = Addresses(trusted_networks(trusted))
    addresses.client(peer, headers(X_Forwarded_For="198.51.100.7"))
    assert not caplog.records


@pytest.mark.parametrize(
    ("entries", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("203.0.113.9, 192.0.2.1", "192.0.2.1"),  # the client wrote the first one itself
        ("203.0.113.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.9.9.9, 192.0.2.1", "192.0.2.1"),  # the client pretends to be a proxy
        ("192.0.2.1,10.0.0.2,10.0.0.3", "192.0.2.1"),
        (["203.0.113.9", "192.0.2.1", "10.0.0.2"], "192.0.2.1"),
        (["203.0.113.9, 192.0.2.1", "10.0.0.2"], "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ('"[2001:db8::1]:4711"', "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("10.0.0.7", "10.0.0.7"),  # a request of the proxy itself
        ("unknown", "10.0.0.1"),
        ("192.0.2.1, unknown, 10.0.0.2", "10.0.0.2"),
        ("192.0.2.1, _hidden", "10.0.0.1"),
        ("192.0.2.1, 1.2.3.4.5", "10.0.0.1"),
        ("192.0.2.1, 192.0.2.01", "10.0.0.1"),
        ("192.0.2.1,", "10.0.0.1"),
        ("", "10.0.0.1"),
        ([], "10.0.0.1"),
        (["", ""], "10.0.0.1"),
        ("192.0.2.1 203.0.113.9", "10.0.0.1"),
        ("192.0.2.1" + ", 10.0.0.2" * 14, "192.0.2.1"),
        ("192.0.2.1" + ", 10.0.0.2" * 3000, "10.0.0.2"),  # no real chain is that long
        ("," * 16000, "10.0.0.1"),
        ('"' * 16000, "10.0.0.1"),
    ],
)
def test_the_client_is_the_rightmost_untrusted_address(entries: str | Sequence[str], address: str) -> None:
    assert address_of(entries) == address


@pytest.mark.parametrize(
    ("entries", "address"),
    [
        ("for=192.0.2.1", "192.0.2.1"),
        ("For=192.0.2.1;Proto=https;by=10.0.0.1", "192.0.2.1"),
        ('for="192.0.2.1:4711"', "192.0.2.1"),
        ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ('proto=https ; for="[2001:db8::1]" ; host="a,b"', "2001:db8::1"),
        ('for=203.0.113.9, for="[2001:db8::1]", for=10.0.0.2', "2001:db8::1"),
        ('for="203.0.113.9, for=192.0.2.1', "192.0.2.1"),  # an open quote does not hide the rest
        ('for=203.0.113.9;x="a, for=192.0.2.1', "192.0.2.1"),
        ("for=unknown", "10.0.0.1"),
        ("for=_secret, for=10.0.0.2", "10.0.0.2"),
        ("for=192.0.2.1, proto=https", "10.0.0.1"),
        ("192.0.2.1", "10.0.0.1"),
        (["for=203.0.113.9", "for=192.0.2.1"], "192.0.2.1"),
        ("for=" * 4000, "10.0.0.1"),
    ],
)
def test_the_client_is_read_from_forwarded(entries: str | Sequence[str], address: str) -> None:
    assert address_of(entries, header="Forwarded") == address


def test_the_client_is_read_from_x_real_ip() -> None:
    assert address_of("192.0.2.1", header="X-Real-IP") == "192.0.2.1"
    assert address_of(["203.0.113.9", "192.0.2.1"], header="X-Real-IP") == "192.0.2.1"


@pytest.mark.parametrize(
    ("lines", "scheme"),
    [
        ({}, None),
        ({"X_Forwarded_Proto": "https"}, "https"),
        ({"X_Forwarded_Proto": "HTTP"}, "http"),
        ({"X_Forwarded_Proto": "wss"}, "https"),
        ({"X_Forwarded_Proto": "gopher"}, None),
        ({"X_Forwarded_Proto": "http, https"}, "https"),  # one proxy: the first is the client's own
        ({"X_Forwarded_For": "192.0.2.1, 10.0.0.2", "X_Forwarded_Proto": "http, https, http"}, "https"),
        ({"X_Forwarded_For": "192.0.2.1, 10.0.0.2", "X_Forwarded_Proto": "https"}, "https"),
    ],
)
def test_the_scheme_is_the_one_used_to_reach_the_first_proxy(lines: dict[str, str], scheme: str | None) -> None:
    assert Addresses(PROXIES).client("10.0.0.1", headers(**lines)).scheme == scheme


def test_forwarded_names_scheme_and_host_too() -> None:
    said = headers(Forwarded='for=192.0.2.1;proto=https;host="chat.example:8443", for=10.0.0.2;proto=http;host=inner')
    client = Addresses(PROXIES, "Forwarded", forwarded_host=True).client("10.0.0.1", said)
    assert client == Client("192.0.2.1", "192.0.2.1", "https", "chat.example:8443")


@pytest.mark.parametrize(
    ("host", "counts"),
    [
        ("chat.example", "chat.example"),
        ("chat.example:8443", "chat.example:8443"),
        ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ("evil.example, chat.example", "chat.example"),
        ("chat.example/..", None),
        ("a b", None),
        ("", None),
    ],
)
def test_a_forwarded_host_counts_if_enabled(host: str, counts: str | None) -> None:
    said = headers(X_Forwarded_Host=host)
    assert Addresses(PROXIES).client("10.0.0.1", said).host is None
    assert Addresses(PROXIES, forwarded_host=True).client("10.0.0.1", said).host == counts


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_limits_group_ipv6_addresses_by_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_proxy_that_names_no_client_does_not_count() -> None:
    addresses = Addresses(PROXIES)
    assert addresses.client("10.0.0.1", headers()) == Client("10.0.0.1", "")
    assert addresses.peer("10.0.0.1") == Client("10.0.0.1", "")
    assert addresses.peer("2001:db8::1") == Client("2001:db8::1", "2001:db8::/64")


def test_a_peer_at_a_unix_socket_is_a_trusted_proxy_without_an_address() -> None:
    addresses = Addresses()
    assert addresses.client("unix", headers()) == addresses.peer("unix") == Client("", "")
    assert addresses.client("unix", headers(X_Forwarded_For="203.0.113.9, 192.0.2.1")).address == "192.0.2.1"
    assert addresses.client("unix", headers(X_Forwarded_For="203.0.113.9, unknown")) == Client("", "")


def test_trusted_networks_are_parsed() -> None:
    addresses = Addresses(trusted_networks("192.0.2.7/24,::ffff:10.0.0.0/104, ::1"))
    assert [addresses.trusts(one) for one in ("192.0.2.200", "10.1.2.3", "::1")] == [True] * 3
    assert [addresses.trusts(one) for one in ("192.0.3.1", "11.0.0.1", "::2", "", "x")] == [False] * 5
    assert not Addresses().trusts("127.0.0.1")
    for text in ("localhost", "10.0.0.0/33", "10.0.0.1;10.0.0.2", "1.2.3"):
        with pytest.raises(ValueError):
            trusted_networks(text)


def test_header_values_are_read_from_a_request_head() -> None:
    head = (
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: one\r\nx-forwarded-for:two\nNot-X-Forwarded-For: three\r\n\r\n"
    )
    assert values_in(head)("X-Forwarded-For") == ["one", "two"]
    assert values_in(head)("Forwarded") == []


def test_addresses_are_normalized() -> None:
    assert [plain_address(text) for text in ("::FFFF:1.2.3.4", "2001:DB8::0:1", "1.2.3", "")] == [
        "1.2.3.4",
        "2001:db8::1",
        None,
        None,
    ]


@pytest.mark.parametrize(
    "unit",
    ["a", " ", "a ", "a=", 'a="', "=", '"', "a =", "for=[", "for=1.", "for=1:", "aA;", "\t;", "for"],
    ids=ascii,
)
@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP"])
def test_client_headers_are_parsed_in_linear_time(header: str, unit: str) -> None:
    addresses = Addresses(PROXIES, header, forwarded_host=True)
    text = unit * (16_000 // len(unit))
    said = headers(**{header.replace("-", "_"): text, "X_Forwarded_Proto": text, "X_Forwarded_Host": text})

    def once() -> float:
        start = time.process_time()
        addresses.client("10.0.0.1", said)
        return time.process_time() - start

    assert min(once() for _ in range(3)) < 0.005


@pytest.mark.parametrize(
    ("entry", "client"),
    [
        ("for=192.0.2.1;proto=https;by=10.0.0.1", ("192.0.2.1", "https")),
        ("proto=https ; For = 192.0.2.1", ("192.0.2.1", "https")),
        ('FOR="[2001:db8::1]:4711" ;\tproto="http"', ("2001:db8::1", "http")),
        ("xfor=192.0.2.1", ("10.0.0.1", None)),
        ("by=10.0.0.1 for=192.0.2.1", ("192.0.2.1", None)),
    ],
)
def test_parameters_of_forwarded_are_parsed(entry: str, client: tuple[str, str | None]) -> None:
    found = Addresses(PROXIES, "Forwarded").client("10.0.0.1", headers(Forwarded=entry))
    assert (found.address, found.scheme) == client
