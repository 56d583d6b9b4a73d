"""What is kept in the keychain of a desktop: sessions and token keys, over restarts and whatever befalls the keyring."""

import json
import signal
import socket

import pytest

from place import Role

SHOP = Role("shop-deploy", "111111111111")
BLOG = Role("blog-deploy", "222222222222")
# Long enough for a busy machine; a condition that never comes is a failure.
ATTEMPTS = 600


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


def fifty(broker, projects):
    """Fifty clients, half in each project, the SDK for Rust among them; each keeps its token for good."""
    steady = [broker.programs.steady], broker.python("steady.py")
    return [(projects[number % 2], steady[number >= 4]) for number in range(50)]


def keys_of(counts):
    """The access keys that a client got; what else happened to it."""
    keys = {what for what in counts if what.startswith("ASIA")}
    return keys, {what: often for what, often in counts.items() if what not in keys}


def test_a_kill_under_load_costs_nothing_but_refused_connections(broker, projects, sts, place):
    same_port(broker, place)
    with_tokens = broker.load(fifty(broker, projects))
    settled(broker, 2)
    calls = len(sts.assumed())
    assert calls == 2
    broker.end(signal.SIGKILL)
    broker.start()
    served = broker.status()["issues"]
    # Each of them has come back several times before they are stopped.
    for _ in range(ATTEMPTS):
        if broker.status()["issues"] > served + 500:
            break
    results = with_tokens.stop()
    assert broker.status()["issues"] > served + 500
    assert len(sts.assumed()) == calls
    for number, counts in enumerate(results):
        keys, other = keys_of(counts)
        assert len(keys) == 1 and sts.role_of(keys.pop()) == (SHOP, BLOG)[number % 2].name
        assert set(other) <= {"refused", "cut"}, f"client {number}: {counts}"
        assert other.get("cut", 0) <= 2, "at most what was under way, and a connection that was kept"


def test_whatever_befalls_the_keyring_warm_sessions_are_served(broker, projects, sts, desktop, place):
    load = broker.load(fifty(broker, projects))
    settled(broker, 2)
    calls = len(sts.assumed())

    desktop.lock()
    assert keychain(broker)["trouble"] == "it is locked"
    assert "unlock it" in broker.ctl("status").stdout
    # A session that comes while it is locked is served from memory, and kept once it is unlocked.
    late = place.serverless("late", app="shop", stage="late")
    broker.allow(late)
    assert broker.ask(late).role == SHOP.name
    assert keychain(broker)["unsaved"]
    desktop.unlock()
    settled(broker, 3)

    desktop.kill_keyring()
    later = place.serverless("later", app="shop", stage="later")
    broker.allow(later)
    assert broker.ask(later).role == SHOP.name
    # The bus starts it again when somebody asks for it: locked, since nobody logged in.
    desktop.unlock()
    settled(broker, 4)
    for counts in load.stop():
        keys, other = keys_of(counts)
        assert len(keys) == 1 and not other, counts
    assert len(sts.assumed()) == calls + 2
    broker.end(signal.SIGKILL)
    broker.start()
    assert broker.ask(later).role == SHOP.name
    assert len(sts.assumed()) == calls + 2


def test_what_somebody_else_keeps_there_is_left_alone(broker, place, desktop, sts):
    account = f"cache of {place.state}"
    desktop.collection("put", account, "my diary")
    place.settings(keychain="secret-service")
    place.catalog({"shop": {"*": SHOP}})
    broker.environment |= desktop.environment()
    shop = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(shop)
    assert broker.ask(shop).role == SHOP.name
    state = keychain(broker)
    assert state["trouble"].endswith("was not written by brokerd") and state["saved"] is None
    assert "remove or rename that item" in state["hint"]
    broker.stop()
    assert desktop.collection("get", account).strip() == "my diary"


@pytest.mark.parametrize("text", ["brokerd cache 99\n{}", 'brokerd cache 1\n{"sessions": [1'])
def test_a_cache_of_no_use_is_said_and_begun_anew(broker, place, desktop, text):
    account = f"cache of {place.state}"
    desktop.collection("put", account, text)
    place.settings(keychain="secret-service")
    place.catalog({"shop": {"*": SHOP}})
    broker.environment |= desktop.environment()
    shop = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(shop)
    assert broker.ask(shop).role == SHOP.name
    state = settled(broker, 1)
    assert "was of no use" in state["note"]
    broker.stop()
    broker.start()
    assert (keychain(broker)["sessions"], keychain(broker)["note"]) == (1, None)


def test_a_keyring_that_comes_late_is_taken_over(broker, projects, sts, desktop, place):
    # `allow` has fetched both.
    settled(broker, 2)
    broker.stop()
    desktop.lock()
    same_port(broker, place)
    broker.start()
    assert keychain(broker)["trouble"] == "it is locked"
    # Its token is sealed by a key of this daemon alone, and must go on being good.
    early = broker.load([(projects[1], [broker.programs.steady])])
    assert len(sts.assumed()) == 3
    desktop.unlock()
    settled(broker, 2)
    broker.stop()
    broker.start()
    assert broker.ask(projects[0]).role == SHOP.name
    [counts] = early.stop()
    keys, other = keys_of(counts)
    assert len(keys) == 1 and set(other) <= {"refused", "cut"}, counts
    assert len(sts.assumed()) == 3


def test_the_choice_is_remembered_and_never_changed_silently(broker, projects, sts, place, desktop):
    remembered = json.loads((place.state / "keychain.json").read_text())
    assert remembered["keychain"] == "secret-service"
    broker.stop()
    broker.environment.pop("DBUS_SESSION_BUS_ADDRESS")
    broker.start()
    state = keychain(broker)
    assert (state["keychain"], state["choice"]["by"]) == ("secret-service", "remembered")
    assert state["trouble"].startswith("it cannot be reached")
    assert "config.toml" in state["hint"]
    assert broker.ask(projects[0]).role == SHOP.name
    assert json.loads((place.state / "keychain.json").read_text()) == remembered


