#!/usr/bin/env python3
"""What many projects cost the daemon as a whole: time to find them, memory, watches, and the time until a saved file counts.

    benches/projects.py [--binaries target/release] [--user NAME] [--repeat 5] [PROJECTS...]

brokerd refuses to be root, so root names an ordinary user; others cannot see the number of watches. It makes its trees below /tmp and removes them. Nothing leaves
the machine: no credentials are asked for.
"""

import argparse
import contextlib
import json
import os
import pwd
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

PATIENCE = 120
FUNCTIONS = "".join(
    f"  function{n}:\n    handler: src/handlers/api.handler\n    events:\n      - httpApi: 'GET /{n}'\n" for n in range(8)
)
CATALOG = """
[profiles.dev.access_role]
role_arn = "arn:aws:iam::111111111111:role/dev"
"""


def configuration(number, stage):
    """A serverless.yml."""
    return (
        f"service: service-{number:05}\norg: acme\napp: app-{number // 20}\nprovider:\n  name: aws\n"
        f"  runtime: nodejs22.x\n  stage: {stage}\n  region: eu-west-1\nfunctions:\n{FUNCTIONS}"
    )


def make_tree(root, projects):
    """Teams of twenty services; every fifth team has one repository. Each service has a node_modules, one in fifty a big one."""
    made = []
    for number in range(projects):
        team = root / f"team-{number // 20:03}"
        if number // 20 % 5 == 0:
            (team / ".git").mkdir(parents=True, exist_ok=True)
            (team / ".gitignore").write_text("node_modules/\n*.log\n")
            team /= "services"
        project = team / f"service-{number:05}"
        for directory in ("src/handlers", "node_modules/package/lib", "node_modules/.bin"):
            (project / directory).mkdir(parents=True)
        for file in ("package.json", "src/handlers/api.ts", "node_modules/package/lib/index.js"):
            (project / file).touch()
        if number % 50 == 0:
            for file in range(2_000):
                os.close(os.open(project / f"node_modules/package/lib/{file}.js", os.O_CREAT | os.O_WRONLY, 0o644))
        (project / "serverless.yml").write_text(configuration(number, "${opt:stage, 'dev'}"))
        made.append(project)
    return made


ASKER = """
import socket, sys
for line in sys.stdin:
    with socket.socket(socket.AF_UNIX) as stream:
        try:
            stream.connect(sys.argv[1])
        except OSError:
            print('{"body": null}', flush=True)
            continue
        stream.sendall(line.encode())
        sys.stdout.write(b"".join(iter(lambda: stream.recv(1 << 20), b"")).decode())
        sys.stdout.flush()
"""


