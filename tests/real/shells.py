"""Interactive shells on a terminal of their own, as a person has them: what is typed, and what is shown."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

PATIENCE = 60
# What moves or colours, and is no text.
CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\x1b\][^\x07]*\x07|[\r\x07]")


class Screen:
    """A program on a pseudo-terminal that is its controlling one."""

    def __init__(self, broker, argv, cwd, rows=40, columns=120, **env):
        self._screen, slave = pty.openpty()
        self.resize(rows, columns)
        if os.geteuid() == 0:
            os.fchown(slave, broker.place.person.uid, -1)
        self.seen = ""
        self.process = broker.place.person.start(
            argv,
            cwd=cwd,
            env=broker.client_environment(PATH=f"{broker.programs.brokerctl.parent}:/usr/bin:/bin", TERM="xterm", **env),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self._slave = slave

    def resize(self, rows, columns):
        """The window is dragged to another size."""
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        """What a person types."""
        os.write(self._screen, text.encode())

    def settings(self):
        """How the terminal treats what is typed."""
        return termios.tcgetattr(self._slave)

    def shown(self, *texts):
        """All that is shown from the last such text on until each of these has been, in turn; without codes."""
        begin, end = 0, time.monotonic() + PATIENCE
        for text in texts:
            while text not in CODES.sub("", self.seen)[begin:]:
                ready, _, _ = select.select([self._screen], [], [], max(0, end - time.monotonic()))
                assert ready, f"never shown: {text!r}\n{self.seen!r}"
                self.seen += os.read(self._screen, 65536).decode(errors="replace")
            begin = CODES.sub("", self.seen).index(text, begin) + len(text)
        seen, self.raw, self.seen = CODES.sub("", self.seen), self.seen, ""
        return seen

    def end(self, code=0):
        """Waits for its end. A terminal that nobody reads would hold it up."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it does not end: {self.seen!r}"
            ready, _, _ = select.select([self._screen], [], [], 0.1)
            if ready:
                self.seen += os.read(self._screen, 65536).decode(errors="replace")
        assert self.process.returncode == code, (self.process.returncode, self.seen)

    def close(self):
        """Ends it, however far it is."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        os.close(self._slave)
        os.close(self._screen)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def script(broker, shell, text, cwd, code=0, **env):
    """A shell without its start-up files runs a text; what it prints."""
    clean = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    path = f"{broker.programs.brokerctl.parent}:/usr/bin:/bin"
    done = broker.place.person.run([shell, *clean, "-c", text], cwd=cwd, env=broker.client_environment(PATH=path, **env))
    assert (done.returncode, done.stderr) == (code, ""), done
    return done.stdout


def parses(shell, text):
    """Whether a shell takes a text for a program of its own; nothing of it is run."""
    done = subprocess.run([shell, "-n"], input=text, text=True, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done
