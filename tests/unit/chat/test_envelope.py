"""A packet is accepted only as it was made, by whom and for whom it was made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.link.envelope import EVERYONE, Address, Envelope, NotFromHere
from chat.link.link import Packet

KEY, HERE = b"k" * 32, b"installation"
ENVELOPE = Envelope(HERE, KEY)
ANN, BEN = Address(b"ann node", 0), Address(b"ben node", 3)
PACKET = Packet(7, 5, 1, b"the body")

addresses = st.builds(Address, st.binary(min_size=8, max_size=8), st.integers(0, 2**32 - 1))
packets = st.builds(Packet, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 3), st.binary())


@given(sender=addresses, receiver=addresses, packet=packets)
def test_a_packet_comes_out_as_it_went_in(sender: Address, receiver: Address, packet: Packet) -> None:
    assert ENVELOPE.unpack(ENVELOPE.pack(sender, receiver, packet)) == (sender, receiver, packet)


@given(place=st.integers(0, 10_000), change=st.integers(1, 255))
def test_no_byte_can_be_changed(place: int, change: int) -> None:
    data = bytearray(ENVELOPE.pack(ANN, BEN, PACKET))
    data[place % len(data)] ^= change
    with pytest.raises(NotFromHere):
        ENVELOPE.unpack(bytes(data))


@given(data=st.binary(max_size=200))
def test_other_bytes_on_the_bus_are_refused(data: bytes) -> None:
    with pytest.raises(NotFromHere):
        ENVELOPE.unpack(data)


@given(cut=st.integers(0, 10_000))
def test_a_packet_that_was_cut_is_refused(cut: int) -> None:
    data = ENVELOPE.pack(ANN, BEN, PACKET)
    with pytest.raises(NotFromHere):
        ENVELOPE.unpack(data[: cut % len(data)])


@pytest.mark.parametrize(
    "other",
    [Envelope(HERE, b"K" * 32), Envelope(b"a copy of it", KEY), Envelope(HERE + b"\x01", KEY), Envelope(b"", KEY)],
    ids=["another secret", "another database", "a longer name", "no name"],
)
def test_another_installation_is_not_heard(other: Envelope) -> None:
    with pytest.raises(NotFromHere, match="code is wrong"):
        ENVELOPE.unpack(other.pack(ANN, BEN, PACKET))


@pytest.mark.parametrize(
    ("sender", "receiver", "packet"),
    [
        (BEN, ANN, PACKET),
        (ANN, BEN._replace(generation=4), PACKET),
        (ANN._replace(generation=1), BEN, PACKET),
        (ANN, Address(EVERYONE, 0), PACKET),
        (ANN, BEN, Packet(8, 5, 1, b"the body")),
        (ANN, BEN, Packet(7, 6, 1, b"the body")),
        (ANN, BEN, Packet(7, 5, 0, b"the body")),
    ],
    ids=[
        "reflected",
        "a later life",
        "an earlier life",
        "for everyone",
        "another number",
        "another ack",
        "other flags",
    ],
)
def test_the_code_of_one_packet_does_not_fit_another(sender: Address, receiver: Address, packet: Packet) -> None:
    ours, theirs = ENVELOPE.pack(ANN, BEN, PACKET), ENVELOPE.pack(sender, receiver, packet)
    code = slice(len(ours) - len(PACKET.body) - 16, len(ours) - len(PACKET.body))
    assert ours[code] != theirs[code]
    with pytest.raises(NotFromHere):
        ENVELOPE.unpack(theirs[: code.start] + ours[code] + theirs[code.stop :])
