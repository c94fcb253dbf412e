"""The codecs as targets of fuzzing: what each is given, and what must hold of whatever it makes of it.

Must not live here: what drives the targets (``engines``), what the mutations start from (``seeds``), how an execution
is judged (``judging``), codecs that take their octets piece by piece (``streams``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from devices.trust import certificates, csr
from devices.trust.errors import BadCertificate, BadRequest, NotAuthentic
from devices.trust.protection import open_sealed, seal
from devices.trust.sealed import sealed_parts
from devices.wire import (
    asn1,
    asn1_typed,
    axdr,
    cosem,
    dlms_alerts,
    eui64,
    gbcs,
    gbt,
    gbz,
    gbz_typed,
    ieee802154,
    interpan,
    payload,
    pcap,
    tunnelling,
    utrn,
    xbee,
    zcl,
    zigbee,
)
from devices.wire.errors import DecodeError
from tests.fuzz import seeds, streams
from tests.fuzz.judging import Target, same
from tests.fuzz.seeds import Corpus

__all__ = ["TARGETS"]


# ------------------------------------------------------------------------------------------------------ whole messages


def _prove_envelope(octets: bytes, message: gbcs.Message) -> None:
    assert gbcs.encode(message) == octets
    grouping, signed = gbcs.grouping(message), gbcs.to_be_signed(message)
    assert grouping in octets
    assert signed in octets


def _read_message(octets: bytes) -> tuple[gbcs.Message, payload.Typed]:
    message = gbcs.decode(octets)
    return message, payload.typed(message)


def _prove_message(octets: bytes, read: tuple[gbcs.Message, payload.Typed]) -> None:
    message, body = read
    assert gbcs.encode(message._replace(payload=payload.encode(body))) == octets
    if isinstance(body, asn1_typed.Body):
        _prove_tree(message.payload, body)
        return
    untyped = payload.decode(message)
    assert payload.encode(untyped) == message.payload
    assert sealed_parts(untyped) == sealed_parts(body)


# ------------------------------------------------------------------------------------------------------------ payloads


def _read_dlms(octets: bytes) -> cosem.Pdu | dlms_alerts.Alert:
    pdu = cosem.decode(octets)
    return dlms_alerts.read(pdu) or pdu if isinstance(pdu, cosem.Notification) else pdu


def _prove_dlms(octets: bytes, body: cosem.Pdu | dlms_alerts.Alert) -> None:
    assert payload.encode(body) == octets
    assert all(part.blob in octets for part in sealed_parts(body))


def _prove_gbz(octets: bytes, body: gbz_typed.Payload | gbz_typed.Alert) -> None:
    assert gbz_typed.encode(body) == octets
    frames = gbz.decode(octets)
    assert gbz_typed.write_payload(body) == frames
    assert sealed_parts(body) == sealed_parts(frames)


def _read_asn1(octets: bytes) -> asn1_typed.Body:
    if len(octets) < 3:
        raise DecodeError("asn1", len(octets), "no message code and CRA flag")
    return asn1_typed.read(int.from_bytes(octets[:2], "big"), octets[2], octets[3:])


def _prove_asn1(octets: bytes, body: asn1_typed.Body) -> None:
    assert asn1_typed.write(body) == octets[3:]
    _prove_tree(octets[3:], body)
    again = asn1_typed.read(int.from_bytes(octets[:2], "big"), octets[2], asn1_typed.write(body.view))
    assert again == asn1_typed.Body(body.view), "the shortest lengths change what is read"


def _prove_tree(octets: bytes, body: asn1_typed.Body) -> None:
    """The tree of a typed payload is that of its octets; a certificate, kept as octets, may well be none."""
    try:
        tree = asn1.decode(octets)
    except DecodeError:
        certificates_read = [one for one in _leaves(body.view) if isinstance(one, bytes) and one[:1] == b"\x30"]
        assert certificates_read, "only a certificate can hide what is no tree"
        return
    assert asn1_typed.to_node(body) == tree
    assert asn1.encode(tree) == octets


def _leaves(value: Any) -> Iterator[Any]:
    """The values in dataclasses and tuples, however deep."""
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _leaves(getattr(value, field.name))
    elif isinstance(value, tuple):
        for element in value:
            yield from _leaves(element)
    else:
        yield value


def _read_contents(octets: bytes) -> gbz_typed.Body:
    """The contents of a decrypted component, behind cluster, frame control and command."""
    if len(octets) < 4:
        raise DecodeError("gbz", len(octets), "no cluster, frame control and command")
    cluster, control, command = int.from_bytes(octets[:2], "big"), octets[2], octets[3]
    frame = zcl.Frame(control, 0, command, b"", 0 if control & zcl.MANUFACTURER_SPECIFIC else None)
    return gbz_typed.read_plaintext(gbz.Component(cluster, frame, None, gbz.AdditionalHeader(0, 0)), octets[4:])


def _prove_contents(octets: bytes, body: gbz_typed.Body) -> None:
    assert gbz_typed.write(body) == octets[4:]


def _read_datum(octets: bytes) -> tuple[axdr.Data, int]:
    return axdr.decode(octets, 0)


def _prove_datum(octets: bytes, read: tuple[axdr.Data, int]) -> None:
    data, end = read
    assert axdr.encode(data) == octets[:end]


# ------------------------------------------------------------------------------------------------------- text and keys


def _read_tunnel(octets: bytes) -> tuple[tunnelling.TunnelCommand, int, int]:
    frame = zcl.decode(octets)
    # disable-default-response is not the tunnel's and not kept by it
    return tunnelling.decode(frame), frame.sequence, frame.frame_control & zcl.DISABLE_DEFAULT_RESPONSE


def _write_tunnel(read: tuple[tunnelling.TunnelCommand, int, int]) -> bytes:
    command, sequence, quiet = read
    octets = tunnelling.encode(command, sequence)
    return bytes((octets[0] | quiet,)) + octets[1:]


def _prove_eui64(octets: bytes, eui: bytes) -> None:
    assert len(eui) == eui64.SIZE
    assert eui64.parse(eui64.text(eui)) == eui64.parse(eui64.decimal(eui)) == eui


def _prove_certificate(octets: bytes, certificate: certificates.Certificate) -> None:
    assert certificate.octets == octets
    assert len(certificate.public) == 65


def _prove_request(octets: bytes, request: csr.Request) -> None:
    assert (request.octets, len(request.public), len(request.eui)) == (octets, 65, 8)


_SECRET, _DEVICE, _PARTY = bytes(range(32)), bytes.fromhex("00DB1234567890A0"), bytes.fromhex("90B3D51F30010000")


def _read_sealed(octets: bytes) -> bytes:
    return open_sealed(octets, _SECRET, _DEVICE, _PARTY, 1)


def _seal(plaintext: bytes) -> bytes:
    return seal(plaintext, _SECRET, _DEVICE, _PARTY, 1)


# --------------------------------------------------------------------------------------------------------- the targets


def _hexadecimal(frames: tuple[str, ...]) -> list[bytes]:
    return [bytes.fromhex(frame) for frame in frames]


def _radio(name: str, decode: Callable[[bytes], Any], encode: Callable[[Any], bytes], *layers: str) -> Target:
    return Target(name, decode, same(encode), lambda _: _hexadecimal(seeds.RADIO[name]), frozenset(layers))


def _fragment_streams(_: Corpus) -> list[bytes]:
    whole = zigbee.ApsFrame(5, b"GBCS" * 20, 1, 1, 0x0704, 0x0109)
    parts = [zigbee.encode_aps(part) for part in zigbee.fragment(whole, 30)]
    return [seeds.stream(parts), seeds.stream(parts[::-1]), seeds.stream([*parts, *parts])]


_DLMS, _GBZ, _ASN1 = frozenset(("cosem", "axdr")), frozenset(("gbz", "zcl")), frozenset(("asn1",))
_PAYLOAD = frozenset(("payload",)) | _DLMS | _GBZ | _ASN1
_GBCS, _GBT = frozenset(("gbcs",)), frozenset(("gbt",))
_EUI64_SEEDS = [b"00-DB-12-34-56-78-90-A0", b"00db1234567890a0", b"00:db:12:34:56:78:90:a0", b"00-23-7E-0000001234567"]

_ALL = (
    Target("envelope", gbcs.decode, _prove_envelope, lambda corpus: corpus.messages, _GBCS, share=2),
    Target("message", _read_message, _prove_message, lambda corpus: corpus.messages, _GBCS | _PAYLOAD, share=3),
    Target("payload", payload.read, same(payload.encode), lambda c: [one.payload for one in c.decoded], _PAYLOAD),
    Target("dlms", _read_dlms, _prove_dlms, lambda corpus: corpus.payloads("dlms"), _DLMS, share=3),
    Target("gbz", gbz_typed.decode, _prove_gbz, lambda corpus: corpus.payloads("gbz"), _GBZ, share=3),
    Target("asn1", _read_asn1, _prove_asn1, Corpus.asn1_messages, _ASN1, share=3),
    Target("asn1 tree", asn1.decode, same(asn1.encode), lambda corpus: corpus.payloads("asn1"), _ASN1),
    Target("gbz plaintext", _read_contents, _prove_contents, Corpus.zcl_contents, _GBZ, share=3),
    Target("dlms plaintext", _read_datum, _prove_datum, Corpus.data, frozenset(("axdr",)), share=2),
    Target("gbt", gbt.decode, same(gbt.encode), Corpus.blocks, _GBT | _GBCS),
    Target("gbt stream", streams.reassemble, streams.prove_reassembled, Corpus.block_streams),
    Target("zcl", zcl.decode, same(zcl.encode), Corpus.zcl_frames, frozenset(("zcl",))),
    Target("utrn", lambda o: utrn.decode(o.decode("latin-1")), same(lambda ptut: utrn.encode(ptut).encode()),
           Corpus.tokens, frozenset(("utrn",))),
    Target("eui64", lambda o: eui64.parse(o.decode("latin-1")), _prove_eui64, lambda _: _EUI64_SEEDS,
           frozenset(("eui64",))),
    Target("certificate", certificates.parse, _prove_certificate, Corpus.certificates, refusal=BadCertificate),
    Target("certification request", csr.parse, _prove_request, Corpus.certification_requests, refusal=BadRequest),
    Target("sealed part", _read_sealed, same(_seal), lambda c: [_seal(plain) for _, plain in c.components[:9]],
           refusal=NotAuthentic),
    _radio("mac", ieee802154.decode, ieee802154.encode, ieee802154.LAYER),
    _radio("mac beacon", ieee802154.decode_beacon, ieee802154.encode_beacon, ieee802154.LAYER),
    _radio("mac command", ieee802154.decode_command, ieee802154.encode_command, ieee802154.LAYER),
    _radio("nwk", zigbee.decode_nwk, zigbee.encode_nwk, zigbee.NWK),
    _radio("nwk beacon", zigbee.decode_beacon_payload, zigbee.encode_beacon_payload, zigbee.NWK),
    _radio("aps", zigbee.decode_aps, zigbee.encode_aps, zigbee.APS),
    Target("aps stream", streams.join_fragments, streams.prove_joined, _fragment_streams),
    _radio("inter-PAN", interpan.decode, interpan.encode, interpan.LAYER),
    _radio("tunnelling", _read_tunnel, _write_tunnel, "zcl", tunnelling.LAYER),
    _radio("gas tunnel", tunnelling.decode_gas, tunnelling.encode_gas, tunnelling.LAYER),
    Target("xbee", xbee.parse, same(xbee.build), lambda _: seeds.xbee_frames(), frozenset((xbee.LAYER,))),
    Target("xbee line", streams.deframe, streams.prove_deframed, lambda _: seeds.serial_lines()),
    Target("capture", streams.read_capture, streams.prove_capture, lambda _: _hexadecimal(seeds.CAPTURES),
           refusal=pcap.CaptureError),
)  # fmt: skip

TARGETS = {target.name: target for target in _ALL}
"""Every target by its name."""
