"""brokerd as a user runs it, and brokerctl beside it."""

import json
import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from place import REGION

# The daemon starts in milliseconds; a minute is a hung one.
START = 60


@dataclass(frozen=True)
class Programs:
    """Copies of what is started, where an ordinary user can read them: the checkout may lie in root's home."""

    brokerd: Path
    brokerctl: Path
    clients: Path
    python: Path
    aws: Path
    steady: Path
    whoami: Path


class Broker:
    """One daemon in one place."""

    def __init__(self, place, programs, sts, environment=None):
        self.place, self.programs, self.sts = place, programs, sts
        self.environment = {"AWS_ENDPOINT_URL_STS": sts.url, "AWS_REGION": REGION, "RUST_LOG": "debug"}
        self.environment |= environment or {}
        # What starts it, by becoming it.
        self.prefix = []
        self.log = place.root / "brokerd.log"
        self.process = None
        self.endpoint = None
        self._notify = None

    def start(self):
        """Starts it and waits until it says that it is ready."""
        name = self.place.root / "notify"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(name))
        self._notify.settimeout(START)
        self.place.person.own(name)
        env = self.place.environment(NOTIFY_SOCKET=name, **self.environment)
        with open(self.log, "a") as log:
            argv = [*self.prefix, self.programs.brokerd]
            self.process = self.launch(
                argv, cwd="/", env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.wait_for("READY=1")
        self.endpoint = self.status()["endpoints"][0]
        return self

    def launch(self, argv, **more):
        """Starts the process."""
        return self.place.person.start(argv, **more)

    def wait_for(self, word):
        """Waits for a word to the service manager. A daemon that ends instead is an error at once."""
        self._notify.settimeout(0.5)
        for _ in range(START * 2):
            try:
                if word in self._notify.recv(4096).decode().split("\n"):
                    return
            except TimeoutError:
                assert self.process.poll() is None, f"brokerd ended:\n{self.log.read_text()}"
        raise AssertionError(f"brokerd never said {word}:\n{self.log.read_text()}")

    def stop(self):
        """Ends it by SIGTERM, unless it has ended: a clean exit, and nothing that it let go wrong."""
        if self.process is None:
            return
        code = self.end(signal.SIGTERM)
        text = self.log.read_text()
        assert code == 0, f"brokerd ended with {code}:\n{text}"
        assert "panicked" not in text, text

    def end(self, number):
        """Ends it by a signal, and gives the exit code; one that does not end is killed and raises."""
        process, self.process = self.process, None
        try:
            process.send_signal(number)
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            self._notify.close()
            os.unlink(self.place.root / "notify")

    def ctl(self, *words, cwd=None, env=None, code=0):
        """Runs brokerctl; `code` is what it must exit with."""
        argv = [self.programs.brokerctl, *words]
        done = self.place.person.run(argv, cwd=cwd or self.place.home, env=env or self.client_environment())
        assert done.returncode == code, f"{argv} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def credential_process(self, cwd, code=0):
        """Runs `brokerctl credential-process` from a shell of the user, who is then the one that asks."""
        argv = ["/bin/sh", "-c", '"$0" credential-process; exit $?', self.programs.brokerctl]
        done = self.place.person.run(argv, cwd=cwd, env=self.client_environment())
        assert done.returncode == code, f"credential-process ended with {done.returncode}:\n{done.stderr}"
        return done

    def allow(self, *projects):
        """Says yes to projects, as a user does: in their directories."""
        for project in projects:
            self.ctl("allow", cwd=project)

    def status(self):
        """`brokerctl status --json`."""
        return json.loads(self.ctl("status", "--json").stdout)

    def refusals(self):
        """`brokerctl why --last --json`."""
        return json.loads(self.ctl("why", "--last", "--json").stdout)

    def refused(self, pid=None):
        """The refusals of a process; without one those of callers that nobody could look at."""
        return [
            record["refusal"]
            for record in self.refusals()
            if (record.get("caller") or {}).get("pid") == pid
        ]

    def sentences(self):
        """`brokerctl why --last`, for people."""
        return self.ctl("why", "--last").stdout

    def audit(self):
        """Ends the daemon and gives the audit log: it is written behind the answers, and then it is complete."""
        self.stop()
        return [json.loads(line) for line in (self.place.state / "audit.jsonl").read_text().splitlines()]

    def client_environment(self, **more):
        """What an AWS tool needs to know, the same for every project, and no key."""
        known = {"AWS_ENDPOINT_URL": self.sts.url, "AWS_DEFAULT_REGION": REGION}
        if self.endpoint:
            known["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = self.endpoint
        return self.place.environment(**known, **more)

    def python(self, client, *words):
        """The command line of a client script."""
        return [self.programs.python, self.programs.clients / client, *words]

    def ask(self, cwd, *words, argv=None, **env):
        """One process that asks the endpoint once: what it got, as it prints it."""
        argv = argv or self.python("imds.py", *words)
        done = self.place.person.run(argv, cwd=cwd, env=self.client_environment(**env))
        assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
        return Answer.read(done.stdout, self.sts)

    def load(self, clients):
        """Starts clients that go on asking until they are told to stop: pairs of a directory and a command line."""
        env = self.client_environment()
        return Load([self.place.person.start(argv, cwd=cwd, env=env) for cwd, argv in clients])

    def companion(self, cwd, **env):
        """A process that stays and asks each time it is told to."""
        return Companion(self, cwd, env)


@dataclass(frozen=True)
class Answer:
    """What a client got of the endpoint."""

    pid: int
    token_status: int
    list_status: int
    status: int
    name: str
    access_key: str
    role: str
    error: str

    @staticmethod
    def read(line, sts):
        """Takes the line that `clients/imds.py` prints; the role is the one that STS gave the key for."""
        said = json.loads(line)
        role = sts.role_of(said["access_key"])
        assert role or not said["access_key"], f"a key that STS never gave: {said['access_key']}"
        known = {name: said[name] for name in Answer.__annotations__ if name != "role"}
        return Answer(role=role, **known)


class Companion:
    """A long-running process."""

    def __init__(self, broker, cwd, env):
        self._broker = broker
        self.process = broker.place.person.start(
            broker.python("imds.py", "--stay"), cwd=cwd, env=broker.client_environment(**env)
        )

    def ask(self, move_to=""):
        """Lets it ask once more, from another directory if one is named."""
        self.process.stdin.write(f"{move_to}\n")
        self.process.stdin.flush()
        return Answer.read(self.process.stdout.readline(), self._broker.sts)

    def close(self):
        """It ends when its standard input does."""
        self.process.communicate(timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Load:
    """Clients at work."""

    def __init__(self, processes):
        self.processes = processes
        for process in processes:
            line = process.stdout.readline()
            assert line == "ready\n", f"a client did not come to work: {line}{process.stderr.read()}"

    def stop(self):
        """Ends them, and gives what happened to each, how often."""
        for process in self.processes:
            process.stdin.write("\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60) for process in self.processes]
        return [json.loads(out) for out, _ in said]
