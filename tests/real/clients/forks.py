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
    return key_or_failure(endpoint.sequence())


def key_or_failure(said):
    """What came of a sequence."""
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


def start_askers(other):
    """Children that ask for themselves there. Programs of their own: after a fork among threads Python may hang."""
    client = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "imds.py")]
    while not done.is_set():
        asked = subprocess.run(client, cwd=other, check=True, stdout=subprocess.PIPE, text=True)
        counts["children"][key_or_failure(json.loads(asked.stdout))] += 1


def main(other, rounds):
    """Asks `rounds` times amid all that."""
    threads = [threading.Thread(target=work, args=(other,)) for work in (start_programs, fork_quietly, start_askers)]
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
