"""Robot library `rig.keywords.handheld.HandHeld`: an installer with a pass-through hand-held terminal.

Must not live here: what the terminal does by itself.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import Any

from robot.api import SkipExecution, logger
from robot.api.deco import keyword, library

from devices.events.terminals import HubsFound, JobDone, TerminalConnected
from rig.keywords import published
from rig.keywords.judge import judged
from rig.keywords.session import Matcher, Misused, session

__all__ = ["CommandState", "HandHeld"]

SCANS = 5


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
    def find_hubs(self, *wanted: str, device: str = "hht", within: timedelta = timedelta(seconds=10)) -> list[str]:
        """Scan for hubs; returns their printed EUI-64s, strongest first.

        A scan may miss a hub; with hubs ``wanted`` by name an installer scans again, up to five times.
        """
        now = session()
        hubs: list[str] = []
        for _ in range(SCANS if wanted else 1):
            since = now.mark
            now.ask(device, "scan")
            event = now.expect(Matcher(HubsFound, device, {}, "the end of a scan"), within, since)
            hubs = [str(hub) for hub in event.fields["hubs"]]
            if all(now.devices[name]["eui"] in hubs for name in wanted):
                break
        logger.info(f"hubs in reach: {', '.join(f'{hub} ({now.device_with(hub)})' for hub in hubs) or 'none'}")
        return hubs

    @keyword
    def load_work_order(self, commands: list[dict[str, Any]], *, hub: str = "hub", device: str = "hht") -> None:
        """Load the commands of a work order for the premises of ``hub``."""
        now = session()
        entries = [{"name": c["name"], "device": c["target"], "octets": c["octets"]} for c in commands]
        now.ask(device, "load", hub=now.devices[hub]["eui"], work_order=entries)

    @keyword
    @judged("window-open")
    def connect_to_hub(
        self, hub: str = "hub", *, device: str = "hht", within: timedelta = timedelta(seconds=15)
    ) -> None:
        """Choose a hub that the terminal has found and connect to it by inter-PAN."""
        now = session()
        since = now.mark
        now.ask(device, "connect", hub=now.devices[hub]["eui"] if hub in now.devices else hub)
        now.expect(Matcher(TerminalConnected, device, {}, f"{device} connected to {hub}"), within, since)

    @keyword
    @judged("window-closed")
    def hub_should_not_answer(
        self, hub: str = "hub", *, device: str = "hht", within: timedelta = timedelta(seconds=15)
    ) -> None:
        """The terminal must find no open inter-PAN window at the hub."""
        now = session()
        since = now.mark
        now.ask(device, "connect", hub=now.devices[hub]["eui"])
        if now.wait(Matcher(TerminalConnected, device, {}), within, since) is not None:
            raise now.unmet(f"{hub} not to answer by inter-PAN", "a tunnel was opened")

    @keyword
    @judged("terminal-refuses")
    def connecting_should_be_refused(self, hub: str, *, device: str = "hht") -> str:
        """The terminal must refuse to connect to this hub, and say why; returns its words."""
        now = session()
        try:
            now.ask(device, "connect", hub=now.devices[hub]["eui"])
        except Misused as refusal:
            logger.info(f"refused: {refusal}")
            return str(refusal)
        raise now.unmet(f"the terminal to refuse {hub}", "it connected")

    @keyword
    def apply_command(self, name: str = "all", *, device: str = "hht") -> None:
        """Apply one command of the work order by its name, or all of them one after the other."""
        session().begin_action("" if name == "all" else name.upper())
        session().ask(device, "apply", **_picked(name))

    @keyword
    @judged("command-answered")
    def apply_and_wait(self, *names: str, device: str = "hht", within: timedelta = timedelta(seconds=60)) -> None:
        """Apply these commands one after the other, each answered before the next."""
        session().begin_action(names[-1].upper() if names else "")
        for name in names or ("all",):
            since = session().mark
            for picked in session().ask(device, "apply", **_picked(name))["picked"]:
                _answered(picked, device, within, since)

    @keyword
    @judged("command-answered")
    def resume_work_order(self, *, device: str = "hht", within: timedelta = timedelta(seconds=60)) -> None:
        """Go on with the command at which the transfer broke off."""
        session().begin_action()
        since = session().mark
        for picked in session().ask(device, "resume")["picked"]:
            _answered(picked, device, within, since)

    @keyword
    def command_states(self, *, device: str = "hht") -> dict[str, str]:
        """The state of each command of the work order, by name."""
        return {str(c["name"]): str(c["state"]) for c in session().ask(device, "status")["commands"]}

    @keyword
    @judged("work-order-state")
    def command_should_be(self, name: str, state: CommandState, *, device: str = "hht") -> None:
        """A command of the work order must be in this state."""
        states = self.command_states(device=device)
        if states.get(name) != state.value:
            raise session().unmet(f"{name} {state.value}", states or "an empty work order")

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
    def hub_should_be_among(self, hub: str, hubs: list[str]) -> None:
        """The number printed on the hub must be among those that a scan found."""
        if session().devices[hub]["eui"] not in hubs:
            raise session().unmet(f"{hub} among the hubs found", hubs)

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


def _answered(name: str, device: str, within: timedelta, since: int) -> None:
    """The terminal must hold an answer to the command; silence and a broken transfer are none."""
    done = session().expect(Matcher(JobDone, device, {"name": name}), within, since)
    if done.fields["state"] != "answered":
        raise session().unmet(f"an answer to {name}", done.fields["state"])


def _picked(name: str) -> dict[str, str]:
    return {"which": "all"} if name == "all" else {"name": name}
