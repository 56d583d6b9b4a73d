"""The recipe of docs/containers.md: one container, one project's credentials, and nothing else of the broker.

A network namespace stands for the container: a veth pair joins it to the one that the broker is in, as a bridge does.
"""

import json
import subprocess

import pytest

from namespace import ADDRESS, Namespace
from place import Role
from sts import Sts

SHOP = Role("shop-deploy", "111111111111")
BLOG = Role("blog-deploy", "222222222222")
HOST, GUEST, PORT = "10.254.9.1", "10.254.9.2", 9254
# Another user's number, as of a container that runs as root or as a subordinate user.
SUBUID = 100_999
UNREACHABLE = "unreachable"


class Cable(Namespace):
    """A namespace with nothing but `lo`, to be joined to another."""

    SCRIPT = "ip link set lo up; echo ready; exec cat"

    def entry(self):
        """What a command line begins with to be run as root in here."""
        return ["nsenter", f"--target={self._holder.pid}", "--net"]

    def root(self, *words):
        """Runs something in here as root."""
        subprocess.run([*self.entry(), *words], check=True, timeout=30)

    def join(self, other):
        """Joins two."""
        self.root("ip", "link", "add", "guest0", "type", "veth", "peer", "name", "eth0", "netns", str(other._holder.pid))
        for one, device, address in ((self, "guest0", HOST), (other, "eth0", GUEST)):
            one.root("ip", "address", "add", f"{address}/30", "dev", device)
            one.root("ip", "link", "set", device, "up")


class Container:
    """What runs in the container, as a user that is not the broker's."""

    def __init__(self, namespace, programs):
        self.namespace, self.programs = namespace, programs

    def _argv(self, argv):
        identity = [f"--reuid={SUBUID}", f"--regid={SUBUID}", "--clear-groups"]
        return [str(word) for word in [*self.namespace.entry(), "setpriv", *identity, *argv]]

    def curl(self, url, *words):
        """Status and body; a connection that does not come about is told by its name."""
        argv = self._argv(["curl", "-s", "--max-time", "20", "-w", "\n%{http_code}", *words, url])
        done = subprocess.run(argv, cwd="/", env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            return UNREACHABLE, ""
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def start(self, argv, env):
        """Starts a process."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self._argv(argv), cwd="/", env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def wired(person):
    """The broker's namespace and the container's."""
    if why := Namespace.lacking():
        pytest.skip(why)
    made = Cable(), Cable()
    made[0].join(made[1])
    yield made
    for one in made:
        one.close()


@pytest.fixture
def sts(moto, wired):
    """A door to AWS where the broker is, which the container can reach too."""
    door = Sts(moto, wired[0].within)
    yield door
    door.close()


@pytest.fixture
def place(person, wired):
    """The user's directories."""
    from place import Place

    made = Place(wired[0].person(person))
    made.settings(f'listen = ["127.0.0.1:{PORT}"]\n')
    text = (made.config / "config.toml").read_text()
    made.write(made.config / "config.toml", f'{text}[endpoint.remote]\naddresses = ["{HOST}:{PORT}"]\n', mode=0o600)
    made.base_profile()
    yield made
    made.remove()


@pytest.fixture
def tokens(broker, place):
    """A token for each of two projects."""
    place.catalog({"shop": {"*": SHOP}, "blog": {"*": BLOG}})
    projects = {name: place.serverless(name, app=name) for name in ("shop", "blog")}
    broker.start()
    broker.allow(*projects.values())
    return {name: broker.ctl("tokens", "add", "--for", "8h", cwd=project).stdout for name, project in projects.items()}


@pytest.fixture
def container(wired, programs):
    """The container."""
    return Container(wired[1], programs)


def url(app, host=HOST):
    """The container URI of an application."""
    return f"http://{host}:{PORT}/container/{app}/dev"


def test_a_container_gets_the_project_of_its_token_and_no_other(broker, tokens, container, sts):
    status, body = container.curl(url("shop"), "-H", f"Authorization: {tokens['shop']}")
    assert (status, sts.role_of(json.loads(body)["AccessKeyId"])) == (200, SHOP.name)
    for app, token, expected in (
        ("blog", tokens["shop"], 403),
        ("shop", tokens["blog"], 403),
        ("shop", "made-up", 401),
    ):
        status, body = container.curl(url(app), "-H", f"Authorization: {token}")
        assert status == expected and "AccessKeyId" not in body, (app, body)
    status, body = container.curl(url("shop"))
    assert status == 401 and "AccessKeyId" not in body


def test_the_metadata_endpoint_is_not_reachable_from_there(broker, tokens, container):
    put = ("-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60")
    # At the address that is reachable there are container credentials only.
    assert container.curl(f"http://{HOST}:{PORT}/latest/api/token", *put)[0] == 404
    for path in ("/latest/meta-data/", "/latest/meta-data/iam/security-credentials/", "/secretsmanager/get?secretId=X"):
        status, body = container.curl(f"http://{HOST}:{PORT}{path}", "-H", f"Authorization: {tokens['shop']}")
        assert status == 404, (path, body)
    # The broker's own endpoint is on the loopback of another namespace.
    for host in (f"127.0.0.1:{PORT}", ADDRESS):
        assert container.curl(f"http://{host}/latest/api/token", *put)[0] == UNREACHABLE, host


def test_a_revoked_token_opens_nothing(broker, tokens, container):
    broker.ctl("tokens", "revoke", "--all")
    status, body = container.curl(url("shop"), "-H", f"Authorization: {tokens['shop']}")
    assert status == 401 and "AccessKeyId" not in body


def test_boto3_in_the_container_acts_as_the_project(broker, tokens, container, wired, moto, programs, person):
    own = Sts(moto, wired[1].within)
    forwarder = container.start([programs.python, programs.clients / "forwarder.py", PORT, HOST, PORT], {})
    try:
        assert forwarder.stdout.readline() == "ready\n", forwarder.stderr.read()
        env = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": url("shop", "127.0.0.1"),
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": tokens["shop"],
            "AWS_ENDPOINT_URL": own.url,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "HOME": "/nonexistent",
        }
        client = container.start([programs.python, programs.clients / "boto.py"], env)
        out, err = client.communicate("\n", timeout=60)
        assert client.returncode == 0, err
        assert json.loads(out.splitlines()[-1])["arn"] == SHOP.assumed(f"brokerd-{person.name}-shop-dev")
        env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url("blog", "127.0.0.1")
        client = container.start([programs.python, programs.clients / "boto.py"], env)
        out, err = client.communicate("\n", timeout=60)
        assert client.returncode != 0 and "arn:" not in out, "another project's URI with this token"
        assert {call.access_key for call in own.requests()} and all(
            broker.sts.role_of(call.access_key) == SHOP.name for call in own.requests()
        )
    finally:
        forwarder.communicate(timeout=20)
        own.close()
