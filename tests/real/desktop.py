"""A desktop session without a screen: a session bus, and a real GNOME Keyring on it."""

import json
import signal
import subprocess

PASSWORD = "the user's own"


class Desktop:
    """The bus and the keyring of one place, as the ordinary user."""

    def __init__(self, place, programs):
        self.place, self.programs = place, programs
        self.runtime = place.runtime
        self._log = open(place.root / "desktop.log", "a")
        self.bus = place.person.start(
            ["dbus-daemon", "--session", "--nofork", "--print-address"],
            cwd="/",
            env=place.environment(),
            stdin=subprocess.DEVNULL,
            stderr=self._log,
        )
        self.address = self.bus.stdout.readline().strip()
        assert self.address, "the session bus does not start"
        self._start_keyring()

    def environment(self):
        """What processes of the session have more than others."""
        return {"DBUS_SESSION_BUS_ADDRESS": self.address}

    def _start_keyring(self):
        """Starts the keyring unlocked, as a login does; ready when this returns."""
        argv = ["gnome-keyring-daemon", "--unlock", "--components=secrets", "--foreground"]
        env = self.place.environment(**self.environment())
        self.keyring = self.place.person.start(argv, cwd="/", env=env, stdout=subprocess.PIPE, stderr=self._log)
        self.keyring.stdin.write(PASSWORD)
        self.keyring.stdin.close()
        # The bus holds back calls to a name that is about to be there; the first answer says that it is.
        self.collection("items")

    def kill_keyring(self):
        """It dies without a word."""
        self.keyring.send_signal(signal.SIGKILL)
        self.keyring.wait(20)

    def collection(self, *words):
        """Does something to the collection: see clients/collection.py."""
        argv = [self.programs.python, self.programs.clients / "collection.py", *words]
        done = self.place.person.run(argv, cwd="/", env=self.place.environment(**self.environment()))
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def lock(self):
        """Locks the collection."""
        self.collection("lock")

    def unlock(self):
        """Unlocks it."""
        self.collection("unlock", PASSWORD)

    def items(self):
        """The items of brokerd."""
        return [item for item in json.loads(self.collection("items")) if item["service"] == "brokerd"]

    def close(self):
        """Ends both. What the bus started by itself ends with it."""
        for process in (self.keyring, self.bus):
            process.terminate()
            process.wait(20)
        self._log.close()
