"""Install codes against published values (Silicon Labs and ZSE), and what is refused."""

from __future__ import annotations

import pytest

from devices.trust.errors import BadInstallCode
from devices.trust.install_code import checked_install_code, install_code_key, with_check_octets

VECTORS = [
    ("83FED3407A939723A5C639B26916D505", "C3B5", "66B6900981E1EE3CA4206B6B861C02BB"),
    ("83FED3407A939723A5C639B269161802", "AEBB", "333C23686079468EB27BA24BD9C7E564"),
    ("7A939723A5C639B269161802", "819B", "F93903721685FD329D26849B90F2959A"),
    ("1122334455667788", "4AF7", "41618FC0C83B0E14A589954B16E31466"),
]


@pytest.mark.parametrize(("code", "check", "key"), VECTORS)
def test_published_install_codes(code: str, check: str, key: str) -> None:
    assert with_check_octets(bytes.fromhex(code)) == bytes.fromhex(code + check)
    assert checked_install_code(bytes.fromhex(code + check)) == bytes.fromhex(code)
    assert install_code_key(bytes.fromhex(code)) == bytes.fromhex(key)


def test_a_code_printed_with_wrong_check_octets_is_refused() -> None:
    with pytest.raises(BadInstallCode, match="should be 1673, got 7316"):
        checked_install_code(bytes.fromhex("F6F1913D834A08D6ADAF1F91BAF4052D7316"))


@pytest.mark.parametrize("length", [0, 1, 5, 7, 9, 13, 15, 17, 18])
def test_a_code_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(BadInstallCode, match=f"got {length}"):
        install_code_key(bytes(length))
    with pytest.raises(BadInstallCode):
        checked_install_code(bytes(length + 2))
