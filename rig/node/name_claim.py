"""One name, one bench: a node that comes up asks on its own topic of presence whether somebody bears its name already.

It says *starting* (not retained, so nothing of the other's is overwritten) and waits until the broker gives that word
back.  Who is up contradicts with *online*; of two that start together the one whose word the broker passed on first
goes on, for all subscribers of a topic hear its words in one order.  A stored *online* of another life may be that of a
process that died without the broker noticing: it counts only if its bearer still speaks.

Must not live here: MQTT (``agent``), the lease (``lease``).
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rig.bus.errors import BenchBusy, NoAnswer
from rig.bus.messages import Presence

__all__ = ["ANSWER_S", "SETTLE_S", "NameClaim"]

SETTLE_S = 0.3
"""After our own word came back: how long one that was first may take to contradict, a round trip by far."""
ANSWER_S = 2.0
"""The same where the broker keeps a word that somebody else is there."""
AGAIN_S = 1.0


class NameClaim:
    """The claim of the life ``boot`` to the node ``node`` of ``bench``.  ``say(st)`` publishes a word of presence."""

    def __init__(self, bench: str, node: str, boot: str, say: Callable[[str], None]) -> None:
        self._where, self._boot, self._say = f"bench {bench}, node {node}", boot, say
        self._words: queue.SimpleQueue[tuple[Presence, bool]] = queue.SimpleQueue()

    def heard(self, word: Presence, retained: bool) -> None:
        """Take in a word of presence; on any thread."""
        self._words.put((word, retained))

    def settle(self, timeout_s: float, settle_s: float) -> None:
        """Return when the name is ours.  Raises :class:`BenchBusy`, which says whose it is and until when, and
        :class:`NoAnswer` where the broker does not give our word back in ``timeout_s``."""
        kept = self._first(timeout_s)
        deadline = time.monotonic() + (max(ANSWER_S, settle_s) if kept else settle_s)
        while (heard := self._next(deadline)) is not None:
            word, _ = heard
            if word.boot == self._boot:
                continue
            if word.st == "starting":
                self._say("claimed")  # it spoke after us
            elif word.st in ("online", "claimed"):
                raise self._taken(word)

    def _first(self, timeout_s: float) -> bool:
        """Speak until our own word is back; whether the broker keeps a word of somebody else being there."""
        end, kept = time.monotonic() + timeout_s, False
        while time.monotonic() < end:
            self._say("starting")
            again = min(end, time.monotonic() + AGAIN_S)
            while (heard := self._next(again)) is not None:
                word, retained = heard
                if word.boot == self._boot:
                    return kept
                if retained:
                    kept = word.st == "online"
                elif word.st in ("online", "starting", "claimed"):
                    raise self._taken(word)
        raise NoAnswer(self._where, "the broker does not pass on our words of presence", "May the node read them?")

    def _next(self, deadline: float) -> tuple[Presence, bool] | None:
        try:
            return self._words.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None

    def _taken(self, word: Presence) -> BenchBusy:
        by = f"started by {word.owner}" if word.owner else "started by somebody else"
        if word.holder:
            until = datetime.now(UTC) + timedelta(seconds=word.ttl)
            hold = f"held by {word.holder} until {until:%H:%M:%S} UTC, and longer while that renews its hold"
        else:
            hold = "held by nobody at the moment, and its name taken until it ends"
        return BenchBusy(
            self._where,
            f"a bench of this name is up on this broker, {by}, {hold}",
            "Wait for its end, or give this one a name of its own: --set name=...",
        )
