"""Doors that need other users, other namespaces or processes that end and move: each is tried, and shut."""

import json
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

from place import Role
from puppet import ROLES, Puppet

SHOP = Role("shop-deploy")
BLOG = Role("blog-deploy", "222222222222")


@pytest.fixture
def two(broker, place):
    """Two allowed projects, and the daemon."""
    place.catalog({"shop": {"*": SHOP}, "blog": {"*": BLOG}})
    projects = place.serverless("shop", app="shop"), place.serverless("blog", app="blog")
    broker.start()
    broker.allow(*projects)
    assert broker.ask(projects[0]).role == SHOP.name
    return projects


def key_of(document):
    """The access key in a credential document."""
    return json.loads(document)["AccessKeyId"]


def as_user(uid):
    """How to start a process as somebody else."""
    return {"user": uid, "group": uid, "extra_groups": []}


# Tokens.


def test_a_process_that_moved_is_decided_anew_with_the_token_that_it_has(broker, two, sts):
    shop, blog = two
    with Puppet.of(broker, shop) as puppet:
        token = puppet.token()
        assert puppet.get(ROLES, token) == (200, "shop.dev")
        puppet.go(blog)
        assert puppet.get(f"{ROLES}shop.dev", token)[0] == 404, "no longer its own"
        assert puppet.get(ROLES, token) == (200, "blog.dev")
        status, document = puppet.get(f"{ROLES}blog.dev", token)
        assert (status, sts.role_of(key_of(document))) == (200, BLOG.name)
        puppet.go("/")
        assert puppet.get(ROLES, token)[0] == 404
        puppet.go(shop / "..")
        assert puppet.get(f"{ROLES}blog.dev", token)[0] == 404
        puppet.go(shop)
        assert sts.role_of(key_of(puppet.get(f"{ROLES}shop.dev", token)[1])) == SHOP.name


def test_a_token_of_a_process_that_ended_is_nobodys(broker, two):
    with Puppet.of(broker, two[0]) as owner:
        token = owner.token()
        assert owner.get(ROLES, token)[0] == 200
    for directory in two:
        with Puppet.of(broker, directory) as thief:
            assert thief.get(ROLES, token)[0] == 401
            assert thief.get(f"{ROLES}shop.dev", token)[0] == 401


def test_a_token_of_a_process_that_ended_does_not_open_for_the_next_with_its_pid(broker, two, stranger):
    last = pathlib.Path("/proc/sys/kernel/ns_last_pid")
    with Puppet.of(broker, two[0]) as owner:
        token, pid = owner.token(), owner.pid
    for _ in range(200):
        try:
            last.write_text(str(pid - 1))
        except OSError as error:
            pytest.skip(f"{last} cannot be written: {error}")
        with Puppet.of(broker, two[0]) as heir:
            if heir.pid == pid:
                assert heir.get(ROLES, token)[0] == 401
                assert heir.get(ROLES, heir.token()) == (200, "shop.dev")
                return
    pytest.skip("other processes took the pid each time")


# Other users.


def test_another_user_cannot_speak_to_the_control_socket(broker, two, place, stranger):
    path = place.runtime / "brokerd/control.sock"
    [path] = [path] if path.exists() else place.runtime.glob("**/*.sock")
    program = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "try: s.connect(sys.argv[1])\n"
        "except OSError as e: print(type(e).__name__); sys.exit()\n"
        'try: s.sendall(b\'{"protocol":1,"version":"x","body":{"request":"status"}}\\n\')\n'
        "except OSError: pass\n"
        "try: print(repr(s.recv(100)))\n"
        "except OSError as e: print(repr(b''))\n"
    )
    argv = [str(broker.programs.python), "-c", program, str(path)]

    def attempt():
        return subprocess.run(argv, cwd="/", capture_output=True, text=True, timeout=30, **as_user(stranger)).stdout

    assert attempt() == "PermissionError\n"
    # Even where somebody opened the directories and the socket: its peer is looked at.
    opened = [place.runtime, path.parent, path]
    modes = [(one, one.stat().st_mode) for one in opened]
    for one in opened:
        one.chmod(0o777)
    try:
        assert attempt() == "b''\n"
    finally:
        for one, mode in modes:
            one.chmod(mode & 0o7777)
    assert broker.status()["pid"]


