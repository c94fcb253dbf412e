"""DLMS alerts: code, time and what the code brings along."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import axdr, cosem, dlms_alerts
from devices.wire.axdr import Data
from devices.wire.cosem import Notification
from devices.wire.dlms_alerts import Alert, FutureDatedAccess
from devices.wire.errors import DecodeError, EncodeError

STAMP = bytes.fromhex("07df0101ff000000008000ff")
ACCESS = FutureDatedAccess(0x6A, 1005, 20, bytes((0, 0, 13, 0, 0, 255)), 9)
ACCESS_OCTETS = bytes.fromhex("006a 00000000000003ed 0014 00000d0000ff 09")


def notification(*elements: Data) -> Notification:
    return Notification(0x200007D0, b"", axdr.structure(*elements))


ALERTS = {
    "code and time": (Alert(0x200007D0, b"", 0x8F30, STAMP), (axdr.u16(0x8F30), axdr.octets(STAMP))),
    "with its data": (
        Alert(0x200007D0, b"", 0x8F85, STAMP, (axdr.octets(bytes(10)), axdr.u8(1))),
        (axdr.u16(0x8F85), axdr.octets(STAMP), axdr.octets(bytes(10)), axdr.u8(1)),
    ),
    "of a future-dated command": (
        Alert(0x200007D0, b"", 0x8F66, STAMP, ACCESS),
        (axdr.u16(0x8F66), axdr.octets(STAMP), axdr.octets(ACCESS_OCTETS)),
    ),
    "of a future-dated command, in another form": (
        Alert(0x200007D0, b"", 0x8F67, STAMP, (axdr.octets(ACCESS_OCTETS[:-1]),)),
        (axdr.u16(0x8F67), axdr.octets(STAMP), axdr.octets(ACCESS_OCTETS[:-1])),
    ),
    "19 octets of another code": (
        Alert(0x200007D0, b"", 0x8F12, STAMP, (axdr.octets(ACCESS_OCTETS),)),
        (axdr.u16(0x8F12), axdr.octets(STAMP), axdr.octets(ACCESS_OCTETS)),
    ),
}


@pytest.mark.parametrize(("alert", "elements"), ALERTS.values(), ids=ALERTS)
def test_alerts(alert: Alert, elements: tuple[Data, ...]) -> None:
    assert dlms_alerts.read(notification(*elements)) == alert
    assert dlms_alerts.write(alert) == notification(*elements)


@pytest.mark.parametrize(
    "body",
    [
        axdr.null(),
        axdr.structure(),
        axdr.structure(axdr.u16(1)),
        axdr.array(axdr.u16(1), axdr.octets(STAMP)),
        axdr.structure(axdr.u8(1), axdr.octets(STAMP)),
        axdr.structure(axdr.u16(1), axdr.octets(STAMP[1:])),
        axdr.structure(axdr.u16(1), axdr.u16(2)),
    ],
)
def test_notifications_that_are_no_alert(body: Data) -> None:
    assert dlms_alerts.read(Notification(1, b"", body)) is None


@pytest.mark.parametrize(
    "alert",
    [
        Alert(1, b"", 0x8F12, STAMP, ACCESS),
        Alert(1, b"", 0x8F66, STAMP, FutureDatedAccess(0x6A, 1, 20, bytes(5), 9)),
        Alert(1, b"", 0x8F66, STAMP, FutureDatedAccess(0x6A, 1, 20, bytes(6), 128)),
        Alert(1, b"", 0x8F66, STAMP, FutureDatedAccess(0x6A, -1, 20, bytes(6), 1)),
    ],
)
def test_not_written(alert: Alert) -> None:
    with pytest.raises(EncodeError):
        dlms_alerts.write(alert)


@given(st.sampled_from(list(ALERTS.values())), st.data())
def test_a_changed_octet_is_read_exactly_or_refused(case: tuple[Alert, tuple[Data, ...]], data: st.DataObject) -> None:
    changed = bytearray(cosem.encode(notification(*case[1])))
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        pdu = cosem.decode(bytes(changed))
    except DecodeError:
        return
    alert = dlms_alerts.read(pdu) if isinstance(pdu, Notification) else None
    assert cosem.encode(pdu if alert is None else dlms_alerts.write(alert)) == changed
