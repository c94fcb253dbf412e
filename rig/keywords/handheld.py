"""Robot library `rig.keywords.handheld.HandHeld`: an installer with a pass-through hand-held terminal.

Must not live here: what the terminal does by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import Enum
from typing import Any

from robot.api import SkipExecution, logger
from robot.api.deco import keyword, library

from devices.events.messages import MessageReceived, MessageSent
from devices.events.terminals import HubsFound, JobDone, TerminalConnected
from rig.keywords import published
from rig.keywords.connection import Misused
from rig.keywords.judge import judged
from rig.keywords.matching import Matcher
from rig.keywords.session import session
from rig.keywords.silence import Loaded, blame, blame_hub, sound
from rig.keywords.taps import beacons, crossed, from_terminal, let_in, tapped

__all__ = ["CommandState", "HandHeld"]

SCANS = 5
"""How often an installer scans who looks for a hub and does not find it."""


class CommandState(Enum):
    """What became of a command of a work order."""

    LOADED = "loaded"
    SENT = "sent"
    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    INTERRUPTED = "interrupted"
    EXPIRED = "expired"


@library(scope="GLOBAL", auto_keywords=False)
class HandHeld:
    """The operator of a hand-held terminal: finds hubs, connects to one, applies the commands of a work order."""

    @keyword
    @judged("hubs-listed")
    def find_hubs(self, *wanted: str, device: str = "hht", within: timedelta | None = None) -> list[str]:
        """Scan for hubs; returns their EUI-64s as the terminal lists them, strongest first.

        The list must be that of the hubs whose beacons came to the terminal's radio, by the tap there.  A scan may miss
        a hub; with hubs ``wanted`` by name an installer scans again, up to five times.
        """
        now = session()
        euis, hubs = {now.eui(name) for name in wanted}, list[str]()
        for _ in range(SCANS):
            since = now.scanned[device] = now.mark
            now.ask(device, "scan")
            end = now.expect(beacons(device), now.takes(device, "scan"), since, within=within)
            hubs = _listed(device, since)
            if set(hubs) != set(end.fields["networks"]):
                raise now.unmet(
                    f"{device} to list the hubs whose beacons came to its radio ({_names(end.fields['networks'])})",
                    _names(hubs),
                )
            if euis <= set(hubs):
                break
        logger.info(f"hubs in reach: {_names(hubs)}")
        return hubs

    @keyword
    def load_work_order(self, commands: list[dict[str, Any]], *, hub: str = "hub", device: str = "hht") -> None:
        """Load the commands of a work order for the premises of ``hub``."""
        now = session()
        now.loaded |= {str(c["name"]): Loaded(str(c["octets"]), now.mark) for c in commands}
        entries = [{"name": c["name"], "device": c["target"], "octets": c["octets"]} for c in commands]
        now.ask(device, "load", hub=now.eui(hub), work_order=entries)

    @keyword
    @judged("window-open")
    def connect_to_hub(self, hub: str = "hub", *, device: str = "hht", within: timedelta | None = None) -> None:
        """Choose a hub that the terminal has found and connect to it by inter-PAN.

        The hub must grant a tunnel, by the frames at the terminal's radio.  One that does not, although what the
        terminal sent came to it, is the silent one.
        """
        now = session()
        since, place = now.mark, hub if hub in now.devices else now.device_with(hub)
        eui = now.eui(place) if place in now.devices else _plain(hub)
        now.ask(device, "connect", hub=eui)
        connected = let_in(now, device, eui)
        allowed = now.takes(device, "connect")
        span = allowed.patience if within is None else within
        found = now.wait(connected, span, since)
        if found is None and now.find(Matcher(TerminalConnected, device, {}), since):
            raise now.unmet(f"frames of {hub} at {device}", f"none, and {device} reports that it is connected")
        if found is None:
            blame_hub(now, place, device, since, now.unseen(connected, span, since))
        now.timed(allowed, found, since)

    @keyword
    @judged("window-closed")
    def hub_should_not_answer(self, hub: str = "hub", *, device: str = "hht", within: timedelta | None = None) -> None:
        """The terminal must find no open inter-PAN window at the hub: nothing may come from the hub by inter-PAN.

        Judged by the frames at the terminal's radio; what the terminal sent must have come to the hub.

        ``within``: left out, as long as connecting may take.
        """
        now = session()
        since, begun = now.mark, now.now
        now.ask(device, "connect", hub=now.eui(hub))
        span = now.takes(device, "connect").declared if within is None else within
        now.wait(let_in(now, device, now.eui(hub)), span, since)
        heard = crossed(now, since, hub, device)
        if heard:
            raise now.unmet(
                f"{hub} not to answer by inter-PAN", f"{len(heard)} frames, the first at {heard[0].at_ns / 1e9:.6f} s"
            )
        _asked_for_it(hub, device, now.unmet(f"{hub} to be asked by {device} and not to answer", "no answer"), since)
        now.tell_nothing_came(f"frame of {hub}", begun, f"the inter-PAN radio of {device}")

    @keyword
    @judged("terminal-refuses")
    def connecting_should_be_refused(self, hub: str, *, device: str = "hht") -> str:
        """The terminal must refuse to connect to this hub, and say why; returns its words.

        It must also send nothing to that hub: judged by the frames at the terminal's radio.
        """
        now = session()
        since, begun, words = now.mark, now.now, ""
        try:
            now.ask(device, "connect", hub=now.eui(hub))
        except Misused as refusal:
            words = str(refusal)
        now.pass_time(now.takes(device, "connect").declared)
        peer = bytes.fromhex(now.eui(hub))
        sent = [one for one in tapped(now, since, device)[0] if one.device == device and one.out and one.peer == peer]
        if sent or not words:
            raise now.unmet(
                f"the terminal to refuse {hub} and to send it nothing",
                f"{words or 'no refusal'}, and {len(sent)} frames to it",
            )
        now.tell_nothing_came(f"frame of {device} to {hub}", begun, f"the inter-PAN radio of {device}")
        logger.info(f"refused: {words}")
        return words

    @keyword
    def apply_command(self, name: str = "all", *, device: str = "hht") -> None:
        """Apply one command of the work order by its name, or all of them one after the other."""
        now = session()
        now.begin_action("" if name == "all" else name.upper())
        since = now.mark
        now.ask(device, "apply", **_picked(name))
        if name in now.loaded:
            now.asked = now.loaded[name].asked(device, since)

    @keyword
    @judged("command-answered")
    def apply_and_wait(self, *names: str, device: str = "hht", within: timedelta | None = None) -> None:
        """Apply these commands one after the other, each answered before the next.

        ``within``: left out, as long as terminal and device may take by the bench file, and as long again.
        """
        session().begin_action(names[-1].upper() if names else "")
        for name in names or ("all",):
            since = session().mark
            for picked in session().ask(device, "apply", **_picked(name))["picked"]:
                _answered(picked, device, within, since)

    @keyword
    @judged("command-answered")
    def resume_work_order(self, *, device: str = "hht", within: timedelta | None = None) -> None:
        """Go on with the command at which the transfer broke off."""
        session().begin_action()
        since = session().mark
        for picked in session().ask(device, "resume")["picked"]:
            _answered(picked, device, within, since)

    @keyword
    def command_states(self, *, device: str = "hht") -> dict[str, str]:
        """The state of each command of the work order, by name, as the terminal reports it."""
        return {str(c["name"]): str(c["state"]) for c in session().ask(device, "status")["commands"]}

    @keyword
    @judged("work-order-state")
    def command_should_be(self, name: str, state: CommandState, *, device: str = "hht") -> None:
        """A command of the work order must be in this state, as the terminal reports it and as the tap has it.

        A command is ANSWERED if, and only if, its answer came to the terminal; one that is LOADED has not left it.
        """
        now = session()
        states = self.command_states(device=device)
        if states.get(name) != state.value:
            raise now.unmet(f"{name} {state.value}", states or "an empty work order")
        if name not in now.loaded:
            raise Misused(f"{name} was not loaded by this test; load it with Load Work Order")
        asked = now.loaded[name].asked(device)
        mine = [event for event in now.events if event.order > asked.since and event.fields.get("device") == device]
        answered = any(event.kind == MessageReceived.kind and asked.answers(event) for event in mine)
        left = any(event.kind == MessageSent.kind and asked.carries(event) for event in mine)
        if answered != (state is CommandState.ANSWERED) or (left and state is CommandState.LOADED):
            raise now.unmet(
                f"{name} {state.value} at the tap of {device}",
                f"it has{'' if left else ' not'} left and was{'' if answered else ' not'} answered there",
            )

    @keyword
    def unload_terminal(self, *, device: str = "hht") -> list[str]:
        """Take everything that the terminal collected; returns the messages as hex, to be handed to the supplier."""
        return [str(message["octets"]) for message in session().ask(device, "unload")["messages"]]

    @keyword
    def send_foreign_frame(self, *, cluster: int, octets: str, hub: str = "hub", device: str = "hht") -> None:
        """Send a frame that is no tunnel of messages from the terminal's radio to a hub, as an attacker would.

        Example:
        | Send Foreign Frame    cluster=${0x0702}    octets=000100 |
        """
        session().act("interpan.send", device=device, hub=hub, cluster=cluster, octets=octets)

    @keyword
    @judged("hub-found")
    def hub_should_be_among(self, hub: str, hubs: list[str], *, terminal: str = "hht") -> None:
        """The number printed on the hub must be among those that a scan of the terminal found.

        A list is a report.  It is held against the beacons that came to the terminal's radio in this test: a hub that
        is in it must have been heard there, and one whose beacon was heard in the latest scan must be in it.  A hub
        that sent its beacon onto the air, which no radio of the terminal received, is not to blame; nor is one to which
        no request of the terminal came, by the tap of the virtual air.
        """
        now = session()
        scans = [e for e in now.events if beacons(terminal).fits(e)]
        heard = [now.eui(hub) in event.fields["networks"] for event in scans]
        listed = now.eui(hub) in map(_plain, hubs)
        if listed and not any(heard):
            raise now.unmet(f"a beacon of {hub} at the radio of {terminal}", "none, and the list has it")
        if listed:
            return
        failure = now.unmet(f"{hub} among the hubs found", _names(hubs))
        if heard and heard[-1]:
            raise now.unmet(f"{hub} among the hubs found, for its beacon came to {terminal}", _names(hubs))
        sound(now, failure, hub, terminal)
        told = now.call("tap.beacon", device=hub, by=terminal, since=now.scanned.get(terminal, now.begun))
        if told["at_ns"] is not None:
            at = f"{told['at_ns'] / 1e9:.6f} s"
            raise SkipExecution(f"INFRA: {failure}; but {hub} sent a beacon at {at}, and it did not come to {terminal}")
        if told["asked_ns"] is None:
            raise SkipExecution(f"INFRA: {failure}; but no tap has a beacon request of {terminal} arriving at {hub}")
        raise failure

    @keyword
    def published_commands(self, *names: str) -> list[dict[str, Any]]:
        """Published supplier commands as a work order, from the corpus: by use case, the SUCCESS one."""
        return [published.command(name) for name in names]

    @keyword
    def corpus_must_be_there(self) -> None:
        """Skip the test where the published messages are not beside the clone."""
        reason = published.absent()
        if reason:
            raise SkipExecution(f"SKIPPED: {reason}")


def _answered(name: str, device: str, within: timedelta | None, since: int) -> None:
    """The answer to the command must come to the terminal, by its tap; what the terminal reports of it is held against
    that, and is no answer."""
    now = session()
    if name not in now.loaded:
        raise Misused(f"{name} was not loaded by this test; load it with Load Work Order")
    asked = now.loaded[name].asked(device, since)
    target = now.device_with(asked.recipient)
    span = now.takes(device, "answer").patience if within is None else within
    ids = {"cra": "response", "originator": now.printed(asked.recipient), "recipient": now.printed(asked.originator)}
    answer = Matcher(
        MessageReceived, device, {**ids, "counter": asked.counter}, f"an answer to {name} at the tap of {device}"
    )
    found = now.wait(answer, span, since)
    reported = now.find(Matcher(JobDone, device, {"name": name, "state": CommandState.ANSWERED.value}), since)
    if reported is not None and (found is None or reported.order < found.order):
        came = "none" if found is None else f"one at {found.at_ns / 1e9:.6f} s"
        raise now.unmet(str(answer), f"{came}, and {device} reports one at {reported.at_ns / 1e9:.6f} s")
    if found is None:
        blame(now, target, asked, now.unseen(answer, span, since))
    now.timed(now.takes(target, "wake", "answer"), found, since)


def _asked_for_it(hub: str, terminal: str, failure: AssertionError, since: int) -> None:
    """Skip as INFRA where nothing of the terminal came to the hub: silence shows nothing then.  Into a hub under test
    nobody sees; what came there was acknowledged."""
    now = session()
    sound(now, failure, terminal, hub)
    sent, came = from_terminal(now, since, terminal, hub)
    if not sent or not came:
        raise SkipExecution(f"INFRA: {failure}; but nothing of {terminal} came to {hub}")


def _listed(device: str, since: int) -> list[str]:
    """The hubs that a terminal reports at the end of its scan."""
    told = session().find(Matcher(HubsFound, device, {}), since)
    return [] if told is None else [str(hub) for hub in told.fields["hubs"]]


def _names(hubs: Iterable[str]) -> str:
    return ", ".join(f"{hub} ({session().device_with(hub)})" for hub in hubs) or "none"


def _plain(eui: str) -> str:
    return eui.replace("-", "").lower()


def _picked(name: str) -> dict[str, str]:
    return {"which": "all"} if name == "all" else {"name": name}
