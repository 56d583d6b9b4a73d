"""No environment at all: two users, two brokers, one 169.254.169.254, in a network namespace of the test's own."""

import json
import os
import pwd
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from broker import Broker
from namespace import ADDRESS, Inside, Namespace
from person import Person
from place import Place, Role
from sts import Sts

SHOP = Role("shop-deploy", "111111111111")
BLOG = Role("blog-deploy", "222222222222")
SECOND = "brokerd-test-2"
PORTS = (9254, 9255)
# What the aws tool prints is the identity of the key that it signed with.
WHO = ["sts", "get-caller-identity", "--output", "json"]
SEVENTH = 61_237
FETCH = "import urllib.request as r; print(r.urlopen('http://169.254.169.254/', timeout=5).read().decode())"
CONNECT = """import socket, sys
try:
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)
    connection.settimeout(2)
    print(connection.recv(5).decode())
except OSError as error: print(type(error).__name__)"""
GREET = """import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    with connection: connection.sendall(b"hello")"""


class Bare(Namespace):
    """A namespace without a redirect."""

    SCRIPT = 'ip link set lo up; echo ready; exec cat'

    def root(self, argv, code=0):
        """Runs something in it as root."""
        entry = ["nsenter", f"--target={self._holder.pid}", "--net"]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = subprocess.run([str(word) for word in [*entry, *argv]], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, f"{argv} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def facts(self):
        """Every rule and every address."""
        return self.root(["nft", "list", "ruleset"]).stdout, self.root(["ip", "-4", "-json", "address", "show"]).stdout


class User:
    """A user with a broker and one allowed project."""

    def __init__(self, person, programs, sts, port, app, role):
        self.place = Place(person)
        self.place.settings(f'listen = ["127.0.0.1:{port}"]\n')
        self.place.base_profile()
        self.place.catalog({app: {"*": role}})
        self.project = self.place.serverless(app, app=app)
        self.broker = Broker(self.place, programs, sts)
        self.person, self.sts, self.port, self.programs = person, sts, port, programs

    def start(self):
        """Starts the broker and says yes to the project."""
        self.broker.start()
        self.broker.allow(self.project)
        # From here on nothing that this user starts is told of the endpoint.
        self.broker.endpoint = None
        return self

    def arn(self, argv, cwd=None):
        """What a tool is, in the project: with no variable but where the stand-in for AWS is."""
        env = self.broker.client_environment()
        assert not [name for name in env if "METADATA" in name or "CONTAINER" in name]
        done = self.person.run(argv, cwd=cwd or self.project, env=env)
        return json.loads(done.stdout).get("Arn") or json.loads(done.stdout)["arn"] if done.returncode == 0 else done.stderr

    def aws(self, cwd=None):
        """The AWS CLI."""
        return self.arn([self.programs.python, self.programs.aws, *WHO], cwd)

    def status(self):
        """`brokerctl link-local status --json`."""
        return json.loads(self.broker.ctl("link-local", "status", "--json").stdout)

    def without_sudo(self):
        """An environment with something in sudo's place that only writes down what it was to run."""
        places = self.place.directory("bin")
        self.place.write("bin/sudo", '#!/bin/sh\nprintf "%s\\n" "$@" > "$HOME/asked"\nexit 0\n', mode=0o755)
        return self.broker.client_environment() | {"PATH": f"{places}:/usr/bin:/bin"}

    def asked_of_sudo(self):
        """What it wrote down."""
        return (self.place.home / "asked").read_text().split()

    def close(self):
        """Ends the broker."""
        self.broker.stop()
        self.place.remove()


class Service(Bare):
    """A machine's own metadata service, at the far end of a route from another namespace."""

    def __init__(self, near):
        super().__init__()
        self.asked = []
        near.root(["ip", "link", "add", "imds0", "type", "veth", "peer", "name", "imds1", "netns", self._holder.pid])
        near.root(["ip", "address", "add", "10.9.9.1/24", "dev", "imds0"])
        near.root(["ip", "link", "set", "imds0", "up"])
        for address in ("10.9.9.2/24", f"{ADDRESS}/32"):
            self.root(["ip", "address", "add", address, "dev", "imds1"])
        self.root(["ip", "link", "set", "imds1", "up"])
        near.root(["ip", "route", "add", f"{ADDRESS}/32", "via", "10.9.9.2"])
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"real")

            def do_PUT(self):
                asked.append(self.path)
                self.send_error(405)

            def log_message(self, *_):
                """Says nothing."""

        self._server = self.within(lambda: HTTPServer((ADDRESS, 80), Handler))
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        super().close()


