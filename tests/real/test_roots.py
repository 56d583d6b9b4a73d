"""Projects below the configured roots, and what happens where the kernel gives no more watches."""

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass

import pytest

from person import Person
from place import Role

DEV = Role("shop-dev", "111111111111")
PROD = Role("shop-prod", "222222222222")
ROOTS = 'listen = ["127.0.0.1:0"]\nprojects = ["~/work", "~/none"]\n'
# Longer than anything takes here.
PATIENCE = 60


def until(broker, holds):
    """The first status of which something holds; the daemon works behind it."""
    end = time.monotonic() + PATIENCE
    while True:
        status = broker.status()
        if holds(status):
            return status
        assert time.monotonic() < end, json.dumps({name: status[name] for name in ("search", "found", "troubles")})
        time.sleep(0.02)


def found(status, place):
    """The projects that were found, by their directories below home: application, stage, whether allowed."""
    return {
        str(os.path.relpath(row["config"], place.home)): (row["app"], row["stage"], row["allowed"])
        for row in status["found"]
    }


def is_done(status):
    return status["search"]["finished"] is not None and not status["search"]["searching"]


@pytest.fixture
def work(place):
    """A root with three projects and what must not count."""
    place.settings(ROOTS)
    place.catalog({"shop": {"dev": DEV, "prod": PROD}})
    place.serverless("work/team/shop", app="shop", stage="dev")
    place.serverless("work/team/blog", app="blog")
    place.serverless("work/mono/services/api", app="api", stage="${opt:stage, 'qa'}")
    for left_out in ("team/shop/node_modules/x", "team/shop/.serverless", "mono/ignored", "venv/x"):
        place.serverless(f"work/{left_out}", app="wrong")
    place.directory("home/work/mono/.git")
    place.write("home/work/mono/.gitignore", "/ignored\n")
    place.serverless("elsewhere", app="other", stage="dev")
    return place.home / "work"


BEFORE = {
    "work/team/shop/serverless.yml": ("shop", "dev", False),
    "work/team/blog/serverless.yml": ("blog", None, False),
    "work/mono/services/api/serverless.yml": ("api", "qa", False),
}


def test_roots_are_searched_and_nothing_is_allowed_by_it(broker, work, place):
    broker.start()
    status = until(broker, is_done)
    assert found(status, place) == BEFORE
    assert status["projects"] == []
    assert status["search"]["roots"] == [str(work), str(place.home / "none")]
    assert any(f"{place.home}/none" in trouble for trouble in status["troubles"])
    assert broker.ask(work / "team/shop").access_key == ""
    broker.allow(work / "team/shop")
    assert broker.ask(work / "team/shop").role == DEV.name
    status = broker.status()
    assert found(status, place) == BEFORE | {"work/team/shop/serverless.yml": ("shop", "dev", True)}
    text = broker.ctl("status").stdout
    assert "3 found, 1 allowed" in text and "found and not allowed" in text and "blog.-" in text


def test_newcomers_are_found_and_what_went_is_not_shown(broker, work, place):
    broker.start()
    until(broker, is_done)
    # In a directory that was not there, as a clone makes it.
    place.serverless("work/new/deep/er/svc", app="svc", stage="dev")
    place.serverless("work/team/third", app="third")
    place.serverless("none/late", app="late")
    more = {
        "work/new/deep/er/svc/serverless.yml": ("svc", "dev", False),
        "work/team/third/serverless.yml": ("third", None, False),
        "none/late/serverless.yml": ("late", None, False),
    }
    until(broker, lambda status: found(status, place) == BEFORE | more)
    place.serverless("work/team/third", app="fourth")
    shutil.rmtree(work / "new")
    shutil.rmtree(place.home / "none")
    (work / "team/blog/serverless.yml").unlink()
    (work / "mono").rename(work / "poly")
    now = {
        "work/team/shop/serverless.yml": ("shop", "dev", False),
        "work/team/third/serverless.yml": ("fourth", None, False),
        "work/poly/services/api/serverless.yml": ("api", "qa", False),
    }
    until(broker, lambda status: found(status, place) == now)
    work.rename(place.home / "away")
    until(broker, lambda status: found(status, place) == {})
    (place.home / "away").rename(work)
    until(broker, lambda status: found(status, place) == now)


def test_a_project_that_no_root_covers_is_found_when_a_process_in_it_asks(broker, work, place):
    broker.start()
    until(broker, is_done)
    assert broker.ask(place.home / "elsewhere").access_key == ""
    broker.ask(work / "mono/ignored")
    more = {
        "elsewhere/serverless.yml": ("other", "dev", False),
        "work/mono/ignored/serverless.yml": ("wrong", None, False),
    }
    until(broker, lambda status: found(status, place) == BEFORE | more)
    place.serverless("elsewhere", app="other", stage="prod")
    more["elsewhere/serverless.yml"] = ("other", "prod", False)
    assert found(broker.status(), place) == BEFORE | more


