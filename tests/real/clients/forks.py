"""A process whose threads start children in another directory all the time, while it asks for credentials itself.

Between fork and exec a child holds its parent's sockets, in the directory that it has just gone to: whoever looks
at the wrong one of the two gives the parent the other project's credentials. Prints how often which role came.
"""

import collections
import json
import os
import subprocess
import sys
import threading

from imds import Endpoint

endpoint = Endpoint(os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"])
counts = {"own": collections.Counter(), "children": collections.Counter()}
started = collections.Counter()
done = threading.Event()


def ask():
    """The role name and the key of one sequence, or which step failed."""
    said = endpoint.sequence()
    return said["access_key"] or f"{said['token_status']}/{said['list_status']}/{said['status']} {said['error']}"


def start_programs(other):
    """Children that run another program there, as build tools do."""
    while not done.is_set():
        subprocess.run(["/bin/true"], cwd=other, check=True)
        started["programs"] += 1


def fork_quietly(other):
    """Children that go there and linger with everything they inherited, then end."""
    while not done.is_set():
        child = os.fork()
        if child == 0:
            os.chdir(other)
            for _ in range(2000):
                os.getcwd()
            os._exit(0)
        os.waitpid(child, 0)
        started["forks"] += 1


def fork_and_ask(other):
    """Children that go there and ask for themselves."""
    while not done.is_set():
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.chdir(other)
            os.write(writing, ask().encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            counts["children"][pipe.read()] += 1
        os.waitpid(child, 0)


def main(other, rounds):
    """Asks `rounds` times amid all that."""
    threads = [threading.Thread(target=work, args=(other,)) for work in (start_programs, fork_quietly, fork_and_ask)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(rounds):
            counts["own"][ask()] += 1
    finally:
        done.set()
        for thread in threads:
            thread.join()
    print(json.dumps({**counts, "started": started}), flush=True)


main(sys.argv[1], int(sys.argv[2]))
