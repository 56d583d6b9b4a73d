"""Leads a terminal's session as a shell does. Its orders are lines of JSON on one descriptor, its answers on another;
what it starts has the terminal for its standard input or error only where the order says so.
"""

import json
import signal
import subprocess
import sys

processes = []
# As a shell does, it outlives a Ctrl-C; a handler is not inherited, so what it starts ends by it.
signal.signal(signal.SIGINT, lambda *_: None)


def start(argv, cwd, env, screen):
    """Starts a process, and gives its number among ours."""
    pipe, tty = subprocess.PIPE, None
    sides = {"stdin": tty, "stdout": pipe, "stderr": tty} if screen else {"stdin": pipe, "stdout": pipe, "stderr": pipe}
    processes.append(subprocess.Popen(argv, cwd=cwd, env=env, text=True, **sides))
    return len(processes) - 1


def say(number, line):
    """Gives a process a line, and takes one of it."""
    process = processes[number]
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return process.stdout.readline()


def end(number):
    """Waits for the end of a process that reads no more."""
    process = processes[number]
    out, err = process.communicate()
    return {"pid": process.pid, "code": process.returncode, "out": out, "err": err}


orders, answers = open(int(sys.argv[1])), open(int(sys.argv[2]), "w")
for text in orders:
    word, *details = json.loads(text)
    print(json.dumps({"start": start, "say": say, "end": end}[word](*details)), file=answers, flush=True)
