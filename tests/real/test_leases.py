"""Sessions that are shared, paced, refreshed, locked and forgotten; clocks that are wrong; STS that is slow or gone."""

import json
import signal
import subprocess
import time

import pytest

from place import Role
from sts import Failure

SHOP = Role("shop-deploy", "111111111111")
BLOG = Role("blog-deploy", "222222222222")
# A condition that never comes is a failure.
ATTEMPTS = 600


@pytest.fixture
def projects(broker, place):
    """Two allowed projects of a running broker."""
    place.catalog({"shop": {"*": SHOP}, "blog": {"*": BLOG}})
    made = [place.serverless(name, app=name) for name in ("shop", "blog")]
    broker.start()
    broker.allow(*made)
    return made


def locked(broker):
    """The lock that is on."""
    return broker.status()["locked"]


def until(condition):
    """Waits for a condition, each look at which asks the daemon."""
    for _ in range(ATTEMPTS):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")


def test_a_thousand_callers_of_fifty_cold_roles_make_fifty_calls(broker, place, sts, person):
    stages = {f"s{number}": Role(f"role-{number}") for number in range(50)}
    place.catalog({"shop": {**stages, "none": SHOP}})
    shop = place.serverless("shop", app="shop", stage="none")
    broker.start()
    broker.allow(shop)
    control = place.runtime / "brokerd/control.sock"
    # Started by the test, whose children they are, so each asks for a shell of its own in the project.
    script = '"$0" "$1" "$2"; exit $?'
    argv = ["/bin/sh", "-c", script, *broker.python("callers.py", control)]
    started = [person.start(argv, cwd=shop, env=broker.client_environment()) for _ in range(20)]
    said = [json.loads(process.communicate(timeout=300)[0]) for process in started]
    keys = [pair for each in said for pair in each]
    assert len(keys) == 1000
    for stage, key in keys:
        assert sts.role_of(key) == stages[stage].name
    assert len({key for _, key in keys}) == 50
    cold = [call for call in sts.assumed() if call.role != SHOP.name]
    assert len(cold) == 50 and len({call.role for call in cold}) == 50


def test_a_lock_drops_and_refuses_over_a_restart_until_it_is_unlocked(broker, projects, sts):
    shop, _ = projects
    assert broker.ask(shop).role == SHOP.name
    with broker.companion(shop) as running:
        first = running.ask()
        assert first.status == 200
        said = broker.ctl("lock").stdout
        assert "every session is dropped" in said and "can be used until" in said, said
        for _ in range(2):
            answer = running.ask()
            assert (answer.list_status, answer.status, answer.access_key) == (200, 403, "")
        calls = len(sts.assumed())
        broker.end(signal.SIGKILL)
        port = broker.endpoint.rstrip("/").rpartition(":")[2]
        broker.place.settings(f'listen = ["127.0.0.1:{port}"]\n')
        broker.start()
        assert locked(broker)["by"] == "person"
        assert "brokerctl unlock" in broker.ctl("status").stdout
        answer = broker.ask(shop)
        assert (answer.list_status, answer.status, answer.access_key) == (200, 403, "")
        refused = broker.credential_process(shop, code=4)
        assert "brokerd is locked since" in refused.stderr and "hint: brokerctl unlock" in refused.stderr
        ran = broker.ctl("exec", "--", "true", cwd=shop, code=4)
        assert "brokerd is locked since" in ran.stderr and "hint: brokerctl unlock" in ran.stderr
        broker.ctl("tokens", "add", cwd=shop, code=4)
        broker.ctl("refresh", cwd=shop, code=4)
        assert len(sts.assumed()) == calls, "STS is not asked meanwhile"
        assert "unlocked" in broker.ctl("unlock").stdout
        assert "it was not locked" in broker.ctl("unlock").stdout
        again = running.ask()
        assert (again.status, again.role) == (200, SHOP.name), "its decision holds"
        assert again.access_key != first.access_key, "its session was dropped"


def test_a_lock_takes_sessions_out_of_the_keychain(broker, place, desktop, sts):
    place.settings(keychain="secret-service")
    place.catalog({"shop": {"*": SHOP}})
    shop = place.serverless("shop", app="shop")
    broker.environment |= desktop.environment()
    broker.start()
    broker.allow(shop)
    key = broker.ask(shop).access_key
    account = f"cache of {place.state}"
    until(lambda: not broker.status()["keychain"]["unsaved"])
    assert key in desktop.collection("get", account)
    broker.ctl("lock")
    assert key not in desktop.collection("get", account)
    broker.ctl("unlock")
    assert broker.ask(shop).access_key not in ("", key)


