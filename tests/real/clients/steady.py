"""A client that goes on for as long as it is told to, with the token that it got at the start and never another.

So do some SDKs. It prints `ready` after the first answer; a line ends it, and it prints what happened how often.
"""

import collections
import errno
import http.client
import json
import os
import select
import sys

from imds import ROLES, Endpoint

# The broker is down for a moment in some tests; a loop must not fill that with millions of attempts.
MOST = 200_000


def outcome(endpoint, name, token):
    """What one request came to: the access key, or how it failed."""
    try:
        status, text = endpoint.get(ROLES + name, token)
    except ConnectionRefusedError:
        return "refused"
    except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        return "cut"
    except (http.client.HTTPException, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
            return "no port"
        return f"{type(error).__name__}: {error}"
    return json.loads(text)["AccessKeyId"] if status == 200 else f"status {status}"


def main():
    """Asks until it is told to stop."""
    endpoint = Endpoint(os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"])
    first = endpoint.sequence()
    assert first["access_key"], first
    counts = collections.Counter([first["access_key"]])
    print("ready", flush=True)
    for _ in range(MOST):
        # The pause is the client's own: fifty of these share the machine with the broker.
        if select.select([sys.stdin], [], [], 0.02)[0]:
            break
        counts[outcome(endpoint, first["name"], first["token"])] += 1
    print(json.dumps(counts), flush=True)


main()
