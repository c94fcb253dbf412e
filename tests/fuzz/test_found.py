"""What fuzzing found, each as the shortest octets that show it."""

from __future__ import annotations

import pytest

from devices.wire import asn1, asn1_typed
from devices.wire.errors import DecodeError
from devices.wire.gbcs import CRA

# A SEQUENCE of two SEQUENCEs and a BIT STRING, the first of which holds a cut element: 30 05 with nothing behind.
HOLLOW = bytes.fromhex("30 0B 3002 3005 3000 0303 000000")


def test_a_certificate_that_is_no_tree_stays_octets() -> None:
    """Read as a typed payload it is octets, to be judged by whoever reads certificates; as a tree it is refused."""
    body = asn1_typed.read(0x000B, CRA.COMMAND, HOLLOW)  # CS02d: a certificate and nothing else
    assert isinstance(body.view, asn1_typed.Certificate)
    assert asn1_typed.write(body) == HOLLOW
    with pytest.raises(DecodeError):
        asn1.decode(HOLLOW)
    with pytest.raises(DecodeError):
        asn1_typed.to_node(body)
