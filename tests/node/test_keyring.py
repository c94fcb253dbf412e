"""Keys of a bench: the same from the same seed, and to each party no private key but its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devices.trust import protection
from devices.trust.errors import KeyMissing
from devices.trust.keystore import MemoryKeyStore, agreement_key, load_corpus_keys, signing_key
from devices.wire import gbcs
from rig.node.bench_file import BenchFileError
from rig.node.keyring import USAGES, Keyring
from tests.node.benches import bench

RIG = bench()
EVERYBODY = {name: device.eui for name, device in RIG.devices.items()}


def published(corpus: Path) -> Keyring:
    return Keyring(bench({"trust": {"domain": "published", "folder": str(corpus)}}))


def reference(corpus: Path) -> MemoryKeyStore:
    """All published keys in one store, as nobody on a bench holds them."""
    return load_corpus_keys(json.loads((corpus / "keys.json").read_text(encoding="utf-8")))


# ---------------------------------------------------------------------------------------------- the rig's own authority


def test_equal_seeds_give_equal_keys_and_others_others() -> None:
    assert Keyring(RIG).directory == Keyring(bench()).directory
    other = Keyring(bench({"seed": 2})).directory
    assert not set(other.values()) & set(Keyring(RIG).directory.values())


def test_everybody_has_a_key_for_each_usage_and_no_two_are_equal() -> None:
    directory = Keyring(RIG).directory
    assert set(directory) == {f"{eui.hex()}-{usage}" for eui in EVERYBODY.values() for usage in USAGES}
    assert len(set(directory.values())) == len(directory)


def test_a_device_more_changes_nobodys_keys() -> None:
    more = bench({"devices": {"third": {"kind": "supplier", "node": "head", "eui": "90-B3-D5-1F-30-09-00-00"}}})
    assert Keyring(RIG).directory.items() <= Keyring(more).directory.items()


@pytest.mark.parametrize("owner", EVERYBODY)
def test_a_store_holds_its_owners_private_keys_alone(owner: str) -> None:
    store = Keyring(RIG).store(EVERYBODY[owner])
    assert store.names == tuple(sorted(f"{EVERYBODY[owner].hex()}-{usage}" for usage in USAGES))
    for eui in EVERYBODY.values():
        for usage in USAGES:
            assert store.holds_private(f"{eui.hex()}-{usage}") is (eui == EVERYBODY[owner])
    with pytest.raises(KeyMissing):
        store.sign(signing_key(EVERYBODY["broker" if owner != "broker" else "esme"]), b"octets")


def test_two_parties_agree_on_one_secret_that_no_third_has() -> None:
    keyring = Keyring(RIG)
    esme, broker, other = (EVERYBODY[name] for name in ("esme", "broker", "other_supplier"))

    def agreed(own: bytes, peer: bytes) -> bytes:
        return keyring.store(own).agree(agreement_key(own), keyring.directory[agreement_key(peer)])

    assert agreed(esme, broker) == agreed(broker, esme)
    assert agreed(other, broker) != agreed(esme, broker) != agreed(other, esme)


def test_an_unknown_trust_domain_is_answered_with_those_there_are() -> None:
    with pytest.raises(BenchFileError, match=r"trust\.domain: expected rig or published, got 'vendor'"):
        Keyring(bench({"trust": {"domain": "vendor"}}))


# --------------------------------------------------------------------------------------------------- the published keys


def messages(corpus: Path, **wanted: object) -> list[dict[str, Any]]:
    lines = (line for path in sorted(corpus.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines())
    found = [json.loads(line) for line in lines]
    return [one for one in found if all(one.get(key) == value for key, value in wanted.items())]


def test_the_devices_of_the_bench_have_the_published_public_keys(corpus_dir: Path) -> None:
    ring, known = published(corpus_dir), reference(corpus_dir)
    agreeing = [name for name in ring.directory if name in known.names and name.endswith("-ka")]
    assert agreement_key(EVERYBODY["esme"]) in agreeing
    assert agreement_key(EVERYBODY["broker"]) in agreeing
    for name in agreeing:
        assert ring.directory[name] == known.public(name)


@pytest.mark.parametrize("use_case", ["ECS42", "ECS43", "ECS44", "ECS45"])
def test_the_meter_verifies_the_macs_of_published_commands_to_it(corpus_dir: Path, use_case: str) -> None:
    ring, esme, broker = published(corpus_dir), EVERYBODY["esme"], EVERYBODY["broker"]
    commands = messages(corpus_dir, use_case=use_case, kind="command", outcome="SUCCESS", recipient=esme.hex())
    assert commands
    z = ring.store(esme).agree(agreement_key(esme), ring.directory[agreement_key(broker)])
    for command in commands:
        message = gbcs.decode(bytes.fromhex(command["hex"]))
        assert message.recipient == esme
        assert protection.mac_valid(message, z)
        if message.signature:
            assert protection.signature_valid(message, ring.directory[signing_key(message.originator)])


def test_a_device_signs_with_a_key_of_its_own_where_nobody_published_one(corpus_dir: Path) -> None:
    ring, known, esme = published(corpus_dir), reference(corpus_dir), EVERYBODY["esme"]
    name = signing_key(esme)
    assert not known.holds_private(name)
    assert ring.store(esme).holds_private(name)
    message = gbcs.Message(2, 1, esme, EVERYBODY["supplier"], 0x62, b"\0")
    signed = protection.sign(message, ring.store(esme), name)
    assert protection.signature_valid(signed, ring.directory[name])
    if name in known.names:
        assert not protection.signature_valid(signed, known.public(name))


def test_a_party_with_published_keys_borrows_none(corpus_dir: Path) -> None:
    ring, supplier, broker = published(corpus_dir), EVERYBODY["supplier"], EVERYBODY["broker"]
    store = ring.store(supplier)
    assert store.holds_private(signing_key(supplier))
    assert store.public(signing_key(supplier)) == reference(corpus_dir).public(signing_key(supplier))
    assert not store.holds_private(agreement_key(broker))


@pytest.mark.parametrize("text", [None, "", "{", "{}", '{"x": {}}', '{"90b3d51f30010000-ds": {"private": "zz"}}'])
def test_a_corpus_that_is_absent_or_damaged_is_a_bench_file_error(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "keys.json").write_text(text)
    with pytest.raises(BenchFileError) as caught:
        published(tmp_path)
    assert "trust.folder: expected the folder of the published keys (keys.json; or set RIG_CORPUS)" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_the_folder_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_CORPUS", str(tmp_path))
    with pytest.raises(BenchFileError) as caught:
        Keyring(bench({"trust": {"domain": "published"}}))
    assert str(tmp_path) in str(caught.value)
