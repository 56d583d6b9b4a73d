"""A real `systemd --user` of the ordinary user, in a mount namespace with control groups of its own."""

import os
import shutil
import subprocess
from pathlib import Path

# Control groups and `/run` of its own; the rest is the machine's, so that its processes and the clients see each other.
ENTER = """
umount -l /sys/fs/cgroup; mkdir -p /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/$0; echo $$ > /sys/fs/cgroup/$0/cgroup.procs
chown "$1" /sys/fs/cgroup/$0 /sys/fs/cgroup/$0/cgroup.procs /sys/fs/cgroup/$0/cgroup.subtree_control
mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system
exec setpriv --reuid="$1" --regid="$2" --clear-groups dbus-run-session -- /usr/lib/systemd/systemd --user
"""
LONGEST = 60


class UserManager:
    """One manager. It starts logged in."""

    def __init__(self, place, person):
        self.place, self.person = place, person
        self.log = place.root / "manager.log"
        self.process = None
        self.log_in()

    def log_in(self):
        """Starts it, and waits until it has started what a login starts."""
        place, person = self.place, self.person
        # What an earlier one left behind would look like this one's.
        shutil.rmtree(place.runtime / "systemd", ignore_errors=True)
        env = place.environment(SYSTEMD_LOG_TARGET="console")
        argv = ["unshare", "--mount", "sh", "-ec", ENTER, place.root.name, str(person.uid), str(person.gid)]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(argv, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(LONGEST * 10):
            assert self.process.poll() is None, self.log.read_text()
            if (place.runtime / "systemd/private").exists() and self.systemctl("is-system-running", check=False):
                return
            subprocess.run(["sleep", "0.1"], check=True)
        raise AssertionError(self.log.read_text())

    @staticmethod
    def lacking():
        """Why there can be none here; empty if there can."""
        if os.geteuid() != 0:
            return "only root can make the namespace of a user's systemd"
        if not Path("/usr/lib/systemd/systemd").exists():
            return "systemd is not installed"
        missing = [name for name in ("unshare", "setpriv", "dbus-run-session", "systemctl") if not shutil.which(name)]
        return f"not installed: {', '.join(missing)}" if missing else ""

    def systemctl(self, *words, check=True):
        """`systemctl --user`, as the user."""
        done = self.person.run(["systemctl", "--user", *words], cwd="/", env=self.place.environment())
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{self.log.read_text()}"
        return done.stdout.strip()

    def show(self, unit, name):
        """A property of a unit."""
        return self.systemctl("show", unit, "--property", name, "--value")

    def wait_until(self, unit, name, fits):
        """Waits for a property."""
        value = None
        for _ in range(LONGEST * 20):
            value = self.show(unit, name)
            if fits(value):
                return value
            subprocess.run(["sleep", "0.05"], check=True)
        raise AssertionError(f"{unit} {name}={value}\n{self.log.read_text()}")

    def log_out(self):
        """Ends it with all that it started."""
        self.systemctl("exit", check=False)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
