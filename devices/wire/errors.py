"""The errors of the wire room.

    WireError(ValueError)        something about octets
    ├── DecodeError              octets that are no valid message: layer, offset and reason
    │   └── CutShort             octets that end before the message does: how many it needs
    └── EncodeError              values that no octets can carry: layer and reason

Every decoder raises :class:`DecodeError` and nothing else, whatever it is given.
"""

from __future__ import annotations

__all__ = ["CutShort", "DecodeError", "EncodeError", "WireError"]


class WireError(ValueError):
    """Base of everything that the codecs raise.  ``layer`` names the codec, e.g. ``"gbcs"``."""

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(layer, reason)
        self.layer = layer
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.layer}: {self.reason}"


class DecodeError(WireError):
    """Octets that are not what the layer expects.

    ``offset`` counts octets from the start of what was handed to the outermost decoder of that layer.
    """

    def __init__(self, layer: str, offset: int, reason: str) -> None:
        super().__init__(layer, reason)
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.layer}: at octet {self.offset}: {self.reason}"


class CutShort(DecodeError):
    """Octets that end before what they began does.  ``needed`` is how many it has from its first octet on, at least."""

    def __init__(self, layer: str, offset: int, reason: str, needed: int) -> None:
        super().__init__(layer, offset, reason)
        self.args = (layer, offset, reason, needed)
        self.needed = needed


class EncodeError(WireError):
    """A value that the layer cannot put into octets: out of range, too long, of the wrong kind."""
