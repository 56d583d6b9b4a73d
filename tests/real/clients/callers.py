"""Fifty callers at once, of a stage each: `callers.py SOCKET`. They speak the control protocol as `brokerctl` does."""

import json
import socket
import sys

# Set before the first line is sent: all of them are there then.
STAGES = [f"s{number}" for number in range(50)]


def main(path):
    """Sends all requests, then reads all replies."""
    sockets = []
    for _ in STAGES:
        one = socket.socket(socket.AF_UNIX)
        one.connect(path)
        sockets.append(one)
    for one, stage in zip(sockets, STAGES):
        wanted = {"app": None, "stage": stage, "profile": None}
        body = {"request": "named-credentials", "wanted": wanted}
        one.sendall(json.dumps({"protocol": 1, "version": "test", "body": body}).encode() + b"\n")
    said = []
    for one, stage in zip(sockets, STAGES):
        with one.makefile() as reading:
            reply = json.loads(reading.readline())["body"]
        said.append((stage, json.loads(reply["document"])["AccessKeyId"] if "document" in reply else reply["message"]))
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
