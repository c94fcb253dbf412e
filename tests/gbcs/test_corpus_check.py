"""``rig corpus check``: over the published corpus and a made one, what falls short, and what is refused."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from devices.model import use_cases
from devices.trust.authority import Authority
from devices.trust.certificates import Role, Usage
from devices.trust.keystore import public_of
from devices.wire import gbcs
from rig.exits import Exit
from rig.gbcs import answer
from rig.gbcs import check as corpus_check
from rig.gbcs.check import check
from rig.gbcs.corpus import Entry, load_directory, load_entries, load_keys
from rig.gbcs.reading import BROKER, Verdict, read
from tests import corpus_made


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="rig")
    corpus_check.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["corpus", "check", *arguments])
    return int(parsed.handler(parsed))


@pytest.mark.corpus
def test_the_published_corpus_holds(corpus_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(corpus_dir), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "messages": 847,
        "decoded": 847,
        "reencoded": 847,
        "signatures": {"valid": 285, "expected": 285},
        "macs": {"valid": 572, "expected": 572},
        "decrypted": {"valid": 31, "expected": 31},
        "rebuilt": {"equal": 341, "commands": 341},
        "executed": {"done": 202, "commands": 202},
        "answered": {"done": 202, "commands": 202},
        "values": {"equal": 103, "answers": 103},
        "failures": [],
    }


@pytest.mark.corpus
def test_no_answer_is_left_uncompared_without_need(corpus_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each use case that is said to tell of the device's own state has an answer with other values."""
    told = {use_cases.by_name(name).code: name for name in answer.OWN_STATE}
    monkeypatch.setattr(answer, "OWN_STATE", {})
    entries = [e for e in load_entries(corpus_dir) if gbcs.decode(e.octets).message_code in told]
    failures = check(entries, load_keys(corpus_dir), load_directory(corpus_dir)).failures
    assert {failure.what for failure in failures} == {"values"}
    codes = {e.name: gbcs.decode(e.octets).message_code for e in entries}
    assert {told[codes[failure.name]] for failure in failures} == set(told.values())


@pytest.mark.corpus
def test_no_rule_reads_a_name_or_an_order(corpus_dir: Path) -> None:
    """The same outcome where every message is called by a number, and where each use case is a corpus of its own."""
    keys, directory = load_keys(corpus_dir), load_directory(corpus_dir)
    entries = list(load_entries(corpus_dir))
    numbered = [replace(entry, name=f"{number:04}") for number, entry in enumerate(entries)]
    assert check(reversed(numbered), keys, directory).failures == []
    cases: dict[str, list[Entry]] = {}
    for entry in entries:
        cases.setdefault(entry.name.rpartition("_")[0], []).append(entry)
    assert [failure for case in cases.values() for failure in check(case, keys, directory).failures] == []


@pytest.mark.corpus
def test_the_rules_find_the_keys_that_the_corpus_names(corpus_dir: Path) -> None:
    keys = load_keys(corpus_dir)
    for entry in load_entries(corpus_dir):
        reading = read(entry.octets, keys)
        for named, found in (
            ({entry.signature_key} if entry.signature_key else set(), reading.signature),
            (set(entry.mac_keys or ()), reading.mac),
        ):
            assert set(found.keys) == named, entry.name
            assert found.verdict is (Verdict.VALID if named else Verdict.ABSENT), entry.name


def test_a_made_corpus_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(corpus_made.write(tmp_path))) == 0
    words = capsys.readouterr().out.split()
    assert words[:2] == ["3", "messages"]
    counts = {"decoded": "3", "re-encoded": "3", "signatures": "1", "MACs": "3", "decrypted": "2", "rebuilt": "1"}
    for name, good in counts.items():
        at = words.index(name)
        assert words[at + 1 : at + 3] == [good, good]


def flip(position: int) -> Callable[[dict[str, Any]], None]:
    def change(line: dict[str, Any]) -> None:
        octets = bytearray.fromhex(line["hex"])
        octets[position] ^= 1
        line["hex"] = octets.hex()

    return change


