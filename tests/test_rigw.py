"""`rigw` and the processes that it leads to: from any folder, through a link, whatever pip and Python are told."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path
from types import ModuleType

import pytest

from rig import child
from rig.exits import Exit
from tests.running import AFTER, ROOT, suite

SHADOWS = ("queue", "rig", "robot", "yaml", "json", "socket", "select", "struct", "paho", "amqtt", "devices/__init__")
"""Modules of Python, of the product and of what it uses; a folder that holds them all has one of each kind."""
WHEEL = next((ROOT / ".bootstrap").glob("pip-*.whl"))


@pytest.fixture(scope="module")
def shadows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shadows")
    for name in SHADOWS:
        path = folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"raise SystemExit('shadowed by {name}')\n", encoding="utf-8")
    return folder


def rigw(*words: str, cwd: Path, at: Path = ROOT / "rigw", **env: str) -> subprocess.CompletedProcess[str]:
    """`rigw` with the environment that these tests run in, which is installed."""
    told = {**os.environ, "RIG_VENV": sys.prefix, **env}
    return subprocess.run([str(at), *words], capture_output=True, text=True, check=False, cwd=cwd, env=told, timeout=90)


@pytest.fixture(scope="module")
def installed() -> None:
    if not list(Path(sys.prefix).glob(".rig*")):
        pytest.skip("this environment was not made by rigw")


@pytest.mark.usefixtures("installed")
def test_through_links_from_a_folder_full_of_shadows(shadows: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "first").symlink_to(ROOT / "rigw")
    (tmp_path / "second").symlink_to("bin/first")
    done = rigw("list", "faults", cwd=shadows, at=tmp_path / "second", PYTHONPATH=".::x", PYTHONHOME="/nowhere")
    assert done.returncode == Exit.GOOD, done.stderr
    assert "accepts-replays" in done.stdout
    assert "installing" not in done.stderr


def test_a_run_from_a_folder_full_of_shadows(shadows: Path) -> None:
    """All four kinds of process come up: Robot, broker, bench, and a device of its own."""
    test = AFTER.replace("needs=FRESH    leaves=FRESH", "needs=ANY    leaves=ANY")
    program = str(Path(sys.executable).parent / "rig")
    mine = suite(shadows / "mine.robot", test)
    command = [program, "run", "--bench", "line", "--out", str(shadows / "out"), str(mine)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=shadows, env=env, timeout=90)
    assert "shadowed" not in done.stdout + done.stderr
    assert done.returncode == Exit.GOOD, done.stdout + done.stderr


@pytest.mark.parametrize("given", ["", ".", ":", "/absolute:.", "relative/path:"])
def test_children_are_started_without_the_working_directory(
    given: str, shadows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shadows)
    monkeypatch.setenv("PYTHONPATH", given)
    asked = "import sys, queue, rig, devices, yaml, robot; print(*sys.path, sep='\\n')"
    command = [*child.command("x")[:2], "-c", asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=child.environment(), timeout=60)
    assert done.returncode == 0, done.stderr
    assert not any(path in ("", ".") or Path(path) == shadows for path in done.stdout.splitlines())


@pytest.fixture(scope="module")
def installer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap_install", ROOT / ".bootstrap" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOSTILE = """[global]
user = true
target = /nowhere/target
require-virtualenv = true
index-url = https://mirror.invalid/simple
no-index = true
[install]
prefix = /nowhere/prefix
find-links =
    /wheels/one
    /wheels/two
"""
ELSEWHERE = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV")


def test_pip_is_told_where_packages_come_from_and_nothing_of_where_they_go(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.conf").write_text(HOSTILE, encoding="utf-8")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name in ELSEWHERE:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://nearer.invalid/simple")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("https_proxy", "http://proxy.invalid")
    told = installer.configured(WHEEL)
    assert told["PIP_CONFIG_FILE"] == os.devnull
    assert told["PIP_INDEX_URL"] == "https://nearer.invalid/simple", "the environment counts more than a file"
    assert told["PIP_FIND_LINKS"].split() == ["/wheels/one", "/wheels/two"]
    assert told["PIP_NO_INDEX"] == "true"
    assert told["https_proxy"] == "http://proxy.invalid"
    assert not set(ELSEWHERE) & set(told)
    assert not any(name.startswith("PYTHON") for name in told)


def test_pip_itself_goes_into_the_environment_whatever_its_configuration_says(tmp_path: Path) -> None:
    """And where no package can be had, what is needed is said."""
    venv.create(tmp_path / "venv", with_pip=False)
    (tmp_path / "pip.conf").write_text(HOSTILE, encoding="utf-8")
    env = {**os.environ, **dict.fromkeys(ELSEWHERE, "1"), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    env |= {"PIP_FIND_LINKS": str(tmp_path), "PIP_NO_INDEX": "1", "PIP_TARGET": str(tmp_path / "elsewhere")}
    done = subprocess.run(
        [str(tmp_path / "venv" / "bin" / "python"), "-I", str(ROOT / ".bootstrap" / "install.py"), str(ROOT), ""],
        capture_output=True, text=True, check=False, env=env, timeout=90,
    )  # fmt: skip
    assert done.returncode != 0
    for words in ("hatchling", "wheelhouse", "PIP_FIND_LINKS", "https_proxy"):
        assert words in done.stderr
    assert list((tmp_path / "venv" / "lib").glob("python3*/site-packages/pip"))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.usefixtures("installed")
def test_an_environment_that_is_installed_needs_not_be_ours(tmp_path: Path) -> None:
    """One that cannot be written to: the stamp in it says that nothing is to be done."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    interpreter = Path(sys.executable).resolve()
    usable = [*nobody, "sh", "-c", f"test -x '{interpreter}' && test -r '{ROOT}/rigw'"]
    if nobody and subprocess.run(usable, check=False, capture_output=True).returncode:
        nobody = []  # this Python, or this clone, is root's alone
    prefix = Path(sys.prefix)
    mode = prefix.stat().st_mode
    prefix.chmod(0o555)
    try:
        env = {**os.environ, "RIG_VENV": sys.prefix, "HOME": "/nowhere"}
        command = [*nobody, str(ROOT / "rigw"), "list", "faults"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env=env, timeout=60)
    finally:
        prefix.chmod(mode)
    assert done.returncode == Exit.GOOD, done.stderr
    assert "accepts-replays" in done.stdout


def test_an_environment_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    done = rigw("list", "faults", cwd=tmp_path, RIG_VENV=str(tmp_path / "file" / "venv"))
    assert done.returncode == Exit.MISUSE
    assert "RIG_VENV=" in done.stderr
