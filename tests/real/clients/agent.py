"""Asks the interface of the Secrets Manager Agent, as its clients do: the port and the token of the environment.

Each argument is a path with its query; --token says which token: `file` (AWS_TOKEN, as the agent reads it), `session`
(AWS_SESSION_TOKEN, as clients of the Lambda extension send it), `imds` (one of the metadata endpoint), `none`, or any
other text itself. One line of JSON for each path.
"""

import http.client
import json
import os
import sys
from urllib.parse import urlsplit

HEADER = "X-Aws-Parameters-Secrets-Token"


def imds():
    """A token of the metadata endpoint."""
    address = urlsplit(os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"])
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    connection.request("PUT", "/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    return connection.getresponse().read().decode()


def token(which):
    """The token that is sent."""
    if which == "file":
        return open(os.environ["AWS_TOKEN"].removeprefix("file://")).read()
    if which == "session":
        return os.environ["AWS_SESSION_TOKEN"]
    return imds() if which == "imds" else which


def main():
    """Asks, and prints what came."""
    words = sys.argv[1:]
    which = "file"
    if words[0] == "--token":
        which, words = words[1], words[2:]
    headers = {} if which == "none" else {HEADER: token(which)}
    port = int(os.environ["PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"])
    for path in words:
        connection = http.client.HTTPConnection("localhost", port, timeout=30)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        print(json.dumps({"status": answer.status, "body": body, "warning": answer.getheader("Warning")}), flush=True)


main()