@pytest.mark.parametrize("who", ["the same user", "another user"])
def test_proc_shows_nothing_of_the_daemon(broker, two, person, stranger, who):
    pid = broker.status()["pid"]
    uid = person.uid if who == "the same user" else stranger
    program = (
        "import os, sys\n"
        "for name in ('environ', 'mem', 'fd/0', 'maps', 'cwd'):\n"
        "    path = f'/proc/{sys.argv[1]}/{name}'\n"
        "    try: os.readlink(path) if name in ('fd/0', 'cwd') else open(path, 'rb').read(1)\n"
        "    except OSError as e: print(name, type(e).__name__)\n"
        "    else: print(name, 'read')\n"
    )
    argv = [str(broker.programs.python), "-c", program, str(pid)]
    said = subprocess.run(argv, cwd="/", capture_output=True, text=True, timeout=30, **as_user(uid)).stdout
    assert said.splitlines() == [f"{name} PermissionError" for name in ("environ", "mem", "fd/0", "maps", "cwd")]


@pytest.fixture
def squatter(broker, stranger):
    """Another user, who listens on a port."""
    program = (
        "import socket, sys\n"
        "s = socket.create_server(('127.0.0.1', 0))\n"
        "print(s.getsockname()[1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    argv = [str(broker.programs.python), "-c", program]
    process = subprocess.Popen(argv, cwd="/", **pipes, **as_user(stranger))
    process.port = int(process.stdout.readline())
    yield process
    process.communicate(timeout=20)


def test_another_user_had_the_port_first(broker, place, squatter, stranger):
    place.settings(f'listen = ["127.0.0.1:{squatter.port}"]\n')
    place.catalog({"shop": {"*": SHOP}})
    env = broker.client_environment()
    done = place.person.run([broker.programs.brokerd], cwd="/", env=env)
    assert done.returncode == 1
    assert f"127.0.0.1:{squatter.port} is taken by a process of uid {stranger}" in done.stderr
    endpoint = f"http://127.0.0.1:{squatter.port}/"
    said = broker.ctl("status", env=env | {"AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint}, code=3).stderr
    assert "brokerd is not running, and another user" in said and f"uid {stranger}" in said


def test_the_environment_leads_to_another_users_listener(broker, two, squatter, stranger):
    env = broker.client_environment() | {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{squatter.port}"}
    done = broker.ctl("status", env=env, code=1)
    sentence = f"another user (uid {stranger}) listens at 127.0.0.1:{squatter.port}"
    assert sentence in done.stdout and "unset AWS_EC2_METADATA_SERVICE_ENDPOINT" in done.stderr
    done = broker.ctl("status", "--json", env=env, code=1)
    assert any(sentence in trouble for trouble in json.loads(done.stdout)["troubles"])
    assert broker.ctl("status").returncode == 0


# Containers and relays.

RECIPE = "brokerctl tokens add --app APP --stage STAGE"


def test_a_subordinate_user_of_a_container_is_refused_with_the_recipe(broker, two, stranger):
    subuid = 100_999
    done = subprocess.run(
        [str(word) for word in broker.python("imds.py")],
        cwd="/",
        env=broker.client_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        **as_user(subuid),
    )
    said = json.loads(done.stdout)
    assert (said["token_status"], said["access_key"]) == (0, "") and said["error"]
    assert broker.refused()[-1] == {"kind": "unidentified", "why": {"other-user": {"uid": subuid}}}
    assert RECIPE in broker.sentences()


def unshared(person, env, *flags):
    """The beginning of a command line that enters namespaces as the user, if the machine lets it."""
    enter = ["unshare", *flags]
    tried = person.run([*enter, "true"], cwd="/", env=env)
    if tried.returncode != 0:
        pytest.skip(f"no namespaces here: {' '.join(enter)}: {tried.stderr}")
    return enter


def test_the_root_of_a_container_is_refused_with_the_recipe(broker, two, place, person):
    # Root in a user namespace is this user outside; a root file system of its own gives it a project's path.
    env = broker.client_environment()
    enter = unshared(person, env, "-Urm")
    inside = place.directory("home/image/shop")
    place.write("home/image/shop/serverless.yml", (two[0] / "serverless.yml").read_text())
    client = " ".join(str(word) for word in broker.python("imds.py"))
    script = f"mount --bind {inside} {two[0]}; cd {two[0]}; exec {client}"
    done = person.run([*enter, "sh", "-ec", script], cwd="/", env=env)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["list_status"], said["access_key"]) == (404, "")
    assert "foreign-directory" in broker.refused()[-1]["why"]
    assert RECIPE in broker.sentences()


@pytest.mark.parametrize("flags", [["-Urm"], ["-Urmpf", "--mount-proc"], ["-Urui"]], ids=["mounts", "processes", "names"])
def test_a_process_in_namespaces_of_its_own_that_shares_the_home_is_served(broker, two, place, person, flags):
    env = broker.client_environment()
    enter = unshared(person, env, *flags)
    private = place.directory("private")
    mount = f"mount -t tmpfs none {private};" if "-Urui" not in flags else ""
    client = " ".join(str(word) for word in broker.python("imds.py"))
    done = person.run([*enter, "sh", "-ec", f"{mount} cd {two[0]}; exec {client}"], cwd="/", env=env)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["status"], broker.sts.role_of(said["access_key"])) == (200, SHOP.name), broker.sentences()


RELAYS = [
    "ssh", "sshd", "socat", "ncat", "nc.openbsd", "kubectl", "ngrok", "cloudflared", "slirp4netns", "pasta.avx2",
    "rootlesskit", "docker-proxy", "com.docker.backend", "gvproxy", "tinyproxy", "mitmdump", "haproxy", "envoy",
    ".vscode-server/bin/x/node",
]  # fmt: skip


@pytest.mark.parametrize("name", RELAYS)
def test_relays_are_refused_by_name_with_the_recipe(broker, two, place, person, name):
    relay = place.directory(f"relays/{name}").parent / f"{name.rpartition('/')[2]}"
    relay.rmdir()
    shutil.copy(broker.programs.python.resolve(), relay)
    person.own(relay)
    answer = broker.ask(two[0], argv=[relay, "-I", broker.programs.clients / "imds.py"])
    assert (answer.token_status, answer.list_status, answer.access_key) == (200, 404, "")
    assert "relay" in broker.refused(None)[-1]["why"]
    said = broker.sentences()
    assert "forwards for others" in said and RECIPE in said


# Addresses.


def test_each_address_is_what_it_was_named_for(broker, two, place, stranger):
    broker.stop()
    text = 'listen = ["127.0.0.1:0", "[::1]:0"]\nkeychain = "memory"\n[endpoint.remote]\naddresses = ["127.0.0.1:0"]\n'
    place.write(place.config / "config.toml", text, mode=0o600)
    broker.start()
    status = broker.status()
    assert [(one["address"].rpartition(":")[0], one["remote"]) for one in status["sockets"]] == [
        ("127.0.0.1", False),
        ("[::1]", False),
        ("127.0.0.1", True),
    ]
    for endpoint in status["endpoints"]:
        broker.endpoint = endpoint
        assert broker.ask(two[0]).role == SHOP.name, endpoint
    # Where others can connect, another user is not even told apart from this one: neither gets anything.
    broker.endpoint = f"http://{status['sockets'][2]['address']}/"
    assert broker.ask(two[0]).token_status == 404
    argv = [str(word) for word in broker.python("imds.py")]
    env = broker.client_environment()
    done = subprocess.run(argv, cwd=two[0], env=env, capture_output=True, text=True, timeout=60, **as_user(stranger))
    assert json.loads(done.stdout)["token_status"] == 404
    assert "only container credentials with a token are" in broker.log.read_text()


def test_an_address_that_others_can_reach_is_a_fault_unless_it_is_named_for_that(broker, place):
    place.write(place.config / "config.toml", 'listen = ["192.0.2.1:9254"]\n', mode=0o600)
    done = place.person.run([broker.programs.brokerd, "--check"], cwd="/", env=broker.client_environment())
    assert done.returncode == 1 and "name it in [endpoint.remote] addresses" in done.stderr


# Connections.


def connections(broker, number, text=b""):
    """So many connections of this test, which is root or the user; they say this and then nothing."""
    host, port = broker.endpoint.removeprefix("http://").rstrip("/").rsplit(":", 1)
    opened = []
    for _ in range(number):
        one = socket.create_connection((host, int(port)), timeout=20)
        one.sendall(text)
        opened.append(one)
    return opened


SILENT = (
    "import socket, sys\n"
    "address = (sys.argv[1], int(sys.argv[2]))\n"
    "held = []\n"
    "for _ in range(int(sys.argv[3])):\n"
    "    held.append(socket.create_connection(address, timeout=20)); held[-1].sendall(b'GET / HT')\n"
    "print('held', flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def loris(broker, person):
    """Starts a process of the user that holds connections on which half a request has come."""
    started = []

    def hold(number):
        host, port = broker.endpoint.removeprefix("http://").rstrip("/").rsplit(":", 1)
        argv = [broker.programs.python, "-c", SILENT, host, port, number]
        process = person.start(argv, cwd="/", env=broker.client_environment())
        started.append(process)
        assert process.stdout.readline() == "held\n", process.stderr.read()

    yield hold
    for process in started:
        process.communicate(timeout=20)


def test_half_requests_keep_nobody_out(broker, two, loris):
    loris(900)
    for _ in range(3):
        assert broker.ask(two[0]).role == SHOP.name


def test_few_open_files_are_enough(place, programs, sts, person, loris, broker):
    place.catalog({"shop": {"*": SHOP}})
    shop = place.serverless("shop", app="shop")
    broker.prefix = ["prlimit", "--nofile=64:64"]
    broker.start()
    broker.allow(shop)
    loris(200)
    for _ in range(3):
        assert broker.ask(shop).role == SHOP.name
    assert not any("could not be accepted" in trouble for trouble in broker.status()["troubles"])


def test_without_open_files_it_recovers_and_says_so(broker, two, person, loris, stranger):
    pid = broker.status()["pid"]
    # Only the user may: root in a container often lacks the capability.
    def limit(soft):
        done = person.run(["prlimit", f"--pid={pid}", f"--nofile={soft}:"], cwd="/", env={"PATH": "/usr/bin:/bin"})
        assert done.returncode == 0, done.stderr

    limit(len(os.listdir(f"/proc/{pid}/fd")) + 3)
    spent = time_of(pid)
    loris(30)
    # The kernel's queue takes connections that nobody accepts; this one waits until somebody does.
    [waiting] = connections(broker, 1)
    spent = time_of(pid) - spent
    limit(512)
    assert broker.ask(two[0]).role == SHOP.name
    waiting.close()
    troubles = broker.status()["troubles"]
    assert any("connections could not be accepted" in one and "Too many open files" in one for one in troubles), troubles
    assert "could not be accepted" in broker.ctl("status").stdout
    assert spent < os.sysconf("SC_CLK_TCK"), "it did not spin"


def time_of(pid):
    """The processor time that a process has used, in ticks."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
