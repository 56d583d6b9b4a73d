"""Opens a connection, leaves a copy of it with a daemon in another directory, and asks over it: twice forked, such
a daemon has no parent left that would tell whose socket it is. Prints what came before and after the daemon ended.
"""

import http.client
import json
import os
import sys
from urllib.parse import urlsplit

from imds import ROLES

address = urlsplit(os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"])


def leave_with_daemon(directory):
    """A daemon there that holds what we hold until the end that this returns is closed; the other end says when."""
    control, ours = os.pipe()
    gone, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir(directory)
            os.close(ours)
            os.read(control, 1)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(control)
    os.close(theirs)
    return ours, gone


def ask(connection):
    """What a sequence over this connection came to: a key, or the status that ended it."""
    status, text = say(connection, "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    if status != 200:
        return status
    headers = {"X-aws-ec2-metadata-token": text}
    status, name = say(connection, "GET", ROLES, headers)
    if status != 200:
        return status
    status, text = say(connection, "GET", ROLES + name, headers)
    return json.loads(text)["AccessKeyId"] if status == 200 else status


def say(connection, method, path, headers):
    """One request."""
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
connection.connect()
ours, gone = leave_with_daemon(sys.argv[1])
shared = ask(connection)
os.close(ours)
os.read(gone, 1)
connection.close()
alone = ask(http.client.HTTPConnection(address.hostname, address.port, timeout=20))
print(json.dumps({"shared": shared, "alone": alone}), flush=True)
