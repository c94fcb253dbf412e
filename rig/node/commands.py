"""The verbs that a node carries out: what may be asked of a bench over the bus, one function a verb.

Every verb takes a mapping of arguments and gives a mapping of JSON types.  Misuse is answered 'refused' with a sentence
that says what to do; what the bench itself cannot do any more is an error of the bench.

Must not live here: order, journal, lease (``executor``); what machines and instruments do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from devices.events import fields
from devices.events.bench import BenchStalled, OperatorActed, PowerSwitched, ReadingTaken
from rig.bus.messages import Context, Event
from rig.host import host
from rig.node import assembly, bench_file
from rig.node.arguments import Arguments
from rig.node.assembly import Premises
from rig.node.attacks import Attacks
from rig.node.clocks import follows_real_time, make_clock
from rig.node.device_state import not_repeatable, profile, state_of
from rig.node.executor import CommandError, Executor, Handler, Refused
from rig.node.links import Links
from rig.node.recorder import Recorder
from rig.node.virtual_world import POWER_GOOD_VOLTS, VirtualWorld
from rig.ports.protocols import PortLost, PortMissing, Reading
from rig.world.relays import Fault

__all__ = ["Commands"]

# How long a bench on real time looks at its clock alone, before it looks at the bus again.
SLICE_NS = 10_000_000
# So far may such a look overrun on a busy machine before it is told that the bench was held up.
STALL_NS = 2_000_000_000
LONGEST_NS = 400 * 86_400 * 1_000_000_000  # what one command may let pass: more is a slip, and takes for ever
PAGE = 2000
"""Tapped frames in one answer, which has to fit one message of the bus."""
# Verbs that frame the time line of a test instead of standing on it; a reset notes itself, on the new clock.
UNNOTED = ("evidence.open", "evidence.close", "bench.reset", "bench.state")
# Verbs that a bench carries out also where a part of its premises is gone: they lead to new ones.
UNCHECKED = ("bench.describe", "evidence.open", "evidence.close")


class Commands:
    """The verbs over one bench.  ``path`` is its file; every reset reads the bench from it again, as it was read
    first."""

    def __init__(self, path: Path, overlay: Mapping[str, Any], recorder_folder: Path | None) -> None:
        self._path, self._overlay = path, overlay
        self.bench = bench_file.load(path, overlay)
        self.clock = make_clock(self.bench.clock)
        self.recorder = Recorder(self.clock, self.bench.civil_start, recorder_folder)
        self.premises: Premises | None = None
        self._executor: Executor | None = None
        self._stopping = threading.Event()

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(self.bench.nodes)

    def serve(self, executor: Executor) -> None:
        """Send every event out through ``executor``, and let it idle on the bench clock."""
        self._executor = executor
        self.recorder.on_emit(lambda node, kind, at_ns, fields: executor.emit(node, kind, at_ns, fields).order)

    def handlers(self) -> Mapping[str, Handler]:
        """Verb to function, for every node of this process."""
        verbs: dict[str, Callable[[Arguments], Mapping[str, Any]]] = {
            "bench.describe": self.describe,
            "bench.state": self.state,
            "bench.reset": self.reset,
            "clock.advance": self.advance,
            "device.ask": self.ask,
            "operator.press": self.press,
            "operator.read": self.read_display,
            "operator.break_seal": self.break_seal,
            "supply.switch": self.switch_supply,
            "supply.sense": self.sense_supply,
            "instrument.read": self.read_instrument,
            "pin.read": self.read_pin,
            "clock.civil": self.civil,
            "wan.set": self.set_wan,
            "contactor.break": self.break_contactor,
            "tap.frames": self.tapped_frames,
            "tap.beacon": self.tapped_beacon,
            "tap.endpoints": self.tapped_endpoints,
            "evidence.open": self.open_evidence,
            "evidence.close": self.close_evidence,
        }
        verbs |= Attacks(self.up).verbs()
        return {verb: self._handler(verb, function) for verb, function in verbs.items()}

    def _handler(self, verb: str, function: Callable[[Arguments], Mapping[str, Any]]) -> Handler:
        noted, checked = verb not in UNNOTED, verb not in UNCHECKED

        def carry_out(args: dict[str, Any], context: Context) -> Mapping[str, Any]:
            self.recorder.context = context.as_json()
            if noted:
                self.recorder.note_command(verb, args)
            try:
                if noted and checked:
                    self._check()
                told = dict(function(Arguments(verb, args)))
                if checked:
                    self._check()
            except (host.Refused, bench_file.BenchFileError, PortMissing, Refused) as problem:
                if noted:
                    self.recorder.note_answer(verb, self.nodes[0], {}, refused=str(problem))
                if isinstance(problem, Refused):
                    raise
                code = "refused" if isinstance(problem, host.Refused) else "misuse"
                raise Refused(code, str(problem)) from None
            except CommandError as problem:  # withdrawn, or its lease is over: what it did so far stands before this
                if noted:
                    self.recorder.note_answer(verb, self.nodes[0], {}, refused=str(problem))
                raise
            if noted:
                self.recorder.note_answer(verb, self.nodes[0], told)
            return {**told, "now": self.clock.now}

        return carry_out

    # ------------------------------------------------------------------------------------------------ the whole bench

    def up(self) -> Premises:
        if self.premises is None:
            raise Refused("down", "the premises are not up", "Prepare them with bench.reset first.")
        return self.premises

    def _check(self) -> None:
        if self.premises is not None:
            self.premises.check()

    def safe(self) -> None:
        """Outputs go safe: the lease ended, or the process does."""
        if self.premises is not None:
            self.premises.safe()

    def stop(self) -> None:
        """From any thread: the process is to end, so a command that lets time pass ends early."""
        self._stopping.set()
        self.clock.post(lambda: None)  # wakes a clock that waits for real time

    def idle(self) -> float | None:
        """Between commands a bench that follows real time goes on; on virtual time nothing may happen there, or it
        would depend on how fast commands come."""
        if not follows_real_time(self.clock):
            return None
        end = self.clock.now + SLICE_NS
        self.clock.advance(end)
        self._tell_stall(end)
        return 0.0

    def _tell_stall(self, end: int) -> None:
        """Tell where the bench looked at its clock long after ``end``: its process, or its machine, stood still."""
        late = self.clock.now - end
        if late >= STALL_NS:
            self.recorder.record(self.nodes[0], "bench", BenchStalled(span_ns=late))

    def describe(self, _args: Arguments) -> Mapping[str, Any]:
        """What the bench consists of; ``clock`` says whether time passes by itself (real) or by command (virtual)."""
        supply = self.premises.world.supply_of if self.premises and self.premises.world else lambda _name: None
        links = Links(self.bench)
        devices = {
            d.name: {"kind": d.kind, "node": d.node, "eui": d.eui.hex(), "behind": d.behind, "supply": supply(d.name),
                     "install_code": d.install_code.hex(),
                     "takes": {what: time.as_json() for what, time in d.takes.items()},
                     "untapped": links.untapped(d.name),
                     "under_test": d.under_test, "declared": d.declared}
            for d in self.bench.devices.values()
        }  # fmt: skip
        return {
            "bench": self.bench.name,
            "clock": "real" if self.bench.paced or follows_real_time(self.clock) else "virtual",
            "longest_test_ns": self.bench.longest_test,
            "order": 0 if self._executor is None else self._executor.order,
            "devices": devices,
            "feeds": {one.instrument: one.supply for one in self.bench.contactors.values()},
            "capabilities": list(self.bench.capabilities),
            "civil_start": self.bench.civil_start,
            "seed": self.bench.seed,
            "profile": profile(self.bench),
            "not_repeatable": not_repeatable(self.bench),
            "decision_rule": self.bench.decision_rule,
            "tolerated": list(self.bench.tolerated),
            "calibrated_until": {
                i.name: i.calibrated_until.isoformat() for i in self.bench.instruments.values() if i.calibrated_until
            },
        }

    def state(self, _args: Arguments) -> Mapping[str, Any]:
        """What is sensed of every device, and what cannot be read of it without changing it."""
        return {"devices": state_of(self.up())}

    def reset(self, args: Arguments) -> Mapping[str, Any]:
        """Everything from manufacture again, as the bench file says (with one of its variants, and changes).  What
        happened up to the event ``before`` belongs to what was there before."""
        changes, variant = args.mapping("overlay", {}), args.text("variant", "")
        overlay = bench_file.merged(self._overlay, changes)
        bench = bench_file.load(self._path, overlay, variant)
        if tuple(bench.nodes) != self.nodes:
            raise Refused("argument", "a reset cannot change the nodes of a bench", "Start it with another bench file.")
        if changes or variant:
            assembly.check(bench)  # before what is up is taken down
        if self.premises is not None:
            self.premises.close()
            self.premises = None
        last = 0 if self._executor is None else self._executor.order
        self.bench = bench
        self.clock = make_clock(self.bench.clock)
        self.recorder.restart(self.clock, self.bench.civil_start)
        self.recorder.note_command("bench.reset", {"overlay": changes, "variant": variant})
        try:
            self.premises = assembly.build(self.bench, self.clock, self.recorder, overlay, variant)
            self.premises.start()
        except PortMissing as problem:  # it was there when the bench came up, so no keyword is to blame
            raise PortLost(problem.where, problem.problem, problem.advice) from None
        self.clock.run_due()
        self.recorder.note_answer("bench.reset", self.nodes[0], {})
        return {"before": last}

    def advance(self, args: Arguments) -> Mapping[str, Any]:
        """Let ``span_ns`` pass, or less: stop at the exact instant of an event that fits ``until``.

        With ``since``, the number of an event, no time passes where one that fits came after that already.
        """
        span = args.whole("span_ns", LONGEST_NS)
        if "until" not in args:
            self._pass(span, self._stopping.is_set)
            return {"met": False}
        until = _wanted(args.mapping("until"))
        if "since" in args and any(_fits(event.kind, event.fields, until) for event in self._past(args)):
            return {"met": True}
        met: list[bool] = []
        stop = self.recorder.listen(
            lambda event: met.append(True) if _fits(event["kind"], event["fields"], until) else None
        )
        try:
            self._pass(span, lambda: bool(met) or self._stopping.is_set())
        finally:
            stop()
        return {"met": bool(met)}

    def _past(self, args: Arguments) -> Sequence[Event]:
        """The events after the one that ``since`` names."""
        if self._executor is None:
            raise Refused("argument", "clock.advance: since needs a bench whose events are kept", "Leave it out.")
        return self._executor.since(args.whole("since"))

    def _pass(self, span_ns: int, until: Callable[[], bool]) -> None:
        """Let time pass, until ``until`` at the most, or until the command is withdrawn.  On real time the
        lease is looked after meanwhile: no outputs stay driven for long on behalf of a controller that is gone."""
        limit, executor = self.clock.now + span_ns, self._executor
        enough = until if executor is None else lambda: executor.given_up or until()
        while True:
            slowly = follows_real_time(self.clock)
            end = min(limit, self.clock.now + SLICE_NS) if slowly else limit
            done = self.clock.advance(end, enough) or self.clock.now >= limit
            self._tell_stall(end)
            if done:
                break
            if executor is not None:
                executor.service(0.0)
        self.clock.run_due()  # whatever else belongs to this instant
        if executor is not None:
            executor.check_given_up()

    def civil(self, _args: Arguments) -> Mapping[str, Any]:
        """The civil time of the bench, ns since the Unix epoch."""
        return {"civil_ns": self.bench.civil_start + self.clock.now}

    # --------------------------------------------------------------------------------------------- devices and people

    def ask(self, args: Arguments) -> Mapping[str, Any]:
        """Put a request to a machine."""
        machine = args.among("device", self.up().hosts)
        told = machine.ask(args.text("request"), args.mapping("values"))
        self.clock.run_due()
        return told

    def press(self, args: Arguments) -> Mapping[str, Any]:
        operator, device, button = self.up().operator, args.among("device", self.bench.devices), args.text("button")
        operator.press(device.name, button, args.whole("hold_ns", LONGEST_NS))
        self.recorder.record(device.node, device.name, OperatorActed(act=f"presses {button}"))
        self.clock.run_due()
        return {}

    def read_display(self, args: Arguments) -> Mapping[str, Any]:
        return {"text": self.up().operator.read(args.text("device"))}

    def break_seal(self, args: Arguments) -> Mapping[str, Any]:
        self.up().operator.break_seal(args.text("device"))
        return {}

    # -------------------------------------------------------------------------------------------------------- physics

    def switch_supply(self, args: Arguments) -> Mapping[str, Any]:
        supply, on = args.among("supply", self.bench.supplies), args.flag("on")
        self.up().supplies[supply.name].switch(on)
        self.recorder.record(supply.node, supply.name, PowerSwitched(on=on))
        self.clock.run_due()
        return {}

    def sense_supply(self, args: Arguments) -> Mapping[str, Any]:
        """Whether a device has its supply, as the bench senses it and not as the device tells: ``good`` true or false,
        ``by`` what senses it.  ``good`` is null where nothing does."""
        device = args.among("device", self.bench.devices)
        good, by = self._supply_of(device)
        return {"good": good, "by": by}

    def _supply_of(self, device: bench_file.Device) -> tuple[bool | None, str]:
        premises = self.up()
        for pin in (name for name, pin in device.pins.items() if pin.kind == "power"):
            if (device.name, pin) in premises.inputs:
                return premises.inputs[device.name, pin](), f"its power input {pin}"
        name = premises.world.supply_of(device.name) if premises.world is not None else None
        if premises.world is not None and name is not None:
            return premises.world.supplies[name].volts >= POWER_GOOD_VOLTS, f"the power net {name}"
        if device.name in premises.hosts:  # no power pin: whoever plays it feeds it
            return premises.hosts[device.name].powered, "the bench, which plays it"
        return None, "nothing on this bench"

    def read_instrument(self, args: Arguments) -> Mapping[str, Any]:
        """Read an instrument after its present window is over, so that the reading is of now."""
        instrument = args.among("instrument", self.up().instruments)
        told = self.bench.instruments[args.text("instrument")]
        self._pass(2 * instrument.window_ns, self._stopping.is_set)
        readings = {name: _taken(reading) for name, reading in instrument.sense().items()}
        for reading in readings.values():
            self.recorder.record(told.node, told.name, reading)
        return {"readings": {name: fields(reading) for name, reading in readings.items()}}

    def read_pin(self, args: Arguments) -> Mapping[str, Any]:
        inputs, device = self.up().inputs, args.among("device", self.bench.devices)
        return {
            "level": args.among("pin", {pin: read for (name, pin), read in inputs.items() if name == device.name})()
        }

    def break_contactor(self, args: Arguments) -> Mapping[str, Any]:
        world = self._world()
        args.among("contactor", world.contactors).inject(args.among("fault", {fault.value: fault for fault in Fault}))
        return {}

    # ------------------------------------------------------------------------------------------------- links and air

    def set_wan(self, args: Arguments) -> Mapping[str, Any]:
        args.among("device", self.up().cuts)(args.flag("up"))
        self.clock.run_due()
        return {}

    # ------------------------------------------------------------------------------------------------------- evidence

    def tapped_frames(self, args: Arguments) -> Mapping[str, Any]:
        """The frames that crossed between ``device`` and its radios, or at the other end of those, after the event
        number ``since``: a page of them from number ``skip`` on, and whether there are ``more``.

        ``whole`` is false where the bench remembers no more than the last of them; ``met`` says who had sent a frame to
        whom before."""
        device, since, skip = args.among("device", self.bench.devices), args.whole("since", LONGEST_NS), 0
        if "skip" in args:
            skip = args.whole("skip", LONGEST_NS)
        whole, found = self.recorder.frames_since(since)
        own = [one for one in found if one[0] == device.name or one[1].peer == device.eui]
        frames = own[skip : skip + PAGE]
        told = [
            {"device": name, "at_ns": frame.at_ns, "port": frame.port, "out": frame.out, "peer": frame.peer.hex(),
             "cluster": frame.cluster, "octets": frame.octets.hex()}
            for name, frame in frames
        ]  # fmt: skip
        met = [
            {"device": name, "port": port, "peer": peer.hex()}
            for name, port, peer in self.recorder.met_before(since)
            if name == device.name
        ]
        return {"whole": whole, "frames": told, "more": len(own) > skip + PAGE, "met": met}

    def tapped_beacon(self, args: Arguments) -> Mapping[str, Any]:
        """When a radio of ``device`` last sent a beacon of the device's own network onto the virtual air, after the
        event number ``since``: ``at_ns``, null where it sent none; and when a beacon request of ``by`` last came to it
        since then: ``asked_ns``, null where none did, or where its radio is on no virtual air."""
        device, by = args.among("device", self.bench.devices), args.among("by", self.bench.devices)
        since, beacons = args.whole("since", LONGEST_NS), self.up().beacons
        return {
            "at_ns": beacons.since(device.name, device.eui, since),
            "asked_ns": beacons.asked(device.name, by.name, since),
        }

    def tapped_endpoints(self, args: Arguments) -> Mapping[str, Any]:
        """Between which endpoints frames of ``device`` were ``heard`` at the other end of its HAN after the event
        number ``since``, and which the bench file has ``set``, by device; nothing for a HAN without radios.

        ``whole`` is false where the bench remembers no more than the last of them."""
        device, since = args.among("device", self.bench.devices), args.whole("since", LONGEST_NS)
        whole, found = self.recorder.ends_since(since)
        ports = {name: port for name, one in self.bench.devices.items() for port in one.ports.values()
                 if port.driver == "xbee"}  # fmt: skip
        heard = [
            {"at": at, "from": source, "to": destination, "frames": count}
            for (at, peer, source, destination), count in found.items()
            if peer == device.eui
        ]
        return {"whole": whole, "heard": heard, "set": {name: port.endpoint for name, port in ports.items()}}

    def open_evidence(self, args: Arguments) -> Mapping[str, Any]:
        self.recorder.open(args.folder("name"))
        return {}

    def close_evidence(self, _args: Arguments) -> Mapping[str, Any]:
        if self.premises is None:
            return self.recorder.close()
        for machine in self.premises.hosts.values():
            machine.tell_unfinished()
        return self.recorder.close(self.premises.publics)

    def _world(self) -> VirtualWorld:
        world = self.up().world
        if world is None:
            raise Refused("capability", "this bench is not virtual", "Use a virtual bench for this.")
        return world


def _taken(reading: Reading) -> ReadingTaken:
    return ReadingTaken(
        quantity=reading.quantity,
        value=reading.value,
        unit=reading.unit,
        uncertainty=reading.uncertainty,
        at_ns=reading.at_ns,
        instrument=reading.instrument,
    )


def _wanted(until: Mapping[str, Any]) -> Mapping[str, Any]:
    args = Arguments("until", until)
    return {"kind": args.text("kind"), "device": args.text("device"), "fields": args.mapping("fields", {})}


def _fits(kind: str, fields: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return (
        kind == wanted["kind"]
        and fields.get("device") == wanted["device"]
        and all(fields.get(key) == value for key, value in wanted["fields"].items())
    )
