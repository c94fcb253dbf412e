"""Robot library `rig.keywords.bench.Bench`: the bench itself, its time, its faults, and the evidence of each test.

Must not live here: keywords about one device (``hub``, ``meter``, ``handheld``, ``supplier``) or about contacts
(``physics``).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from robot.api import SkipExecution, logger
from robot.api.deco import keyword, library
from robot.libraries.BuiltIn import BuiltIn

from devices.events.commands import CommandExecuted, CommandRefused
from rig.bus.capabilities import CAPABILITIES
from rig.bus.errors import of_system
from rig.evidence import bench_times, chart, places
from rig.keywords.connection import Misused
from rig.keywords.hub import expect_network, joined
from rig.keywords.judge import judge, judged, preparing
from rig.keywords.listener import RunListener
from rig.keywords.matching import Matcher
from rig.keywords.physics import Physics
from rig.keywords.session import as_timeline, evidence_folder, session
from rig.keywords.silence import crossing_shown
from rig.keywords.supplier import Supplier, asked_of

__all__ = ["Bench", "Check", "State"]

ASKABLE = frozenset(CAPABILITIES).union(
    # devices that it may have or lack
    ("hub", "neighbour", "hht", "ihd", "gsme", "gpf", "other_supplier", "network_operator")
)
"""What a test may ask of a bench."""
SETTLED = timedelta(seconds=1)
"""After this a contact that was driven stands, its bounces over."""
OWN_WORDS = ("OBSERVED: ", "TOLERATED: ")
"""How the message of a test begins that ended early without failing."""


class State(Enum):
    """The states of a premises that a test may need and leave."""

    FRESH = "from manufacture: powered, nothing joined, supply as manufactured"
    JOINED = "meter joined to the hub and reachable through it, supply as manufactured"
    INSTALLED = "joined, the clock set, the supply disabled"
    ENABLED = "installed, and the supply enabled"
    ANY = "no matter"


class Check(Enum):
    """The checks that a command passes before a device executes it."""

    DECODE = "it is a readable message"
    ADDRESSEE = "it is for this device"
    COMMAND = "it is a command"
    SUPPORTED = "the device knows the use case"
    ROLE = "the originator is known and may send it"
    FORM = "it is protected as the use case demands"
    SIGNATURE = "the signature is the originator's"
    MAC = "the MAC is the access control broker's"
    CONTENT = "its accesses are those of the use case"
    REPLAY = "its counter is higher than the last one accepted"


@library(scope="GLOBAL", auto_keywords=False)
class Bench:
    """The bench: prepare a premises, let time pass, break links, keep the evidence."""

    def __init__(self) -> None:
        if not RunListener.made:  # under plain `robot`: verdicts are mapped, and the bench is given back
            self.ROBOT_LIBRARY_LISTENER = RunListener()

    @keyword
    def prepare_premises(
        self,
        *,
        needs: State,
        leaves: State,
        wan: bool = True,
        variant: str = "",
        overlay: dict[str, object] | None = None,
    ) -> None:
        """Open the evidence of this test and bring a premises of the bench into the state that the test ``needs``.

        ``leaves`` declares the state in which the test leaves it; on a device that is not emulated the next test must
        start from there.  ``variant`` names one of the bench file's variants.

        Example:
        | Prepare Premises    needs=INSTALLED    leaves=ENABLED    wan=False |
        """
        now = session()
        if BuiltIn().dry_run_active:
            return
        now.mend()
        tags = [str(tag) for tag in BuiltIn().get_variable_value("@{TEST TAGS}", [])]
        self.bench_requires(*(tag.partition(":")[2] for tag in tags if tag.casefold().startswith("bench:")))
        now.name_test()
        _skip_slow(now.test)
        judge().begin(now.test)
        now.events.clear()
        try:
            now.evidence = places.claim(
                evidence_folder(), str(BuiltIn().get_variable_value("${SUITE NAME}", "")), now.test
            )
        except OSError as problem:
            raise SkipExecution(f"INFRA: no place for evidence: {of_system(problem)}") from None
        logger.info(
            f"This test needs a premises {needs.name} ({needs.value}) and leaves it {leaves.name} ({leaves.value})."
        )
        now.call("evidence.open", name=now.evidence)
        before = int(now.call("bench.reset", variant=variant, overlay=overlay or {})["before"])
        now.begin_premises(before)
        with preparing():
            _bring_to(needs)
        judge().forget_defaults()
        if not wan:
            now.call("wan.set", device=now.of_kind("comms_hub"), up=False)
        now.before = now.call("bench.state")["devices"]
        now.begin_test()

    @keyword
    def finish_test(self) -> None:
        """Close the evidence of this test and put its message sequence chart into the log.

        Alerts that nobody asked for are counted and shown there, too.
        """
        now = session()
        if BuiltIn().dry_run_active or not now.evidence:
            return
        _tell_unasked()
        manifest, broke = _closed()
        built_in = BuiltIn()
        status = str(built_in.get_variable_value("${TEST STATUS}", ""))
        message = str(built_in.get_variable_value("${TEST MESSAGE}", ""))
        drawing = chart.draw(
            now.test,
            as_timeline(now.events),
            chart.Ends.described(now.devices),
            begun=now.begun,
            ending=message if message.startswith(OWN_WORDS) else f"{status}: {message}" if message else status,
        )
        try:
            link = _kept(drawing, manifest)
        except OSError as problem:
            link, broke = "", broke or SkipExecution(f"INFRA: evidence is not whole: {of_system(problem)}")
        logger.info(f"{link}<div style='max-width:100%;overflow:auto'>{drawing}</div>", html=True)
        now.evidence = now.prepared = ""
        if broke is not None:
            raise broke

    @keyword
    def bench_requires(self, *capabilities: str) -> None:
        """Skip this test unless the bench has all of these capabilities, or devices.

        Capabilities stand in the bench file: radio-reach, outage, contactor-fault, wan-cut, forge, trace (an emulated
        device's own trace can be seen).  A test may say so in its tags as well: ``bench:outage``.

        Example:
        | Bench Requires    radio-reach    hht |
        """
        now = session()
        now.connect()
        unknown = [name for name in capabilities if name not in ASKABLE | now.capabilities | set(now.devices)]
        if unknown:
            raise Misused(f"no capability or device {unknown[0]!r}; capabilities are {', '.join(sorted(ASKABLE))}")
        lacking = [name for name in capabilities if name not in now.capabilities | set(now.devices)]
        if lacking:
            raise SkipExecution(f"SKIPPED: this bench cannot do {', '.join(lacking)}")

    @keyword
    def advance_time(self, span: timedelta) -> None:
        """Let bench time pass: at once on the virtual bench, by waiting on a real one.

        Example:
        | Advance Time    61 minutes |
        """
        if span < timedelta(0):
            raise Misused(f"time passes forwards: expected a span such as 61 minutes, got {span.total_seconds():g} s")
        session().pass_time(span)

    @keyword
    def present_mark(self) -> int:
        """The number of the last event so far, for keywords that take ``since``."""
        return session().mark

    @keyword
    def advance_time_to(self, instant: timedelta) -> None:
        """Let bench time pass until so long after the bench started."""
        self.advance_time(max(instant - timedelta(microseconds=session().now // 1000), timedelta(0)))

    @keyword
    def civil_time(self) -> float:
        """The civil time of the bench now, in seconds since the Unix epoch."""
        return float(session().call("clock.civil")["civil_ns"]) / 1e9

    @keyword
    def break_contactor(self, contactor: str, fault: str) -> None:
        """Let a contactor of the virtual world break.

        ``fault``: welded, stuck open, slow, set coil open, reset coil open, aux stuck.
        """
        session().call("contactor.break", contactor=contactor, fault=fault)

    @keyword
    @judged("refused:{check}")
    def refusal_should_be_reported(self, device: str = "esme", *, check: Check, since: int | None = None) -> None:
        """The device must report that it refused a command at this check, since the test's latest action.

        Where that was sending a command, it is this one that must be refused; one that did not come to the device shows
        nothing of it.

        ``check``: DECODE, ADDRESSEE, COMMAND, SUPPORTED, ROLE, FORM, SIGNATURE, MAC, CONTENT or REPLAY.
        It is a report, the trace of an emulated device, and says why; that nothing was done is judged by its contact
        and by its answers.  What a device under test logs for itself is read from its security log.
        """
        self.bench_requires("trace")
        now = session()
        start = now.since(since)
        seen = [
            e for e in now.events if e.order > start and e.kind == CommandRefused.kind and e.fields["device"] == device
        ]
        asked = now.asked if since is None else None
        if asked is not None:
            seen = [e for e in seen if (e.fields["originator"], e.fields["counter"]) in (asked.names, (None, None))]
        if not any(event.fields["check"] == check.name.lower() for event in seen):
            failure = now.unmet(
                f"{device} to refuse a command at the check {check.name}",
                "; ".join(f"at {e.fields['check'].upper()}: {e.fields['reason']}" for e in seen) or "no refusal",
            )
            crossing_shown(now, device, asked, failure)
            raise failure

    @keyword
    @judged("executed-once")
    def execution_should_be_reported_once(self, command: dict[str, Any]) -> None:
        """The device must report that it executed this command once.

        It is a report, the trace of an emulated device, which not every bench can see.
        """
        self.bench_requires("trace")
        now = session()
        asked = asked_of(command)
        ids = {"counter": asked.counter, "originator": asked.originator}
        wanted = Matcher(CommandExecuted, command["device"], ids)
        done = [event for event in now.events if event.order > command["since"] and wanted.fits(event)]
        if len(done) != 1:
            failure = now.unmet(
                f"{command['device']} to execute {command['use_case']} #{command['counter']} once", f"{len(done)} times"
            )
            if not done:
                crossing_shown(now, command["device"], asked, failure)
            raise failure

    @keyword
    def cut_wan(self, device: str = "hub") -> None:
        """Cut the WAN link of a hub."""
        session().call("wan.set", device=device, up=False)

    @keyword
    def restore_wan(self, device: str = "hub") -> None:
        """Bring the WAN link of a hub back."""
        session().call("wan.set", device=device, up=True)

    @keyword
    def set_radio_reach(self, device: str, *, in_reach: bool) -> None:
        """Carry the radios of a device out of reach of all others, or back.

        Example:
        | Set Radio Reach    hht    in_reach=False |
        """
        session().call("air.reach", device=device, in_reach=in_reach)

    @keyword
    def cut_radio_after(self, device: str, *, frames: int) -> None:
        """Let the radios of ``device`` fall out of reach after it has sent so many more MAC frames."""
        session().call("air.cut_after", device=device, frames=frames)

    @keyword
    def switch_supply(self, supply: str, *, on: bool) -> None:
        """Switch a supply of the bench.

        Example:
        | Switch Supply    mains    on=False |
        """
        session().act("supply.switch", supply=supply, on=on)

    @keyword
    def outage_of(self, span: timedelta, supply: str = "mains") -> None:
        """Take a supply away for a span of bench time and give it back."""
        self.switch_supply(supply, on=False)
        self.advance_time(span)
        self.switch_supply(supply, on=True)


def _skip_slow(test: str) -> None:
    """A test that would keep a bench on a real clock for longer than its bench file allows is not begun."""
    now, built_in = session(), BuiltIn()
    source = built_in.get_variable_value("${SUITE SOURCE}")
    if now.clock != "real" or not source:
        return
    suite = str(built_in.get_variable_value("${SUITE NAME}", "")).rpartition(".")[2]
    seconds = bench_times.expected_s(Path(str(source)), suite, test)
    if seconds is not None:
        now.check_slow(seconds)


def _tell_unasked() -> None:
    """The alerts that came and that the test has not asked for: kept, counted, shown."""
    now = session()
    now.unasked = now.unasked_alerts()
    counted = Counter((one["code"], one["device"], one["party"]) for one in now.unasked)
    if counted:
        told = "; ".join(f"{code} of {device} at {party} (x{n})" for (code, device, party), n in counted.items())
        logger.info(f"Alerts that nobody asked for: {told}")


def _closed() -> tuple[Mapping[str, Any], SkipExecution | None]:
    """End the evidence of the test: its files, and why there are none on a bench that broke."""
    now = session()
    try:
        now.after = now.call("bench.state")["devices"]
        return now.call("evidence.close"), None
    except SkipExecution as broke:
        return {"files": [], "absent": {}}, broke


def _kept(drawing: str, manifest: Mapping[str, Any]) -> str:
    """Write the chart beside the other evidence of the test; the links to all of it."""
    now, folder = session(), evidence_folder()
    if folder is None:
        return ""
    place = folder / now.evidence
    place.mkdir(parents=True, exist_ok=True)
    (place / "sequence.svg").write_text(drawing, encoding="utf-8", errors="backslashreplace")
    now.files = [_evidence(place, now.evidence, str(entry["name"])) for entry in manifest["files"]]
    now.files.append(_evidence(place, now.evidence, "sequence.svg"))
    now.absent = dict(manifest["absent"])
    inside = place.absolute().as_uri()
    names = [str(entry["name"]) for entry in manifest["files"]] + ["sequence.svg"]
    link = "Evidence: " + " ".join(f"<a href='{inside}/{name}'>{name}</a>" for name in names)
    return link + "".join(f"; no {name}: {reason}" for name, reason in sorted(now.absent.items()))


def _bring_to(state: State) -> None:
    """Bring a fresh premises into a state, by the WAN and in the order of an installation; every step is seen at a tap,
    at a contact, or in what a party verified."""
    now = session()
    for name, told in now.devices.items():
        if told["kind"] == "comms_hub":
            expect_network(name, now.changed)
    if state in (State.FRESH, State.ANY):
        return
    supplier = Supplier()
    hub = now.hub_of("esme")
    if hub != "esme":
        since = now.mark
        supplier.admit_to_hub("esme")
        joined("esme", hub, since)
    if state in (State.INSTALLED, State.ENABLED):
        supplier.command_should_succeed(supplier.request("ECS70"))
        _switch(closed=state is State.ENABLED)


def _switch(*, closed: bool) -> None:
    """Have the load switch stand so.  A meter that left manufacture so, or kept its state, has nothing to move."""
    now, supplier, physics = session(), Supplier(), Physics()
    if physics.made("esme") is not closed:
        supplier.command_should_succeed(supplier.send_command("ECS42" if closed else "ECS43"))
        now.pass_time(SETTLED)
    physics.contact_should_be(closed=closed)


def _evidence(place: Path, folder: str, name: str) -> dict[str, Any]:
    """One file of evidence as it stands in the record: where it lies in the results folder, and its digest."""
    octets = (place / name).read_bytes()
    return {
        "name": f"evidence/{folder}/{name}",
        "size": len(octets),
        "sha256": hashlib.sha256(octets).hexdigest(),
    }
