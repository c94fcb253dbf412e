"""The text form of ``rig gbcs decode``: descriptions from ``words`` as aligned, indented lines.

Must not live here: anything that looks into a message; what is not in the description is not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["layout"]

Words = Mapping[str, Any]

WIDTH = 13  # of the labels on the left
LONGEST = 64  # hexadecimal digits of one value that are shown; --json has all of them
MOST = 40  # elements of one array that are shown; --json has all of them


def layout(words: Words) -> str:
    """One message as text, without a newline at the end."""
    return "\n".join(_lines(words))


def _lines(words: Words) -> Iterator[str]:
    yield "  ".join(filter(None, (words["use_case"], words["kind"], words["title"])))
    if found := _found(words):
        yield _line("found", found)
    code = words["message_code"]
    requests = ", ".join(words["service_requests"])
    yield _line("code", "  ".join(filter(None, (code, words["category"], requests and f"service request {requests}"))))
    yield _line("from", words["originator"])
    yield _line("to", words["recipient"])
    yield _line("counter", f"{words['counter']}  (0x{int(words['counter']):X})")
    if words["date_time"]:
        yield _line("time", words["date_time"])
    if words["supplementary"]:
        yield from _supplementary(words["supplementary"])
    yield _line("signature", _verdict(words["signature"]))
    yield _line("MAC", _verdict(words["mac"]))
    yield _line("length", f"{words['octets']} octets")
    yield from _payload(words["payload"])
    for part in words["encrypted"]:
        yield from _encrypted(part)


def _found(words: Words) -> str:
    """Where a message was, and what stood beside it on its line that is no part of it."""
    beside = [
        f"{words[key]} octet{'s' if words[key] > 1 else ''} {name} it"
        for key, name in (("octets_before", "before"), ("octets_after", "after"))
        if words.get(key)
    ]
    if beside:
        verb = "is" if len(beside) == 1 and beside[0].startswith("1 ") else "are"
        beside = [f"{words.get('octets_beside', '')} {' and '.join(beside)} {verb} no part of it".lstrip()]
    return ", ".join(filter(None, (words["source"], *beside)))


def _line(label: str, text: str, depth: int = 1) -> str:
    return f"{'  ' * depth}{label:<{WIDTH}}{text}"


def _supplementary(words: Words) -> Iterator[str]:
    counters = (("counter", words["counter"]), ("originator counter", words["originator_counter"]))
    told = [f"{name} {value}" for name, value in counters if value is not None]
    yield _line("on behalf of", "  ".join((words["party"], *told)))
    if "certificate" in words:
        yield _line("certificate", words["certificate"])


def _verdict(check: Words) -> str:
    if check["verdict"] == "not checked":
        return f"not checked: {check['reason']}"
    keys = f"  ({' with '.join(check['keys'])})" if check["keys"] else ""
    return ("INVALID" if check["verdict"] == "invalid" else check["verdict"]) + keys


# -------------------------------------------------------------------------------------------------------------- payload


def _payload(words: Words) -> Iterator[str]:
    family = (words["family"] or "").upper().replace("ASN1", "ASN.1")
    yield _line("payload", f"{family} {words['pdu']}".strip())
    if alert := words.get("alert"):
        yield _line("alert", f"{alert['code']}  {alert['name']}", 2)
        yield _line("at", alert["time"], 2)
    for number, access in enumerate(words.get("accesses", ()), 1):
        yield from _access(number, access)
    for number, result in enumerate(words.get("results", ()), 1):
        yield from _access(number, result)
    for element in (*words.get("surplus", ()), *words.get("elements", ())):
        yield from _value(element, 2)
    for number, component in enumerate(words.get("components", ()), 1):
        yield from _component(number, component)
    if dated := words.get("future_dated"):
        name = dated["use_case"] or "unknown code"
        yield _line("command", f"{name}  {dated['message_code']}  counter {dated['counter']}", 2)
        if "cluster" in dated:
            yield _line("component", f"cluster {dated['cluster']}  command {dated['command']}", 2)
        else:
            yield _line("access", f"class {dated['class_id']}, {dated['obis']}, number {dated['index']}", 2)
    if "issue" in words:
        yield _line("issue", str(words["issue"]), 2)
    for field in words.get("fields", ()):
        yield from _value(field, 2)
    if unread := words.get("unread"):
        yield from _unread(unread, 2)


def _unread(words: Words, depth: int) -> Iterator[str]:
    """The octets that could not be read, all of them: whoever asks wants to look at them."""
    yield _line("UNREAD", words["reason"] or "the octets after the payload", depth)
    digits = words["hex"]
    for at in range(0, len(digits), LONGEST):
        yield _line("", digits[at : at + LONGEST], depth)


def _access(number: int, words: Words) -> Iterator[str]:
    heading = f"{number}. {words['operation']}"
    if "obis" in words:
        what = "method" if "method" in words else "attribute"
        heading += f"  {words['name'] or 'unnamed object'}"
        place = f"class {words['class_id']} {words['class']}, {words['obis']}, {what} {words[what]}"
    else:
        place = ""
    yield f"    {heading}"
    if place:
        yield f"       {place}"
    if "result" in words:
        yield f"       -> {words['result']}"
    if "selection" in words:
        yield f"       selector {words['selector']}"
        yield from _value(words["selection"], 4)
    if "value" in words:
        yield from _value(words["value"], 4)


def _value(words: Words, depth: int) -> Iterator[str]:
    """A value: simple ones on one line, the elements of others below each other."""
    pad = "  " * depth
    name = f"{words['name']}: " if words.get("name") else ""
    value = words.get("value")
    kind = words.get("type", "")
    if isinstance(value, list):
        yield f"{pad}{name}{kind} of {len(value)}"
        for element in value[:MOST]:
            yield from _value(element, depth + 1)
        if len(value) > MOST:
            yield f"{pad}  ... and {len(value) - MOST} more"
        return
    yield f"{pad}{name}{_simple(kind, value, words.get('text'))}"


def _simple(kind: str, value: object, text: str | None) -> str:
    if value is None or (kind == "certificate" and text):
        shown = ""
    elif isinstance(value, str):
        shown = _clip(value)
    else:
        shown = str(value).lower() if isinstance(value, bool) else str(value)
    parts = (kind, shown, f"= {text}" if text and shown else text or "")
    return "  ".join(part for part in parts if part) or "(empty)"


def _clip(digits: str) -> str:
    if len(digits) <= LONGEST:
        return digits
    return f"{digits[:LONGEST]}... ({len(digits) // 2} octets)"


def _component(number: int, words: Words) -> Iterator[str]:
    yield f"    {number}. {words['cluster_name']}  {words['command_name']}"
    yield f"       cluster {words['cluster']}, command {words['command']}, {words['direction']}"
    if "from" in words:
        yield f"       entries from {words['from']}"
    if words.get("encrypted"):
        yield "       encrypted, see below"
    for field in words.get("fields", ()):
        yield from _value(field if isinstance(field.get("value"), list) else {**field, "type": ""}, 4)
    if unread := words.get("unread"):
        yield from _unread(unread, 4)


def _encrypted(words: Words) -> Iterator[str]:
    verdict = {"valid": "decrypted and authentic", "invalid": "INVALID"}.get(words["verdict"], words["verdict"])
    reason = f": {words['reason']}" if words["reason"] else ""
    keys = f"  ({' with '.join(words['keys'])})" if words["keys"] and not reason else ""
    yield _line("encrypted", f"{words['where']}, {words['octets']} octets: {verdict}{reason}{keys}")
    if "content" in words:
        for value in words["content"]:
            yield from _value(value, 2)
    elif "plaintext" in words:
        yield f"    {_clip(words['plaintext'])}"
