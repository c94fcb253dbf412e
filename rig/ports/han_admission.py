"""Who may join the HAN that an XBee coordinates: registrations (frame 24) and the joining window (NJ).

A hub keeps the list without power.  The module takes registrations only while it coordinates a network, forgets each
when its device has joined, when its time (KT) is over, and all with the power; so it is told whenever a window opens.

Must not live here: who joined (``han_xbee``).

Source: facts/xbee-manual.md 4.3 (window), 4.5 (registrations) [the maker's pages]; facts/radio.md 2.2 and 11.3.
"""

from __future__ import annotations

import secrets

from devices.wire import xbee
from rig.ports.protocols import Clock, Handle
from rig.ports.xbee_radio import XBeeRadio

__all__ = ["Admission"]

S = 1_000_000_000
WINDOW = 0xFE  # seconds, the most that NJ takes short of "always open"
MARGIN = 4  # seconds before its end at which a long window is opened again
LEAST_LIFE, MOST_LIFE = 0x1E, 0xFFFF  # seconds: what KT takes
DONE, FULL = 0x00, (0x18, 0xB4)  # status of a registration; the table has no room


class Admission:
    """``problem`` holds the last thing that went wrong: no event reports it."""

    def __init__(self, radio: XBeeRadio, clock: Clock) -> None:
        self.problem = ""
        self._radio, self._clock = radio, clock
        self._codes: dict[bytes, bytes] = {}  # radio EUI-64 to install code
        self._members: dict[bytes, bool] = {}  # radios that joined: they need no registration to come back
        self._window_until = 0
        self._timer: Handle | None = None
        self._live = False  # the module coordinates a network
        self._nj = 0  # what NJ was set to last: an equal value would open nothing

    def close_silently(self) -> None:
        """The power is gone: the window is closed, the list stays."""
        self._window_until = 0
        self.pause()

    def pause(self) -> None:
        """The module is gone, or its network; :meth:`restore` when it is back."""
        self._live = False
        self._nj = 0
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def restore(self) -> None:
        """The module coordinates its network and knows nobody: tell it everything."""
        self._live = True
        if self._window_until > self._clock.now:
            self._open()

    # --------------------------------------------------------------------------------------------------- registrations

    def admit(self, radio: bytes, code: bytes) -> None:
        """Put a device on the list; while the window is open it may join at once."""
        self._codes[radio] = code
        self._members.pop(radio, None)
        if self._live and self._window_until > self._clock.now:
            self._register(radio)

    def joined(self, radio: bytes) -> None:
        """A device has joined, which uses up its registration."""
        self._members[radio] = True

    def forget(self, radio: bytes) -> None:
        """Take a device off the list.  No request removes an entry from the module, so a key that nobody has takes the
        place of one that may still be in force."""
        self._codes.pop(radio, None)
        self._members.pop(radio, None)
        if self._live and self._window_until > self._clock.now:
            self._request(radio, 0x00, secrets.token_bytes(16), (DONE, *FULL))

    def _register(self, radio: bytes) -> None:
        code = self._codes[radio]
        fine = (DONE, *FULL) if radio in self._members else (DONE,)
        self._request(radio, 0x01, code + _check_octets(code), fine)

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
        if self._live:
            self._open()

    def close(self) -> None:
        """Close the window."""
        self._window_until = 0
        if self._live:
            self._window()

    def _open(self) -> None:
        """Registrations live as long as the window; those who have not joined yet come first, for room is short."""
        left = -(-(self._window_until - self._clock.now) // S)
        life = max(LEAST_LIFE, min(left, MOST_LIFE))
        self._radio.link.at("KT", life.to_bytes(2, "big"), lambda _: None)
        for radio in sorted(self._codes, key=lambda one: one in self._members):
            self._register(radio)
        self._window()

    def _window(self) -> None:
        """NJ takes at most 254 s, so a long window is opened again before it closes, with another value: writing an
        equal one opens nothing."""
        self._stop()
        left = max(0, -(-(self._window_until - self._clock.now) // S))
        value = min(left, WINDOW)
        if value and value == self._nj:
            value += -1 if value > 1 else 1
        self._nj = value
        self._radio.link.at("NJ", bytes((value,)), self._window_set)
        if left > value:
            self._timer = self._clock.call_at(self._clock.now + (value - MARGIN) * S, self._window)

    def _window_set(self, answer: xbee.Frame | None) -> None:
        if not isinstance(answer, xbee.AtResponse) or answer.status:
            self.problem = "the radio did not set its joining window (NJ)"


def _check_octets(code: bytes) -> bytes:
    """CRC-16/X-25 of an install code, little endian (facts/radio.md 11.3)."""
    crc = 0xFFFF
    for octet in code:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 * (crc & 1))
    return (crc ^ 0xFFFF).to_bytes(2, "little")
