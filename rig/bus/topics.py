"""The topic tree, in one table: every topic that the project speaks on, built and taken apart.

Tree: facts/mqtt.md 5, ``rig/1/<bench>/<node>/...``; the ``1`` changes when a change would break a reader.

Must not live here: what the payloads hold (``messages.py``).
"""

from __future__ import annotations

import re

from rig.bus.errors import BadTopic

__all__ = [
    "ANY",
    "BATCH",
    "ROOT",
    "answer",
    "answers",
    "caps",
    "channel",
    "check_id",
    "check_name",
    "command",
    "commands",
    "event",
    "events",
    "evidence",
    "lease",
    "matches",
    "node_of",
    "presence",
]

ROOT = "rig/1"
ANY = "+"
"""In place of a node: all of them, for a subscription."""

BATCH = "batch"
"""The ``evt/<kind>`` of a message that carries events of several kinds."""

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,126})\Z")


def check_id(what: str, value: str) -> str:
    """``value`` if it may name a bench, node or controller (``[a-z0-9-]``, at most 64); raises :class:`BadTopic`."""
    if not _ID.match(value):
        raise BadTopic(f"{what} {value!r}", "not a name for the bus", "Use a-z, 0-9 and inner hyphens, at most 64.")
    return value


def check_name(what: str, value: str) -> str:
    """``value`` if it may be one level of a topic (a verb, an event kind, a file name); raises :class:`BadTopic`."""
    if not _NAME.match(value):
        raise BadTopic(f"{what} {value!r}", "not one level of a topic", "Use letters, digits, '.', '_' and '-'.")
    return value


def _node(bench: str, node: str) -> str:
    return f"{ROOT}/{check_id('bench', bench)}/{node if node == ANY else check_id('node', node)}"


def presence(bench: str, node: str) -> str:
    """Retained: is the node there.  Also the topic of its last will."""
    return f"{_node(bench, node)}/state/presence"


def caps(bench: str, node: str) -> str:
    """Retained: what the node can do."""
    return f"{_node(bench, node)}/state/caps"


def channel(bench: str, node: str, kind: str, name: str) -> str:
    """Retained: the present value of one channel, ``kind`` being radio, optical, gpio, i2c, ..."""
    return f"{_node(bench, node)}/state/ch/{check_name('channel kind', kind)}/{check_name('channel', name)}"


def command(bench: str, node: str, verb: str) -> str:
    """A command to a node; never retained."""
    return f"{_node(bench, node)}/cmd/{check_name('verb', verb)}"


def commands(bench: str, node: str) -> str:
    """The filter for all commands to ``node``."""
    return f"{_node(bench, node)}/cmd/#"


def answer(bench: str, node: str, controller: str, command_id: str) -> str:
    """Where ``node`` answers one command: in its own subtree, so that an access list by node allows it."""
    return f"{_node(bench, node)}/re/{check_id('controller', controller)}/{check_name('command id', command_id)}"


def answers(bench: str, controller: str) -> str:
    """The filter for the answers of all nodes to ``controller``."""
    return f"{_node(bench, ANY)}/re/{check_id('controller', controller)}/+"


def event(bench: str, node: str, kind: str) -> str:
    """Events of one kind, or :data:`BATCH`."""
    return f"{_node(bench, node)}/evt/{check_name('event kind', kind)}"


def events(bench: str, node: str = ANY) -> str:
    """The filter for all events of ``node``."""
    return f"{_node(bench, node)}/evt/#"


def evidence(bench: str, node: str, run: str, name: str, chunk: int | None = None) -> str:
    """The manifest of an evidence file, or with ``chunk`` (from 0) one piece of it, at most 64 KiB."""
    stem = f"{_node(bench, node)}/evd/{check_name('run', run)}/{check_name('evidence file', name)}"
    return stem if chunk is None else f"{stem}/{chunk}"


def lease(bench: str) -> str:
    """Retained: who holds the bench."""
    return f"{ROOT}/{check_id('bench', bench)}/_ctl/lease"


def node_of(bench: str, topic: str) -> str:
    """The node in whose subtree ``topic`` lies; raises :class:`BadTopic` if it is not in this bench."""
    parts = topic.split("/")
    if len(parts) < 5 or parts[:2] != ROOT.split("/") or parts[2] != bench or not _ID.match(parts[3]):
        raise BadTopic(topic[:200], f"not a topic of a node of bench {bench!r}")
    return parts[3]


def matches(pattern: str, topic: str) -> bool:
    """Whether the filter ``pattern`` takes ``topic`` (MQTT 3.1.1, 4.7)."""
    wanted, got = pattern.split("/"), topic.split("/")
    if got[0].startswith("$") and wanted[0] in ("+", "#"):
        return False
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(got) or level not in ("+", got[position]):
            return False
    return len(wanted) == len(got)
