"""The application support layer of a virtual Zigbee radio: acknowledged delivery, fragments, repeats dropped.

One message at a time to each destination, so that order is kept; a payload above the limit is cut into fragments, each
acknowledged before the next is sent (a window of one).

Must not live here: addresses and joining (``zigbee_network``), API frames (``xbee_zigbee``).
Source: facts/radio.md 2.2 (sizes, delivery codes), facts/gbcs.md 12.4 (fragment header).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from devices.wire import zigbee
from devices.wire.errors import DecodeError
from rig.world.clock import Appointment
from rig.world.zigbee_network import ZigbeeNetwork

__all__ = ["ApsSettings", "Delivered", "ZigbeeAps"]

MS = 1_000_000
ZDO_ADDRESS_REQUEST, ZDO_ADDRESS_RESPONSE = 0x0000, 0x8000


@dataclass(frozen=True, slots=True)
class ApsSettings:
    """Limits of the layer."""

    largest_unfragmented: int = 84  # facts/radio.md 2.2; with APS encryption 66, which nobody asks for here
    fragment: int = 82  # two octets of extended header less
    ack_wait_ns: int = 1600 * MS  # (50 x NH) + 100 ms with NH=1E, facts/xbee-manual.md 4.6
    retries: int = 2  # three tries in all, facts/xbee-manual.md 4.6
    address_wait_ns: int = 1000 * MS  # how long an address request is waited for [no source]
    queue: int = 4  # messages that wait in all; more are refused with 32 (no resources), facts/xbee-manual.md 4.6


class Delivery:
    """Delivery octets of the 8B frame (facts/radio.md 2.2)."""

    OK, NO_MAC_ACK, NETWORK_ACK, NOT_JOINED, TO_SELF, NO_ADDRESS, RESOURCES, TOO_LARGE = (
        0x00, 0x01, 0x21, 0x22, 0x23, 0x24, 0x32, 0x74,
    )  # fmt: skip


Delivered = Callable[[bytes, int, int, int], None]
"""``delivered(short address or FFFD, retries, delivery, discovery)``."""


@dataclass(slots=True)
class _Job:
    frames: list[zigbee.ApsFrame]
    done: Delivered
    at: int = 0  # which of the frames is on its way
    tries: int = 0
    retries: int = 0
    discovered: int = 0
    timer: Appointment | None = None


@dataclass(slots=True)
class _Source:
    """The APS counter of a sender, unwrapped to tell a repeat from a counter that came round."""

    last: int = 0
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=16))

    def unwrap(self, counter: int) -> int:
        ahead = (counter - self.last + 128 & 0xFF) - 128
        number = self.last + ahead
        self.last = max(self.last, number)
        return number


class ZigbeeAps:
    """``on_data(source short, frame, broadcast)`` gets whole application frames."""

    def __init__(self, network: ZigbeeNetwork, settings: ApsSettings) -> None:
        self.network, self.settings, self.clock = network, settings, network.clock
        network.on_nwk = self._hear
        self.on_data: Callable[[bytes, zigbee.ApsFrame, bool], None] = lambda *_: None
        self.duplicates = 0
        self._queues: dict[bytes, deque[_Job]] = {}
        self._sources: dict[bytes, _Source] = {}
        self._introduced: dict[bytes, bool] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything on its way (power loss).

        The counter goes on: a receiver that heard us lately must not take something new for a repeat.
        """
        for queue in self._queues.values():
            timer = queue[0].timer
            if timer is not None:
                timer.cancel()
        self._queues.clear()
        self._sources.clear()
        self._introduced.clear()
        self._reassembler = zigbee.ApsReassembler(transfers=8, largest=1024, lifetime=20_000 * MS)

    # -------------------------------------------------------------------------------------------------------- sending

    def send(self, device: bytes, frame: zigbee.ApsFrame, ack: bool, done: Delivered) -> None:
        """Deliver ``frame`` (its counter is given here) to the device with this EUI-64."""
        frames = zigbee.fragment(
            replace(frame, counter=self.network.next_counter(), ack_request=ack), self._limit(frame)
        )
        frames = [replace(one, ack_request=ack or len(frames) > 1) for one in frames]
        if sum(map(len, self._queues.values())) >= self.settings.queue:
            done(b"\xff\xfd", 0, Delivery.RESOURCES, 0)
            return
        queue = self._queues.setdefault(device, deque())
        queue.append(_Job(frames, done))
        if len(queue) == 1:
            self._begin(device)

    def _limit(self, frame: zigbee.ApsFrame) -> int:
        whole = len(frame.payload) <= self.settings.largest_unfragmented
        return self.settings.largest_unfragmented if whole else self.settings.fragment

    def broadcast(self, frame: zigbee.ApsFrame) -> None:
        """Send to every radio that listens; nobody acknowledges."""
        whole = replace(frame, counter=self.network.next_counter(), delivery=zigbee.Delivery.BROADCAST)
        self.network.broadcast(zigbee.encode_aps(whole))

    def _begin(self, device: bytes) -> None:
        job = self._queues[device][0]
        if self.network.short_of(device) is not None:
            self._transmit(device)
            return
        job.discovered = 1
        ask = bytes((self.network.next_counter(),)) + device[::-1] + b"\0\0"
        self.broadcast(zigbee.ApsFrame(0, ask, cluster=ZDO_ADDRESS_REQUEST))
        at = self.clock.now + self.settings.address_wait_ns
        job.timer = self.clock.call_at(at, lambda: self._finish(device, Delivery.NO_ADDRESS))

    def _transmit(self, device: bytes) -> None:
        job = self._queues[device][0]
        short = self.network.short_of(device)
        if short is None:
            self._finish(device, Delivery.NO_ADDRESS)
            return
        frame = job.frames[job.at]
        job.timer = self.clock.call_at(self.clock.now + self.settings.ack_wait_ns, lambda: self._again(device))
        octets = zigbee.encode_aps(frame)
        introduce = device not in self._introduced
        done = None if frame.ack_request else lambda heard: self._sent(device, job, heard)
        self.network.unicast(short, octets, introduce=introduce, done=done)

    def _sent(self, device: bytes, job: _Job, heard: bool) -> None:
        queue = self._queues.get(device)
        if queue and queue[0] is job:
            self._finish(device, Delivery.OK if heard else Delivery.NO_MAC_ACK)

    def _again(self, device: bytes) -> None:
        job = self._queues[device][0]
        if job.tries >= self.settings.retries:
            self._finish(device, Delivery.NETWORK_ACK)
            return
        job.tries += 1
        job.retries += 1
        self._transmit(device)

    def _finish(self, device: bytes, delivery: int) -> None:
        queue = self._queues[device]
        job = queue.popleft()
        if job.timer is not None:
            job.timer.cancel()
        short = self.network.short_of(device) if delivery == Delivery.OK else None
        if queue:
            self._begin(device)
        else:
            del self._queues[device]
        job.done(short or b"\xff\xfd", job.retries, delivery, job.discovered)

    def _acknowledged(self, source: bytes, frame: zigbee.ApsFrame) -> None:
        device = self.network.eui_of(source)
        queue = self._queues.get(device)
        if not queue:
            return
        job = queue[0]
        sent = job.frames[job.at]
        expected = zigbee.acknowledge(sent)
        if frame.counter != expected.counter or frame.fragment != expected.fragment:
            return
        self._introduced[device] = True
        if job.timer is not None:
            job.timer.cancel()
        job.at, job.tries = job.at + 1, 0
        if job.at < len(job.frames):
            self._transmit(device)
        else:
            self._finish(device, Delivery.OK)

    def address_known(self, device: bytes) -> None:
        """An address request was answered: go on with what waited for it."""
        queue = self._queues.get(device)
        if queue and queue[0].discovered and queue[0].tries == 0 and queue[0].timer is not None and queue[0].at == 0:
            queue[0].timer.cancel()
            self._transmit(device)

    # ------------------------------------------------------------------------------------------------------ receiving

    def _hear(self, nwk: zigbee.NwkFrame) -> None:
        frame = zigbee.decode_aps(nwk.payload)
        if frame.frame_type is zigbee.ApsType.ACK:
            self._acknowledged(nwk.source, frame)
            return
        if frame.frame_type is not zigbee.ApsType.DATA:
            return
        broadcast = nwk.destination != self.network.mac.short
        if frame.ack_request and not broadcast:
            self.network.unicast(nwk.source, zigbee.encode_aps(zigbee.acknowledge(frame)))
        whole = self._fresh(nwk.source, frame)
        if whole is not None:
            self.on_data(nwk.source, whole, broadcast)

    def _fresh(self, source: bytes, frame: zigbee.ApsFrame) -> zigbee.ApsFrame | None:
        """The frame, or the message that it completes; None for a repeat or a mere part."""
        seen = self._sources.get(source)
        if seen is None:
            seen = self._sources[source] = _Source(frame.counter)
        number = seen.unwrap(frame.counter)
        if frame.fragment is not None:
            round_ = (number >> 8).to_bytes(4, "big", signed=True)
            try:
                return self._reassembler.feed(source + round_, frame, self.clock.now)
            except DecodeError:
                self.duplicates += 1
                return None
        if number in seen.recent:
            self.duplicates += 1
            return None
        seen.recent.append(number)
        return frame
