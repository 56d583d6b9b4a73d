"""Connects anew for every token until it is told to stop: what happened, how often."""

import collections
import http.client
import json
import os
import select
import sys
from urllib.parse import urlsplit

# A loop ends by itself.
MOST = 200_000


def once(address):
    """One connection, one token."""
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    try:
        connection.request("PUT", "/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        return str(connection.getresponse().status)
    except OSError as error:
        return type(error).__name__
    except http.client.HTTPException as error:
        return type(error).__name__
    finally:
        connection.close()


def main():
    """Prints `ready` after the first; a line ends it."""
    address = urlsplit(os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"])
    counts = collections.Counter([once(address)])
    print("ready", flush=True)
    for _ in range(MOST):
        if select.select([sys.stdin], [], [], 0)[0]:
            break
        counts[once(address)] += 1
    print(json.dumps(counts))


main()
