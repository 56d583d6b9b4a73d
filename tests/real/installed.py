"""Where the clients of the matrix are installed, and in which versions."""

import importlib.metadata
import json
import os
import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


class Tools:
    """Where the clients are installed. tests/run says it in the environment."""

    def __init__(self, programs):
        self.programs = programs
        self.homes = {kind: os.environ.get(f"BROKERD_CLIENTS_{kind.upper()}") for kind in ("python", "node", "go")}

    def words(self, service, region, bucket):
        """What stands for the names in braces."""
        return {
            "suite": self.programs.python,
            "aws": self.programs.aws,
            "clients": self.programs.clients,
            "whoami": self.programs.whoami,
            "python": f"{self.homes['python']}/bin/python",
            "go": self.homes["go"],
            "service": service,
            "address": service.removeprefix("http://"),
            "region": region,
            "bucket": bucket,
        }

    def lacking(self, client):
        """Why a client cannot be started here; empty if it can."""
        kind, _, package = client.source.partition(":")
        home = {"pip": "python", "npm": "node"}.get(kind) or ("go" if "{go}" in client.argv else None)
        if home and not self.homes[home]:
            return f"{client.name} is not installed: run tests/run, which sets BROKERD_CLIENTS_{home.upper()}"
        if kind == "apt" and not self.version(client):
            return f"{client.name} is not installed (Debian: {package})"
        return ""

    def version(self, client):
        """Which version of it is here; empty if none is known."""
        kind, _, package = client.source.partition(":")
        return {
            "suite": importlib.metadata.version,
            "pip": self._python,
            "npm": self._node,
            "apt": debian,
            "cargo": crate,
        }[kind](package)

    def _python(self, package):
        program = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
        return said([f"{self.homes['python']}/bin/python", "-c", program, package])

    def _node(self, package):
        return json.loads(Path(self.homes["node"], "node_modules", package, "package.json").read_text())["version"]


def said(argv):
    """What a command prints; empty where there is no such command, or it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def debian(package):
    """The upstream version of a Debian package that is installed."""
    version = said(["dpkg-query", "-W", "-f", "${Version}", package]).partition(":")
    return re.split(r"[-+]", version[2] or version[0])[0]


def crate(name):
    """The version of a crate that this is built with."""
    return re.search(rf'name = "{name}"\nversion = "([^"]+)"', (REPOSITORY / "Cargo.lock").read_text())[1]