class Daemon:
    """One brokerd with a home of its own."""

    def __init__(self, binaries, user, home):
        self.home, self.runtime = home, home / "run"
        config = home / ".config/brokerd"
        for directory in (self.runtime, config):
            directory.mkdir(parents=True, exist_ok=True)
        (config / "config.toml").write_text('listen = ["127.0.0.1:0"]\nkeychain = "memory"\nprojects = ["~/work"]\n')
        (config / "catalog.toml").write_text(CATALOG)
        (home / "work").mkdir(exist_ok=True)
        self.identity = {}
        if user:
            entry = pwd.getpwnam(user)
            subprocess.run(["chown", "-R", f"{entry.pw_uid}:{entry.pw_gid}", home], check=True)
            self.identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        for directory in (home, self.runtime, home / ".config", config):
            directory.chmod(0o700)
        self.environment = {"HOME": str(home), "XDG_RUNTIME_DIR": str(self.runtime), "PATH": "/usr/bin:/bin", "RUST_LOG": "warn"}
        self.process = subprocess.Popen([binaries / "brokerd"], env=self.environment, cwd="/", umask=0o022, **self.identity)
        self.ctl = binaries / "brokerctl"
        # Only the user may ask, and only root may see how many watches there are.
        self.asker = subprocess.Popen(
            ["/usr/bin/python3", "-c", ASKER, self.runtime / "brokerd/control.sock"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/", **self.identity,
        )

    def wait(self, holds):
        """The first status of which something holds."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self.process.poll() is None, "brokerd ended"
            status = self.request({"request": "status"})
            if status and holds(status):
                return status
            time.sleep(0.02)
        raise AssertionError("the daemon did not come to it")

    def request(self, body):
        """Sends a request to the control socket, as brokerctl does; none while nobody listens there."""
        self.asker.stdin.write(json.dumps({"protocol": 1, "version": "bench", "body": body}) + "\n")
        self.asker.stdin.flush()
        return json.loads(self.asker.stdout.readline())["body"]

    def memory(self):
        """Resident anonymous memory, in bytes: what the projects add to."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        values = dict(line.split(":", 1) for line in status.splitlines())
        return int(values["RssAnon"].split()[0]) * 1024, int(values["VmRSS"].split()[0]) * 1024

    def watches(self):
        """How many watches it has."""
        if os.geteuid() != 0:
            return 0
        count = 0
        for info in Path(f"/proc/{self.process.pid}/fdinfo").iterdir():
            with contextlib.suppress(FileNotFoundError):
                count += sum(line.startswith("inotify") for line in info.read_text().splitlines())
        return count

    def stop(self):
        """Ends it."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0


def is_done(status):
    """Whether the first search is over."""
    return bool(status["search"]) and status["search"]["finished"] is not None and not status["search"]["searching"]


def settled(daemon):
    """Waits until the watches are set: their number rests."""
    last, end = -1, time.monotonic() + PATIENCE
    while time.monotonic() < end:
        now = daemon.watches()
        if now == last:
            return now
        last = now
        time.sleep(0.3)
    raise AssertionError("the watches never rest")


def save_to_served(daemon, project, number, repeat):
    """Milliseconds from a saved file to the decision that has its stage: one that is allowed; asked over and over."""
    subprocess.run([daemon.ctl, "allow"], cwd=project, env=daemon.environment, check=True, stdout=subprocess.DEVNULL, **daemon.identity)
    why = {"request": "why", "path": str(project), "stage": None, "pid": None}
    took = []
    for turn in range(repeat):
        stage, new = f"turn{turn}", project / "new"
        new.write_text(configuration(number, stage))
        began = time.perf_counter()
        new.rename(project / "serverless.yml")
        while f"it is {stage}:" not in json.dumps(daemon.request(why)):
            assert time.perf_counter() - began < PATIENCE
        took.append((time.perf_counter() - began) * 1000)
    return took


def measure(options, projects):
    """One line of the table."""
    place = Path(tempfile.mkdtemp(prefix="brokerd-bench-", dir="/tmp"))
    place.chmod(0o755)
    daemons = []
    try:
        empty = Daemon(options.binaries, options.user, place / "empty")
        daemons.append(empty)
        empty.wait(is_done)
        settled(empty)
        base, base_rss = empty.memory()
        empty.stop()
        home = place / "home"
        made = make_tree(home / "work", projects)
        daemon = Daemon(options.binaries, options.user, home)
        daemons.append(daemon)
        began = time.monotonic()
        status = daemon.wait(is_done)
        first = status["search"]["took_ms"]
        assert status["search"]["projects"] == projects, status["search"]
        watches = settled(daemon)
        all_watched = time.monotonic() - began
        anonymous, resident = daemon.memory()
        took = []
        for _ in range(options.repeat):
            time.sleep(1.1)  # `finished` counts seconds
            finished = daemon.request({"request": "status"})["search"]
            daemon.process.send_signal(signal.SIGHUP)
            again = daemon.wait(lambda status: is_done(status) and status["search"]["finished"] != finished["finished"])
            took.append(again["search"]["took_ms"])
        served = save_to_served(daemon, made[-1], projects - 1, max(options.repeat, 5))
        daemon.stop()
        return {
            "projects": projects,
            "directories": status["search"]["directories"],
            "first search, ms": first,
            "best search, ms": min([first, *took]),
            "µs each": round(min([first, *took]) * 1000 / projects),
            "anonymous KiB each": round((anonymous - base) / 1024 / projects, 2),
            "resident KiB each": round((resident - base_rss) / 1024 / projects, 2),
            "watches each": round(watches / projects, 3) if watches else "–",
            "save to served, ms": f"{min(served):.0f} ({statistics.median(served):.0f})",
            "trouble": status["troubles"],
            "all watched after, s": round(all_watched, 1),
        }
    finally:
        for daemon in daemons:
            daemon.asker.communicate()
            daemon.process.kill()
            daemon.process.wait()
        shutil.rmtree(place)


def main():
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", type=Path, default=Path(__file__).resolve().parents[1] / "target/release")
    parser.add_argument("--user", help="who runs the daemon, where root runs this")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("sizes", type=int, nargs="*", default=[100, 1_000, 10_000])
    options = parser.parse_args()
    if os.geteuid() == 0 and not options.user:
        parser.error("root names an ordinary user: --user NAME")
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="brokerd-bench-") as programs:
        os.chmod(programs, 0o755)
        for name in ("brokerd", "brokerctl"):
            shutil.copy(options.binaries / name, programs)
        options.binaries = Path(programs)
        print_table(options)


def print_table(options):
    """A line for each size."""
    head = None
    for size in options.sizes:
        row = measure(options, size)
        for trouble in row.pop("trouble"):
            print(f"trouble: {trouble}")
        if head is None:
            head = list(row)
            print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
        print(f"| {' | '.join(str(row[name]) for name in head)} |", flush=True)


if __name__ == "__main__":
    main()
