"""Install the project into the environment that runs this: ``python -I install.py FOLDER EXTRAS``.

pip's own configuration says where packages come from (an index, a mirror, a folder of wheels, a proxy, certificates),
and that is kept.  It may also say where packages go (``user``, ``target``, ``prefix``) or refuse to work at all
(``require-virtualenv``), and that is not for an environment of our own: pip runs with what is kept and nothing else.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

KEPT = (
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "trusted-host",
    "cert",
    "client-cert",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
    "cache-dir",
    "no-cache-dir",
    "constraint",
    "keyring-provider",
    "only-binary",
    "no-binary",
    "prefer-binary",
)
SECTIONS = ("global", "install", ":env:")
"""Of pip's configuration, the later before the earlier."""
NEEDS = """what it needs: the packages that pyproject.toml names, and hatchling and editables to build with, from an
index that pip reaches or from a folder of wheels.  On a machine with a network, with the same Python:
  python -m pip download --dest wheelhouse 'hatchling>=1.25' editables '{folder}{extras}'
and then here:
  PIP_NO_INDEX=1 PIP_FIND_LINKS=/path/to/wheelhouse ./rigw ...
(a proxy is named by https_proxy, a mirror by PIP_INDEX_URL)"""


def main() -> int:
    folder, extras = Path(sys.argv[1]), sys.argv[2]
    wheel = next((folder / ".bootstrap").glob("pip-*.whl"))
    environment = configured(wheel)
    if subprocess.run(pip("--version"), env=environment, capture_output=True, check=False).returncode:
        run = [sys.executable, "-I", str(wheel / "pip"), "install", "--quiet", "--no-compile", "--no-index", str(wheel)]
        if subprocess.run(run, env={**environment, "PIP_FIND_LINKS": ""}, check=False).returncode:
            return 1
    quiet = ("--quiet", "--disable-pip-version-check", "--no-warn-script-location", "--root-user-action=ignore")
    done = subprocess.run(pip("install", *quiet, "--editable", f"{folder}{extras}"), env=environment, check=False)
    if done.returncode:
        print(NEEDS.format(folder=folder, extras=extras), file=sys.stderr)
    return done.returncode


def pip(*words: str) -> list[str]:
    return [sys.executable, "-I", "-m", "pip", *words]


def configured(wheel: Path) -> dict[str, str]:
    """Our environment, in which pip takes packages from where its configuration says, and puts them here."""
    asked = [sys.executable, "-I", str(wheel / "pip"), "config", "list"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in found and name.lstrip(".") in KEPT:
            found[section][name.lstrip(".")] = str(ast.literal_eval(value))
    kept = {name: value for section in SECTIONS for name, value in found[section].items()}
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return {
        **plain,
        **{f"PIP_{name.upper().replace('-', '_')}": value for name, value in kept.items()},
        "PIP_CONFIG_FILE": os.devnull,
    }


if __name__ == "__main__":
    sys.exit(main())
