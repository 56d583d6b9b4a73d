"""A process that a test moves about, and lets ask."""

import json
import os

ROLES = "/latest/meta-data/iam/security-credentials/"
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"


class Puppet:
    """`clients/puppet.py`, started by `start(argv)` in whatever way."""

    def __init__(self, process):
        self.process = process
        line = process.stdout.readline()
        assert line, f"it does not start: {process.stderr.read()}"
        self.pid = json.loads(line)["pid"]

    @staticmethod
    def of(broker, cwd, prefix=()):
        """One of the user's, in a directory."""
        argv = [*prefix, *broker.python("puppet.py")]
        return Puppet(broker.place.person.start(argv, cwd=cwd, env=broker.client_environment()))

    def _order(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def go(self, directory):
        """Changes its directory."""
        self._order(go=str(directory))

    def answer(self, method, path, headers):
        """One request: status, headers and body."""
        return self._order(method=method, path=path, headers=headers)

    def ask(self, method, path, **headers):
        """One request: status and body."""
        said = self.answer(method, path, headers)
        return said["status"], said["body"]

    def program(self):
        """The file name of what it runs."""
        return os.path.basename(os.readlink(f"/proc/{self.pid}/exe"))

    def token(self):
        """A token of its own."""
        status, token = self.ask("PUT", "/latest/api/token", **{TTL: "21600"})
        assert status == 200, (status, token)
        return token

    def get(self, path, token):
        """A request with a token."""
        return self.ask("GET", path, **{TOKEN: token})

    def close(self):
        """It ends when its standard input does."""
        self.process.communicate(timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
