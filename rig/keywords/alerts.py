"""Robot library `rig.keywords.alerts.Alerts`: what devices tell of their own accord.

Must not live here: responses (``supplier``).
"""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from robot.api import SkipExecution, logger
from robot.api.deco import keyword, library

from devices.events.bench import SendingFailed
from devices.events.messages import MessageReceived, OutageNoticeSent
from devices.events.parties import OutageTold, PartyReceived
from devices.wire import cosem, gbcs
from rig.evidence.judging import Limit, Reading
from rig.keywords.connection import Misused
from rig.keywords.judge import judge, judged
from rig.keywords.matching import Matcher
from rig.keywords.session import ALERT, Session, session
from rig.keywords.silence import blame, heard_of

__all__ = ["Alerts"]


@library(scope="GLOBAL", auto_keywords=False)
class Alerts:
    """Alerts as the parties that they are for received and verified them.

    An alert that nobody asked for is kept, counted and shown at the end of its test; it fails none whose claim is about
    something else.
    """

    @keyword
    @judged("alert-arrives:{code}")
    def alert_should_arrive(
        self,
        code: str,
        *,
        device: str = "esme",
        party: str = "supplier",
        within: timedelta | None = None,
        since: int | None = None,
    ) -> dict[str, Any]:
        """A verified alert of the device with this code must reach ``party``; returns what it says.

        ``within``: left out, as long as the device may take by the bench file, and as long again.

        Example:
        | ${alert}=    Alert Should Arrive    0x8F36    party=network_operator |
        """
        now = session()
        allowed = now.takes(device, "wake", "rejoin", "alert")
        event = now.expect(_alert(code, device, party), allowed, now.since(since), within=within, hears=party)
        now.claimed.add(event.order)
        if not event.fields.get("verified"):
            raise now.unmet(f"alert {code} with valid protection", now.words(event))
        return {**event.fields, **_times(str(event.fields["octets"]))}

    @keyword
    @judged("alert-once:{code}")
    def alert_should_arrive_once(
        self,
        code: str,
        *,
        device: str = "esme",
        party: str = "supplier",
        within: timedelta | None = None,
        since: int | None = None,
    ) -> dict[str, Any]:
        """As `Alert Should Arrive`, and no second one with this code may come until ``within`` is over.

        Left out: as long as the device may take.  Counted at the tap of ``party``, a repetition of the same octets too.
        """
        now = session()
        start, begun = now.since(since), now.now
        told = self.alert_should_arrive(code, device=device, party=party, within=within, since=start)
        span, came_by = now.takes(device, "wake", "alert").declared if within is None else within, now.now
        now.pass_time(max(span - timedelta(microseconds=(now.now - begun) // 1000), timedelta(0)))
        mine = [event for event in now.events if event.order > start and _alert(code, device, party).fits(event)]
        now.claimed |= {event.order for event in mine}
        alike = {event.fields["octets"] for event in mine}
        came = [
            event for event in now.events
            if event.order > start and event.kind == MessageReceived.kind and event.fields["device"] == party
            and event.fields["octets"] in alike
        ]  # fmt: skip
        if len(came) != 1:
            times = ", ".join(f"{event.at_ns / 1e9:.6f} s" for event in came)
            raise now.unmet(f"one alert {code} of {device} at the tap of {party}", f"{len(came)}, at {times}")
        now.tell_nothing_came(f"second alert {code} of {device}", came_by, f"messages at {party}")
        return told

    @keyword
    @judged("no-alert:{code}")
    def no_alert_should_arrive(
        self,
        code: str,
        *,
        device: str = "esme",
        party: str = "supplier",
        within: timedelta | None = None,
        since: int | None = None,
    ) -> None:
        """For so long no alert of the device with this code may reach ``party``; left out: as long as it may take.

        It says something only where an alert could have come: the device has its supply, and its way to the parties
        carries something, in this test or in answer to a read made at once.
        """
        now = session()
        begun, wanted, start = now.now, _alert(code, device, party), now.since(since)
        span = now.takes(device, "wake", "alert").declared if within is None else within
        event = now.wait(wanted, span, start)
        over = now.now
        if event is None:
            heard_of(now, device, party, now.unmet(f"no alert {code} at {party} while one could come", "none"))
            if within is None:  # a read that was made at once gave it more time
                event, over = now.find(wanted, start), now.now
        if event is not None:
            raise now.unmet(f"no alert {code} at {party}", f"one at {event.at_ns / 1e9:.6f} s")
        now.tell_nothing_came(f"alert {code} of {device}", begun, f"messages at {party}", over)

    @keyword
    @judged("outage-told")
    def hub_should_tell_of_outage(
        self,
        hub: str = "hub",
        *,
        party: str = "network_operator",
        within: timedelta | None = None,
        since: int | None = None,
    ) -> dict[str, Any]:
        """The hub must tell ``party`` once that it is without supply (AD1), from stored energy while that lasts.

        Returns ``started``: since when, by the hub's clock, in seconds since the Unix epoch.  Look after the supply is
        back.  ``since``: left out, from the beginning of the test; ``within``: left out, as long as the hub may take.

        Example:
        | Outage Of    181 seconds |
        | ${notice}=    Hub Should Tell Of Outage |
        """
        now = session()
        start, wanted = now.begun if since is None else since, _notice(hub, party)
        span = now.takes(hub, "alert").patience if within is None else within
        found = now.wait(wanted, span, start)
        if found is None:
            failure = now.unseen(wanted, span, start)
            _lost_notice(now, hub, start, failure)
            blame(now, hub, None, failure, hears=party, since=start)
        came = [event for event in now.events if event.order > start and wanted.fits(event)]
        if len(came) != 1:
            raise now.unmet(f"one notice of an outage of {hub}", len(came))
        return dict(found.fields)

    @keyword
    @judged("no-outage-told")
    def hub_should_not_tell_of_outage(
        self,
        hub: str = "hub",
        *,
        party: str = "network_operator",
        within: timedelta | None = None,
        since: int | None = None,
    ) -> None:
        """No notice of an outage of the hub (AD1) may leave it, or come to ``party``, until ``within`` is over; left
        out: as long as the hub may take.  ``since``: left out, from the beginning of the test."""
        now = session()
        start, begun = now.begun if since is None else since, now.now
        came, left = _notice(hub, party), Matcher(OutageNoticeSent, hub, {})
        event = now.wait(came, now.takes(hub, "alert").declared if within is None else within, start)
        event, over = event or now.find(left, start), now.now
        if event is None:
            failure = now.unmet(f"no notice of an outage of {hub} while one could come", "none")
            _lost_notice(now, hub, start, failure)
            heard_of(now, hub, party, failure)
            if within is None:  # a read that was made at once gave it more time
                event, over = now.find(came, start) or now.find(left, start), now.now
        if event is not None:
            raise now.unmet(f"no notice of an outage of {hub}", f"one at {event.at_ns / 1e9:.6f} s")
        now.tell_nothing_came(f"notice of an outage of {hub}", begun, f"what left {hub} and was told to {party}", over)

    @keyword
    def times_should_agree(self, told: float, true: float, *, within: timedelta = timedelta(seconds=1)) -> None:
        """A time that a device told must agree with the bench's own; how exactly is a limit of the test's own."""
        limit = Limit(-within.total_seconds(), within.total_seconds(), "s")
        held = replace(judge().expectation("times-agree"), limit=limit)
        reading = Reading(round(told - true, 6), "s", at_ns=session().now)
        logger.info(f"told {_clock(told)}, true {_clock(true)}: {judge().measured(held, '', reading)}")


def _notice(hub: str, party: str) -> Matcher:
    return Matcher(OutageTold, party, {"hub": session().eui(hub)}, f"a notice of an outage of {hub} at {party}")


def _lost_notice(now: Session, hub: str, since: int, failure: AssertionError) -> None:
    """Skip as INFRA where a notice left the hub and came to nobody, or could not leave it for want of a WAN."""
    for event in now.events:
        if event.order > since and event.fields.get("device") == hub and (
            event.kind == OutageNoticeSent.kind
            or (event.kind == SendingFailed.kind and event.fields["port"] == "wan")
        ):  # fmt: skip
            raise SkipExecution(f"INFRA: {failure}; but the way behind {hub} lost it: {now.words(event)}")


def _alert(code: str, device: str, party: str) -> Matcher:
    if not re.fullmatch(r"0x[0-9A-Fa-f]{4}", code):
        raise Misused(f"an alert code has four hexadecimal digits, such as 0x8F36; got {code!r}")
    fields = {"cra": ALERT, "alert": int(code, 16), "from": session().eui(device)}
    return Matcher(PartyReceived, party, fields, f"alert {code} of {device} at {party}")


def _times(octets: str) -> dict[str, float]:
    """The times that an alert carries, in seconds since the Unix epoch: its own, then those of what it tells."""
    payload = gbcs.decode(bytes.fromhex(octets)).payload
    body = cosem.decode(payload) if payload[:1] == b"\x0f" else None
    parts = body.body.value if isinstance(body, cosem.Notification) and isinstance(body.body.value, tuple) else ()
    times = [_civil(part.value) for part in parts if isinstance(part.value, bytes) and len(part.value) == 12]
    return dict(zip(("at", "interrupted", "restored"), times, strict=False))


def _civil(octets: bytes) -> float:
    """A 12-octet DLMS date-time (UTC) in seconds since the Unix epoch."""
    year, month, day = struct.unpack(">HBB", octets[:4])
    hour, minute, second = octets[5:8]
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
