"""What `brokerctl prompt` costs as a whole process: `benches/prompt.py BROKERCTL`, in an allowed project.

Each command is run in turn, so that what else the machine does falls on all of them alike. The least time of each is
what it costs; the ratios to /bin/true, which costs what starting any process does, hold from machine to machine.
"""

import os
import subprocess
import sys
import time

RUNS = 400


def main():
    """Prints a line for each command."""
    brokerctl = sys.argv[1]
    commands = {
        "/bin/true": ["/bin/true"],
        "brokerctl --version": [brokerctl, "--version"],
        "brokerctl prompt": [brokerctl, "prompt"],
        "brokerctl prompt, in no project": [brokerctl, "prompt"],
    }
    times = {name: [] for name in commands}
    here = os.getcwd()
    for _ in range(RUNS):
        for name, argv in commands.items():
            directory = "/" if "no project" in name else here
            begin = time.perf_counter()
            subprocess.run(argv, cwd=directory, stdout=subprocess.DEVNULL, check=True, close_fds=False)
            times[name].append(time.perf_counter() - begin)
    base = min(times["/bin/true"])
    for name, taken in times.items():
        taken.sort()
        print(f"{name:<32} least {taken[0] * 1e3:.2f} ms ({taken[0] / base:.1f}), median {taken[RUNS // 2] * 1e3:.2f} ms")


main()