def test_a_refresh_is_a_new_session_now(broker, projects, sts):
    shop, blog = projects
    first = broker.ask(shop).access_key
    said = broker.ctl("refresh", cwd=shop).stdout
    assert "refreshed shop.dev" in said and first in said and "can be used until" in said, said
    second = broker.ask(shop).access_key
    assert second != first and second in said
    assert "refreshed blog.dev" in broker.ctl("refresh", "blog", "dev", cwd=shop).stdout
    sts.fail(SHOP.name, Failure.ACCESS_DENIED)
    failed = broker.ctl("refresh", cwd=shop, code=1)
    assert f"the session {second} stays" in failed.stderr and "may not assume" in failed.stderr
    assert broker.ask(shop).access_key == second
    [row] = [row for row in broker.status()["projects"] if row["app"] == "shop"]
    assert row["stale_since"] and "served stale: STS fails since" in " ".join(row["notes"])


def test_forgetting_empties_every_keychain(broker, place, desktop, sts):
    place.settings(keychain="keyutils")
    place.catalog({"shop": {"*": SHOP}})
    shop = place.serverless("shop", app="shop")
    broker.environment |= desktop.environment()
    broker.prefix = ["keyctl", "session", "-"]
    broker.start()
    broker.allow(shop)
    broker.ask(shop)
    until(lambda: not broker.status()["keychain"]["unsaved"])
    sealed = place.state / "cache.sealed"
    assert sealed.exists()
    # Another keychain is named: the first one still holds what it did.
    broker.stop()
    place.settings(keychain="secret-service")
    broker.start()
    key = broker.ask(shop).access_key
    until(lambda: not broker.status()["keychain"]["unsaved"])
    keys = '{"AccessKey": {"AccessKeyId": "AKIADURABLEDURABLE12", "SecretAccessKey": "durableSecretMarked/0123456789abcdefg/AB"}}'
    kept = place.person.run(
        ["sh", "-c", f"printf %s '{keys}' | {broker.programs.brokerctl} login --keys work"],
        cwd=place.home,
        env=broker.client_environment(),
    )
    assert kept.returncode == 0, kept.stderr
    assert len(desktop.items()) == 2
    said = broker.ctl("forget").stdout
    assert "brokerd: sessions kept for" in said and "cache.sealed" in said, said
    assert "can be used until" in said
    assert not sealed.exists()
    assert [item["account"] for item in desktop.items()] == ["keys work"]
    assert broker.ask(shop).access_key not in ("", key)
    # Without a terminal to ask on nothing that a person gave is removed.
    asked = broker.ctl("forget", "--all", code=2)
    assert "brokerd: AWS keys work" in asked.stderr and "--yes" in asked.stderr
    assert "keys work" in [item["account"] for item in desktop.items()]
    assert "brokerd: AWS keys work" in broker.ctl("forget", "--all", "--yes").stdout
    assert "keys work" not in [item["account"] for item in desktop.items()]


@pytest.mark.parametrize("off", [420, -7200], ids=["behind", "ahead"])
def test_a_wrong_clock_is_said_and_signed_around(broker, projects, sts, off):
    shop, _ = projects
    # Nothing is under way then.
    assert [broker.ask(project).status for project in projects] == [200, 200]
    before = len(sts.assumed(SHOP.name))
    sts.clock_off = off
    said = broker.ctl("refresh", cwd=shop).stdout
    assert "refreshed" in said
    # Refused by the time of its signature, then signed by AWS's clock.
    refused, accepted = sts.signed_at(SHOP.name)[before:]
    assert abs(refused[0] - refused[1]) > 300 and abs(accepted[0] - accepted[1]) < 60
    direction = "behind" if off > 0 else "ahead of"
    status = broker.ctl("status").stdout
    assert "this machine's clock is" in status and f"{direction} AWS" in status
    assert abs(broker.status()["clock_ahead"] + off) < 30
    assert broker.ask(shop).role == SHOP.name, "the session is AWS's hour, whatever this clock says"
    calls = len(sts.assumed())
    broker.ctl("refresh", cwd=shop)
    assert len(sts.assumed()) == calls + 1, "by then it is known"
    sts.clock_off = 0
    broker.ctl("refresh", cwd=shop)
    assert broker.status()["clock_ahead"] is None


class Screen:
    """Somebody who says that the screen is locked."""

    def __init__(self, place, programs, who, environment):
        self.process = place.person.start(
            [programs.python, programs.clients / "screen.py", who, str(place.person.uid)],
            cwd="/",
            env=place.environment(**environment),
        )
        assert self.process.stdout.readline() == "ready\n", self.process.stderr.read()

    def say(self, word):
        """Says it."""
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "said\n"

    def close(self):
        """Ends."""
        self.process.communicate(timeout=20)


