"""The disk under the state directory is full: credentials are served, losses are counted, nothing is half written."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from broker import Broker
from place import Role

SHOP = Role("shop-deploy")
# Of a page of the disk some of the next lines still find room: so many are more than enough to fill one.
MANY = 100


class BrokerOnSmallDisk(Broker):
    """A daemon whose state directory is a disk of its own, in a mount namespace that it alone is in."""

    SIZE = "256k"

    def launch(self, argv, **more):
        """Mounts the disk, becomes the user, and then the daemon: all of it one process."""
        place, person = self.place, self.place.person
        state = place.directory("home/.local/state/brokerd", mode=0o700)
        mount = f"mount -t tmpfs -o size={self.SIZE},mode=0700,uid={person.uid},gid={person.gid} tmpfs {state}"
        become = f"exec setpriv --reuid={person.uid} --regid={person.gid} --clear-groups"
        argv = ["unshare", "-m", "sh", "-ec", f'{mount}; {become} "$0" "$@"', *argv]
        return subprocess.Popen([str(word) for word in argv], umask=0o022, text=True, **more)

    @property
    def disk(self):
        """The state directory as the daemon has it; here outside there is another one at its path."""
        return Path(f"/proc/{self.process.pid}/root{self.place.state}")

    def fill(self):
        """Fills the disk to its last page."""
        with open(self.disk / "ballast", "wb", buffering=0) as ballast, pytest.raises(OSError, match="No space left"):
            while True:
                ballast.write(bytes(4096))

    def empty(self):
        """Makes room again."""
        (self.disk / "ballast").unlink()


@pytest.fixture
def small(place, programs, sts, stranger):
    """A broker on a small disk, which ends cleanly."""
    trial = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", place.root], check=False)
    if trial.returncode != 0:
        pytest.skip("no mount namespaces here: unshare -m mount fails")
    made = BrokerOnSmallDisk(place, programs, sts)
    yield made
    made.stop()


def lines(path):
    """The lines of the audit log; each is whole, or this raises."""
    text = path.read_text()
    assert text == "" or text.endswith("\n"), text[-200:]
    return [json.loads(line) for line in text.splitlines()]


def test_a_full_disk_is_said_counted_and_survived(small, place):
    place.catalog({"shop": {"*": SHOP}, "late": {"*": SHOP}})
    shop, late = place.serverless("shop", app="shop"), place.serverless("late", app="late")
    small.start()
    small.allow(shop)
    assert small.ask(shop).role == SHOP.name
    assert not (place.state / "allowed.json").exists(), "the disk is the daemon's own"
    allowed = (small.disk / "allowed.json").read_text()
    small.fill()

    asked = 0
    while small.status()["audit_lost"] == 0:
        assert asked < MANY, "the disk is not full"
        assert small.ask(shop).role == SHOP.name, "whoever needs credentials gets them"
        asked += 1
    for _ in range(3):
        assert small.ask(shop).role == SHOP.name
    lines(small.disk / "audit.jsonl")
    said = small.ctl("status").stdout
    assert "of the audit log could not be written" in said, said

    refused = small.ctl("allow", cwd=late, code=1)
    path = place.state / "allowed.json"
    assert f"error: cannot write {path}: No space left on device" in refused.stderr, refused.stderr
    assert "hint: make room" in refused.stderr, refused.stderr
    denied = small.ctl("deny", cwd=shop, code=1)
    assert f"cannot write {path}: No space left on device" in denied.stderr, denied.stderr
    assert (small.disk / "allowed.json").read_text() == allowed
    kept = {"allowed.json", "audit.jsonl", "ballast", f"{os.uname().nodename}.lock"}
    assert {found.name for found in small.disk.iterdir()} - {"recent.json"} == kept
    assert small.ask(late).access_key == "" and small.ask(shop).role == SHOP.name, "nothing changed"
    assert small.log.read_text().count("the audit log cannot be written") == 1, "said once"

    lost = small.status()["audit_lost"]
    small.empty()
    small.allow(late)
    last = small.ask(late)
    assert last.role == SHOP.name
    # The daemon writes behind the answer; it has written all when it has ended.
    log = os.open(small.disk / "audit.jsonl", os.O_RDONLY)
    assert small.status()["audit_lost"] == lost, "no more is lost"
    small.stop()
    with open(log) as kept:
        records = [json.loads(line) for line in kept.read().splitlines()]
    [gap] = [record for record in records if record["event"] == "lost"]
    assert gap["lost"] == lost and "No space left on device" in gap["why"], gap
    assert gap["since"] <= gap["until"] <= gap["time"]
    after = records[records.index(gap) + 1 :]
    assert last.access_key in [record.get("access_key_id") for record in after]
    assert small.log.read_text().count("the audit log is written again") == 1


def test_a_full_disk_is_no_reason_not_to_start(small, place):
    place.catalog({"shop": {"*": SHOP}})
    shop = place.serverless("shop", app="shop")
    small.start()
    small.allow(shop)
    small.fill()
    # The disk lives as long as somebody holds its namespace.
    namespace = os.open(f"/proc/{small.process.pid}/ns/mnt", os.O_RDONLY)
    small.stop()
    argv = ["nsenter", f"--mount=/proc/{os.getpid()}/fd/{namespace}", "setpriv", f"--reuid={place.person.uid}"]
    argv += [f"--regid={place.person.gid}", "--clear-groups", str(small.programs.brokerd)]
    env = place.environment(**small.environment)
    with open(small.log, "a") as log, subprocess.Popen(argv, env=env, stdout=log, stderr=log) as daemon:
        small.endpoint = json.loads(small.ctl("status", "--wait", "20s", "--json").stdout)["endpoints"][0]
        assert small.ask(shop).role == SHOP.name
        small.ctl("stop")
        assert daemon.wait(20) == 0, small.log.read_text()
    os.close(namespace)