@pytest.fixture
def silent_bus(broker, place):
    """A session bus that takes every connection and never says a word."""
    path = place.runtime / "bus"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        place.person.own(path)
        listening.listen()
        broker.environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={path}"
        yield


@pytest.mark.parametrize("chosen", ["secret-service", "auto"])
def test_a_silent_bus_holds_up_nobody(broker, place, silent_bus, chosen):
    place.settings(keychain=chosen)
    place.catalog({"shop": {"*": SHOP}})
    shop = place.serverless("shop", app="shop")
    broker.prefix = ["keyctl", "session", "-"]
    broker.start()
    broker.allow(shop)
    assert broker.ask(shop).role == SHOP.name
    state = keychain(broker)
    if chosen == "auto":
        # The next start looks again: what is there now may only be slow.
        assert (state["keychain"], state["choice"]["by"]) == ("keyutils", "found")
        assert "secret-service: it has not answered" in state["note"]
        assert not (place.state / "keychain.json").exists()
    else:
        assert "it has not answered" in state["trouble"]
    broker.stop()
    if chosen == "auto":
        clear = 'keyctl clear "$(keyctl get_persistent @s)"'
        place.person.run(["keyctl", "session", "-", "sh", "-c", clear], cwd="/", env=place.environment())


def test_sessions_of_a_profile_that_is_gone_are_cleaned_out(broker, projects, desktop, place):
    for project in projects:
        broker.ask(project)
    settled(broker, 2)
    account = f"cache of {place.state}"
    assert BLOG.arn in desktop.collection("get", account)
    place.catalog({"shop": {"*": SHOP}})
    settled(broker, 1)
    assert BLOG.arn not in desktop.collection("get", account)


@pytest.fixture
def keyutils(broker, place):
    """A broker whose sessions are sealed by a key of the kernel's, in a session keyring of its user."""
    place.settings(keychain="keyutils")
    broker.prefix = ["keyctl", "session", "-"]
    yield broker
    broker.stop()
    clear = 'keyctl clear "$(keyctl get_persistent @s)"'
    place.person.run(["keyctl", "session", "-", "sh", "-c", clear], cwd="/", env=place.environment())


def many(broker, project, names):
    """One process that asks for each of these roles."""
    done = broker.place.person.run(
        broker.python("many.py", *names), cwd=project, env=broker.client_environment()
    )
    return json.loads(done.stdout)


def test_two_hundred_sessions_do_not_fit_the_kernel_and_are_kept_by_it_all_the_same(keyutils, place, sts):
    names = [f"shop.s{number}" for number in range(200)]
    place.catalog({"shop": {"*": SHOP}})
    shop = place.serverless("shop", app="shop")
    keyutils.start()
    keyutils.allow(shop)
    keys = many(keyutils, shop, names)
    assert [sts.role_of(key) for key in keys] == [SHOP.name] * 200
    # And the stage of the project itself, which `allow` fetched.
    state = settled(keyutils, 201)
    assert state["keychain"] == "keyutils"
    sealed = place.state / "cache.sealed"
    assert sealed.stat().st_size > 100_000 and sealed.stat().st_mode & 0o777 == 0o600
    keyutils.end(signal.SIGKILL)
    keyutils.start()
    assert many(keyutils, shop, names) == keys
    assert len(sts.assumed()) == 201


def test_a_kill_under_load_with_the_kernels_keys(keyutils, place, sts):
    place.catalog({"shop": {"*": SHOP}, "blog": {"*": BLOG}})
    projects = [place.serverless(name, app=name) for name in ("shop", "blog")]
    keyutils.start()
    keyutils.allow(*projects)
    same_port(keyutils, place, chosen="keyutils")
    load = keyutils.load(fifty(keyutils, projects))
    settled(keyutils, 2)
    keyutils.end(signal.SIGKILL)
    keyutils.start()
    for _ in range(ATTEMPTS):
        if keyutils.status()["issues"] > 500:
            break
    for counts in load.stop():
        keys, other = keys_of(counts)
        assert len(keys) == 1 and set(other) <= {"refused", "cut"}, counts
    assert len(sts.assumed()) == 2


def test_a_lost_key_costs_the_sessions_and_nothing_else(keyutils, place, sts):
    place.catalog({"shop": {"*": SHOP}})
    shop = place.serverless("shop", app="shop")
    keyutils.start()
    keyutils.allow(shop)
    assert keyutils.ask(shop).role == SHOP.name
    settled(keyutils, 1)
    keyutils.stop()
    clear = 'keyctl clear "$(keyctl get_persistent @s)"'
    place.person.run(["keyctl", "session", "-", "sh", "-c", clear], cwd="/", env=place.environment())
    keyutils.start()
    assert keyutils.ask(shop).role == SHOP.name
    settled(keyutils, 1)
    assert len(sts.assumed()) == 2


def test_memory_forgets_and_says_so(broker, place, sts):
    place.catalog({"shop": {"*": SHOP}})
    shop = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(shop)
    assert broker.ask(shop).role == SHOP.name
    state = keychain(broker)
    assert (state["keychain"], state["unsaved"], state["saved"]) == ("memory", False, None)
    assert "keychain memory (configured): sessions end with the daemon" in broker.ctl("status").stdout
    broker.stop()
    broker.start()
    assert broker.ask(shop).role == SHOP.name
    assert len(sts.assumed()) == 2