def lines(broker, word):
    return [line for line in broker.log.read_text().splitlines() if word in line]


class Limited:
    """Starts the daemon in a user namespace in which every user is who they were, and inotify gives less."""

    # What is executed once the users are mapped is root of the namespace, and may set its limits.
    WAIT = 'read -r _; exec sh -ec "$0" "$@"'
    SCRIPT = 'echo "$1" > "/proc/sys/user/$0"; shift; exec setpriv "$@"'

    def __init__(self, person, setting, value):
        self._person, self._words = person, [setting, str(value)]

    def launch(self, argv, **more):
        """As Broker.launch does."""
        identity = [f"--reuid={self._person.uid}", f"--regid={self._person.gid}", "--clear-groups"]
        argv = ["unshare", "--user", "sh", "-ec", self.WAIT, self.SCRIPT, *self._words, *identity, *argv]
        more["stdin"] = subprocess.PIPE
        process = subprocess.Popen([str(word) for word in argv], text=True, umask=0o022, **more)
        outside = os.readlink("/proc/self/ns/user")
        while os.readlink(f"/proc/{process.pid}/ns/user") == outside:
            assert process.poll() is None, "there is no user namespace"
        for kind in ("uid", "gid"):
            with open(f"/proc/{process.pid}/{kind}_map", "w") as mapping:
                mapping.write("0 0 4294967295")
        process.stdin.write("\n")
        process.stdin.close()
        return process


@dataclass(frozen=True)
class Inside(Person):
    """The user in that namespace: processes outside of it cannot be looked at from within."""

    holder: int

    def _entry(self):
        identity = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        return ["nsenter", f"--target={self.holder}", "--user", "setpriv", *identity]

    def _identity(self):
        return {}


@pytest.mark.parametrize(
    "setting, value, what", [("max_inotify_watches", 3, "watches"), ("max_inotify_instances", 0, "instances")]
)
def test_where_a_limit_is_reached_it_is_named_and_answers_stay_right(broker, work, place, setting, value, what):
    if os.geteuid() != 0:
        pytest.skip("only root can make a user namespace in which everybody is who they were")
    person = place.person
    launch = Limited(person, setting, value).launch

    def launch_and_enter(argv, **more):
        process = launch(argv, **more)
        place.person = Inside(person.name, person.uid, person.gid, process.pid)
        return process

    broker.launch = launch_and_enter
    broker.start()
    shop = work / "team/shop"
    broker.allow(shop)
    assert broker.ask(shop).role == DEV.name
    allowed = BEFORE | {"work/team/shop/serverless.yml": ("shop", "dev", True)}
    status = until(broker, lambda status: is_done(status) and status["search"]["on_demand"])
    assert found(status, place) == allowed
    [trouble] = [trouble for trouble in status["troubles"] if "inotify" in trouble]
    assert f"the limit on inotify {what} is reached (user.{setting} is {value})" in trouble
    assert f"sudo sysctl user.{setting}=" in trouble
    assert lines(broker, "the limit on inotify")
    assert "the limit on inotify" in broker.ctl("status").stdout

    place.serverless("work/team/shop", app="shop", stage="prod")
    assert broker.ask(shop).role == PROD.name
    place.serverless("work/new/deep/er/svc", app="svc", stage="dev")
    more = {
        "work/team/shop/serverless.yml": ("shop", "prod", True),
        "work/new/deep/er/svc/serverless.yml": ("svc", "dev", False),
    }
    until(broker, lambda status: found(status, place) == BEFORE | more)


def test_an_overflow_of_the_queue_is_said_and_loses_nothing(broker, work, place):
    limit = int(open("/proc/sys/fs/inotify/max_queued_events").read())
    if limit > 100_000:
        pytest.skip(f"fs.inotify.max_queued_events is {limit}: too many events to make")
    broker.start()
    broker.allow(work / "team/shop")
    until(broker, is_done)
    broker.process.send_signal(signal.SIGSTOP)
    try:
        # Each file is two events at least, and no two in a row are the same.
        for number in range(limit):
            path = work / "team/shop" / f"f{number % 2}"
            path.touch()
            path.unlink()
        place.serverless("work/team/shop", app="shop", stage="prod")
        place.serverless("work/new/svc", app="svc", stage="dev")
    finally:
        broker.process.send_signal(signal.SIGCONT)
    more = {
        "work/team/shop/serverless.yml": ("shop", "prod", True),
        "work/new/svc/serverless.yml": ("svc", "dev", False),
    }
    status = until(broker, lambda status: found(status, place) == BEFORE | more)
    assert broker.ask(work / "team/shop").role == PROD.name
    status = until(broker, lambda status: any("queue of inotify" in trouble for trouble in status["troubles"]))
    assert lines(broker, "the queue of inotify was full")
    assert "fs.inotify.max_queued_events" in broker.ctl("status").stdout
