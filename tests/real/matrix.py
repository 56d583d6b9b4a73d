"""The AWS clients that brokerd is tried with: how each is started, how it is told of brokerd, what it cannot do."""

import re
from dataclasses import dataclass, field

VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
# Not of AWS: what programs of ours hand to a client that takes its endpoint from nobody but its caller.
CODE = "METADATA"


@dataclass(frozen=True)
class Client:
    """One client.

    `argv` is what starts it; see `installed.Tools.words` for the names in braces. `setting` is the variable that
    names the endpoint of brokerd, None where there is none: then it only works at 169.254.169.254. `environment` is
    what it needs besides, wherever brokerd is.
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
