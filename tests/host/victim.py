"""A device on a journalled store in a process that is killed at a chosen write: ``victim KIND FOLDER POINTS`` on the
command line, one JSON object a point on its output.

A point is ``HOW:CALL``: at the CALL-th of its calls of ``os.write``, ``os.fsync`` and ``os.replace`` the process gets
SIGKILL; HOW says what the disk then holds:

* ``before``: all calls before it, and nothing of it;
* ``torn``: half of what it wanted to write (or, of the other calls, all);
* ``lost``: of everything before it only what was forced to the disk.

``none:0`` kills nobody.  Afterwards a new device starts from the file and is given every command again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devices.events import Event
from devices.events.commands import CommandExecuted
from rig.host.host import Host, Plugs
from rig.host.store import JournalStore
from rig.ports.protocols import HanCapabilities, Output
from rig.world.clock import VirtualClock
from tests.host.kill_scripts import SCRIPTS, Script
from tests.machines.asn1_bench import SUPPLIER

SECOND = 1_000_000_000
SLACK = 0  # so small that the journal is rewritten several times on the way
PINS = ("contactor_set", "contactor_reset", "valve_open", "valve_close")


class Line:
    """The device's message port; what leaves is told to ``sent`` at once."""

    def __init__(self, sent: Callable[[bytes], None]) -> None:
        self.up = True
        self._sent = sent
        self.on_message: Callable[[bytes, bytes], None] = lambda _peer, _octets: None
        self.on_link: Callable[[bool], None] = lambda _up: None

    def send(self, device: bytes, octets: bytes) -> None:
        self._sent(octets)

    def close(self) -> None: ...


class Pin:
    """An output that stays where it is driven."""

    def __init__(self, name: str, driven: Callable[[str, bool], None]) -> None:
        self.level, self._name, self._driven = False, name, driven

    def drive(self, level: bool) -> None:
        self.level = level
        self._driven(self._name, level)

    def safe(self) -> None: ...

    def close(self) -> None: ...


class Silence:
    """A radio that nobody hears."""

    capabilities = HanCapabilities(True, True, "none", 100, (2400,), True)
    largest_frame = 100

    def __init__(self) -> None:
        self.on_event: Callable[[Any], None] = lambda _event: None

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def send(self, peer: bytes, cluster: int, octets: bytes, token: int = 0) -> None: ...

    def form(self, epid: bytes) -> None: ...

    def join(self, install_code: bytes, epid: bytes | None = None) -> None: ...

    def leave(self) -> None: ...

    def admit(self, peer: bytes, install_code: bytes) -> None: ...

    def forget(self, peer: bytes) -> None: ...

    def open_joining(self, seconds: int) -> None: ...

    def close_joining(self) -> None: ...

    def tune(self, channel: int, pan: int) -> None: ...

    def scan(self) -> None: ...

    def close(self) -> None: ...


class Life:
    """One life of a device: from the file to the end of the process, or to the next one."""

    def __init__(self, script: Script, path: Path, sent: Callable[[bytes], None]) -> None:
        self.records: list[Event] = []
        self.driven = ""
        self.store = JournalStore(path, SLACK)
        self.kept = dict(self.store.all())
        self.clock = VirtualClock()
        self.line = Line(sent)
        pins: dict[str, Output] = {name: Pin(name, self._driven) for name in PINS}
        plugs = Plugs({script.port: self.line}, {"han": Silence()}, {"interpan": Silence()}, pins)
        self.host = Host("device", script.make, self.clock, plugs, self.store, self.records.append)
        self.host.start()
        self.clock.advance(self.clock.now + SECOND)
        self.supply = self.host.ask("state", {})[script.supply] if script.supply else ""

    def _driven(self, name: str, level: bool) -> None:
        if level:
            self.driven = name

    def give(self, octets: bytes) -> None:
        self.line.on_message(SUPPLIER, octets)
        self.clock.advance(self.clock.now + SECOND)

    def executed(self) -> list[int]:
        return [event.counter for event in self.records if isinstance(event, CommandExecuted)]


class Disk:
    """Counts the calls that change the disk, and ends the process at one of them."""

    def __init__(self, folder: Path, how: str, point: int) -> None:
        self._folder, self._how, self._point = folder, how, point
        self.calls = 0
        self._write, self._fsync, self._replace = os.write, os.fsync, os.replace
        self._forced: dict[int, bytes] = {}  # inode -> contents that are on the disk for certain
        self._names: dict[str, int] = {}  # names that are
        vars(os).update(write=self.write, fsync=self.fsync, replace=self.replace)

    def write(self, file: int, octets: bytes) -> int:
        self._count(lambda: self._write(file, bytes(octets)[: len(octets) // 2]))
        return self._write(file, octets)

    def fsync(self, file: int) -> None:
        self._count(lambda: self._fsync(file))
        self._fsync(file)
        path = Path(os.readlink(f"/proc/self/fd/{file}"))
        if path.is_dir():
            self._names = {entry.name: entry.stat().st_ino for entry in path.iterdir()}
        else:
            self._forced[path.stat().st_ino] = path.read_bytes()

    def replace(self, old: Path, new: Path) -> None:
        self._count(lambda: self._replace(old, new))
        self._replace(old, new)

    def _count(self, partly: Callable[[], object]) -> None:
        self.calls += 1
        if self.calls != self._point:
            return
        if self._how == "torn":
            partly()
        elif self._how == "lost":
            self._forget()
        os.kill(os.getpid(), signal.SIGKILL)

    def _forget(self) -> None:
        """What the system had not forced to the disk is gone, names of files too."""
        for entry in self._folder.glob("*.journal*"):
            entry.unlink()
        for name, inode in self._names.items():
            (self._folder / name).write_bytes(self._forced.get(inode, b""))


def live_and_die(script: Script, path: Path, how: str, point: int, tell: int) -> None:
    """The first life.  Every message that left and, at the end, every state of the store goes through ``tell``."""
    disk = Disk(path.parent, how, point)
    really = disk._write

    def say(kind: str, value: Any) -> None:
        really(tell, json.dumps([kind, value]).encode() + b"\n")

    life = Life(script, path, lambda octets: say("sent", octets.hex()))
    say("state", dict(life.store.all()))
    for octets in script.commands:
        life.give(octets)
        say("state", dict(life.store.all()))
    say("calls", disk.calls)


def killed_at(script: Script, folder: Path, point: str) -> dict[str, Any]:
    """What became of the device: in the life that ended at ``point``, and in the next one."""
    how, _, number = point.partition(":")
    path = folder / point.replace(":", "-") / "device.journal"
    path.parent.mkdir()
    ear, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ear)
        live_and_die(script, path, how, int(number), mouth)
        os._exit(0)
    os.close(mouth)
    with os.fdopen(ear, "rb") as stream:
        told = [json.loads(line) for line in stream]
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    life = Life(script, path, lambda _octets: None)
    driven = life.driven
    for octets in script.commands:
        life.give(octets)
    return {
        "point": point,
        "status": status,
        "told": told,
        "kept": life.kept,
        "torn": life.store.torn,
        "supply": life.supply,
        "driven": driven,
        "executed": life.executed(),
        "after": dict(life.store.all()),
    }


if __name__ == "__main__":
    for asked in sys.argv[3:]:
        print(json.dumps(killed_at(SCRIPTS[sys.argv[1]](), Path(sys.argv[2]), asked)), flush=True)
