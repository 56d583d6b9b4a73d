"""A service that real Serverless CLIs deploy to moto, with the plugin and without."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import boto3

from place import REGION, Role

CHECKOUT = Path(__file__).resolve().parents[2]
# Where each lies below the directory that tests/run made.
CLIS = {"serverless@3": "node_modules/serverless", "osls@3": "osls3/node_modules/osls", "osls@4": "node_modules/osls"}
DEV, PROD = Role("till-dev"), Role("till-prod", "222222222222")
STRICT, GUARDED = Role("till-strict", "333333333333"), Role("till-guarded", "444444444444")
MARK = "keychainValueMarked0123456789abcdef"
DATABASE = "till/database"

FUNCTION = "exports.handler = async () => ({ ok: true });\n"
SERVICE = """service: {service}
plugins: [{plugins}]
custom:
  brokerd: {{app: till}}
provider:
  name: aws
  runtime: nodejs22.x
  region: {region}
  iam:
    role:
      statements:
        - {{Effect: Allow, Action: ["s3:GetObject"], Resource: "arn:aws:s3:::till-receipts/*"}}
  environment:
    LEVEL: "{level}"
functions:
  sell:
    handler: till.handler
    description: Sells what is in the basket, and prints a receipt
    environment:
      KEY: "{key}"
      DATABASE: "{database}"
  count:
    handler: till.handler
"""
CATALOG = """
[profiles.till-till-dev.secrets]
KEY = "keychain"
DATABASE = {{ secretsmanager = "{database}", key = "password" }}
[[profiles.till-till-dev.safeguards]]
policy = "require-description"
level = "warning"
[[profiles.till-till-dev.safeguards]]
policy = "framework-version"
config = ">=3"
[profiles.till-till-prod.secrets]
DATABASE = {{ secretsmanager = "{database}" }}
[[profiles.till-till-strict.safeguards]]
policy = "require-description"
title = "Every function says what it is for"
[profiles.till-till-guarded]
deploy = "plugin"
"""


@dataclass
class Outcome:
    """What a CLI said, and what it asked AWS for."""

    code: int
    said: str
    calls: list

    @property
    def keys(self):
        """The access keys that signed."""
        return {call.access_key for call in self.calls if call.access_key}

    @property
    def actions(self):
        """What CloudFormation, IAM and STS were asked."""
        return {call.action for call in self.calls if call.action}


class Deployment:
    """A project, its CLI and its catalog."""

    def __init__(self, place, broker, sts, clis, cli, service):
        self.place, self.broker, self.sts, self.cli, self.service = place, broker, sts, cli, service
        self.directory = place.directory(f"home/{service}")
        stages = {"dev": DEV, "prod": PROD, "strict": STRICT, "guarded": GUARDED}
        place.catalog({"till": stages}, extra=CATALOG.format(database=DATABASE))
        place.write(self.directory / "till.js", FUNCTION)
        self._package = clis / CLIS[cli]
        self.link(self._package.name, self._package)
        place.directory(f"home/{service}/node_modules/.bin")
        self.link(".bin/sls", f"../{self._package.name}/bin/serverless.js")
        shutil.copy(broker.programs.clients / "aws_endpoint.js", self.directory / "aws_endpoint.js")
        self.write()

    def link(self, name, target):
        """A package in node_modules; what is written there belongs to the user."""
        link = self.place.directory(self.directory.relative_to(self.place.root) / "node_modules") / name
        link.symlink_to(target)
        self.place.person.own(link)

    def install(self):
        """The plugin as npm installs it."""
        plugin = self.directory / "node_modules/serverless-brokerd"
        for name in ["package.json", *(f"lib/{path.name}" for path in (CHECKOUT / "plugin/lib").iterdir())]:
            self.place.write(plugin / name, (CHECKOUT / "plugin" / name).read_text())

    def write(self, plugins="serverless-brokerd", key="${secrets:KEY, 'none'}", database="${secrets:DATABASE, 'none'}", level="${secrets:LEVEL, 'info'}"):
        """serverless.yml."""
        plugins = ", ".join(name for name in ("./aws_endpoint.js", plugins) if name)
        text = SERVICE.format(
            service=self.service, plugins=plugins, region=REGION, key=key, database=database, level=level
        )
        self.place.write(self.directory / "serverless.yml", text)

    def without_plugin(self):
        """The same without what only the plugin resolves."""
        self.write(plugins="", key="none", database="none", level="info")

    @property
    def search_path(self):
        """Where programs are, brokerctl among them."""
        return f"{self.broker.programs.brokerctl.parent}:{self.place.environment()['PATH']}"

    def environment(self, **more):
        """What the user's shell has: an endpoint for AWS, and no key."""
        quiet = {"CI": 1, "SLS_TELEMETRY_DISABLED": 1, "SLS_NOTIFICATIONS_MODE": "off", "SLS_AWS_REQUEST_MAX_RETRIES": 0}
        return self.broker.client_environment(**{**quiet, "PATH": self.search_path, "NODE_NO_WARNINGS": 1, **more})

    def run(self, *words, code=0, **more):
        """Runs the CLI; `code` is what it must end with."""
        script = self.directory / "node_modules" / self._package.name / "bin/serverless.js"
        return self.run_program(["node", script, *words], code, **more)

    def ctl(self, *words, code=0, **more):
        """Runs brokerctl in the project."""
        return self.run_program([self.broker.programs.brokerctl, *words], code, **more)

    def run_program(self, argv, code, **more):
        """Runs a program in the project."""
        before = len(self.sts.requests())
        done = self.place.person.run(argv, cwd=self.directory, env=self.environment(**more))
        said = done.stdout + done.stderr
        assert done.returncode == code, f"{argv} ended with {done.returncode}:\n{said}"
        # brokerd itself asks STS for sessions meanwhile, with the base credentials.
        calls = [call for call in self.sts.requests()[before:] if call.action != "AssumeRole"]
        return Outcome(done.returncode, said, calls)

    def roles(self, outcome):
        """Whose sessions signed, and every request was signed."""
        assert outcome.keys, f"AWS was never asked:\n{outcome.said}"
        return {self.sts.role_of(key) for key in outcome.keys}

    def function(self, name, stage, role):
        """The configuration of a deployed function."""
        return self.client("lambda", role).get_function_configuration(FunctionName=f"{self.service}-{stage}-{name}")

    def client(self, service, role):
        """A client in a role's account, past the door."""
        base = {"region_name": REGION, "endpoint_url": f"http://127.0.0.1:{self.sts._moto.port}"}
        sts = boto3.client("sts", aws_access_key_id="a", aws_secret_access_key="b", **base)
        given = sts.assume_role(RoleArn=role.arn, RoleSessionName="tests")["Credentials"]
        return boto3.client(
            service,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            **base,
        )


def installed():
    """The directory of the CLIs; None where they are not installed."""
    directory = os.environ.get("BROKERD_CLIENTS_SERVERLESS")
    return directory and Path(directory)
