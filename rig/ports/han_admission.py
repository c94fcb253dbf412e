"""Who may join the HAN that an XBee coordinates: registrations (frame 24) and the joining window (NJ).

A hub keeps the list without power; the module forgets it, and is told again whenever it is up.

Must not live here: who joined (``han_xbee``).  Source: facts/radio.md 2.2, 3 and 11.3.
"""

from __future__ import annotations

from devices.wire import xbee
from rig.ports.protocols import Clock, Handle
from rig.ports.xbee_radio import XBeeRadio

__all__ = ["Admission"]

S = 1_000_000_000
WINDOW = 0xFE  # seconds, the most that NJ takes short of "always open"


class Admission:
    """``problem`` holds the last thing that went wrong: no event reports it."""

    def __init__(self, radio: XBeeRadio, clock: Clock) -> None:
        self.problem = ""
        self._radio, self._clock = radio, clock
        self._codes: dict[bytes, bytes] = {}  # radio EUI-64 to install code
        self._window_until = 0
        self._timer: Handle | None = None

    def close_silently(self) -> None:
        """The power is gone: the window is closed, the list stays."""
        self._window_until = 0
        self.pause()

    def pause(self) -> None:
        """The module is gone; :meth:`restore` when it is back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def restore(self) -> None:
        """The module is up and knows nothing: tell it everything."""
        for radio in self._codes:
            self._register(radio)
        if self._window_until > self._clock.now:
            self._window()

    # --------------------------------------------------------------------------------------------------- registrations

    def admit(self, radio: bytes, code: bytes) -> None:
        self._codes[radio] = code
        if self._radio.ready:
            self._register(radio)

    def forget(self, radio: bytes) -> None:
        self._codes.pop(radio, None)
        if self._radio.ready:
            self._request(radio, 0x00, b"", (0x00, 0xB1, 0xFF))  # not in the table is what we want

    def _register(self, radio: bytes) -> None:
        code = self._codes[radio]
        self._request(radio, 0x01, code + _check_octets(code), (0x00,))

    def _request(self, radio: bytes, options: int, key: bytes, fine: tuple[int, ...]) -> None:
        def answered(answer: xbee.Frame | None) -> None:
            if not isinstance(answer, xbee.RegistrationStatus):
                self.problem = f"the radio did not answer the registration of {radio.hex().upper()}"
            elif answer.status not in fine:
                self.problem = f"the radio did not register {radio.hex().upper()}: status {answer.status:02X}"

        self._radio.link.request(
            lambda frame_id: xbee.RegisterDevice(frame_id, radio, xbee.UNKNOWN_16, options, key),
            xbee.RegistrationStatus,
            answered,
            self._radio.link.settings.answer_ns,
        )

    # ------------------------------------------------------------------------------------------------------ the window

    def open(self, seconds: int) -> None:
        """Open the window; the module is told of everybody again, since its own list is short-lived."""
        self._window_until = self._clock.now + seconds * S
        if self._radio.ready:
            self.restore()

    def close(self) -> None:
        self._window_until = 0
        if self._radio.ready:
            self._window()

    def _window(self) -> None:
        """NJ takes at most 254 s, so a long window is opened again before it closes."""
        self.pause()
        left = max(0, -(-(self._window_until - self._clock.now) // S))
        self._radio.link.at("NJ", bytes((min(left, WINDOW),)), self._window_set)
        if left > WINDOW:
            self._timer = self._clock.call_at(self._clock.now + (WINDOW - 4) * S, self._window)

    def _window_set(self, answer: xbee.Frame | None) -> None:
        if not isinstance(answer, xbee.AtResponse) or answer.status:
            self.problem = "the radio did not set its joining window (NJ)"


def _check_octets(code: bytes) -> bytes:
    """CRC-16/X-25 of an install code, little endian (facts/radio.md 11.3)."""
    crc = 0xFFFF
    for octet in code:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 * (crc & 1)
    return (crc ^ 0xFFFF).to_bytes(2, "little")
