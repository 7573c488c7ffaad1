"""A packet is accepted only as it was made, by whom and for whom it was made; encrypted or not."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.link import envelope as module
from chat.link.envelope import EVERYONE, Address, Envelope, NotFromHere
from chat.link.freshness import NODES, Freshness
from chat.link.link import Packet
from server.bus.sealing import XChaChaSealer

KEY, HERE = b"k" * 32, b"installation"
ANN, BEN = Address(b"ann node", 0), Address(b"ben node", 3)
ALL = Address(EVERYONE, 0)
PACKET = Packet(7, 5, 1, b"the body")
Make = Callable[..., Envelope]


def plain(installation: bytes = HERE, key: bytes = KEY) -> Envelope:
    return Envelope(installation, key)


def sealed(installation: bytes = HERE, key: bytes = KEY) -> Envelope:
    return Envelope(installation, KEY, XChaChaSealer(key))


both = pytest.mark.parametrize("make", [plain, sealed])
addresses = st.builds(Address, st.binary(min_size=8, max_size=8), st.integers(0, 2**32 - 1))
numbers = st.integers(0, 2**64 - 1)
packets = st.builds(Packet, numbers, numbers, st.integers(0, 3), st.binary())


@both
@given(sender=addresses, receiver=addresses, count=numbers, packet=packets)
def test_a_packet_comes_out_as_it_went_in(
    make: Make, sender: Address, receiver: Address, count: int, packet: Packet
) -> None:
    data = make().pack(sender, receiver, count, packet)
    assert make().unpack(data) == (sender, receiver, count, packet)


@both
@pytest.mark.parametrize("bit", range(8))
def test_no_bit_can_be_changed(make: Make, bit: int) -> None:
    data = make().pack(ANN, BEN, 1, PACKET)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << bit
        with pytest.raises(NotFromHere):
            make().unpack(bytes(changed))


@both
def test_a_packet_that_was_cut_or_extended_is_refused(make: Make) -> None:
    data = make().pack(ANN, BEN, 1, PACKET)
    for end in range(len(data)):
        with pytest.raises(NotFromHere):
            make().unpack(data[:end])
    with pytest.raises(NotFromHere, match="was changed"):
        make().unpack(data + b"\0")


@both
@given(data=st.binary(max_size=200))
def test_other_bytes_on_the_bus_are_refused(make: Make, data: bytes) -> None:
    with pytest.raises(NotFromHere):
        make().unpack(data)


@both
@pytest.mark.parametrize(
    "other",
    [(HERE, b"K" * 32), (b"a copy of it", KEY), (HERE + b"\x01", KEY), (b"", KEY)],
    ids=["another secret", "another database", "a longer name", "no name"],
)
def test_another_installation_is_refused(make: Make, other: tuple[bytes, bytes]) -> None:
    with pytest.raises(NotFromHere, match="another key or for another database") as refused:
        make().unpack(make(*other).pack(ANN, BEN, 1, PACKET))
    assert make().fingerprint in str(refused.value)


def test_a_fingerprint_is_that_of_the_key() -> None:
    assert plain().fingerprint == plain(b"a copy of it").fingerprint == sealed(key=b"K" * 32).fingerprint
    assert plain(key=b"K" * 32).fingerprint != plain().fingerprint


@both
def test_another_version_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINK_VERSION", 3)
    data = make().pack(ANN, BEN, 1, PACKET)
    monkeypatch.undo()
    with pytest.raises(NotFromHere, match="it has link version 3, and this node has 2"):
        make().unpack(data)


@both
@pytest.mark.parametrize(
    ("sender", "receiver", "count", "packet"),
    [
        (BEN, ANN, 1, PACKET),
        (ANN, BEN._replace(node=b"ben anew"), 1, PACKET),
        (ANN, BEN._replace(generation=4), 1, PACKET),
        (ANN._replace(generation=1), BEN, 1, PACKET),
        (ANN, ALL, 1, PACKET),
        (ANN, BEN, 2, PACKET),
        (ANN, BEN, 1, Packet(8, 5, 1, b"the body")),
        (ANN, BEN, 1, Packet(7, 6, 1, b"the body")),
        (ANN, BEN, 1, Packet(7, 5, 0, b"the body")),
    ],
    ids=[
        "reflected",
        "another process",
        "a later generation",
        "an earlier generation",
        "for everyone",
        "another count",
        "another number",
        "another acknowledgement",
        "other flags",
    ],
)
def test_a_recorded_packet_cannot_pass_for_another(
    make: Make, sender: Address, receiver: Address, count: int, packet: Packet
) -> None:
    """Neither sent back to its sender, nor to a node that was restarted, nor to a later generation of it."""
    recorded, wanted = make().pack(ANN, BEN, 1, PACKET), make().pack(sender, receiver, count, packet)
    assert make().unpack(recorded) == (ANN, BEN, 1, PACKET), "the receiver sees for whom it was made"
    header = len(plain().pack(ANN, BEN, 1, Packet(1, 1, 1, b""))) - 16
    with pytest.raises(NotFromHere, match="was changed"):
        make().unpack(wanted[:header] + recorded[header:])


@pytest.mark.parametrize(
    ("sender", "receiver", "reason"),
    [
        (plain, sealed, r"not encrypted, and this node has NATS_ENCRYPT=on"),
        (sealed, plain, r"is encrypted, and this node has NATS_ENCRYPT=off"),
    ],
)
def test_nodes_that_do_not_agree_on_encryption_refuse_each_other(sender: Make, receiver: Make, reason: str) -> None:
    with pytest.raises(NotFromHere, match=reason):
        receiver().unpack(sender().pack(ANN, BEN, 1, PACKET))


def test_an_encrypted_body_cannot_be_read_on_the_bus() -> None:
    secret = b"meet me at noon " * 8
    assert secret in plain().pack(ANN, BEN, 1, Packet(1, 0, 0, secret))
    one, other = (sealed().pack(ANN, BEN, 1, Packet(1, 0, 0, secret)) for _ in range(2))
    assert one[-len(secret) :] != other[-len(secret) :], "no two look alike"
    for data in (one, other):
        assert not any(secret[place : place + 4] in data for place in range(16))


# --- freshness -------------------------------------------------------------------------------------------------------


def test_a_packet_is_accepted_once() -> None:
    seen = Freshness()
    assert [seen.accept(ANN, BEN, count) for count in (1, 1, 3, 2, 3, 4)] == [True, False, True, False, False, True]


def test_counts_of_other_senders_do_not_matter() -> None:
    seen = Freshness()
    assert all(seen.accept(sender, BEN, 5) for sender in (ANN, ANN._replace(node=b"eve node")))


def test_packets_for_all_and_packets_for_one_node_may_overtake_each_other() -> None:
    seen = Freshness()
    assert seen.accept(ANN, ALL, 9)
    assert seen.accept(ANN, BEN, 8)
    assert not seen.accept(ANN, ALL, 8)
    assert not seen.accept(ANN, BEN, 8)


def test_a_later_generation_of_a_sender_ends_the_earlier_one() -> None:
    seen, later = Freshness(), ANN._replace(generation=1)
    assert seen.accept(ANN, BEN, 50)
    assert seen.accept(later, BEN, 1)
    assert not seen.accept(ANN, BEN, 51)
    assert seen.accept(later, BEN, 2)


def test_the_first_count_is_one() -> None:
    assert not Freshness().accept(ANN, BEN, 0)


def test_a_bounded_number_of_senders_is_remembered() -> None:
    seen = Freshness()
    for number in range(NODES + 2):
        assert seen.accept(Address(number.to_bytes(8), 0), BEN, 1)
    assert seen.accept(Address((0).to_bytes(8), 0), ALL, 1)
    assert not seen.accept(Address(NODES.to_bytes(8), 0), BEN, 1)
