"""The MAC of one virtual radio: one frame at a time, address filter, acknowledgements and retries.

Must not live here: what the payload means, and who may join (``zigbee_network``).

Retries 3 and the acknowledgement time-out of 54 symbols: IEEE 802.15.4-2006 (macMaxFrameRetries, macAckWaitDuration)
[from memory].  Frame versions, compression: facts/radio.md 8.1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from devices.wire import ieee802154
from devices.wire.errors import DecodeError
from devices.wire.ieee802154 import Frame, FrameType
from rig.world.clock import Appointment
from rig.world.ether import Ether

__all__ = ["MacRadio"]

RETRIES = 3
TURNAROUND_NS = 192_000  # 12 symbols between a frame and its acknowledgement
ACK_WAIT_NS = 864_000  # 54 symbols
GAP_NS = 640_000  # the long interframe space: 40 symbols

Up = Callable[[Frame, int, bytes], None]
"""``up(frame, rssi_dbm, seal)``: a frame for us."""
Done = Callable[[bool], None]
"""``done(acknowledged)``: it was sent; True too where no acknowledgement was asked for."""


@dataclass(slots=True)
class _Job:
    frame: Frame
    sequence: int
    octets: bytes
    seal: bytes
    done: Done | None
    left: int = RETRIES


# Commands are few and sent again and again: a radio that looks for a network asks on sixteen channels at a time.
_command = lru_cache(64)(ieee802154.encode)


class MacRadio:
    """``eui`` 8 octets; ``short`` 2 octets (FFFE: none); ``pan`` FFFF hears beacons of every network."""

    def __init__(self, ether: Ether, name: str, eui: bytes, up: Up, *, first_sequence: int = 0) -> None:
        self.eui = eui
        self.short = b"\xff\xfe"
        self.pan = 0xFFFF
        self.rssi = 0  # of the last frame for us, dBm
        self.refused = 0  # frames that were no MAC frames
        self._ether, self._clock, self._up = ether, ether.clock, up
        self._antenna = ether.attach(name, self._hear)
        self._jobs: deque[_Job] = deque()
        self._sequence = first_sequence
        self._waiting: Appointment | None = None
        self._life = 0  # counts power cycles: what was on its way to an earlier life is lost

    # ---------------------------------------------------------------------------------------------------------- power

    @property
    def channel(self) -> int | None:
        return self._antenna.channel

    def tune(self, channel: int) -> None:
        """Listen and send on this channel."""
        self._antenna.channel = channel

    def switch_off(self) -> None:
        """Fall silent at once; whatever was queued is forgotten, unreported."""
        self._antenna.channel = None
        self._life += 1
        self._jobs.clear()
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    # -------------------------------------------------------------------------------------------------------- sending

    def send(self, frame: Frame, seal: bytes = b"", done: Done | None = None) -> None:
        """Queue a frame; its sequence number is given here.  Raises EncodeError for what does not fit."""
        self._sequence = (self._sequence + 1) & 0xFF
        octets = _command(frame) if frame.frame_type is FrameType.COMMAND else ieee802154.encode(frame)
        octets = octets[:2] + bytes((self._sequence,)) + octets[3:]
        self._jobs.append(_Job(frame, self._sequence, octets, seal, done))
        if len(self._jobs) == 1:
            self._transmit()

    def _transmit(self) -> None:
        job = self._jobs[0]
        if self._antenna.channel is None:
            self._finish(False)
            return
        duration = self._antenna.send(job.octets, job.seal)
        if job.frame.ack_request:
            self._waiting = self._clock.call_at(self._clock.now + duration + ACK_WAIT_NS, self._no_ack)
        else:
            self._waiting = self._clock.call_at(self._clock.now + duration + GAP_NS, lambda: self._finish(True))

    def _no_ack(self) -> None:
        job = self._jobs[0]
        if job.left:
            job.left -= 1
            self._transmit()
        else:
            self._finish(False)

    def _finish(self, acknowledged: bool) -> None:
        self._waiting = None
        job = self._jobs.popleft()
        if self._jobs:
            self._waiting = self._clock.call_soon(self._transmit)
        if job.done is not None:
            job.done(acknowledged)

    # ------------------------------------------------------------------------------------------------------ receiving

    def _hear(self, octets: bytes, rssi: int, hold: int, seal: bytes) -> None:
        try:
            frame = ieee802154.decode(octets)
        except DecodeError:
            self.refused += 1
            return
        if frame.frame_type is FrameType.ACK:
            self._hear_ack(frame)
            return
        if not self._for_us(frame):
            return
        if frame.ack_request and frame.destination != ieee802154.BROADCAST:
            self._acknowledge(frame.sequence)
        self.rssi = rssi
        if hold:
            life = self._life
            self._clock.call_at(
                self._clock.now + hold, lambda: self._up(frame, rssi, seal) if life == self._life else None
            )
        else:
            self._up(frame, rssi, seal)

    def _for_us(self, frame: Frame) -> bool:
        if frame.frame_type is FrameType.BEACON:
            return True
        if frame.destination_pan not in (self.pan, ieee802154.BROADCAST_PAN):
            return False
        to = frame.destination
        return to == ieee802154.BROADCAST or to == self.eui or (to == self.short and to != b"\xff\xfe")

    def _hear_ack(self, frame: Frame) -> None:
        if not self._jobs or self._waiting is None:
            return
        expected = self._jobs[0]
        if expected.frame.ack_request and expected.sequence == frame.sequence:
            self._waiting.cancel()
            self._finish(True)

    def _acknowledge(self, sequence: int) -> None:
        octets = ieee802154.encode(Frame(FrameType.ACK, sequence))
        life = self._life

        def answer() -> None:
            if life == self._life and self._antenna.channel is not None:
                self._antenna.send(octets)

        self._clock.call_at(self._clock.now + TURNAROUND_NS, answer)
