"""Keys of agents and users: Ed25519 (RFC 8032) or ES256 (ECDSA on P-256 with SHA-256, RFC 7518 section 3.4).

Public keys are raw bytes: 32 for Ed25519, an X9.62 point of 33 or 65 bytes for ES256. Signatures are 64 bytes, r and s
joined for ES256 as JOSE has them. Ed25519 signatures are a function of key and message, so simulations that must repeat
to the byte use it. The `cryptography` package does the work.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, Final

from headway.facts.errors import InputError, MissingExtraError

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of the curve's group (SEC 2, section 2.4.2)."""


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """A private key that signs, and its public half.

    Parameters
    ----------
    algorithm : {"ed25519", "es256"}
        Signature scheme.
    public : bytes
        What others verify with.
    handle : object
        The private key as `cryptography` holds it.
    """

    algorithm: str
    public: bytes
    handle: Any

    def sign(self, message: bytes) -> bytes:
        """Signature of a message [64 bytes]."""
        if self.algorithm == "ed25519":
            signature: bytes = self.handle.sign(message)
            return signature
        ec, hashes, codec = _p256()
        r, s = codec.decode_dss_signature(self.handle.sign(message, ec.ECDSA(hashes.SHA256())))
        return bytes(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def key_pair(algorithm: str = "ed25519", seed: bytes | None = None) -> KeyPair:
    """Make a key pair, from the system's randomness or from a seed.

    Parameters
    ----------
    algorithm : {"ed25519", "es256"}
        Signature scheme.
    seed : bytes, optional
        Same seed, same key: for simulations and tests, never for money.

    Raises
    ------
    InputError
        Of an unknown algorithm.
    MissingExtraError
        Without the `cryptography` package.

    Examples
    --------
    >>> alice = key_pair(seed=b"alice")
    >>> verify("ed25519", alice.public, b"hello", alice.sign(b"hello"))
    True
    """
    secret = hashlib.sha256(seed).digest() if seed is not None else secrets.token_bytes(32)
    if algorithm == "ed25519":
        private = _ed25519().Ed25519PrivateKey.from_private_bytes(secret)
        return KeyPair(algorithm, private.public_key().public_bytes_raw(), private)
    if algorithm != "es256":
        raise InputError("algorithm", algorithm, "ed25519 or es256")
    ec, _, _ = _p256()
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    scalar = int.from_bytes(secret, "big") % (P256_ORDER - 1) + 1
    private = ec.derive_private_key(scalar, ec.SECP256R1())
    public = private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return KeyPair(algorithm, public, private)


def readable(algorithm: str, public: bytes) -> bool:
    """Whether these bytes are a public key of this algorithm.

    >>> readable("ed25519", key_pair(seed=b"alice").public), readable("es256", b"no")
    (True, False)
    """
    try:
        _load(algorithm, public)
    except ValueError:
        return False
    return True


def verify(algorithm: str, public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature is the key's own over this message.

    >>> bob = key_pair("es256", seed=b"bob")
    >>> signature = bob.sign(b"pay 5")
    >>> verify("es256", bob.public, b"pay 5", signature), verify("es256", bob.public, b"pay 6", signature)
    (True, False)
    """
    from cryptography.exceptions import InvalidSignature

    if type(signature) is not bytes or len(signature) != 64:
        return False
    try:
        key = _load(algorithm, public)
        if algorithm == "ed25519":
            key.verify(signature, message)
        else:
            ec, hashes, codec = _p256()
            pair = codec.encode_dss_signature(
                int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            )
            key.verify(pair, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _load(algorithm: str, public: bytes) -> Any:
    if algorithm == "ed25519":
        return _ed25519().Ed25519PublicKey.from_public_bytes(public)
    ec, _, _ = _p256()
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingExtraError("cryptography", "economy") from error
    return ed25519


def _p256() -> tuple[Any, Any, Any]:
    try:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils
    except ImportError as error:
        raise MissingExtraError("cryptography", "economy") from error
    return ec, hashes, utils
