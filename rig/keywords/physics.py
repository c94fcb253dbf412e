"""Robot library `rig.keywords.physics.Physics`: what is sensed, whatever the device reports.

A contact is judged by its auxiliary contact and by the current through it, and its operate time is the time from the
coil to the first make or break as the edges' own time stamps say.

Must not live here: what a device claims about itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from robot.api import SkipExecution, logger
from robot.api.deco import keyword, library

from devices.events.bench import PinMoved, PowerSwitched
from rig.bus.messages import Event
from rig.evidence.judging import Outcome, Reading, decide
from rig.keywords.allowance import Allowance
from rig.keywords.connection import Misused
from rig.keywords.judge import judge, judged
from rig.keywords.matching import Matcher, nanoseconds
from rig.keywords.session import session
from rig.keywords.silence import blame, crossing_shown, sound

__all__ = ["AUXILIARY", "INSTRUMENTS", "Physics", "fed"]

STAMPED_MS = 0.3
"""How far a time between coil and contact may be off where no virtual clock stamps both, k=2 (facts/pi-bench.md 8)."""
BOUNCE_SPAN = timedelta(milliseconds=20)
AUXILIARY = "aux_no"
COIL_OF = {True: ("contactor_set", "valve_open"), False: ("contactor_reset", "valve_close")}
"""The coil that makes the contact, and the one that breaks it: of a contactor, and of a valve with its limit switch."""
COILS = tuple(coil for coils in COIL_OF.values() for coil in coils)
INSTRUMENTS = {"gsme": "flow"}
"""Kind of device to the instrument behind its contact, where that is not the load's: a lamp stands for the gas."""


