"""Robot library `rig.keywords.physics.Physics`: what is sensed, whatever the device reports.

A contact is judged by its auxiliary contact and by the current through it, and its operate time is the time from the
coil to the first make or break as the edges' own time stamps say.

Must not live here: what a device claims about itself.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from robot.api import logger
from robot.api.deco import keyword, library

from rig.keywords.session import Matcher, session

__all__ = ["Physics"]

# A lamp of the bench draws some 0.2 A at 24 V; a tenth of that is far above the meter's noise.
FLOWING_AMPERES = 0.02
COILS = ("contactor_set", "contactor_reset")
BOUNCE_SPAN = timedelta(milliseconds=20)


@library(scope="GLOBAL", auto_keywords=False)
class Physics:
    """Contacts, currents and supplies as instruments and contacts tell them."""

    @keyword
    def contact_should_close(
        self,
        device: str = "esme",
        *,
        instrument: str = "load",
        within: timedelta = timedelta(seconds=5),
        since: int | None = None,
    ) -> float:
        """The main contact must close: auxiliary contact made and current flowing.  Returns the operate time in ms."""
        return self._should_move(device, instrument, within, since, closed=True)

    @keyword
    def contact_should_open(
        self,
        device: str = "esme",
        *,
        instrument: str = "load",
        within: timedelta = timedelta(seconds=5),
        since: int | None = None,
    ) -> float:
        """The main contact must open: auxiliary contact released and no current.  Returns the operate time in ms."""
        return self._should_move(device, instrument, within, since, closed=False)

    @keyword
    def contact_should_be(self, *, closed: bool, device: str = "esme", instrument: str = "load") -> None:
        """The contact must stand so now, by auxiliary contact and by current."""
        self._should_stand(device, instrument, closed)

    @keyword
    def contact_should_not_move(
        self, device: str = "esme", *, within: timedelta = timedelta(seconds=5), since: int | None = None
    ) -> None:
        """For so long neither coil nor contact may move."""
        now = session()
        start = now.mark if since is None else since
        now.call("clock.advance", span_ns=int(within.total_seconds() * 1e9), until=None)
        moved = [e for e in now.events if e.order > start and e.kind == "edge" and e.fields["device"] == device]
        # A pulse that began before ends in this span: of the coils only current that begins counts.
        moved = [e for e in moved if e.fields["pin"] == "aux_no" or (e.fields["pin"] in COILS and e.fields["level"])]
        if moved:
            raise now.unmet(
                f"no contact of {device} to move", f"{moved[0].fields['pin']} at {moved[0].at_ns / 1e9:.6f} s"
            )

    @keyword
    def read_instrument(self, instrument: str = "load") -> dict[str, Any]:
        """One reading of each quantity of an instrument: value, unit, uncertainty (k=2), time, instrument."""
        readings: dict[str, Any] = dict(session().call("instrument.read", instrument=instrument)["readings"])
        return readings

    def _should_move(
        self, device: str, instrument: str, within: timedelta, since: int | None, *, closed: bool
    ) -> float:
        now = session()
        start = now.mark if since is None else since
        aux = now.wait(Matcher("edge", device, {"pin": "aux_no", "level": closed}), within, start)
        if aux is None:
            self._say_unmoved(device, instrument, within, closed=closed)
            raise AssertionError  # not reached: the line above raises
        coil_pin = "contactor_set" if closed else "contactor_reset"
        coils = [
            e for e in now.events
            if e.kind == "edge" and e.fields["device"] == device and e.fields["pin"] == coil_pin and e.fields["level"] and start < e.order <= aux.order
        ]  # fmt: skip
        now.call("clock.advance", span_ns=int(BOUNCE_SPAN.total_seconds() * 1e9), until=None)
        self._should_stand(device, instrument, closed)
        if not coils:
            raise now.unmet(f"{coil_pin} driven before the contact moved", "a contact that moved without its coil")
        operate_ms = (aux.at_ns - coils[-1].at_ns) / 1e6
        bounces = [
            e
            for e in now.events
            if e.order > aux.order and e.kind == "edge" and e.fields["device"] == device and e.fields["pin"] == "aux_no"
        ]
        logger.info(f"operate time {operate_ms:.3f} ms from coil to contact, {len(bounces) // 2} bounces")
        return operate_ms

    def _say_unmoved(self, device: str, instrument: str, within: timedelta, *, closed: bool) -> None:
        current = self.read_instrument(instrument)["current"]
        word = "close" if closed else "open"
        raise session().unmet(
            f"the contact of {device} to {word} within {within.total_seconds():g} s",
            f"no edge of its auxiliary contact, and {current['value']:.4f} A through it",
        )

    def _should_stand(self, device: str, instrument: str, closed: bool) -> None:
        now = session()
        aux = bool(now.call("pin.read", device=device, pin="aux_no")["level"])
        current = self.read_instrument(instrument)["current"]
        flowing = current["value"] - current["uncertainty"] > FLOWING_AMPERES
        quiet = abs(current["value"]) < FLOWING_AMPERES
        if aux != closed or not (flowing if closed else quiet):
            raise now.unmet(
                f"the contact of {device} {'closed' if closed else 'open'}",
                f"auxiliary contact {'made' if aux else 'released'} and {current['value']:.4f} A ± {current['uncertainty']:.4f} A",
            )
