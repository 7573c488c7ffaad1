"""Encryption of the bodies of packets, for `NATS_ENCRYPT`: XChaCha20-Poly1305 of libsodium, by PyNaCl.

Nonces are 24 random bytes, so nodes need not agree on them: with one key, 2**80 packets are safe
(draft-irtf-cfrg-xchacha-03, section 2).
"""

import os

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_ABYTES,
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
)
from nacl.exceptions import CryptoError

_NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_LEAST_BYTES = _NONCE_BYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES


class XChaChaSealer:
    """A `chat.link.envelope.Sealer`.

    Args:
        key: 32 secret bytes, used for nothing else.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, body: bytes, header: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(body, header, nonce, self._key)

    def open(self, sealed: bytes, header: bytes) -> bytes | None:
        if len(sealed) < _LEAST_BYTES:
            return None
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return crypto_aead_xchacha20poly1305_ietf_decrypt(rest, header, nonce, self._key)
        except CryptoError:
            return None
