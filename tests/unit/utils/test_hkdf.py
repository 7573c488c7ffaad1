"""Keys are derived as RFC 5869 says."""

import pytest

from utils.hkdf import hkdf

# RFC 5869, appendices A.1 to A.3: the secret, the salt, the info, and the key.
VECTORS = (
    (
        b"\x0b" * 22,
        bytes(range(0x0D)),
        bytes(range(0xF0, 0xFA)),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)),
        bytes(range(0x60, 0xB0)),
        bytes(range(0xB0, 0x100)),
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8"
        "367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        b"\x0b" * 22,
        b"",
        b"",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
)


@pytest.mark.parametrize(("secret", "salt", "info", "key"), VECTORS, ids=["A.1", "A.2", "A.3"])
def test_the_vectors_of_the_standard(secret: bytes, salt: bytes, info: bytes, key: str) -> None:
    length = len(key) // 2
    assert hkdf(secret, info, salt=salt, length=length).hex() == key


@pytest.mark.parametrize("length", [0, 255 * 32 + 1])
def test_a_length_that_the_standard_does_not_allow_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="length"):
        hkdf(b"secret", b"", length=length)


def test_a_key_may_have_the_most_bytes_that_the_standard_allows() -> None:
    assert len(hkdf(b"secret", b"", length=255 * 32)) == 255 * 32
