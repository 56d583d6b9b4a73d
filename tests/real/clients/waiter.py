"""Asks a metadata endpoint, and then tries to approve for itself, in the way that each line of standard input names.

What it types are the right digits, so that nothing but who it is can stand in its way.
"""

import fcntl
import json
import os
import pty
import socket
import subprocess
import sys
import termios

from imds import Endpoint

DIGITS = os.environ["DIGITS"]
BROKERCTL = os.environ["BROKERCTL"]
APPROVE = [BROKERCTL, "approve", *os.environ["APPROVE"].split()]


def say(**body):
    """One request to the daemon, as brokerctl makes it, from this very process."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["CONTROL"])
        line = json.dumps({"protocol": 1, "version": "test", "body": body})
        connection.sendall(line.encode() + b"\n")
        return json.loads(connection.makefile().read())["body"]


def directly():
    """Without brokerctl: what it would say to the daemon."""
    app, stage = os.environ["APPROVE"].split()
    questions = say(request="approval-questions", app=app, stage=stage, catalog=False)["questions"]
    reply = say(request="approve", id=questions[0]["id"], digits=DIGITS, seconds=None)
    return reply.get("message", reply["reply"])


def typed(argv, leads=True):
    """In a terminal of its own, in which it types the digits when it is asked for them."""
    screen, slave = pty.openpty()

    def take():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    child = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, preexec_fn=take if leads else None)
    os.close(slave)
    seen = b""
    while True:
        try:
            more = os.read(screen, 4096)
        except OSError:
            break
        if not more:
            break
        seen += more
        if b"digits of account" in seen and DIGITS:
            os.write(screen, f"{DIGITS}\n".encode())
            seen = seen.replace(b"digits of account", b"digits")
    child.wait()
    os.close(screen)
    return f"{child.returncode}: {seen.decode()}"


def by_fork():
    """A child that does it without brokerctl, in a terminal of its own."""
    return typed([sys.executable, __file__, "--directly"])


WAYS = {
    "directly": directly,
    "child": lambda: typed(APPROVE),
    "grandchild": lambda: typed(["/bin/sh", "-c", " ".join(APPROVE) + "; exit $?"]),
    "fork": by_fork,
    "script": lambda: typed(["script", "-qec", " ".join(APPROVE), "/dev/null"]),
    "setsid": lambda: subprocess.run(
        ["setsid", "--wait", *APPROVE], stdin=subprocess.DEVNULL, capture_output=True, text=True
    ).stderr,
}

if "--directly" in sys.argv:
    print(directly())
elif "--once" in sys.argv:
    print(json.dumps(WAYS[sys.argv[-1]]()))
else:
    print(json.dumps(Endpoint(os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]).sequence()), flush=True)
    for line in sys.stdin:
        print(json.dumps(WAYS[line.strip()]()), flush=True)
