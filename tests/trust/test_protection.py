"""KDF, MAC, signature and encryption: against other implementations of the same recipes, and under change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from hypothesis import given
from hypothesis import strategies as st

from devices.trust.errors import NotAuthentic, TrustError
from devices.trust.keystore import MemoryKeyStore
from devices.trust.protection import (
    add_mac,
    derive,
    mac_parties,
    mac_valid,
    open_sealed,
    seal,
    sealing_parties,
    sign,
    signature_valid,
)
from devices.wire import gbcs
from devices.wire.gbcs import Message

SUPPLIER = bytes.fromhex("90B3D51F30010000")
BROKER = bytes.fromhex("90B3D51F30000002")
METER = bytes.fromhex("00DB1234567890A0")
Z = bytes(range(32))
STORE = MemoryKeyStore({"supplier-ds": 3, "other-ds": 4}, {})
COMMAND = Message(1, 1000, SUPPLIER, METER, 0x0068, b"\xd9\x20\x00\x03\xe8\x00\x00\x00")
eui = st.binary(min_size=8, max_size=8)


@given(st.binary(min_size=32, max_size=32), eui, st.integers(1, 4), st.integers(0, 2**64 - 1), eui)
def test_derivation_is_the_single_step_kdf(
    z: bytes, originator: bytes, cra: int, counter: int, recipient: bytes
) -> None:
    info = (
        bytes.fromhex("60857406080300") + originator + b"\x09" + bytes([cra]) + counter.to_bytes(8, "big") + recipient
    )
    assert derive(z, originator, cra, counter, recipient) == ConcatKDFHash(hashes.SHA256(), 16, info).derive(z)


@pytest.mark.parametrize(
    ("z", "originator", "cra", "counter"),
    [(Z[:31], METER, 1, 1), (Z, METER[:7], 1, 1), (Z, METER, 1, -1), (Z, METER, 1, 1 << 64), (Z, METER, 256, 1)],
)
def test_derivation_refuses_parts_of_the_wrong_length(z: bytes, originator: bytes, cra: int, counter: int) -> None:
    with pytest.raises(TrustError):
        derive(z, originator, cra, counter, METER)


def test_the_mac_is_gmac_over_prefix_and_grouping() -> None:
    maced = add_mac(COMMAND, Z)
    encryptor = Cipher(algorithms.AES(derive(Z, SUPPLIER, 1, 1000, METER)), modes.GCM(SUPPLIER + bytes(4))).encryptor()
    encryptor.authenticate_additional_data(bytes.fromhex("110000000000") + gbcs.encode(COMMAND))
    encryptor.finalize()
    assert maced.mac == encryptor.tag[:12]
    assert mac_valid(maced, Z)
    assert mac_valid(maced, Z, gbcs.encode(COMMAND))


def test_a_signed_and_maced_command_survives_the_wire() -> None:
    sent = add_mac(sign(COMMAND, STORE, "supplier-ds"), Z)
    received = gbcs.decode(gbcs.encode(sent))
    assert received == sent
    assert signature_valid(received, STORE.public("supplier-ds"))
    assert not signature_valid(received, STORE.public("other-ds"))
    assert mac_valid(received, Z)
    assert not mac_valid(received, Z[::-1])


def test_signing_drops_a_mac_that_no_longer_fits() -> None:
    assert sign(add_mac(COMMAND, Z), STORE, "supplier-ds").mac is None


@pytest.mark.parametrize(
    "change",
    [
        {"counter": 1001},
        {"cra": 2},
        {"originator": BROKER},
        {"recipient": SUPPLIER},
        {"message_code": 0x0069},
        {"payload": b"\xd9"},
        {"supplementary_party": BROKER},
    ],
)
def test_every_field_is_covered(change: dict[str, object]) -> None:
    sent = add_mac(sign(COMMAND, STORE, "supplier-ds"), Z)
    altered = replace(sent, **change)  # type: ignore[arg-type]
    assert not mac_valid(altered, Z)
    assert not signature_valid(altered, STORE.public("supplier-ds"))


def test_what_is_not_there_is_not_valid() -> None:
    assert not signature_valid(COMMAND, STORE.public("supplier-ds"))
    assert not mac_valid(COMMAND, Z)


def test_a_pre_command_takes_no_mac() -> None:
    with pytest.raises(TrustError, match="pre-command"):
        add_mac(replace(COMMAND, signature=None), Z)


@given(st.binary(max_size=200), st.integers(0, 2**64 - 1))
def test_what_was_sealed_opens(plaintext: bytes, counter: int) -> None:
    blob = seal(plaintext, Z, METER, SUPPLIER, counter)
    assert blob[:5].hex() == "3100000000"
    key = derive(Z, METER, 4, counter, SUPPLIER)
    assert blob[5:] == AESGCM(key).encrypt(METER + bytes(4), plaintext, b"1")[:-4]
    assert open_sealed(blob, Z, METER, SUPPLIER, counter) == plaintext


@given(st.integers(0, 8 * 30 - 1))
def test_a_sealed_part_with_one_bit_flipped_does_not_open(bit: int) -> None:
    blob = bytearray(seal(b"thirteen wide", Z, METER, SUPPLIER, 7))
    assert len(blob) == 30
    blob[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotAuthentic):
        open_sealed(bytes(blob), Z, METER, SUPPLIER, 7)


@pytest.mark.parametrize("length", range(17))
def test_a_sealed_part_that_is_too_short_does_not_open(length: int) -> None:
    with pytest.raises(NotAuthentic, match=f"got {length} octets"):
        open_sealed(seal(b"", Z, METER, SUPPLIER, 7)[:length], Z, METER, SUPPLIER, 7)


@pytest.mark.parametrize(
    ("message", "parties"),
    [
        (COMMAND, (BROKER, METER)),
        (replace(COMMAND, cra=2, originator=METER, recipient=SUPPLIER), (METER, SUPPLIER)),
        (replace(COMMAND, cra=3, originator=METER, recipient=SUPPLIER), (METER, SUPPLIER)),
        (replace(COMMAND, message_code=0x009B), (SUPPLIER, METER)),
        (replace(COMMAND, message_code=0x0090), (SUPPLIER, METER)),
    ],
)
def test_whose_keys_make_the_mac(message: Message, parties: tuple[bytes, bytes]) -> None:
    assert mac_parties(message, BROKER) == parties


@pytest.mark.parametrize(
    ("supplement", "party", "counter"),
    [
        ({}, BROKER, 1302),
        ({"supplementary_party": SUPPLIER, "supplementary_counter": 5}, SUPPLIER, 1302),
        (
            {"supplementary_party": SUPPLIER, "supplementary_counter": 5, "supplementary_originator_counter": 9},
            SUPPLIER,
            9,
        ),
    ],
)
def test_for_whom_a_part_is_sealed(supplement: dict[str, object], party: bytes, counter: int) -> None:
    response = replace(COMMAND, cra=2, counter=1302, originator=METER, recipient=BROKER)
    assert sealing_parties(replace(response, **supplement)) == (METER, party, counter)  # type: ignore[arg-type]
