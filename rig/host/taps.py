"""The taps of one host: what crosses between a machine and what is plugged into its ports.

On a message port the tap is the message.  On HAN and inter-PAN it is the frame, and a listener's reassembly makes
messages of what crossed.  Sender and receiver have a tap each, so a frame that is lost on the air stands at the
sender's alone.  What a radio tells (its network, the beacons that it received, what it could not send) is tapped at its
port, too.  A machine has no say in any of this.

Must not live here: what a message means, where the time line is kept (``rig.node.recorder``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from devices.events import Event
from devices.events.bench import BeaconsHeard, RadioInNetwork, SendingFailed, TunnelGranted
from devices.events.messages import (
    FrameRefused,
    MessageIncomplete,
    MessageReceived,
    MessageSent,
    OutageNoticeReceived,
    OutageNoticeSent,
)
from devices.machines import core
from devices.wire import gbt, outage_notice, tunnelling, zcl
from devices.wire.errors import DecodeError, WireError
from devices.wire.reassembly import Mark, Reason, Reassembler, Result, Way, Whole
from devices.wire.zcl_general import DEFAULT_RESPONSE, STATUSES, DefaultResponse
from devices.wire.zcl_general import read as read_general
from rig.ports.protocols import Clock

__all__ = ["TappedFrame", "Taps"]


@dataclass(frozen=True, slots=True)
class TappedFrame:
    """One ZCL frame that crossed between a machine and its adapter; ``out`` of the machine, or into it."""

    at_ns: int
    port: str
    out: bool
    peer: bytes
    cluster: int
    octets: bytes


class Taps:
    """Records what crosses; ``on_frame`` is told of every frame of a radio port, whatever its cluster."""

    def __init__(self, clock: Clock, record: Callable[[Event], None], on_frame: Callable[[TappedFrame], None]) -> None:
        self._clock, self._record, self._on_frame = clock, record, on_frame
        self._listeners = {True: Reassembler(), False: Reassembler()}  # of what goes out, and of what comes in

    def message(self, port: str, peer: bytes, octets: bytes, *, out: bool) -> None:
        """A whole message went onto a message link, or came off it; the notice of an outage is told as what it is."""
        if (notice := outage_notice.read(octets)) is not None:
            hub, started = notice.hub, notice.started
            self._record(
                OutageNoticeSent(port=port, peer=peer, hub=hub, started=started)
                if out
                else OutageNoticeReceived(port=port, peer=peer, hub=hub, started=started)
            )
        elif out:
            self._record(MessageSent(port=port, peer=peer, octets=octets))
        else:
            self._record(MessageReceived(port=port, peer=peer, octets=octets))

    def frame(self, port: str, peer: bytes, cluster: int, octets: bytes, *, out: bool) -> None:
        """A ZCL frame went to the adapter of a radio port, or came from it."""
        now = self._clock.now
        self._on_frame(TappedFrame(now, port, out, peer, cluster, octets))
        if not out and (refused := _refused(octets)) is not None:
            words = STATUSES.get(refused.status, f"status {refused.status:02X}")
            self._record(FrameRefused(port=port, peer=peer, cluster=cluster, reason=words, **refused._asdict()))
        if cluster == tunnelling.CLUSTER:
            if _grants(octets):
                self._record(TunnelGranted(port=port, peer=peer, out=out))
            way = Way(port, receiver=peer) if out else Way(port, sender=peer)
            self._tell(self._listeners[out].zcl(way, cluster, octets, Mark(now)), out=out)

    def radio(self, event: core.Event) -> None:
        """A radio told its device something that is no frame."""
        if isinstance(event, core.NetworkUp):
            self._record(RadioInNetwork(port=event.port, epid=event.epid, pan=event.pan, channel=event.channel))
        elif isinstance(event, core.NetworksFound):
            self._record(BeaconsHeard(port=event.port, networks=tuple(one.epid for one in event.beacons)))
        elif isinstance(event, core.SendFailed):
            self._record(SendingFailed(port=event.port, peer=event.peer, reason=event.reason))

    def lose_power(self) -> None:
        """The device lost its power, and with it whatever it had of a message."""
        for out, listener in self._listeners.items():
            self._tell(listener.reset(), out=out)

    def tell_unfinished(self) -> None:
        """Record what has crossed in part so far: the evidence ends here."""
        for out, listener in self._listeners.items():
            self._tell(listener.unfinished(), out=out)

    def _tell(self, found: Iterable[Result], *, out: bool) -> None:
        for one in found:
            peer = one.way.receiver if out else one.way.sender
            if isinstance(one, Whole) or (one.reason is Reason.NO_MESSAGE and not gbt.is_block(one.octets)):
                self.message(one.way.link, peer, one.octets, out=out)
                continue
            self._record(
                MessageIncomplete(
                    port=one.way.link,
                    peer=peer,
                    out=out,
                    pieces=one.pieces,
                    reason=one.reason.value,
                    detail=one.detail,
                )
            )


def _grants(octets: bytes) -> bool:
    """Whether a frame of the tunnelling cluster grants a tunnel."""
    try:
        told = tunnelling.decode(zcl.decode(octets))
    except DecodeError:  # a command of all clusters, or none at all: no answer to a request
        return False
    return isinstance(told, tunnelling.RequestTunnelResponse) and told.status == tunnelling.TunnelStatus.SUCCESS


def _refused(octets: bytes) -> DefaultResponse | None:
    """The Default Response that a frame is, where it tells of no success."""
    if DEFAULT_RESPONSE not in octets[2:5]:  # behind frame control, a maker's code and the sequence number
        return None
    try:
        frame = zcl.decode(octets)
        body = None if frame.cluster_specific else read_general(frame.command, frame.payload)
    except WireError:
        return None  # whoever gets it says that it cannot be read
    return body if isinstance(body, DefaultResponse) and body.status else None
