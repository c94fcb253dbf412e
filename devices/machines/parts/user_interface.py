"""What somebody does at a meter's own keys: the acts, and how each is logged.

A user interface command is logged as 0x8161 (done) or 0x8162 (not done) with its message code as the additional
information; the log is read remotely only.

Must not live here: what an act does (the machine), screens and menus.

Source: facts/gbcs.md 6 [2 sources: a maker's manual and the mapping table] for the message code.  The list of codes
(GBCS 16.4) was not seen: those of the same commands from a PPMID stand in for it [our choice].
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ACT_DONE", "ACT_FAILED", "LocalActs"]

ACT_DONE, ACT_FAILED = 0x8161, 0x8162


@dataclass(frozen=True, slots=True)
class LocalActs:
    """The message code that each act is logged with."""

    enable: int = 0x0118  # supply switched on by hand; PECS03's code [our choice]
    top_up: int = 0x0116  # a token typed; PECS01's code [our choice]
    emergency_credit: int = 0x0117  # emergency credit taken; PECS02's code [our choice]

    def __post_init__(self) -> None:
        for act, code in (
            ("enable", self.enable),
            ("top_up", self.top_up),
            ("emergency_credit", self.emergency_credit),
        ):
            if not 0 <= code < 1 << 16:
                raise ValueError(f"a message code has 16 bits, got {code} for {act}")
