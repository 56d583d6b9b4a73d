"""The ordinary user that daemon and clients run as.

CI is root, users are not: root sees more of /proc than a user does, and brokerd refuses to be root.
"""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

NAME = os.environ.get("BROKERD_TEST_USER", "brokerd-test")  # suites that run at once want one each
# An account that no machine has; only its number matters.
STRANGER = 61234
# A process of ours that runs longer has hung, and must not take the whole suite with it.
PATIENCE = 90


@dataclass(frozen=True)
class Person:
    """A user, and how to start processes as that user."""

    name: str
    uid: int
    gid: int

    @staticmethod
    def here():
        """The user made for the tests when we are root; else whoever runs them. None if there is none."""
        if os.geteuid() != 0:
            entry = pwd.getpwuid(os.geteuid())
            return Person(entry.pw_name, entry.pw_uid, entry.pw_gid)
        try:
            entry = pwd.getpwnam(NAME)
        except KeyError:
            return None
        return Person(entry.pw_name, entry.pw_uid, entry.pw_gid)

    def _entry(self):
        """What a command line begins with."""
        return []

    def _identity(self):
        if os.geteuid() != 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def start(self, argv, *, cwd, env, **more):
        """Starts a process with exactly this environment. Whoever calls ends it."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(
            [str(word) for word in [*self._entry(), *argv]], cwd=cwd, env=env, umask=0o022, **self._identity(), **{**pipes, **more}
        )

    def run(self, argv, *, cwd, env, said="", timeout=PATIENCE):
        """Runs a process to its end; one that does not come to it is killed and raises."""
        with self.start(argv, cwd=cwd, env=env) as process:
            try:
                out, err = process.communicate(said, timeout=timeout)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def own(self, path: Path):
        """Gives a path to the user."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
