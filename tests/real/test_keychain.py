"""What is kept in the keychain of a desktop: sessions and token keys, over restarts and whatever befalls the keyring."""

import json
import signal

import pytest

from desktop import Desktop
from place import Role

SHOP = Role("shop-deploy", "111111111111")
BLOG = Role("blog-deploy", "222222222222")
# Long enough for a busy machine; a condition that never comes is a failure.
ATTEMPTS = 600


@pytest.fixture
def desktop(place, programs):
    """A session bus with an unlocked keyring."""
    made = Desktop(place, programs)
    yield made
    made.close()


@pytest.fixture
def projects(broker, place, desktop):
    """Two allowed projects of a broker that keeps its sessions in the desktop's keyring."""
    place.settings(keychain="auto")
    place.catalog({"shop": {"*": SHOP}, "blog": {"*": BLOG}})
    broker.environment |= desktop.environment()
    made = [place.serverless(name, app=name) for name in ("shop", "blog")]
    broker.start()
    broker.allow(*made)
    return made


def keychain(broker):
    """How the keychain is."""
    return broker.status()["keychain"]


def settled(broker, sessions):
    """Waits until the keychain has all that is to be kept: each look at the status is a signal of its own."""
    for _ in range(ATTEMPTS):
        state = keychain(broker)
        if not state["unsaved"] and state["sessions"] == sessions and state["trouble"] is None:
            return state
    raise AssertionError(f"the keychain does not settle: {state}")


def same_port(broker, place, chosen="auto"):
    """The endpoint's port stays from now on, as it does with the default settings."""
    port = broker.endpoint.rstrip("/").rpartition(":")[2]
    place.settings(f'listen = ["127.0.0.1:{port}"]\n', keychain=chosen)


def test_sessions_come_back_without_a_call(broker, projects, sts, desktop):
    shop, blog = projects
    assert [broker.ask(project).role for project in projects] == [SHOP.name, BLOG.name]
    state = settled(broker, 2)
    assert (state["keychain"], state["choice"]["by"]) == ("secret-service", "found")
    [item] = desktop.items()
    assert item["account"] == f"cache of {broker.place.state}"
    assert item["label"] == f"brokerd: sessions kept for {broker.place.state}"
    for end in (signal.SIGTERM, signal.SIGKILL):
        broker.end(end)
        broker.start()
        assert [broker.ask(project).role for project in projects] == [SHOP.name, BLOG.name]
        assert settled(broker, 2)["choice"]["by"] == "remembered"
    assert len(sts.assumed()) == 2
    assert len(desktop.items()) == 1
