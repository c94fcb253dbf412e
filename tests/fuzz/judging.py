"""What a target is and how its executions are judged.

A decoder either refuses octets with the typed error of its own layer, or returns an object that its encoder turns into
the same octets again.  Any other error is a finding, and so is an encoder that refuses what was read.

Must not live here: the targets themselves (``targets``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devices.wire.errors import DecodeError
from tests.fuzz.seeds import Corpus

__all__ = ["Target", "judge", "refused", "same"]


@dataclass(frozen=True)
class Target:
    """One codec.

    ``prove`` gets the octets and what ``decode`` made of them, and raises ``AssertionError`` where that is wrong;
    ``layers`` are those whose ``DecodeError`` may come, ``refusal`` the one other error type that may.  ``share`` is
    the part of all executions that the target gets, relative to the others.
    """

    name: str
    decode: Callable[[bytes], Any]
    prove: Callable[[bytes, Any], None]
    seeds: Callable[[Corpus], list[bytes]]
    layers: frozenset[str] = frozenset()
    refusal: type[Exception] = DecodeError
    share: int = 1


def judge(target: Target, octets: bytes) -> str:
    """Run one execution; ``"valid"``, or ``"refused"`` with the layer.  Raises whatever is a finding."""
    try:
        read = target.decode(octets)
    except target.refusal as error:
        return refused(error, target.layers, len(octets))
    target.prove(octets, read)
    return "valid"


def refused(error: Exception, layers: frozenset[str], size: int) -> str:
    """The outcome of a refusal.  Raises ``AssertionError`` for an error of another layer or one beside the octets."""
    if not isinstance(error, DecodeError):
        return "refused"
    assert error.layer in layers, f"layer {error.layer} of {error}, expected one of {sorted(layers)}"
    assert error.reason, "an error without a reason"
    assert 0 <= error.offset <= size, f"{error} in {size} octets"
    return f"refused by {error.layer}"


def same(encode: Callable[[Any], bytes]) -> Callable[[bytes, Any], None]:
    """The proof of most targets: what was read encodes to the same octets."""

    def prove(octets: bytes, read: Any) -> None:
        written = encode(read)
        assert written == octets, f"{read} was read from {octets.hex()} and encodes to {written.hex()}"

    return prove