@pytest.fixture
def service(namespace):
    """That machine's service."""
    made = Service(namespace)
    yield made
    made.close()


@pytest.fixture
def namespace():
    """A namespace, or why there is none."""
    if why := Namespace.lacking():
        pytest.skip(why)
    made = Bare()
    yield made
    made.close()


@pytest.fixture
def second():
    """A second ordinary user, made for this test if there is none."""
    try:
        entry = pwd.getpwnam(SECOND)
    except KeyError:
        subprocess.run(["useradd", "-m", SECOND], check=True)
        entry = pwd.getpwnam(SECOND)
    return Person(entry.pw_name, entry.pw_uid, entry.pw_gid)


@pytest.fixture
def users(namespace, person, second, programs, moto):
    """Two users, each with a broker and a project."""
    sts = [Sts(moto, namespace.within) for _ in PORTS]
    made = [
        User(namespace.person(one), programs, door, port, app, role)
        for one, door, port, (app, role) in zip((person, second), sts, PORTS, (("shop", SHOP), ("blog", BLOG)), strict=True)
    ]
    try:
        yield [user.start() for user in made]
    finally:
        for user in made:
            user.close()
        for door in sts:
            door.close()


def real():
    """What a run on a cloud's machine needs."""
    return ["--replace-real-imds"] if os.path.exists("/sys/class/dmi/id/sys_vendor") else []


def test_two_users_come_to_their_own_brokers_without_any_variable(users, namespace, programs):
    before = namespace.facts()
    ctl = [programs.brokerctl, "link-local"]
    assert [user.status()["state"] for user in users] == ["off", "off"]
    for user in users:
        namespace.root([*ctl, "enable", "--user", user.person.name, "--port", user.port, *real()])
    once = namespace.facts()
    assert ADDRESS in once[1] and '"prefixlen":32' in once[1]
    for user, role, app in zip(users, (SHOP, BLOG), ("shop", "blog"), strict=True):
        assert user.status() == {"state": "on", "address": "brokerd", "at_boot": False, "real_service": user.status()["real_service"]}
        assert user.aws() == role.assumed(f"brokerd-{user.person.name}-{app}-dev")
        assert user.arn(["/bin/sh", "-c", 'echo | "$0" "$1" | tail -n 1', *user.broker.python("boto.py")]) == role.assumed(
            f"brokerd-{user.person.name}-{app}-dev"
        )
        assert user.sts.role_of(user.sts.calls("GetCallerIdentity")[-1].access_key) == role.name
    # The project of one user is nothing to the other's broker.
    assert "arn:" not in users[1].aws(cwd=users[0].project)
    # Done again it changes nothing.
    namespace.root([*ctl, "enable", "--user", users[0].person.uid, "--port", users[0].port, *real()])
    assert [line.split("#")[0] for line in sorted(namespace.facts()[0].splitlines())] == sorted(once[0].splitlines())
    # A third user comes to nobody.
    probe = "import socket\ntry: socket.create_connection(('169.254.169.254', 80), 5)\nexcept OSError as e: print(type(e).__name__)"
    third = Inside("third", SEVENTH, SEVENTH, namespace._holder.pid)
    assert third.run([programs.python, "-c", probe], cwd="/", env={}).stdout == "ConnectionRefusedError\n"
    assert namespace.root([programs.python, "-c", probe]).stdout == "ConnectionRefusedError\n", "nor does root"
    # The first goes: the second keeps rule and address.
    namespace.root([*ctl, "disable", "--user", users[0].person.name])
    assert "arn:" not in users[0].aws() and users[0].status()["state"] == "unanswered"
    assert users[1].aws() == BLOG.assumed(f"brokerd-{users[1].person.name}-blog-dev")
    namespace.root([*ctl, "disable", "--user", users[1].person.name])
    assert namespace.facts() == before
    assert "there was no redirect" in namespace.root([*ctl, "disable", "--user", users[1].person.name]).stdout


