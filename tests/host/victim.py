"""A meter on a journalled store in a process that is killed at a chosen write: ``victim FOLDER POINTS`` on the command
line, one JSON object a point on its output.

A point is ``HOW:CALL``: at the CALL-th of its calls of ``os.write``, ``os.fsync`` and ``os.replace`` the process gets
SIGKILL; HOW says what the disk then holds:

* ``before``: all calls before it, and nothing of it;
* ``torn``: half of what it wanted to write (or, of the other calls, all);
* ``lost``: of everything before it only what was forced to the disk.

``none:0`` kills nobody.  Afterwards a new meter starts from the file and is given every command again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devices.machines.core import Record
from devices.machines.esme import Esme
from devices.machines.parts.building import command_payload
from devices.model.use_cases import by_name
from devices.wire import axdr
from rig.host.host import Host, Plugs
from rig.host.store import JournalStore
from rig.ports.protocols import Output
from rig.world.clock import VirtualClock
from tests.machines.meter_bench import KEYS, METER, SUPPLIER, cells, command, read_log, script

SECOND = 1_000_000_000
SLACK = 0  # so small that the journal is rewritten several times on the way
FIRST = 1001

_WINDOW = {"start": "2015-11-01T00:00:00Z", "end": "2015-12-01T00:00:00Z"}
_NEW_KEY = {"key_usage": ["digital_signature"]}
COMMANDS = [
    script(52, FIRST),
    command("ECS81", FIRST + 1, axdr.boolean(True)),
    script(54, FIRST + 2),
    script(51, FIRST + 3),
    command("ECS14", FIRST + 4, axdr.octets(b"")),
    command("ECS70", FIRST + 5, payload=command_payload(by_name("ECS70"), _WINDOW, FIRST + 5)),
    command("CS02c", FIRST + 6, payload=command_payload(by_name("CS02c"), _NEW_KEY, FIRST + 6)),
    script(52, FIRST + 7),
    read_log("ECS35b", counter=FIRST + 8),
]


class Line:
    """The meter's message line; what leaves is told to ``sent`` at once."""

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


class Life:
    """One life of the meter: from the file to the end of the process, or to the next one."""

    def __init__(self, path: Path, sent: Callable[[bytes], None]) -> None:
        self.records: list[Record] = []
        self.contactor: str | None = None
        self.store = JournalStore(path, SLACK)
        self.clock = VirtualClock()
        self.line = Line(sent)
        self.meter = Esme(METER, KEYS, cells())
        pins: dict[str, Output] = {name: Pin(name, self._driven) for name in ("contactor_set", "contactor_reset")}
        plugs = Plugs(messages={"line": self.line}, outputs=pins)
        self.host = Host("meter", lambda: self.meter, self.clock, plugs, self.store, self._record)
        self.host.start()
        self.clock.advance(self.clock.now + SECOND)

    def _record(self, kind: str, fields: Any) -> None:
        self.records.append(Record(kind, fields))

    def _driven(self, name: str, level: bool) -> None:
        if level:
            self.contactor = name

    def give(self, octets: bytes) -> None:
        self.line.on_message(SUPPLIER, octets)
        self.clock.advance(self.clock.now + SECOND)

    def executed(self) -> list[int]:
        return [int(record.fields["counter"]) for record in self.records if record.kind == "executed"]


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


def live_and_die(path: Path, how: str, point: int, tell: int) -> None:
    """The first life.  Every message that left and, at the end, every state of the store goes through ``tell``."""
    disk = Disk(path.parent, how, point)
    really = disk._write

    def say(kind: str, value: Any) -> None:
        really(tell, json.dumps([kind, value]).encode() + b"\n")

    life = Life(path, lambda octets: say("sent", octets.hex()))
    say("state", dict(life.store.all()))
    for octets in COMMANDS:
        life.give(octets)
        say("state", dict(life.store.all()))
    say("calls", disk.calls)


def killed_at(folder: Path, point: str) -> dict[str, Any]:
    """What became of the meter: in the life that ended at ``point``, and in the next one."""
    how, _, number = point.partition(":")
    path = folder / point.replace(":", "-") / "meter.journal"
    path.parent.mkdir()
    ear, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ear)
        live_and_die(path, how, int(number), mouth)
        os._exit(0)
    os.close(mouth)
    with os.fdopen(ear, "rb") as stream:
        told = [json.loads(line) for line in stream]
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    life = Life(path, lambda _octets: None)
    kept, at_start = dict(life.store.all()), life.meter.switch.state.name
    contactor = life.contactor
    for octets in COMMANDS:
        life.give(octets)
    return {
        "point": point,
        "status": status,
        "told": told,
        "kept": kept,
        "torn": life.store.torn,
        "supply": at_start,
        "contactor": contactor,
        "executed": life.executed(),
        "after": dict(life.store.all()),
    }


if __name__ == "__main__":
    for asked in sys.argv[2:]:
        print(json.dumps(killed_at(Path(sys.argv[1]), asked)), flush=True)
