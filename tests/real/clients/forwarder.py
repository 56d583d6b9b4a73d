"""Forwards a port of this network namespace's loopback to an address, as `socat` in a container's image would.

AWS SDKs send a container token to a loopback address only. It says `ready`, and ends with its standard input.
"""

import socket
import sys
import threading


def pump(source, target):
    """One direction of a connection."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def main(port, host, to):
    """Serves until it is told to end."""
    with socket.create_server(("127.0.0.1", int(port))) as server:

        def serve():
            while True:
                near, _ = server.accept()
                far = socket.create_connection((host, int(to)))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
