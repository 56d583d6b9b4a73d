"""A network namespace of a test's own, in which 169.254.169.254:80 leads to brokerd.

It has `lo` and nothing else, so that no request from it leaves the machine.
"""

import ctypes
import os
import shutil
import subprocess
import threading
from dataclasses import dataclass

from person import Person

ADDRESS = "169.254.169.254"
# Free in a namespace that nobody else has.
PORT = 9254
RULES = (
    "add table ip brokerd;"
    "add chain ip brokerd output { type nat hook output priority -100; };"
    f"add rule ip brokerd output ip daddr {ADDRESS} tcp dport 80 redirect to :{PORT}"
)
CLONE_NEWNET = 0x40000000


class Namespace:
    """One namespace. It lasts as long as the process that holds it."""

    SCRIPT = f'ip link set lo up; ip address add {ADDRESS}/32 dev lo; nft "$0"; echo ready; exec cat'

    def __init__(self):
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-ec", self.SCRIPT, RULES],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self._holder.stdout.readline() != "ready\n":
            raise OSError(self._holder.communicate(timeout=20)[1])

    @staticmethod
    def lacking():
        """Why there can be none here; empty if there can."""
        if os.geteuid() != 0:
            return "only root can redirect 169.254.169.254 in a network namespace"
        missing = [name for name in ("unshare", "nsenter", "setpriv", "ip", "nft") if not shutil.which(name)]
        return f"not installed: {', '.join(missing)}" if missing else ""

    def person(self, person):
        """The user, whose processes start in here."""
        return Inside(person.name, person.uid, person.gid, self._holder.pid)

    def within(self, make):
        """Runs a function in here and gives what it returns; a socket that it makes belongs to the namespace."""
        made = []

        def enter_and_make():
            with open(f"/proc/{self._holder.pid}/ns/net") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(make())

        # The namespace is a thread's own, and this one ends.
        thread = threading.Thread(target=enter_and_make)
        thread.start()
        thread.join()
        return made[0]

    def close(self):
        """It ends when the holder's standard input does."""
        self._holder.communicate(timeout=20)


@dataclass(frozen=True)
class Inside(Person):
    """A user in a namespace."""

    holder: int

    def _entry(self):
        identity = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        return ["nsenter", f"--target={self.holder}", "--net", "setpriv", *identity]

    def _identity(self):
        return {}
