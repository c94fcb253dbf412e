"""A bench on a network: certificates both ways and an access list by node, on Mosquitto (facts/mqtt.md 3 and 7)."""

from __future__ import annotations

import datetime
import gc
import ipaddress
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rig.bus import topics
from rig.bus.client import BusClient, Inbox, Tls
from rig.bus.controller import Controller
from rig.bus.errors import BrokerGone
from rig.exits import Exit
from rig.node import bench_file
from tests.bus.mosquitto import mosquitto
from tests.bus.rigging import QUICK, Bench
from tests.running import ROOT, finished

BENCH = "tls-bench"
ACCESS = f"""user robot
topic readwrite rig/#
pattern write rig/1/{BENCH}/%u/state/#
pattern write rig/1/{BENCH}/%u/evt/#
pattern write rig/1/{BENCH}/%u/re/#
pattern read rig/1/{BENCH}/%u/cmd/#
pattern read rig/1/{BENCH}/%u/state/presence
"""


class Authority:
    """An authority of the tests alone, that lives for one hour."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.file = folder, folder / f"{name}.pem"
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        whole = self._builder(self.name, self.key).add_extension(x509.BasicConstraints(True, 0), True)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        made = whole.add_extension(usage, True).sign(self.key, hashes.SHA256())
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
        made = made.not_valid_after(now + datetime.timedelta(hours=1))
        # Python 3.13 verifies strictly: who signed must be named by key, and what may be signed by a key be said.
        made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        return made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)

    def issue(self, name: str, trusts: Path | None = None) -> Tls:
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key)
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        done = made.add_extension(here, False).sign(self.key, hashes.SHA256())
        cert, private = self.folder / f"{self.file.stem}-{name}.crt", self.folder / f"{self.file.stem}-{name}.key"
        cert.write_bytes(done.public_bytes(serialization.Encoding.PEM))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        private.write_bytes(key.private_bytes(*form))
        return Tls(trusts or self.file, cert, private)


@dataclass
class Net:
    url: str
    authority: Authority
    folder: Path


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder, "bench-ca")
    server = authority.issue("server")
    (folder / "acl").write_text(ACCESS)
    lines = [f"cafile {server.ca}", f"certfile {server.cert}", f"keyfile {server.key}", f"acl_file {folder / 'acl'}"]
    lines += ["require_certificate true", "use_identity_as_username true"]
    with mosquitto(folder, lines, "mqtts://", authority.issue("robot")) as url:
        yield Net(url, authority, folder)


def test_a_whole_bench_works_under_the_access_list(net: Net) -> None:
    client = BusClient(net.url, f"{BENCH}-robot", tls=net.authority.issue("robot"))
    with (
        Bench(net.url, BENCH, 3, tls=net.authority.issue) as rig,
        Controller(client, BENCH, "robot", QUICK) as control,
    ):
        control.open(rig.nodes)
        assert [event.order for event in control.call("node-2", "tick").events] == [1, 2, 3]


def test_a_node_can_neither_forge_nor_listen(net: Net) -> None:
    heard, overheard = Inbox(), Inbox()
    robot = BusClient(net.url, "listener", tls=net.authority.issue("robot"))
    robot.subscribe(topics.events(BENCH), heard.put)
    robot.connect()
    node = BusClient(net.url, "node-b", tls=net.authority.issue("node-b"))
    node.subscribe("rig/#", overheard.put)
    node.connect()
    node.publish(topics.event(BENCH, "node-a", "forged"), b"forged")
    node.publish(topics.event(BENCH, "node-b", "true"), b"true")
    assert heard.get(5.0).payload == b"true", "the forged one must not come, and would have come first"
    robot.publish(topics.command(BENCH, "node-a", "ping"), b"not for b")
    robot.publish(topics.command(BENCH, "node-b", "ping"), b"for b")
    assert overheard.get(5.0).payload == b"for b"
    node.close()
    robot.close()


# The MQTT library leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_strangers_do_not_get_in(net: Net) -> None:
    foreign = Authority(net.folder, "foreign-ca")
    for tls in (Tls(net.authority.file), foreign.issue("robot", trusts=net.authority.file)):
        with pytest.raises(BrokerGone):
            BusClient(net.url, "stranger", tls=tls).connect(0.3)
    with pytest.raises(BrokerGone, match="CERTIFICATE_VERIFY_FAILED"):
        BusClient(net.url, "misled", tls=foreign.issue("robot")).connect(0.3)
    gc.collect()


# ------------------------------------------------------------------------------------------------------ a whole rig run

NODES = tuple(bench_file.load(ROOT / "wiring/benches/virtual.yaml").nodes)


def papers(net: Net, folder: Path) -> Path:
    """The certificates of a whole bench in one folder, as a bench file names it."""
    folder.mkdir()
    for name in ("robot", *NODES):
        made = net.authority.issue(name)
        assert made.ca is not None
        assert made.cert is not None
        assert made.key is not None
        for source, target in ((made.ca, "ca.pem"), (made.cert, f"{name}.crt"), (made.key, f"{name}.key")):
            shutil.copy(source, folder / target)
        (folder / f"{name}.key").chmod(0o600)
    return folder


def test_a_run_on_a_broker_that_wants_certificates(net: Net, tmp_path: Path) -> None:
    folder = papers(net, tmp_path / "tls")
    way = ("--set", f"broker={net.url}", "--set", f"tls={folder}", "--set", f"name={BENCH}")
    run = finished(tmp_path / "run", ROOT / "robot_suites/security/01_refusals.robot", "--include", "demo", *way)
    assert run.status == 0, run.said
    closing = run.closing()
    assert closing["total"] == closing["passed"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "hub.crt").unlink(), "there is no hub.crt"),
        (lambda folder: (folder / "robot.key").chmod(0o644), "others may read robot.key"),
        (lambda folder: (folder / "hub.crt").write_text("no certificate"), "hub.crt"),
    ],
)
def test_certificates_that_will_not_do_are_misuse(
    net: Net, tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    folder = papers(net, tmp_path / "tls")
    spoil(folder)
    way = ("--set", f"broker={net.url}", "--set", f"tls={folder}")
    run = finished(tmp_path / "run", "contactor_valve", *way)
    assert (run.status, said in run.err) == (Exit.MISUSE, True), run.said


def test_certificates_without_an_encrypted_connection_are_misuse(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", "contactor_valve", "--set", f"tls={tmp_path}")
    assert run.status == Exit.MISUSE
    assert "mqtts:// address" in run.err
