"""A terminal as a user has it: a pseudo-terminal, and a session whose leader starts what is typed."""

import fcntl
import json
import os
import select
import struct
import termios
import time
from types import SimpleNamespace

from broker import Answer

# What a person would wait for takes milliseconds; a minute is a hung one.
PATIENCE = 60


class Terminal:
    """A terminal; the processes in it are children of its session's leader."""

    def __init__(self, broker):
        self._broker = broker
        self._screen, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        # A terminal belongs to who is logged in at it.
        if os.geteuid() == 0:
            os.fchown(slave, broker.place.person.uid, -1)
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        self.leader = broker.place.person.start(
            broker.python("shell.py", str(orders), str(answers)),
            cwd=broker.place.home,
            env=broker.client_environment(),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            pass_fds=(orders, answers),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        for end in (orders, answers):
            os.close(end)
        # Ours stays open: what a terminal is set to is asked of this end.
        self._slave = slave
        self._orders, self._answers = os.fdopen(self._orders, "w"), os.fdopen(self._answers)

    def _order(self, *words):
        print(json.dumps(words), file=self._orders, flush=True)
        answer = self._answers.readline()
        assert answer, "the leader of the terminal has ended"
        return json.loads(answer)

    def start(self, argv, cwd, screen=False, **env):
        """Starts a process; with `screen` it talks to the terminal."""
        argv, env = [str(word) for word in argv], self._broker.client_environment(**env)
        return self._order("start", argv, str(cwd), env, screen)

    def end(self, number):
        """Waits for its end: pid, code, out, err."""
        return SimpleNamespace(**self._order("end", number))

    def run(self, argv, cwd, code=0, **env):
        """Runs a process to its end; `code` is what it must exit with."""
        done = self.end(self.start(argv, cwd, **env))
        assert done.code == code, f"{argv} ended with {done.code}:\n{done.out}\n{done.err}"
        return done

    def ctl(self, *words, cwd, code=0, **env):
        """Runs brokerctl, not for its looks."""
        return self.run([self._broker.programs.brokerctl, *words], cwd, code, **env)

    def ask(self, cwd, argv=None, **env):
        """One process that asks the endpoint once."""
        return Answer.read(self.run(argv or self._broker.python("imds.py"), cwd, **env).out, self._broker.sts)

    def companion(self, cwd, **env):
        """A process that stays and asks each time it is told to."""
        number = self.start(self._broker.python("imds.py", "--stay"), cwd, **env)
        return Companion(self, self._broker, number)

    def say(self, number, line=""):
        """Gives a process a line, and takes one of it."""
        return self._order("say", number, line)

    def shown(self, *texts):
        """What the terminal shows from now on, until it has shown each of these in turn."""
        seen, begin, end = "", 0, time.monotonic() + PATIENCE
        for text in texts:
            while text not in seen[begin:]:
                ready, _, _ = select.select([self._screen], [], [], max(0, end - time.monotonic()))
                assert ready, f"the terminal never showed {text!r}:\n{seen}"
                seen += os.read(self._screen, 4096).decode(errors="replace")
            begin = seen.index(text, begin) + len(text)
        return seen

    def type(self, text):
        """What a person types."""
        os.write(self._screen, text.encode())

    def settings(self):
        """How the terminal treats what is typed."""
        return termios.tcgetattr(self._slave)

    def close(self):
        """Ends the session's leader, and with it the terminal."""
        if not self._orders.closed:
            self._orders.close()
            self.leader.wait(PATIENCE)
            self._answers.close()
            os.close(self._slave)
            os.close(self._screen)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Companion:
    """A long-running process in a terminal."""

    def __init__(self, terminal, broker, number):
        self._terminal, self._broker, self._number = terminal, broker, number

    def ask(self):
        """Lets it ask once more."""
        return Answer.read(self._terminal.say(self._number), self._broker.sts)

    def close(self):
        """It ends when its standard input does."""
        self._terminal.end(self._number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
