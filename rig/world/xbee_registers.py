"""The AT registers of the virtual XBee modules: defaults and limits, as tables.

Must not live here: what a register does (the modules').

Source: facts/radio.md 3 and 4, "register set that worked" [verified there]; limits of numbers that no fact states are
the width of the register.  Registers that a module works out itself (AI, MY, OP ...) stand here with what they read
before anything has happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["IEEE802154_REGISTERS", "ZIGBEE_REGISTERS", "Register"]


@dataclass(frozen=True, slots=True)
class Register:
    """``default`` gives the width too.  ``access``: r, w or rw.  ``largest``: of a number; None: the width decides.

    A ``text`` register holds up to 20 octets of any length.
    """

    default: bytes
    access: str = "rw"
    largest: int | None = None
    text: bool = False

    def admits(self, value: bytes) -> bool:
        if self.text:
            return len(value) <= 20
        number = int.from_bytes(value, "big")
        return number >> 8 * len(self.default) == 0 and (self.largest is None or number <= self.largest)

    def stored(self, value: bytes) -> bytes:
        """A value as it is kept: of the register's width."""
        return value if self.text else int.from_bytes(value, "big").to_bytes(len(self.default), "big")


def _table(rows: str) -> Mapping[str, Register]:
    """Lines of: name, default in hex, access, largest value in hex or nothing."""
    table: dict[str, Register] = {}
    for row in rows.split("\n"):
        if row.strip():
            name, default, access, *largest = row.split()
            table[name] = Register(bytes.fromhex(default), access, int(largest[0], 16) if largest else None)
    table["NI"] = Register(b" ", text=True)
    return table


_SERIAL = """
AP 01 rw 02
BD 00000007 rw
NB 00 rw 03
SB 00 rw 01
RO 03 rw
D6 00 rw 05
D7 01 rw 07
P3 01 rw 05
P4 01 rw 05
GT 03E8 rw 0CE4
CT 0064 rw 1770
CC 2B rw
SH 00000000 r
SL 00000000 r
DB 30 r
DH 00000000 rw
DL 00000000 rw
"""

ZIGBEE_REGISTERS = _table(
    _SERIAL
    + """
HV 4242 r
VR 100D r
DD 00120000 rw
NP 00FF r
MY FFFE r
MP FFFE r
CE 00 rw 01
SM 00 rw 06
AO 00 rw
OP 0000000000000000 r
ID 0000000000000000 rw
OI FFFF r
II FFFF rw
CH 00 r
AI FF r
EE 00 rw 01
EO 02 rw
KY 00000000000000000000000000000000 w
NK 00000000000000000000000000000000 w
KT 01F4 rw
DC 00 rw
ZS 02 rw 02
NJ FE rw
NC 14 r
NW 0000 rw
JV 00 rw 01
NT 003C rw
N? 00001770 r
NO 00 rw
SP 0020 rw
SN 0001 rw
ST 1388 rw
SC 7FFF rw
SD 03 rw 07
TO 00 rw
"""
)

IEEE802154_REGISTERS = _table(
    _SERIAL
    + """
HV 4242 r
VR 2013 r
NP 0064 r
MY 0000 rw
ID 3332 rw
CH 0C rw 1A
MM 00 rw 03
CE 00 rw 01
A1 00 rw
A2 00 rw
AO 02 rw
AI 00 r
SM 00 rw 06
NT 19 rw
N? 00001770 r
NO 00 rw
EE 00 rw 01
RN 00 rw 03
RR 00 rw 06
SC 7FFF rw
SD 04 rw
"""
)
