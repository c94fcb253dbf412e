"""GBCS messages out of the packets of a capture: what somebody heard on the air, or recorded of another link.

It takes frames of IEEE 802.15.4 (network and application support layer with their fragments, or inter-PAN), link type
147 (one message a packet) and exported PDUs (252).  What they carry goes through ``reassembly``; what cannot be read,
or is of a kind that carries no message, becomes a finding.

What lives here: MAC frame or packet -> what a tunnel carried.  What must not: the file formats (``pcap``), tunnels and
blocks (``reassembly``).  Source: facts/radio.md 8, facts/gbcs.md 12.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from devices.wire import ieee802154, interpan, pcap, tunnelling, zigbee
from devices.wire.errors import DecodeError
from devices.wire.reassembly import Finding, Mark, Reason, Reassembler, Result, Way, numbers

__all__ = ["PacketReader"]

_RECENT = 64  # frames that are remembered to tell a repeated one: nobody answered it, or a router passed it on
_MAC_SECURITY = 0x08
_GBCS = "gbcs_message"  # Wireshark's name of the dissector
_OTHER_CLUSTER = "it is of another cluster than tunnelling"


class PacketReader:
    """Reads one capture, packet by packet in its order."""

    def __init__(self) -> None:
        self._messages = Reassembler()
        self._dropped: list[zigbee.Unfinished] = []
        self._fragments = zigbee.ApsReassembler(transfers=64, largest=1 << 16, on_drop=self._dropped.append)
        self._recent: deque[tuple[object, ...]] = deque(maxlen=_RECENT)

    def packet(self, record: pcap.Record, place: int) -> Sequence[Result]:
        """Take the packet with the number ``place``."""
        mark = Mark(record.at_ns, place)
        if record.link_type == pcap.MESSAGE_LINK:
            return self._messages.carried(Way(record.interface or "link type 147"), record.octets, mark)
        if record.link_type == pcap.EXPORTED_LINK:
            return self._exported(record, mark)
        try:
            return self.frame(pcap.mac_record(record).frame, mark)
        except pcap.CaptureError as fault:
            known = record.link_type in (pcap.LinkType.WITH_FCS, pcap.LinkType.NO_FCS, pcap.LinkType.TAP)
            reason = Reason.BROKEN_FRAME if known else Reason.UNKNOWN_LINK
            return (Finding(reason, fault.reason, Way(record.interface), mark, mark, octets=record.octets),)

    def frame(self, octets: bytes, mark: Mark) -> Sequence[Result]:
        """Take one 802.15.4 frame without its check sequence."""
        if octets and octets[0] & _MAC_SECURITY:
            return (Finding(Reason.ENCRYPTED, "MAC security is set", Way(), mark, mark, octets=octets),)
        try:
            frame = ieee802154.decode(octets)
            if frame.frame_type is not ieee802154.FrameType.DATA:
                return _none(f"it is of type {frame.frame_type.name.lower()}", Way(), mark)
            if interpan.is_stub(frame.payload):
                return self._stub(frame, mark)
            return self._network(frame, mark)
        except DecodeError as fault:
            return (Finding(Reason.BROKEN_FRAME, str(fault), Way(), mark, mark, octets=octets),)

    def unfinished(self) -> list[Finding]:
        """What never became whole; to be asked for at the end of the capture."""
        return [*map(_lacking, self._fragments.unfinished()), *self._messages.unfinished()]

    # --------------------------------------------------------------------------------------------------------- carriers

    def _exported(self, record: pcap.Record, mark: Mark) -> Sequence[Result]:
        way = Way(record.interface)
        try:
            name, octets = pcap.exported(record.octets)
        except pcap.CaptureError as fault:
            return (Finding(Reason.BROKEN_FRAME, fault.reason, way, mark, mark, octets=record.octets),)
        if name != _GBCS:
            return _none(f"it is exported for the dissector {name or '(none)'}", way, mark)
        return self._messages.carried(way, octets, mark)

    def _stub(self, frame: ieee802154.Frame, mark: Mark) -> Sequence[Result]:
        way = Way("interpan", frame.source, frame.destination)
        stub = interpan.decode(frame.payload)
        if stub.security:
            return (Finding(Reason.ENCRYPTED, "APS security is set", way, mark, mark, octets=frame.payload),)
        if stub.cluster != tunnelling.CLUSTER:
            return self._messages.zcl(way, stub.cluster, stub.payload, mark) or _none(_OTHER_CLUSTER, way, mark)
        if self._heard(way, stub.payload):
            return _repeated(way, mark)
        return self._messages.zcl(way, stub.cluster, stub.payload, mark)

    def _network(self, frame: ieee802154.Frame, mark: Mark) -> Sequence[Result]:
        network = zigbee.decode_nwk(frame.payload)
        pan = frame.destination_pan if frame.destination_pan is not None else frame.source_pan
        link = "han" if pan is None else f"han {pan:04x}"
        way = Way(link, network.source_ieee or network.source, network.destination_ieee or network.destination)
        if network.security:
            return (Finding(Reason.ENCRYPTED, "NWK security is set", way, mark, mark, octets=frame.payload),)
        if network.frame_type is not zigbee.NwkType.DATA:
            return _none("it is a command of the network layer", way, mark)
        part = zigbee.decode_aps(network.payload)
        if part.security:
            return (Finding(Reason.ENCRYPTED, "APS security is set", way, mark, mark, octets=network.payload),)
        if part.frame_type is not zigbee.ApsType.DATA:
            return _none("it is a command or an acknowledgement of the APS layer", way, mark)
        if part.cluster != tunnelling.CLUSTER:
            content = part.payload if part.fragment is None and part.profile else b""
            return self._messages.zcl(way, part.cluster, content, mark) or _none(_OTHER_CLUSTER, way, mark)
        if self._heard(link, network.source, network.destination, network.payload):
            return _repeated(way, mark)
        whole = self._fragments.feed(link.encode() + network.source, part, mark.at_ns)
        dropped = [_lacking(one) for one in self._dropped]
        self._dropped.clear()
        return [*dropped, *(self._messages.zcl(way, whole.cluster, whole.payload, mark) if whole else ())]

    def _heard(self, *frame: object) -> bool:
        """Whether this frame was heard a moment ago; its counters are in it, so that no two frames are the same."""
        if frame in self._recent:
            return True
        self._recent.append(frame)
        return False


def _none(detail: str, way: Way, mark: Mark) -> Sequence[Result]:
    return (Finding(Reason.CARRIES_NONE, detail, way, mark, mark),)


def _repeated(way: Way, mark: Mark) -> Sequence[Result]:
    return (Finding(Reason.REPEATED, "the same frame was heard before", way, mark, mark),)


def _lacking(transfer: zigbee.Unfinished) -> Finding:
    detail = f"fragment {numbers(transfer.missing)} of the frame with APS counter {transfer.counter} is missing"
    mark = Mark(transfer.started)
    way = Way(transfer.source[:-2].decode(), transfer.source[-2:])
    return Finding(Reason.FRAGMENTS_MISSING, detail, way, mark, mark)
