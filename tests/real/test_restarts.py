"""A new daemon goes on where the one before it ended, however that ended."""

import signal

import pytest

from broker import Broker
from place import Role

DEV = Role("shop-dev", "111111111111")
PROD = Role("shop-prod", "222222222222")
OTHER = Role("shop-other", "333333333333")
ENDS = [signal.SIGTERM, signal.SIGKILL]


@pytest.fixture
def shop(broker, place):
    """An allowed project on stage dev, at an endpoint whose port stays."""
    place.catalog({"shop": {"dev": DEV, "prod": PROD}})
    project = place.serverless("shop", app="shop", stage="dev")
    broker.start()
    broker.allow(project)
    port = broker.endpoint.rstrip("/").rpartition(":")[2]
    place.settings(f'listen = ["127.0.0.1:{port}"]\n')
    return project


@pytest.mark.parametrize("end", ENDS)
def test_a_running_process_keeps_its_decision(broker, shop, place, end):
    with broker.companion(shop) as running:
        assert running.ask().role == DEV.name
        place.serverless("shop", app="shop", stage="prod")
        assert broker.ask(shop).role == PROD.name
        for _ in range(2):
            broker.end(end)
            broker.start()
            assert running.ask().role == DEV.name
            assert running.ask(move_to=place.directory("home/shop/src")).role == DEV.name
            assert broker.ask(shop).role == PROD.name


@pytest.mark.parametrize("end", ENDS)
def test_what_the_catalog_ended_meanwhile_has_ended_for_good(broker, shop, place, sts, end):
    with broker.companion(shop) as running:
        assert running.ask().role == DEV.name
        broker.end(end)
        place.catalog({"shop": {"dev": OTHER, "prod": PROD}})
        broker.start()
        answer = running.ask()
        assert (answer.list_status, answer.status, answer.access_key) == (200, 403, "")
        assert broker.refused(answer.pid)[-1]["kind"] == "ended"
        assert broker.ask(shop).role == OTHER.name
        place.catalog({"shop": {"dev": DEV, "prod": PROD}})
        for _ in range(2):
            broker.end(end)
            broker.start()
            assert running.ask().status == 403
    assert broker.ask(shop).role == DEV.name


@pytest.mark.parametrize("end", ENDS)
def test_what_was_denied_stays_denied_for_what_runs(broker, shop, end):
    with broker.companion(shop) as running:
        assert running.ask().role == DEV.name
        broker.ctl("deny", cwd=shop)
        broker.end(end)
        broker.start()
        broker.allow(shop)
        assert running.ask().status == 403
        assert broker.ask(shop).role == DEV.name


def test_without_a_catalog_nothing_is_forgotten(broker, shop, place):
    catalog = place.config / "catalog.toml"
    good = catalog.read_text()
    with broker.companion(shop) as running:
        assert running.ask().role == DEV.name
        broker.end(signal.SIGKILL)
        place.serverless("shop", app="shop", stage="prod")
        place.write(catalog, "broken", mode=0o600)
        broker.start()
        assert running.ask().status == 403
        assert "there is no catalog in force" in broker.sentences()
        place.write(catalog, good, mode=0o600)
        assert running.ask().role == DEV.name


def test_what_was_used_lately_is_fetched_at_the_start_and_nothing_else(broker, shop, place, sts):
    unused = place.serverless("unused", app="shop", stage="prod")
    broker.allow(unused)
    assert broker.ask(shop).role == DEV.name
    broker.stop()
    before = len(sts.assumed())
    gate = sts.hold(DEV.name)
    broker.start()
    gate.set()
    # It is there before anybody asks for it: what a client then gets is what the start fetched.
    for _ in range(600):
        [row, _] = broker.status()["projects"]
        if row["expires"]:
            break
    assert row["expires"], "nothing was fetched"
    assert [call.role for call in sts.assumed()[before:]] == [DEV.name]
    assert broker.ask(shop).role == DEV.name
    assert len(sts.assumed()) == before + 1


def test_two_daemons_never_share_their_state(broker, shop, place, programs, sts):
    other = Broker(place, programs, sts)
    place.directory("elsewhere", mode=0o700)
    env = place.environment(**other.environment) | {"XDG_RUNTIME_DIR": str(place.root / "elsewhere")}
    done = place.person.run([programs.brokerd], cwd="/", env=env)
    assert done.returncode == 1
    assert f"brokerd runs already (pid {broker.process.pid})" in done.stderr
    assert broker.ask(shop).role == DEV.name