@library(scope="GLOBAL", auto_keywords=False)
class Physics:
    """Contacts, currents and supplies as instruments and contacts tell them."""

    @keyword
    @judged("contact-closes")
    def contact_should_close(
        self,
        device: str = "esme",
        *,
        instrument: str = "load",
        within: timedelta | None = None,
        since: int | None = None,
    ) -> float:
        """The main contact must close: auxiliary contact made and current flowing.  Returns the operate time in ms.

        It must do so after the latest thing that the test did (a command sent, a button pressed, a supply switched), or
        after the event ``since``; it may have done so already.  ``within``: left out, as long as the device may take by
        the bench file, and as long again.
        """
        return self._should_move(device, instrument, within, since, closed=True)

    @keyword
    @judged("contact-opens")
    def contact_should_open(
        self,
        device: str = "esme",
        *,
        instrument: str = "load",
        within: timedelta | None = None,
        since: int | None = None,
    ) -> float:
        """The main contact must open: auxiliary contact released and no current.  Returns the operate time in ms.

        Since when, see `Contact Should Close`.
        """
        return self._should_move(device, instrument, within, since, closed=False)

    @keyword
    @judged("contact-stands")
    def contact_should_be(self, *, closed: bool, device: str = "esme", instrument: str = "load") -> None:
        """The contact must stand so now, by auxiliary contact and by current.

        Example:
        | Contact Should Be    closed=True |
        """
        if not isinstance(closed, bool):
            raise Misused(f"closed is True or False, got {closed!r}")
        self._should_stand(device, instrument, closed)

    @keyword
    @judged("contact-stays")
    def contact_should_not_move(
        self, device: str = "esme", *, within: timedelta | None = None, since: int | None = None
    ) -> None:
        """From the test's latest action until so long from now neither coil nor contact may move.

        ``within``: left out, as long as the device may take by the bench file.  It says something only of a device that
        has its supply; and where the device was sent a command, by the latest action or before a button was pressed,
        only if that came to the device, or to the hub that keeps it until a gas meter wakes.
        """
        now = session()
        asked, start = now.led_to(device), now.since(since)
        if asked is not None and (not asked.out or (since is not None and asked.since < since)):
            asked = None  # it never went out, or is older than what is looked at
        begun = now.time_of(start)
        now.pass_time(_allowed(device).declared if within is None else within)
        moved = [e for e in now.events if e.order > start and e.kind == PinMoved.kind and e.fields["device"] == device]
        # A pulse that began before ends in this span: of the coils only current that begins counts.
        moved = [e for e in moved if e.fields["pin"] == AUXILIARY or (e.fields["pin"] in COILS and e.fields["level"])]
        if moved:
            raise now.unmet(
                f"no contact of {device} to move", f"{moved[0].fields['pin']} at {moved[0].at_ns / 1e9:.6f} s"
            )
        cause = f"#{asked.counter} to come to {device}" if asked is not None else f"{device} to have its supply"
        sleeps = "wake" in now.told(device)["takes"]
        crossing_shown(
            now, device, asked, now.unmet(f"{cause} and to move no contact", "no move"),
            waits_at=now.hub_of(device) if sleeps else "",
        )  # fmt: skip
        now.tell_nothing_came(f"move of {device}", begun, f"the wires of its coils and of {AUXILIARY}")

    @keyword
    def operate_time_should_be_usual(self, milliseconds: float, device: str = "esme") -> None:
        """The operate time that a contact or valve took must be within what is expected of it; it ends no test.

        What is expected is a default of this project unless the bench file declares ``operate_ms`` of the device.

        Example:
        | ${time}=    Contact Should Close |
        | Operate Time Should Be Usual    ${time} |
        """
        now = session()
        spread = STAMPED_MS if now.described.get("not_repeatable") else 0.0
        reading = Reading(milliseconds, "ms", spread, "", now.now)
        logger.info(str(judge().measured(judge().expectation("operate-time", device), device, reading)))

    @keyword
    def read_instrument(self, instrument: str = "load") -> dict[str, Any]:
        """One reading of each quantity of an instrument: ``current``, ``voltage`` and ``power``.

        Each holds ``value``, ``unit``, ``uncertainty`` (k=2, in the same unit), ``at_ns`` (bench clock) and
        ``instrument``.
        """
        readings: dict[str, Any] = dict(session().call("instrument.read", instrument=instrument)["readings"])
        return readings

    def made(self, device: str) -> bool:
        """Whether the auxiliary contact of a device is made now."""
        return bool(session().call("pin.read", device=device, pin=AUXILIARY)["level"])

    def _should_move(
        self, device: str, instrument: str, within: timedelta | None, since: int | None, *, closed: bool
    ) -> float:
        now, allowed = session(), _allowed(device)
        span = allowed.patience if within is None else within
        start = now.since(since)
        deadline = now.now + nanoseconds(span)
        edge = Matcher(PinMoved, device, {"pin": AUXILIARY, "level": closed})
        while (move := _last_move(now.events, device, start, closed=closed)) is None and now.now < deadline:
            if now.wait(edge, timedelta(microseconds=(deadline - now.now) // 1000), now.last) is None:
                break
        if move is None and now.find(edge, start) is None:
            unmoved = self._unmoved(device, instrument, span, closed=closed)
            blame(now, device, now.led_to(device), unmoved, answer=False)
        now.pass_time(BOUNCE_SPAN)
        self._should_stand(device, instrument, closed)
        if move is None:
            raise now.unmet(
                f"{' or '.join(COIL_OF[closed])} driven before the contact moved",
                "a contact that moved without its coil",
            )
        coil, contact = move
        now.timed(allowed, contact, start)
        operate_ms = (contact.at_ns - coil.at_ns) / 1e6
        bounces = sum(event.order > contact.order and edge.fits(event) for event in now.events)
        logger.info(f"operate time {operate_ms:.3f} ms from coil to contact, {bounces} bounces")
        return operate_ms

    def _unmoved(self, device: str, instrument: str, within: timedelta, *, closed: bool) -> AssertionError:
        current = self.read_instrument(instrument)["current"]
        word = "close" if closed else "open"
        return session().unmet(
            f"the contact of {device} to {word} within {within.total_seconds():g} s",
            f"no edge of its auxiliary contact, and {current['value']:.4f} A through it",
        )

    def _should_stand(self, device: str, instrument: str, closed: bool) -> None:
        now = session()
        aux = self.made(device)
        current = self.read_instrument(instrument)["current"]
        reading = Reading(abs(current["value"]), "A", current["uncertainty"], instrument, current["at_ns"])
        flows = decide(judge().dated(reading), judge().limit("current-flows"))
        logger.info(f"auxiliary contact of {device} {'made' if aux else 'released'}")
        got = f"auxiliary contact {'made' if aux else 'released'} and {current['value']:.4f} A"
        got += f" ± {current['uncertainty']:.4f} A"
        if aux != closed or flows is (Outcome.MISSED if closed else Outcome.MET):
            failure = now.unmet(f"the contact of {device} {'closed' if closed else 'open'}", got)
            if closed and aux:  # made, and dark: there may be nothing to flow
                sound(now, failure, device)
                fed(instrument, failure)
            raise failure
        if flows is Outcome.INCONCLUSIVE:
            why = judge().dated(reading).expired or f"too close to {judge().limit('current-flows')}"
            raise SkipExecution(f"INCONCLUSIVE: whether the contact of {device} stands so: {got}; {why}")


def fed(instrument: str, failure: AssertionError) -> None:
    """Skip as INFRA where the test has switched off what feeds the load behind an instrument."""
    now = session()
    supply = now.described["feeds"].get(instrument, "")
    switched = [e for e in now.events if e.kind == PowerSwitched.kind and e.fields["device"] == supply]
    if switched and not switched[-1].fields["on"]:
        raise SkipExecution(f"INFRA: {failure}; but {supply}, which feeds the load, is off")


def _allowed(device: str) -> Allowance:
    """What a device may take to move its contact, or its valve."""
    return session().takes(device, "wake", "contact", "valve")


def _last_move(events: Sequence[Event], device: str, since: int, *, closed: bool) -> tuple[Event, Event] | None:
    """The last drive of the coil after which the contact went where it should, and the first edge that says so.

    An edge that follows the other coil is a bounce, however it may look."""
    coil: Event | None = None
    move = None
    for event in events:
        if event.order <= since or event.kind != PinMoved.kind or event.fields["device"] != device:
            continue
        pin, level = event.fields["pin"], event.fields["level"]
        if pin in COILS and level:
            coil = event if pin in COIL_OF[closed] else None
        elif pin == AUXILIARY and level is closed and coil is not None:
            move, coil = (coil, event), None
    return move
