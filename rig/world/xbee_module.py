"""What every virtual XBee has in common: the serial line, API modes, command mode, AT registers, power.

A module takes octets in (:meth:`XBeeModule.on_host_bytes`) and gives octets out (``to_host``), each answer after the
reply delay, in order.  Line speed is the byte link's business.

Must not live here: the radio (``xbee_zigbee``, ``xbee_802154``).

Source: facts/radio.md 2.1, 2.2 and 4; facts/xbee-manual.md 1.5, 3 and 8.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devices.wire import xbee
from devices.wire.errors import DecodeError
from rig.world.clock import Appointment, VirtualClock
from rig.world.xbee_registers import Register

__all__ = ["ModuleSettings", "XBeeModule"]

OK, ERROR, BAD_COMMAND, BAD_PARAMETER = 0, 1, 2, 3  # status of an 88 frame
MS = 1_000_000

Outcome = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class ModuleSettings:
    """What differs between modules of one kind, or is not known for certain."""

    reply_delay_ns: int = 1 * MS  # facts/radio.md 4: 1 ms by default, 5 ms when digi-xbee drives it
    boot_ns: int = 150 * MS  # from power or reset to 8A 00; no source, of the order that a UART sees
    silent_restart_ns: int = 1000 * MS  # how long it is deaf after a change of ZS, facts/xbee-manual.md 1.1, 8
    character_ns: int = 86_806  # one character at 115200 baud; times RO it ends a packet in transparent mode


class XBeeModule(ABC):
    """One module.  ``eui`` is its 64-bit address; ``table`` its registers; ``registers`` override defaults."""

    def __init__(
        self,
        clock: VirtualClock,
        eui: bytes,
        table: Mapping[str, Register],
        settings: ModuleSettings,
        registers: Mapping[str, bytes],
    ) -> None:
        self.clock, self.eui, self.settings = clock, eui, settings
        self.to_host: Callable[[bytes], None] = lambda _: None
        self.powered = False
        self.malformed = 0  # frames with a right checksum and wrong content
        self._table = table
        self._saved = {name: register.default for name, register in table.items()}
        self._saved |= {"SH": eui[:4], "SL": eui[4:]}
        self._saved |= {name: table[name].stored(value) for name, value in registers.items()}
        self._registers = dict(self._saved)
        self._queued: dict[str, bytes] = {}
        self._deframer = xbee.Deframer()
        self._life = 0
        self._deaf_until = 0
        self._text = bytearray()
        self._command_mode = False
        self._last_octet = -(1 << 62)
        self._pause: Appointment | None = None
        self._guarded = False  # what stands in _text may still become +++
        self._next_mode: bytes | None = None  # an AP change waits for its own reply

    # ------------------------------------------------------------------------------------- what the firmware fills in

    @abstractmethod
    def _started(self) -> None:
        """The firmware runs: bring the radio up."""

    @abstractmethod
    def _silenced(self) -> None:
        """No power, or reset: the radio is off and what is volatile is gone."""

    @abstractmethod
    def _applied(self, names: list[str]) -> None:
        """These registers have values that differ from those before, and hold from now."""

    def _read(self, name: str) -> bytes:
        """The present value of a register."""
        return self._registers[name]

    @abstractmethod
    def _execute(self, name: str, value: bytes, frame_id: int) -> Outcome | None:
        """A command that is no register; None: answered later.  Unknown: BAD_COMMAND."""

    @abstractmethod
    def _api_frame(self, frame: xbee.Frame) -> None:
        """An API frame other than AT."""

    @abstractmethod
    def _transparent(self, octets: bytes) -> None:
        """In transparent mode: send these."""

    # ---------------------------------------------------------------------------------------------------------- power

    def power(self, on: bool) -> None:
        """Switch the supply.  Off: silent at once; what was not written (WR) is forgotten, a network is remembered."""
        if on and not self.powered:
            self.powered = True
            self._boot()
        elif not on and self.powered:
            self.powered = False
            self._life += 1
            self._silenced()

    def _boot(self, *, silently: bool = False) -> None:
        """``silently``: without a modem status, as after a change of the stack profile."""
        self._life += 1
        self._registers = dict(self._saved)
        self._queued.clear()
        self._deframer = xbee.Deframer(escaped=self._number("AP") == 2)
        self._command_mode = False
        self._text.clear()
        life = self._life

        def running() -> None:
            if life == self._life:
                if not silently:
                    self._emit(xbee.ModemStatus(0x00))
                self._started()

        self._deaf_until = self.clock.now + self.settings.silent_restart_ns if silently else 0
        self.clock.call_at(self.clock.now + max(self.settings.boot_ns, self._deaf_until - self.clock.now), running)

    def _reset(self) -> None:
        """FR: as a power cycle, seen from the radio."""
        self._silenced()
        self._boot()

    # --------------------------------------------------------------------------------------------------------- output

    def _emit(self, frame: xbee.Frame) -> None:
        """Give a frame to the host after the reply delay; nothing in transparent mode."""
        mode = self._number("AP")
        if mode:
            self._say(xbee.frame(xbee.build(frame), escaped=mode == 2))

    def _say(self, octets: bytes) -> None:
        life = self._life
        at = self.clock.now + self.settings.reply_delay_ns
        self.clock.call_at(at, lambda: self.to_host(octets) if life == self._life else None)

    # ---------------------------------------------------------------------------------------------------------- input

    def on_host_bytes(self, octets: bytes) -> None:
        """Octets from the host, in whatever pieces."""
        if not self.powered or self.clock.now < self._deaf_until:
            return
        if self._command_mode:
            self._command_text(octets)
        elif self._number("AP") == 0:
            self._plain_text(octets)
        else:
            for data in self._deframer.feed(octets):
                self._frame(data)

    def _frame(self, data: bytes) -> None:
        try:
            frame = xbee.parse(data)
        except DecodeError:
            self.malformed += 1
            return
        if isinstance(frame, xbee.AtCommand):
            self._apply(self._take_queued())
            self._answer(frame.frame_id, frame.command, self._at(frame.command, frame.value, frame.frame_id))
        elif isinstance(frame, xbee.AtQueued):
            self._answer(frame.frame_id, frame.command, self._queue(frame))
        else:
            self._api_frame(frame)

    def _answer(self, frame_id: int, command: bytes, outcome: Outcome | None) -> None:
        """Answer, and only then let what was written take effect: an AP change holds after its own reply."""
        if outcome is not None and frame_id:
            self._emit(xbee.AtResponse(frame_id, command, *outcome))
        self._change_mode()
        if command == b"FR":
            self._reset_after_reply()

    def _reset_after_reply(self) -> None:
        life = self._life
        at = self.clock.now + self.settings.reply_delay_ns
        self.clock.call_at(at, lambda: self._reset() if life == self._life else None)

    # ---------------------------------------------------------------------------------------------------- AT commands

    def _number(self, name: str) -> int:
        return int.from_bytes(self._registers[name], "big")

    def _queue(self, frame: xbee.AtQueued) -> Outcome | None:
        if not frame.value:
            return self._at(frame.command, b"", frame.frame_id)
        name, status = self._writable(frame.command, frame.value)
        if status == OK:
            self._queued[name] = frame.value
        return status, b""

    def _take_queued(self) -> list[str]:
        names = [name for name, value in self._queued.items() if self._write(name, value)]
        self._queued.clear()
        return names

    def _write(self, name: str, value: bytes) -> bool:
        """Give a register a value; whether that is another one: an equal value is no change (xbee-manual.md 8)."""
        stored = self._table[name].stored(value)
        before, self._registers[name] = self._registers[name], stored
        return stored != before

    def _writable(self, command: bytes, value: bytes) -> tuple[str, int]:
        name = command.decode("latin-1").upper()
        register = self._table.get(name)
        if register is None:
            return name, BAD_COMMAND
        if "w" not in register.access:
            return name, BAD_PARAMETER  # not stated: 2 or 3 (facts/xbee-manual.md 8)
        return name, OK if register.admits(value) else BAD_PARAMETER

    def _at(self, command: bytes, value: bytes, frame_id: int) -> Outcome | None:
        name = command.decode("latin-1").upper()
        if name in _COMMANDS:
            return _COMMANDS[name](self)
        if name not in self._table:
            return self._execute(name, value, frame_id)
        if not value:
            if "r" not in self._table[name].access:
                return OK, b""  # write only: says that it is there and nothing else
            return OK, self._read(name)
        _, status = self._writable(command, value)
        if status == OK and name == "AP":
            self._next_mode = self._table[name].stored(value)
        elif status == OK and self._write(name, value):
            self._apply([name])
        return status, b""

    def _change_mode(self) -> None:
        if self._next_mode is not None:
            self._registers["AP"], self._next_mode = self._next_mode, None
        escaped = self._number("AP") == 2
        if self._deframer.escaped != escaped:
            self._deframer.escaped = escaped

    def _apply(self, names: list[str]) -> None:
        if names:
            self._applied(names)

    def _command_apply(self) -> Outcome:
        self._apply(self._take_queued())
        return OK, b""

    def _command_write(self) -> Outcome:
        self._apply(self._take_queued())
        self._save()
        return OK, b""

    def _save(self) -> None:
        kept = {name: value for name, value in self._registers.items() if not self._table[name].volatile}
        self._saved |= kept

    def _command_restore(self) -> Outcome:
        fixed = {name: self._saved[name] for name in ("SH", "SL")}
        before = self._registers
        self._registers = {name: register.default for name, register in self._table.items()} | fixed
        self._next_mode, self._registers["AP"] = self._registers["AP"], before["AP"]  # holds after its own answer
        self._apply([name for name, value in self._registers.items() if value != before[name]])
        return OK, b""

    def _command_nothing(self) -> Outcome:
        return OK, b""

    # ----------------------------------------------------------------------------------- transparent and command mode

    def _plain_text(self, octets: bytes) -> None:
        """Collect until a pause: ``+++`` between two guard times enters command mode, all else is sent."""
        guard = self._number("GT") * MS
        quiet = self.clock.now - self._last_octet
        self._last_octet = self.clock.now
        escape = bytes([self._number("CC")]) * 3
        if self._pause is not None:
            self._pause.cancel()
        if self._text or quiet < guard:
            candidate = bool(self._text) and escape.startswith(bytes(self._text + octets)) and self._guarded
        else:
            candidate = escape.startswith(octets)
        self._guarded = candidate
        self._text += octets
        if bytes(self._text) == escape and candidate:
            self._pause = self.clock.call_at(self.clock.now + guard, self._enter_command_mode)
        elif candidate:
            self._pause = self.clock.call_at(self.clock.now + guard, self._flush)
        else:
            packet = max(1, self._number("RO")) * self.settings.character_ns
            self._pause = self.clock.call_at(self.clock.now + packet, self._flush)

    def _flush(self) -> None:
        octets, self._text = bytes(self._text), bytearray()
        if self.powered and octets:
            self._transparent(octets)

    def _enter_command_mode(self) -> None:
        self._text.clear()
        if self.powered:
            self._command_mode = True
            self._say(b"OK\r")
            self._arm_command_timeout()

    def _arm_command_timeout(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._pause = self.clock.call_at(self.clock.now + self._number("CT") * 100 * MS, self._leave_command_mode)

    def _leave_command_mode(self) -> None:
        self._command_mode = False
        self._text.clear()
        if self._pause is not None:
            self._pause.cancel()
        self._change_mode()

    def _command_text(self, octets: bytes) -> None:
        self._arm_command_timeout()
        self._text += octets
        while self._command_mode and (end := self._text.find(b"\r")) >= 0:
            line = bytes(self._text[:end])
            del self._text[: end + 1]
            self._command_line(line)

    def _command_line(self, line: bytes) -> None:
        if line[:2].upper() != b"AT" or len(line) < 4:
            self._say(b"ERROR\r")
            return
        command, text = line[2:4], line[4:].strip()
        register = self._table.get(command.decode("latin-1").upper())
        try:
            digits = text.decode("ascii")
            value = text if register and register.text else bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))
        except ValueError:
            self._say(b"ERROR\r")
            return
        status, answer = self._at(command, value, 0) or (OK, b"")
        if status != OK:
            self._say(b"ERROR\r")
        elif register and not value and "r" in register.access:
            shown = answer if register.text else f"{int.from_bytes(answer, 'big'):X}".encode()
            self._say(shown + b"\r")
        else:
            self._say(b"OK\r")
        self._change_mode()
        if command.upper() == b"CN":
            self._leave_command_mode()
        elif command.upper() == b"FR":
            self._reset_after_reply()


_COMMANDS: Mapping[str, Callable[[XBeeModule], Outcome]] = {
    "AC": XBeeModule._command_apply,
    "WR": XBeeModule._command_write,
    "RE": XBeeModule._command_restore,
    "FR": XBeeModule._command_nothing,
    "CN": XBeeModule._command_nothing,
}