def put(field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda line: line.update({field: value})


def judge(field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda line: line["encrypted"][0].update({field: value})


# which line, what is done to it, what falls short
SHORT = [
    (0, flip(-1), [("MAC", "not verify with 90b3d51f30000002-ka and 00db1234567890b0-ka"), ("rebuild", "differs")]),
    (0, flip(-20), [("signature", "does not verify"), ("MAC", "does not verify"), ("rebuild", "differs")]),
    (0, lambda line: line.update(hex=line["hex"] + "00"), [("decode", "gbcs: at octet 7")]),
    (0, lambda line: line.update(hex=line["hex"][:60]), [("decode", "gbcs")]),
    (0, put("hex", ""), [("decode", "gbcs: at octet 0")]),
    (0, put("message_code", "0x0050"), [("decode", "message_code should be 0x0050, got 0x004F")]),
    (0, put("originator_counter", 1), [("decode", "originator_counter should be 1, got 1000")]),
    (0, put("signature_key", "90b3d51f30020000-ds"), [("signature", "no public key is known under")]),
    (0, put("mac_keys", ["90b3d51f30010000-ka", "00db1234567890b0-ka"]), [("MAC", "does not verify")]),
    (1, put("signature_key", "00db1234567890b0-ds"), [("signature", "the message has no signature")]),
    (1, flip(-40), [("MAC", "does not verify"), ("decryption", "datum 1.2: an encrypted part begins 3100000000")]),
    (1, flip(-30), [("MAC", "does not verify"), ("decryption", "datum 1.2: the encrypted part does not authenticate")]),
    (1, judge("plaintext", "00"), [("decryption", "decrypts to something else")]),
    (1, judge("offset", 3), [("decryption", "is not the part that the corpus names at octet 3")]),
    (1, put("encrypted", None), [("decryption", "1 encrypted parts that the corpus does not know")]),
    (0, put("encrypted", [{"offset": 0, "length": 1, "plaintext": ""}]), [("decryption", "0 encrypted parts found")]),
    (2, judge("plaintext", "00"), [("decryption", "component 2: decrypts to something else")]),
]


@pytest.mark.parametrize(("number", "change", "expected"), SHORT)
def test_what_falls_short_is_counted_and_named(
    number: int,
    change: Callable[[dict[str, Any]], None],
    expected: list[tuple[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = corpus_made.entries()
    change(lines[number])
    folder = str(corpus_made.write(tmp_path, lines))
    status = run(folder, "--json")
    result = json.loads(capsys.readouterr().out)
    assert [(f["name"], f["what"]) for f in result["failures"]] == [(lines[number]["name"], w) for w, _ in expected]
    assert status == len(expected)
    for failure, (_, reason) in zip(result["failures"], expected, strict=True):
        assert reason in failure["reason"]
    counts = [result["decoded"] - 3, result["reencoded"] - 3]
    counts += [result[name]["valid"] - result[name]["expected"] for name in ("signatures", "macs", "decrypted")]
    assert any(count < 0 for count in counts) or lines[number]["encrypted"] is None
    assert run(folder) == len(expected)
    assert f"  {lines[number]['name']}: " in capsys.readouterr().out


def test_reordered_elements_re_encode_as_mutated(tmp_path: Path) -> None:
    """Two components of a payload swapped: another message, which is read as what it is and fails its MAC."""
    lines = corpus_made.entries()
    octets = bytes.fromhex(lines[2]["hex"])
    first = octets.index(bytes.fromhex("010902")) + 3
    second = first + 5 + 6
    end = len(octets) - 13
    plain, sealed = octets[first:second], octets[second:end]
    swapped = b"\x02" + sealed[1:] + b"\x01" + plain[1:]
    lines[2]["hex"] = (octets[:first] + swapped + octets[end:]).hex()
    corpus_made.write(tmp_path, lines)
    tally = check(load_entries(tmp_path), load_keys(tmp_path))
    assert (tally.decoded, tally.reencoded, tally.macs.valid) == (3, 3, 2)
    assert [failure.what for failure in tally.failures] == ["MAC", "decryption"]


def test_a_length_in_a_longer_form_falls_short(tmp_path: Path) -> None:
    lines = corpus_made.entries()
    octets = bytes.fromhex(lines[0]["hex"])
    lines[0]["hex"] = (octets[:7] + b"\x82\x00" + octets[8:]).hex()
    corpus_made.write(tmp_path, lines)
    tally = check(load_entries(tmp_path), load_keys(tmp_path))
    assert tally.decoded == 2
    assert "longer form" in tally.failures[0].reason


def test_an_empty_corpus_proves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(corpus_made.write(tmp_path, []))) == Exit.NOTHING_JUDGED
    assert "0 messages" in capsys.readouterr().out


def test_the_broker_is_who_its_certificate_says(tmp_path: Path) -> None:
    own = bytes.fromhex("0011223344556677")
    authority = Authority(random.Random(1), datetime(2024, 1, 1, tzinfo=UTC))
    keys = corpus_made.keys()
    corpus_made.write(tmp_path)
    assert load_keys(tmp_path).broker == BROKER
    public = public_of(5)
    certificate = authority.organisation(own, Role.ACCESS_CONTROL_BROKER, Usage.KEY_AGREEMENT, public)
    keys["0011223344556677-ka"] = {"certificate": certificate.hex(), "public": public.hex(), "private": None}
    keys["0011223344556677-ds"] = {"certificate": "rubbish", "public": public.hex(), "private": None}
    (tmp_path / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
    assert load_keys(tmp_path).broker == own


GOOD = json.dumps(corpus_made.entries()[0])


def changed(**fields: Any) -> str:
    return json.dumps({**corpus_made.entries()[0], **fields})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 2 is no JSON"),
        ("[]", "line 2 is no JSON object"),
        ("[" * 100_000, "line 2 is no JSON"),
        ("{}", "has no 'name'; add a name"),
        (changed(hex="xy"), "'hex' is not as it should be"),
        (changed(hex=5), "'hex' is not as it should be"),
        (changed(name=None), "'name' is not as it should be"),
        (changed(mac_keys=["a"]), "'mac_keys' is not as it should be; give a list of two key names, or null"),
        (changed(mac_keys=5), "'mac_keys' is not as it should be"),
        (changed(signature_key=[]), "'signature_key' is not as it should be"),
        (changed(encrypted={}), "'encrypted' is not as it should be"),
        (changed(encrypted=[{"offset": 1}]), "'encrypted'"),
    ],
)
def test_a_bad_line_is_refused(line: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus_made.write(tmp_path)
    (tmp_path / "made.jsonl").write_text(f"{GOOD}\n{line}\n", encoding="utf-8")
    assert_refused(run(str(tmp_path)), reason, capsys)


def assert_refused(status: int, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    captured = capsys.readouterr()
    assert status == Exit.MISUSE
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("rig corpus check: ")
    assert reason in captured.err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read as JSON"),
        (b"\xff", "cannot be read as JSON"),
        (b"[]", "one JSON object"),
        (b'{"x": 1}', "no key name"),
    ],
)
def test_bad_keys_are_refused(content: bytes, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus_made.write(tmp_path)
    (tmp_path / "keys.json").write_bytes(content)
    assert_refused(run(str(tmp_path)), reason, capsys)


def test_a_bad_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(run(str(tmp_path / "none")), "is no folder", capsys)
    assert_refused(run(str(tmp_path)), "holds no keys.json", capsys)
    corpus_made.write(tmp_path)
    (tmp_path / "made.jsonl").write_bytes(b"\xff\xfe")
    assert_refused(run(str(tmp_path)), "cannot be read", capsys)
    (tmp_path / "made.jsonl").unlink()
    assert_refused(run(str(tmp_path)), "holds no *.jsonl", capsys)


# ---------------------------------------------------------------------------------- what people's own corpora look like


def result_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    status = run(str(folder), "--json")
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("originator_counter", "1000"),
        ("originator_counter", "0x3E8"),
        ("originator", "90-B3-D5-1F-30-01-00-00"),
        ("originator", "90:b3:d5:1f:30:01:00:00"),
        ("recipient", "0x00DB1234567890B0"),
        ("message_code", "0x4f"),
        ("message_code", 79),
    ],
)
def test_what_is_stated_in_another_form_is_taken(
    field: str, value: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = corpus_made.entries()
    lines[0][field] = value
    assert result_of(corpus_made.write(tmp_path, lines), capsys)[0] == 0


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("originator_counter", "1001", "originator_counter should be 1001, got 1000"),
        ("originator", "90-B3-D5-1F-30-01-00-01", "should be 90b3d51f30010001, got 90b3d51f30010000"),
        ("message_code", "0x50", "should be 0x0050, got 0x004F"),
    ],
)
def test_a_true_difference_says_both_values_in_one_form(
    field: str, value: Any, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = corpus_made.entries()
    lines[0][field] = value
    status, result = result_of(corpus_made.write(tmp_path, lines), capsys)
    assert status == 1
    assert reason in result["failures"][0]["reason"]


def without_private_keys(folder: Path) -> Path:
    corpus_made.write(folder)
    keys = {name: key | {"private": None} for name, key in corpus_made.keys().items()}
    (folder / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
    return folder


def test_what_only_an_unpublished_key_could_tell_is_not_checkable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = without_private_keys(tmp_path)
    status, result = result_of(folder, capsys)
    assert status == 0
    assert not result["failures"]
    assert result["signatures"] == {"valid": 1, "expected": 1}
    assert result["macs"] == {"valid": 0, "expected": 0}
    told = {(one["name"], one["what"]): one["reason"] for one in result["not_checkable"]}
    assert told[("ENABLE", "rebuild")] == "the private key '90b3d51f30010000-ds' is not published"
    assert ("ENABLE", "MAC") in told
    assert ("LOG", "decryption") in told
    run(str(folder))
    assert "not checkable:" in capsys.readouterr().out


def test_what_can_be_compared_without_private_keys_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A signature that is wrong is wrong whoever holds the keys."""
    folder = without_private_keys(tmp_path)
    lines = corpus_made.entries()
    flip(-20)(lines[0])
    (folder / "made.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    status, result = result_of(folder, capsys)
    assert status == 1
    assert [failure["what"] for failure in result["failures"]] == ["signature"]


@pytest.mark.parametrize("signature", [None, b""])
def test_a_pre_command_is_neither_rebuilt_as_final_nor_executed(
    signature: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = corpus_made.entries()[:1]
    octets = gbcs.encode(replace(corpus_made.enable_supply(), signature=signature, mac=None))
    lines[0] |= {"hex": octets.hex(), "signature_key": None, "mac_keys": None, "outcome": "SUCCESS"}
    status, result = result_of(corpus_made.write(tmp_path, lines), capsys)
    assert status == 0
    assert result["decoded"] == 1
    assert (result["rebuilt"]["commands"], result["executed"]["commands"]) == (0, 0)


@pytest.mark.parametrize("with_keys", [True, False])
def test_a_folder_of_hex_files_is_a_corpus(with_keys: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = corpus_made.entries()
    (tmp_path / "one.hex").write_text(lines[0]["hex"], encoding="utf-8")
    (tmp_path / "two.hex").write_text(f"{lines[1]['hex']}\n{lines[2]['hex'].upper()}\n", encoding="utf-8")
    if with_keys:
        (tmp_path / "keys.json").write_text(json.dumps(corpus_made.keys()), encoding="utf-8")
    status, result = result_of(tmp_path, capsys)
    assert status == 0
    assert (result["messages"], result["decoded"], result["reencoded"]) == (3, 3, 3)
    assert result["macs"]["valid"] == (3 if with_keys else 0)
    assert ("not_checkable" in result) != with_keys


def test_a_hex_file_that_holds_no_whole_message_falls_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = corpus_made.entries()
    (tmp_path / "cut.hex").write_text(lines[0]["hex"][:-2], encoding="utf-8")
    (tmp_path / "none.hex").write_text("cafe", encoding="utf-8")
    (tmp_path / "one.hex").write_text(lines[1]["hex"], encoding="utf-8")
    status, result = result_of(tmp_path, capsys)
    assert status == 2
    assert [failure["name"] for failure in result["failures"]] == ["cut.hex", "none.hex"]
