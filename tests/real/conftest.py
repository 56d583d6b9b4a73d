"""What the tests are given."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from broker import Broker, Programs
from desktop import Desktop
from person import NAME, Person
from place import Place
from sts import Moto, Sts

CHECKOUT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    """--soak and --write-clients, as tests/run has them."""
    parser.addoption("--soak", action="store_true", help="run the long tests too")
    parser.addoption("--write-clients", action="store_true", help="write docs/clients.md from what was seen")


def pytest_collection_modifyitems(config, items):
    """Long tests run only when asked for, and say so otherwise."""
    if config.getoption("--soak"):
        return
    for item in items:
        if "soak" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="long: tests/run --soak"))


@pytest.fixture(scope="session")
def person():
    """The ordinary user."""
    found = Person.here()
    if found is None:
        pytest.skip(f"root needs the user {NAME}: useradd -m {NAME}")
    return found


@pytest.fixture(scope="session")
def programs():
    """The binaries, the clients and the interpreter, readable by an ordinary user."""
    built = Path(os.environ.get("BROKERD_BINARIES", CHECKOUT / "target/debug"))
    here = Path(tempfile.mkdtemp(prefix="bd-programs-", dir="/tmp"))
    here.chmod(0o755)
    for name in ("brokerd", "brokerctl"):
        shutil.copy(built / name, here / name)
        (here / name).chmod(0o755)
    shutil.copytree(CHECKOUT / "tests/real/clients", here / "clients", ignore=shutil.ignore_patterns("__pycache__"))
    for path in [here / "clients", *here.glob("clients/*")]:
        path.chmod(0o755)
    for name in ("steady", "whoami"):
        shutil.copy(built / "examples" / name, here / name)
        (here / name).chmod(0o755)
    python = Path(sys.executable)
    aws = python.with_name("aws")
    yield Programs(here / "brokerd", here / "brokerctl", here / "clients", python, aws, here / "steady", here / "whoami")
    shutil.rmtree(here)


@pytest.fixture(scope="session")
def node(person, programs):
    """Node, as the user finds it."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    try:
        found = person.run(["node", "--version"], cwd="/", env=env)
    except FileNotFoundError:
        pytest.skip("node is not installed in /usr/bin or /usr/local/bin")
    assert found.returncode == 0, found.stderr


@pytest.fixture(scope="session")
def moto(person, programs):
    """moto's server, one for all tests: it keeps nothing that one of them could trip over."""
    place = Place(person)
    server = Moto(person, programs.python, place.root, place.environment())
    yield server
    server.close()
    place.remove()


@pytest.fixture
def sts(moto):
    """STS with a log of its own."""
    door = Sts(moto)
    yield door
    door.close()


@pytest.fixture
def place(person):
    """A user's directories, with base credentials in the profile `work`."""
    made = Place(person)
    made.settings()
    made.base_profile()
    yield made
    made.remove()


@pytest.fixture
def broker(place, programs, sts):
    """A daemon that a test starts when its catalog is written; it must end cleanly."""
    made = Broker(place, programs, sts)
    yield made
    made.stop()


@pytest.fixture
def desktop(place, programs):
    """A session bus with an unlocked keyring."""
    made = Desktop(place, programs)
    yield made
    made.close()


@pytest.fixture
def center(broker):
    """An IAM Identity Center, to which the broker is led."""
    from identity_center import IdentityCenter

    made = IdentityCenter()
    broker.environment |= made.environment()
    yield made
    # Whoever waits for it must have ended before.
    broker.stop()
    made.close()


@pytest.fixture
def stranger():
    """Another user's number. Only root can start a process as somebody else."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a process as another user")
    from person import STRANGER

    return STRANGER
