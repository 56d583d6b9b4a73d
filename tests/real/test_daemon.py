"""The daemon as a program: who may start it, twice, on what port, and how it ends."""

import json
import os
import signal
import subprocess
import threading

import pytest

from place import Role

SHOP = Role("shop-deploy")


@pytest.fixture
def shop(broker, place):
    """An allowed project and a running daemon."""
    place.catalog({"shop": {"*": SHOP}})
    project = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(project)
    return project


def start_another(broker, **env):
    """A second daemon in the same place, which is expected to end."""
    environment = broker.place.environment(**{**broker.environment, **env})
    return broker.place.person.run([broker.programs.brokerd], cwd="/", env=environment, timeout=20)


def test_it_refuses_to_be_root(broker, place, programs, stranger):
    place.catalog({"shop": {"*": SHOP}})
    done = subprocess.run([programs.brokerd], env=place.environment(), capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "root" in done.stderr, done.stderr


def test_it_refuses_to_run_twice(broker, shop):
    done = start_another(broker)
    assert done.returncode == 1
    assert f"runs already (pid {broker.process.pid})" in done.stderr
    assert broker.ask(shop).role == SHOP.name, "the first one is as it was"


def test_a_killed_daemon_leaves_nothing_in_the_way(broker, shop):
    broker.end(signal.SIGKILL)
    broker.start()
    assert broker.ask(shop).role == SHOP.name


@pytest.mark.parametrize(
    "name",
    [
        "home/.config/brokerd",
        "home/.config/brokerd/config.toml",
        "home/.local/state",
        "home/.local/state/brokerd",
        "home/.local/state/brokerd/allowed.json",
        "home/.local/state/brokerd/audit.jsonl",
        "run/brokerd",
    ],
)
def test_what_belongs_to_another_user_is_refused_until_its_command_is_typed(broker, shop, place, stranger, name):
    broker.stop()
    path = place.root / name
    os.chown(path, stranger, stranger)
    done = start_another(broker)
    assert done.returncode == 1
    assert f"{path} belongs to uid {stranger}" in done.stderr, done.stderr
    mend = f"chown {place.person.name} {path}"
    assert f"hint: {mend}\n" in done.stderr or f"({mend})" in done.stderr, done.stderr
    assert path.stat().st_uid == stranger, "it is left as it was"
    subprocess.run(["sh", "-c", mend], check=True)
    broker.start()
    assert broker.ask(shop).role == SHOP.name


def test_a_taken_port_is_named_with_its_holder(broker, place, person, programs):
    program = (
        "import socket, sys; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen();"
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    with person.start([programs.python, "-c", program], cwd="/", env=place.environment()) as holder:
        port = holder.stdout.readline().strip()
        place.settings(f'listen = ["127.0.0.1:{port}"]\n')
        done = start_another(broker)
        holder.communicate(timeout=20)
    assert done.returncode == 1
    assert f"127.0.0.1:{port} is taken" in done.stderr and f"(pid {holder.pid})" in done.stderr


def test_brokerctl_without_a_daemon(broker, place):
    place.catalog({})
    for words in (["status"], ["why"], ["why", "--last"], ["allow"], ["deny"], ["credential-process"], ["stop"]):
        done = broker.ctl(*words, code=3)
        assert done.stdout == "" and "not running" in done.stderr and "hint:" in done.stderr, done
    assert broker.ctl("paths").stdout
    assert "Usage" in broker.ctl("dance", code=2).stderr


def test_status_waits_for_a_daemon(broker, place, person):
    place.catalog({})
    argv = [broker.programs.brokerctl, "status", "--wait", "30s", "--json"]
    with person.start(argv, cwd=place.home, env=broker.client_environment()) as waiting:
        broker.start()
        out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert json.loads(out)["pid"] == broker.process.pid
    broker.stop()
    done = broker.ctl("status", "--wait", "1s", code=3)
    assert "not running" in done.stderr


def test_stop_ends_it(broker, shop):
    broker.ctl("stop")
    assert broker.process.wait(20) == 0
    assert not list((broker.place.runtime / "brokerd").glob("*.sock"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_drains_under_load(broker, shop, number):
    # Each client asks until it finds nobody; `stop` is for a daemon that does not end.
    stop, answered, answers = threading.Event(), threading.Semaphore(0), []
    companions = [broker.companion(shop) for _ in range(4)]

    def load(companion):
        while not stop.is_set():
            answer = companion.ask()
            answers.append(answer)
            answered.release()
            if answer.error:
                break

    threads = [threading.Thread(target=load, args=(companion,)) for companion in companions]
    for thread in threads:
        thread.start()
    try:
        for _ in range(40):
            assert answered.acquire(timeout=20), answers[-4:]
        assert broker.end(number) == 0
    except BaseException:
        stop.set()
        raise
    finally:
        for thread in threads:
            thread.join()
        for companion in companions:
            companion.close()
    # Each request is answered whole or not taken at all: nobody reads half an answer, or one without keys.
    late = [answer for answer in answers if answer.error]
    assert late and all(answer.error.startswith("Connection") for answer in late), late
    assert {answer.role for answer in answers if not answer.error} == {SHOP.name}


def test_an_idle_connection_does_not_hold_up_the_end(broker, shop, person):
    program = (
        "import os, socket, sys, urllib.parse as u; a = u.urlsplit(os.environ['AWS_EC2_METADATA_SERVICE_ENDPOINT']);"
        "s = socket.create_connection((a.hostname, a.port)); print('open', flush=True);"
        "print(s.recv(1)); sys.stdin.read()"
    )
    argv = [broker.programs.python, "-c", program]
    with person.start(argv, cwd=shop, env=broker.client_environment()) as idle:
        assert idle.stdout.readline() == "open\n"
        assert broker.end(signal.SIGTERM) == 0
        assert idle.communicate(timeout=20)[0] == "b''\n", "it was closed, and nothing was said on it"


def test_a_hangup_reads_everything_anew(broker, shop, place):
    allowed = place.state / "allowed.json"
    text = allowed.read_text()
    broker.ctl("deny", cwd=shop)
    assert broker.ask(shop).access_key == ""
    place.write(allowed, text, mode=0o600)
    broker.process.send_signal(signal.SIGHUP)
    broker.wait_for("RELOADING=1")
    broker.wait_for("READY=1")
    assert broker.ask(shop).role == SHOP.name


def test_check_says_everything_that_is_wrong(broker, place):
    place.write(
        place.config / "catalog.toml",
        '[profiles.dev]\ndescripton = "x"\n[profiles.dev.access_role]\nrole_arn = "arn:aws:iam::1:role/x"\n'
        'duration = "13h"\n[applications.shop]\ndefault_profile = "deev"\n',
        mode=0o600,
    )
    place.settings('listen = ["0.0.0.0:9254"]\nkeychian = "auto"\n')
    env = place.environment()
    done = place.person.run([broker.programs.brokerd, "--check"], cwd="/", env=env)
    assert done.returncode != 0
    for word in (
        "catalog.toml:2:1", "description", "catalog.toml:4:", "catalog.toml:5:", "catalog.toml:7:", "dev",
        "config.toml:1:", "config.toml:2:1", "keychain",
    ):
        assert word in done.stderr, f"{word} is not in:\n{done.stderr}"
    place.catalog({"shop": {"*": SHOP}})
    place.settings()
    done = place.person.run([broker.programs.brokerd, "--check"], cwd="/", env=env)
    assert done.returncode == 0, done.stderr
