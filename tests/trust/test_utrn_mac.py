"""The MAC of prepayment tokens, over the published tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devices.trust.errors import TrustError
from devices.trust.keystore import load_corpus_keys
from devices.trust.utrn_mac import utrn_mac, utrn_mac_valid

OFFSET = 7394156990786306048


def test_published_tokens(corpus_dir: Path) -> None:
    keys = load_corpus_keys(json.loads((corpus_dir / "keys.json").read_text(encoding="utf-8")))
    tokens = json.loads((corpus_dir / "utrn-vectors.json").read_text(encoding="utf-8"))
    assert len(tokens) == 6
    for token in tokens:
        supplier, device = bytes.fromhex(token["originator"]), bytes.fromhex(token["target"])
        z = keys.agree(f"{token['originator']}-pp-ka", keys.public(f"{token['target']}-ka"))
        ptut = (int(token["utrn"][:19]) - OFFSET) % 2**64
        assert utrn_mac_valid(z, supplier, device, token["counter"], ptut) is token["mac_ok"], token["name"]
        high = (token["counter"] >> 32 & 0x3FF) << 15 | token["class"] << 13 | token["value"]
        made = int.from_bytes(utrn_mac(z, supplier, device, token["counter"], high), "big")
        assert (f"{OFFSET + (high << 32 | made):019d}" == token["utrn"][:19]) is token["mac_ok"]


def test_the_high_word_has_32_bits() -> None:
    with pytest.raises(TrustError, match="32 bits"):
        utrn_mac(bytes(32), bytes(8), bytes(8), 1, 1 << 32)