@pytest.fixture
def buses(place):
    """A session bus and a system bus; the second is a session bus too, to which everybody may speak."""
    made, environment = [], {}
    for name in ("DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"):
        bus = place.person.start(
            ["dbus-daemon", "--session", "--nofork", "--print-address"],
            cwd="/",
            env=place.environment(),
            stdin=subprocess.DEVNULL,
        )
        environment[name] = bus.stdout.readline().strip()
        made.append(bus)
    yield environment
    for bus in made:
        bus.terminate()
        bus.wait(20)


@pytest.mark.parametrize("who", ["org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver", "logind"])
def test_the_lock_of_the_screen_locks_and_its_end_unlocks(broker, place, programs, buses, who):
    place.settings('listen = ["127.0.0.1:0"]\nlock_on_screen_lock = true\n')
    place.catalog({"shop": {"*": SHOP}})
    shop = place.serverless("shop", app="shop")
    broker.environment |= buses
    broker.start()
    broker.allow(shop)
    first = broker.ask(shop).access_key
    until(lambda: "locks with the screen" in broker.log.read_text())
    screen = Screen(place, programs, who, buses)
    try:
        screen.say("lock")
        until(lambda: locked(broker))
        assert locked(broker)["by"] == "screen"
        assert (answer := broker.ask(shop)).status == 403 and answer.access_key == ""
        screen.say("unlock")
        until(lambda: not locked(broker))
        assert broker.ask(shop).access_key not in ("", first)
        # What a person locks no screen unlocks.
        broker.ctl("lock")
        screen.say("lock")
        screen.say("unlock")
        screen.say("lock")
        until(lambda: broker.log.read_text().count(" locked") >= 3)
        assert locked(broker)["by"] == "person"
    finally:
        screen.close()


def test_a_screen_that_nobody_tells_of_is_said(broker, place):
    place.settings('listen = ["127.0.0.1:0"]\nlock_on_screen_lock = true\n')
    place.catalog({"shop": {"*": SHOP}})
    nowhere = "unix:path=/nonexistent"
    broker.environment |= {"DBUS_SESSION_BUS_ADDRESS": nowhere, "DBUS_SYSTEM_BUS_ADDRESS": nowhere}
    broker.start()
    until(lambda: any("lock_on_screen_lock has no effect" in trouble for trouble in broker.status()["troubles"]))


def test_the_audit_log_is_shown_followed_and_rotated(broker, place, projects):
    shop, blog = projects
    issued = broker.ask(shop)
    outside = place.directory("home/elsewhere")
    broker.ask(outside)
    argv = ["/bin/sh", "-c", '"$0" credential-process; exit $?', broker.programs.brokerctl, "--password", "marked-word"]
    done = place.person.run(argv, cwd=blog, env=broker.client_environment())
    assert done.returncode == 0, done.stderr

    def audit(*words):
        return [json.loads(line) for line in broker.ctl("audit", "--json", *words).stdout.splitlines()]

    until(lambda: len(audit()) >= 3)
    [record] = [each for each in audit() if each.get("access_key_id") == issued.access_key]
    caller = record["caller"]
    assert caller["uid"] == place.person.uid and caller["command"][0].endswith("python3") or caller["command"]
    assert record["session_name"].startswith("brokerd-") and record["session_name"].endswith("-shop-dev")
    assert all("marked-word" not in json.dumps(each) for each in audit())
    [masked] = [each for each in audit("--app", "blog")]
    assert masked["caller"]["command"][-2:] == ["--password", "***"]
    [refused] = audit("--refused")
    assert "is in no project" in refused["reason"]
    assert audit("--since", "1h") == audit()
    table = broker.ctl("audit", "--since", "1h").stdout
    assert "issued" in table and "refused" in table and issued.access_key in table
    follower = place.person.start(
        [broker.programs.brokerctl, "audit", "--follow", "--json"], cwd="/", env=broker.client_environment()
    )
    seen = [json.loads(follower.stdout.readline()) for _ in audit()]
    log = place.state / "audit.jsonl"
    log.rename(log.with_name("audit.jsonl.1"))
    next_one = broker.ask(shop)
    seen.append(json.loads(follower.stdout.readline()))
    follower.terminate()
    follower.wait(20)
    assert seen[-1]["caller"]["pid"] == next_one.pid
    assert log.stat().st_mode & 0o777 == 0o600
    broker.stop()
    assert len(audit()) == len(seen), "it is read while brokerd is not running too"
