"""The AT registers of the virtual XBee modules: defaults and limits, as tables.

Must not live here: what a register does (the modules').

Source: facts/xbee-manual.md 1 and 2 (the maker's pages; a default marked there as recalled is one here); limits of
numbers that no page states are the width of the register.  Defaults are those of a module from the factory: prepare it
(AP, ZS) as one does a real one, or let the driver do it.  Registers that a module works out itself (AI, MY, OP ...)
stand here with what they read before anything has happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["IEEE802154_REGISTERS", "ZIGBEE_REGISTERS", "Register"]


@dataclass(frozen=True, slots=True)
class Register:
    """``default`` gives the width too.  ``access``: r, w or rw.  ``largest``: of a number; None: the width decides.

    A ``text`` register holds up to 20 octets of any length.  A ``volatile`` one is not saved by WR.
    """

    default: bytes
    access: str = "rw"
    largest: int | None = None
    text: bool = False
    smallest: int = 0
    volatile: bool = False

    def admits(self, value: bytes) -> bool:
        if self.text:
            return len(value) <= 20
        number = int.from_bytes(value, "big")
        if len(value) > len(self.default) or number < self.smallest:
            return False
        return self.largest is None or number <= self.largest

    def stored(self, value: bytes) -> bytes:
        """A value as it is kept: of the register's width."""
        return value if self.text else int.from_bytes(value, "big").to_bytes(len(self.default), "big")


def _table(rows: str) -> Mapping[str, Register]:
    """Lines of: name, default in hex, access, then in hex the largest value, or smallest-largest, or nothing; a ``v``
    in the access says that WR does not save it."""
    table: dict[str, Register] = {}
    for row in rows.split("\n"):
        if row.strip():
            name, default, access, *limits = row.split()
            smallest, _, largest = limits[0].rpartition("-") if limits else ("", "", "")
            table[name] = Register(
                bytes.fromhex(default),
                access.replace("v", ""),
                int(largest, 16) if largest else None,
                smallest=int(smallest or "0", 16),
                volatile="v" in access,
            )
    table["NI"] = Register(b" ", text=True)
    return table


_SERIAL = """
AP 00 rw 04
BD 00000003 rw
NB 00 rw 02
SB 00 rw 01
RO 03 rw
D6 00 rw 05
D7 01 rw 07
P3 01 rw 05
P4 01 rw 05
GT 03E8 rw 2-0CE4
CT 0064 rw 2-1770
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
II FFFF rwv
CH 00 r
AI FF r
EE 00 rw 01
EO 02 rw
KY 00000000000000000000000000000000 w
NK 00000000000000000000000000000000 w
KT 012C rw 1E-FFFF
RK 10 rw 10
I? 000000000000000000000000000000000000 r
DC 0000 rw
DJ 00 rwv 01
ZS 00 rw 02
NJ FE rw
NC 14 r
CR 03 rw 3F
NW 0000 rw 64FF
JV 00 rw 01
JN 00 rw 01
NT 003C rw 20-FF
N? 00001770 r
NO 00 rw 03
NH 1E rw
BH 00 rw 1E
AR FF rw
DE E8 rw
SE E8 rw
CI 0011 rw
SP 0020 rw 20-AF0
SN 0001 rw 1-FFFF
ST 1388 rw 1-FFFF
SO 00 rw
WH 0000 rw
PO 0000 rw 3E8
ET 08 rw 0E
SC 7FFF rw 1-FFFF
SD 03 rw 07
TO 00 rw
PL 04 rw 04
LT 00 rw
D0 01 rw 05
D1 00 rw 05
D2 00 rw 05
D3 00 rw 05
D4 00 rw 05
D5 01 rw 05
D8 01 rw 05
D9 01 rw 05
P0 01 rw 05
P1 00 rw 05
P2 00 rw 05
IR 0000 rw
IC 0000 rw
"""
)

IEEE802154_REGISTERS = _table(
    _SERIAL
    + """
HV 4242 r
VR 2013 r
NP 0068 r
MY 0000 rw
ID 3332 rw
CH 0C rw 0B-1A
MM 00 rw 03
CE 00 rw 01
A1 00 rw
A2 00 rw
AO 02 rw 02
AI 00 r
SM 00 rw 06
NT 19 rw 1-FC
N? 00001770 r
NO 00 rw
EE 00 rw 01
RN 00 rw 03
RR 00 rw 06
SC 7FFF rw
SD 04 rw
"""
)
