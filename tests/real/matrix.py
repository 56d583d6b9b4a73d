"""The AWS clients that brokerd is tried with: how each is started, how it is told of brokerd, what it cannot do."""

import importlib.metadata
import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
# Not of AWS: what programs of ours hand to a client that takes its endpoint from nobody but its caller.
CODE = "METADATA"
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Client:
    """One client.

    `argv` is what starts it; see `Tools.words` for the names in braces. `setting` is the variable that names the
    endpoint of brokerd, None where there is none: then it only works at 169.254.169.254. `environment` is what it
    needs besides, wherever brokerd is.
    """

    name: str
    source: str
    argv: str
    setting: str | None = VARIABLE
    environment: dict = field(default_factory=dict)
    notes: str = ""
    # Whether it asks a container's endpoint, by the variables that `brokerctl exec` sets.
    container: bool = True
    # The ways that it goes and does not arrive: in its own project it gets no key either. A test sees to it that
    # this stays true, so that the day it arrives is noticed.
    fails: tuple = ()

    def goes(self, way):
        """Whether it can go this way to brokerd; anybody can by the address."""
        return {"setting": self.setting is not None, "address": True, "exec": self.container}[way]

    @property
    def id(self):
        """Its name in the names of tests."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


# polars falls back to whatever key it finds there, of any profile, and never comes to ask a metadata service.
NO_FILES = {"HOME": "/nonexistent"}
TAKES_ANY = "It takes the first key of `~/.aws/credentials`, of whatever profile: tried without that file"
OBJECT_STORE = "`AWS_METADATA_ENDPOINT` is object_store's own name for the variable"
CLIENTS = [
    Client("boto3", "suite:boto3", "{suite} {clients}/boto.py"),
    Client("AWS CLI 1", "suite:awscli", "{suite} {aws} sts get-caller-identity"),
    Client(
        "AWS CLI 2",
        "apt:awscli",
        "/usr/bin/aws --endpoint-url {service} sts get-caller-identity",
        notes="versions before 2.28.3 need the slash at the end of the endpoint",
    ),
    Client("JavaScript SDK 2", "npm:aws-sdk", "node {clients}/whoami_v2.cjs"),
    Client("JavaScript SDK 3", "npm:@aws-sdk/client-sts", "node {clients}/whoami_v3.cjs"),
    Client("Rust SDK", "cargo:aws-config", "{whoami}"),
    Client("Go SDK 1", "apt:golang-github-aws-aws-sdk-go-dev", "{go}/go_v1"),
    Client("Go SDK 2", "apt:golang-github-aws-aws-sdk-go-v2-dev", "{go}/go_v2"),
    Client(
        "C++ SDK (pyarrow)",
        "pip:pyarrow",
        "{python} {clients}/lake.py pyarrow {bucket}",
        notes="without credentials it sends unsigned requests and says nothing",
    ),
    Client(
        "Ruby SDK",
        "apt:ruby-aws-sdk-core",
        "ruby {clients}/whoami.rb",
        setting=None,
        container=False,
        notes="this version ignores the port of an endpoint; newer ones do not",
    ),
    Client("s3fs", "pip:s3fs", "{python} {clients}/lake.py s3fs {bucket}"),
    Client(
        "polars",
        "pip:polars",
        "{python} {clients}/lake.py polars {bucket}",
        environment={"AWS_ALLOW_HTTP": "true", **NO_FILES},
        notes=f"by botocore's chain, where boto3 is installed. {TAKES_ANY}",
    ),
    Client(
        "polars with storage options",
        "pip:polars",
        "{python} {clients}/lake.py polars_options {bucket}",
        setting=CODE,
        environment=NO_FILES,
        notes=f"the endpoint is the option `aws_metadata_endpoint`. {TAKES_ANY}",
    ),
    Client(
        "deltalake",
        "pip:deltalake",
        "{python} {clients}/lake.py deltalake {bucket}",
        setting="AWS_METADATA_ENDPOINT",
        environment={"AWS_ALLOW_HTTP": "true"},
        notes=OBJECT_STORE,
    ),
    Client(
        "obstore",
        "pip:obstore",
        "{python} {clients}/lake.py obstore {bucket}",
        setting="AWS_METADATA_ENDPOINT",
        notes=OBJECT_STORE,
    ),
    Client("opendal", "pip:opendal", "{python} {clients}/lake.py opendal {bucket}"),
    Client(
        "GDAL (pyogrio)",
        "pip:pyogrio",
        "{python} {clients}/lake.py gdal {bucket}",
        setting="CPL_AWS_EC2_API_ROOT_URL",
        environment={
            "AWS_S3_ENDPOINT": "{address}",
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "CPL_AWS_AUTODETECT_EC2": "NO",
        },
        notes="off EC2 and without the variable it needs `CPL_AWS_AUTODETECT_EC2=NO`",
    ),
    Client(
        "rclone",
        "apt:rclone",
        "rclone --retries 1 --low-level-retries 1 lsf :s3:{bucket}",
        environment={
            "RCLONE_S3_PROVIDER": "Other",
            "RCLONE_S3_ENV_AUTH": "true",
            "RCLONE_S3_REGION": "{region}",
            "RCLONE_S3_ENDPOINT": "{service}",
        },
    ),
    Client(
        "minio-py",
        "pip:minio",
        "{python} {clients}/lake.py minio {bucket}",
        setting=CODE,
        notes="the endpoint is an argument, `IamAwsProvider(custom_endpoint=…)`",
    ),
    Client(
        "restic (minio-go)",
        "apt:restic",
        "restic --no-cache -r s3:{service}/{bucket}/repository cat config",
        setting=None,
        environment={"RESTIC_PASSWORD": "unused"},
        notes="no setting for a metadata endpoint",
    ),
    Client(
        "s3cmd",
        "apt:s3cmd",
        "s3cmd --no-ssl --host={address} --host-bucket={address} ls s3://{bucket}",
        setting=None,
        container=False,
        notes="no setting for a metadata endpoint",
    ),
    Client(
        "curl",
        "apt:curl",
        "sh {clients}/curl.sh",
        fails=("setting", "address"),
        notes="a token belongs to the process that asked for it, and each curl of a script is another",
    ),
]


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
