"""A daemon that is killed while it writes: its files are whole, and it starts again."""

import json
import os
import signal
import threading

from place import Role

SHOP = Role("shop-deploy")
ROUNDS = 20


class Traffic:
    """Clients that allow, deny and ask, each as fast as it can, whether a daemon answers or not."""

    def __init__(self, broker, steady, projects):
        self._broker = broker
        self._ended = threading.Event()
        self._done = threading.Semaphore(0)
        self._trouble = []
        ask = broker.python("imds.py")
        ctl = broker.programs.brokerctl
        loops = [[[ask, steady]]]
        loops += [[[[ctl, "allow"], project], [[ctl, "deny"], project]] for project in projects]
        self._threads = [threading.Thread(target=self._run, args=[loop]) for loop in loops]

    def _run(self, loop):
        try:
            while not self._ended.is_set():
                for argv, cwd in loop:
                    # Without a daemon each fails; how is no matter here.
                    self._broker.place.person.run(argv, cwd=cwd, env=self._broker.client_environment())
                    self._done.release()
        except BaseException as trouble:
            self._trouble.append(trouble)
            raise

    def pass_by(self, number):
        """Waits until so many more of them have come to an end; others are then under way."""
        for _ in range(number):
            assert self._done.acquire(timeout=60), "no client comes to an end"

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join()
        assert not self._trouble, self._trouble


# What a daemon has in its state directory.
KEPT = {"allowed.json", "audit.jsonl", "recent.json", f"{os.uname().nodename}.lock"}


def check_lists(state):
    """What a reader finds while there is no daemon: the list is whole, and nothing else but what was beside it."""
    listed = json.loads((state / "allowed.json").read_text())
    assert listed["form"] == 1 and listed["projects"], listed
    recent = state / "recent.json"
    assert not recent.exists() or json.loads(recent.read_text())["form"] == 1
    beside = sorted(found.name for found in state.iterdir() if found.name not in KEPT)
    assert all(name.endswith(".new") for name in beside), beside
    assert len({name.split(".")[0] for name in beside}) == len(beside), "each attempt sweeps away what the one before it left"


def test_a_daemon_that_is_killed_at_any_moment(broker, place):
    place.catalog({"shop": {"*": SHOP}})
    steady = place.serverless("steady", app="shop")
    projects = [place.serverless(name, app="shop") for name in ("one", "two", "three")]
    broker.start()
    broker.allow(steady)
    with Traffic(broker, steady, projects) as traffic:
        for number in range(ROUNDS):
            traffic.pass_by(1 + number % 7)
            broker.end(signal.SIGKILL)
            check_lists(place.state)
            broker.start()
            rows = [row["config"] for row in broker.status()["projects"]]
            assert str(steady / "serverless.yml") in rows, "what was allowed stays so"
            text = (place.state / "audit.jsonl").read_text()
            whole, _, begun = text.rpartition("\n")
            for line in whole.splitlines():
                json.loads(line)
            # The daemon is writing on: of its newest line a reader may see a beginning.
            assert begun == "" or begun.startswith("{")
    assert broker.ask(steady).role == SHOP.name
    # A change that is one: what a killed attempt has left is swept away with it.
    broker.allow(place.serverless("last", app="shop"))
    left = {found.name for found in place.state.iterdir()}
    assert {name for name in left - KEPT if not name.startswith("recent.json.")} == set()
    assert "issue" in {record["event"] for record in broker.audit()}