def test_a_brokers_place_taken_by_another_is_said(users, namespace, programs):
    # The first user's connections lead to the second user's broker, which serves its own user only.
    namespace.root([programs.brokerctl, "link-local", "enable", "--user", users[0].person.name, "--port", users[1].port, *real()])
    assert "arn:" not in users[0].aws()
    assert users[0].status()["state"] in ("foreign", "unanswered")
    namespace.root([programs.brokerctl, "link-local", "disable", "--user", users[0].person.name])


def test_an_address_that_somebody_else_put_there_stays(users, namespace, programs):
    namespace.root(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"])
    before = namespace.facts()
    ctl = [programs.brokerctl, "link-local"]
    namespace.root([*ctl, "enable", "--user", users[0].person.name, *real()])
    assert users[0].status()["state"] == "on"
    namespace.root([*ctl, "disable", "--user", users[0].person.name])
    assert namespace.facts() == before


def test_a_machine_with_a_service_of_its_own_is_left_alone(users, namespace, service, programs):
    before = namespace.facts()
    enable = [programs.brokerctl, "link-local", "enable", "--user", users[0].person.name]
    refused = namespace.root(enable, code=1).stderr
    assert "would lose that service" in refused and "--replace-real-imds" in refused
    assert namespace.facts() == before
    assert service.asked == []


def test_a_service_that_one_user_gave_up_is_still_there_for_all_others(users, namespace, service, programs):
    before = namespace.facts()
    third = Inside("third", SEVENTH, SEVENTH, namespace._holder.pid)

    def others():
        fetch = [programs.python, "-c", FETCH]
        return third.run(fetch, cwd="/", env={}).stdout, users[1].person.run(fetch, cwd="/", env={}).stdout, namespace.root(fetch).stdout

    real_for_all = ("real\n",) * 3
    assert others() == real_for_all
    enable = [programs.brokerctl, "link-local", "enable", "--user", users[0].person.name, "--replace-real-imds"]
    at_boot = namespace.root([*enable, "--boot", "--dry-run"]).stdout
    assert "ExecStart=nft -f" in at_boot and "ip address add" not in at_boot
    namespace.root(enable)
    assert namespace.facts()[1] == before[1], "no address is added"
    assert others() == real_for_all
    service.asked.clear()
    assert [user.status()["state"] for user in users] == ["on", "off"]
    assert users[0].aws() == SHOP.assumed(f"brokerd-{users[0].person.name}-shop-dev")
    assert service.asked == [], "neither the tool nor status asked it"
    users[0].broker.stop()
    assert users[0].status()["state"] == "unanswered"
    users[0].start()
    assert users[0].status()["state"] == "on"
    # An address that was there before the route goes.
    namespace.root(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo", "scope", "host", "label", "lo:brokerd"])
    namespace.root(enable)
    assert others() == real_for_all
    namespace.root([programs.brokerctl, "link-local", "disable", "--user", users[0].person.name])
    assert namespace.facts() == before
    assert users[0].status()["state"] == "off"


def test_nobody_takes_the_place_of_a_broker_that_is_down(users, namespace, programs):
    [user, _] = users
    ctl = [programs.brokerctl, "link-local"]
    namespace.root([*ctl, "enable", "--user", user.person.name, "--port", user.port, *real()])
    assert user.status()["state"] == "on"
    user.broker.stop()

    def said(at, port):
        return user.person.run([programs.python, "-c", CONNECT, at, port], cwd="/", env={}).stdout.strip()

    assert said(ADDRESS, 80) == "ConnectionRefusedError"
    entry = Inside("third", SEVENTH, SEVENTH, namespace._holder.pid)._entry()
    greet = [*entry, programs.python, "-c", GREET, user.port]
    with subprocess.Popen([str(word) for word in greet], stdout=subprocess.PIPE, text=True) as stranger:
        try:
            assert stranger.stdout.readline() == "ready\n"
            assert said("127.0.0.1", user.port) == "hello", "it does listen"
            assert said(ADDRESS, 80) == "TimeoutError"
            namespace.root(["nft", "delete", "chain", "ip", f"brokerd_{user.person.uid}", "answers"])
            assert said(ADDRESS, 80) == "hello", "it is that chain that keeps it out"
        finally:
            stranger.kill()
    namespace.root([*ctl, "disable", "--user", user.person.name])


def test_a_redirect_without_its_address_is_taken_away(users, namespace, programs):
    [user, _] = users
    before = namespace.facts()
    namespace.root([programs.brokerctl, "link-local", "enable", "--user", user.person.name, *real()])
    namespace.root(["ip", "address", "delete", f"{ADDRESS}/32", "dev", "lo"])
    assert namespace.facts() != before
    env = user.without_sudo()
    assert "there was no redirect" not in user.broker.ctl("link-local", "disable", env=env).stdout
    asked = user.asked_of_sudo()[1:]
    namespace.root(asked)
    assert namespace.facts() == before
    assert "there was no redirect" in namespace.root(asked).stdout


def test_a_users_command_shows_what_sudo_is_to_run(users, namespace, programs):
    [user, _] = users
    before = namespace.facts()
    shown = user.broker.ctl("link-local", "enable", "--dry-run", *real()).stdout
    rule = f"meta skuid {user.person.uid} ip daddr {ADDRESS} tcp dport 80 redirect to :{user.port}"
    assert rule in shown and f"ip address add {ADDRESS}/32 dev lo" in shown
    assert namespace.facts() == before
    # In sudo's place something that writes down what it was to run, and is refused by root's own check before that.
    env = user.without_sudo()
    done = user.broker.ctl("link-local", "enable", *real(), env=env, code=1)
    assert rule in done.stdout and "does not lead to brokerd" in done.stderr, "it looks whether it came true"
    asked = user.asked_of_sudo()
    assert asked[:2] == ["--", str(programs.brokerctl)]
    namespace.root(asked[1:])
    assert user.status()["state"] == "on"
    assert user.broker.ctl("link-local", "enable", *real(), env=env).returncode == 0
    done = user.broker.ctl("link-local", "disable", env=env)
    assert f"nft delete table ip brokerd_{user.person.uid}" in done.stdout
    namespace.root(user.asked_of_sudo()[1:])
    assert namespace.facts() == before
    if not shutil.which("sudo"):
        missing = user.broker.ctl("link-local", "enable", *real(), code=1).stderr
        assert "sudo cannot be run" in missing and "hint: as root: " in missing


@pytest.mark.parametrize(
    "words, code, said",
    [
        ((), 2, "root must say whose"),
        (("--user", "root"), 2, "root's connections"),
        (("--user", "0"), 2, "root's connections"),
        (("--user", "4294967295"), 2, "the number of no user"),
        (("--user", "nobody-of-this-name"), 1, "there is no user"),
        (("--user", "1000; reboot"), 1, "there is no user"),
        (("--user", "1000", "--port", "80"), 2, "port 80 is not one"),
        (("--user", "1000", "--port", "65536"), 2, "65536"),
    ],
)
def test_root_takes_no_nonsense(namespace, programs, words, code, said):
    before = namespace.facts()
    done = namespace.root([programs.brokerctl, "link-local", "enable", *words], code=code)
    assert said in done.stderr
    assert namespace.facts() == before


def test_what_the_system_unit_runs_does_the_same(users, namespace, programs, tmp_path):
    [user, _] = users
    uid = user.person.uid
    checkout = os.path.join(os.path.dirname(__file__), "../../systemd/brokerd-link-local@.service")
    lines = open(checkout).read().replace("%i", str(uid)).splitlines()
    shown = user.broker.ctl("link-local", "enable", "--dry-run", "--boot", *real()).stdout
    rules = shown.split(f"cat > /etc/brokerd/link-local/{uid}.nft <<'END'\n")[1].split("END\n")[0]
    kept = tmp_path / "rules.nft"
    kept.write_text(rules)
    before = namespace.facts()

    def run(key):
        for line in lines:
            if line.startswith(f"{key}="):
                words = line.split("=", 1)[1].lstrip("-").split()
                namespace.root([str(kept) if word.endswith(".nft") else word for word in words])

    run("ExecStart")
    assert user.status()["state"] == "on"
    run("ExecStop")
    assert user.status()["state"] == "unanswered"
    namespace.root([programs.brokerctl, "link-local", "disable", "--user", uid])
    assert namespace.facts() == before
