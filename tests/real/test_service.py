"""brokerd as a service of a real `systemd --user`."""

import json
import os
import signal
import socket
import subprocess

import pytest

from place import Role
from user_manager import UserManager

SHOP = Role("shop-deploy")
UNITS = ["brokerd.service", "brokerd.socket"]


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


@pytest.fixture
def manager(place, person):
    """A manager with nothing of ours in it."""
    lacking = UserManager.lacking()
    if lacking:
        pytest.skip(lacking)
    made = UserManager(place, person)
    yield made
    made.log_out()


@pytest.fixture
def service(manager, broker, place, sts):
    """The service, installed, and an allowed project."""
    port = free_port()
    place.settings(f'listen = ["127.0.0.1:{port}"]\n')
    drop_in(place, f"Environment=AWS_ENDPOINT_URL_STS={sts.url} AWS_REGION=eu-west-1 RUST_LOG=debug\nStandardError=append:{place.root}/brokerd.log\n")
    place.catalog({"shop": {"*": SHOP}})
    broker.shop = place.serverless("shop", app="shop")
    said = broker.ctl("service", "install").stdout
    assert f"answers at http://127.0.0.1:{port}/" in said and 'eval "$(brokerctl env)"' in said
    broker.endpoint = f"http://127.0.0.1:{port}/"
    broker.allow(broker.shop)
    return broker


def drop_in(place, lines, name="test"):
    """A drop-in of the user's own."""
    path = place.home / f".config/systemd/user/brokerd.service.d/{name}.conf"
    return place.write(path, f"[Service]\n{lines}")


def files(place):
    """Every file below the user's configuration, with its text."""
    found = place.home / ".config"
    return {str(path.relative_to(found)): path.read_bytes() for path in found.rglob("*") if path.is_file()}


def pid(manager):
    """The daemon's."""
    return int(manager.show("brokerd.service", "MainPID"))


def status_of(number):
    """`/proc/PID/status` as a dictionary."""
    with open(f"/proc/{number}/status") as lines:
        return dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line)


def test_installed_it_serves_and_says_how_it_is(service, manager):
    assert service.ask(service.shop).role == SHOP.name
    said = json.loads(service.ctl("service", "status", "--json").stdout)
    assert said["installed"] and said["enabled"] and said["outdated"] == [] and said["troubles"] == []
    assert (said["socket"], said["service"], said["pid"]) == ("active", "active", pid(manager))
    assert said["daemon_version"] == said["brokerctl_version"]
    assert len(said["drop_ins"]) == 1
    doctor = json.loads(service.ctl("doctor", "--json", cwd=service.shop).stdout)
    levels = {finding["id"]: finding["level"] for finding in doctor["findings"] if finding["id"].startswith(("service", "hardening"))}
    assert levels.items() >= {"service": "ok", "hardening": "ok"}.items() and not [name for name in levels if name.startswith("service-")], levels
    again = service.ctl("service", "install").stdout
    assert again.count("as it is") == 3 and "write" not in again
    assert pid(manager) == said["pid"], "nothing changed, and it was restarted"


def test_the_first_run_installs_it(manager, broker, place, sts):
    port = free_port()
    place.settings(f'listen = ["127.0.0.1:{port}"]\n')
    drop_in(place, f"Environment=AWS_ENDPOINT_URL_STS={sts.url} AWS_REGION=eu-west-1\n")
    shop = place.serverless("code/shop", app="shop")
    said = broker.ctl("init", "--yes", "--source", "work", "--role", f"shop.dev={SHOP.arn}", cwd=place.home).stdout
    assert f"answers at http://127.0.0.1:{port}/" in said and f"you are role {SHOP.name}" in said, said
    assert manager.show("brokerd.service", "ActiveState") == "active" and manager.show("brokerd.service", "UnitFileState") == "enabled"
    broker.endpoint = f"http://127.0.0.1:{port}/"
    assert broker.ask(shop).role == SHOP.name


def test_a_dry_run_changes_nothing(manager, broker, place):
    place.settings(f'listen = ["127.0.0.1:{free_port()}"]\n')
    before = files(place)
    said = broker.ctl("service", "install", "--dry-run").stdout
    assert "would write" in said and "NoNewPrivileges=yes" in said and "would run systemctl --user" in said
    assert files(place) == before
    assert manager.show("brokerd.socket", "LoadState") == "not-found"


def test_it_starts_at_login(service, manager, place):
    number = pid(manager)
    manager.log_out()
    manager.log_in()
    manager.wait_until("brokerd.service", "ActiveState", lambda state: state == "active")
    assert pid(manager) != number
    assert service.ask(service.shop).role == SHOP.name
    environment = manager.systemctl("show-environment").split("\n")
    assert f"AWS_EC2_METADATA_SERVICE_ENDPOINT={service.endpoint}" in environment


def test_the_first_request_starts_it(service, manager):
    manager.systemctl("stop", "brokerd.service")
    manager.wait_until("brokerd.service", "ActiveState", lambda state: state == "inactive")
    assert service.ask(service.shop).role == SHOP.name
    manager.systemctl("stop", "brokerd.service")
    assert service.status()["pid"] == pid(manager) > 0


def test_a_restart_under_load_refuses_no_connection(service, manager):
    load = service.load([(service.shop, service.python("connector.py"))] * 3)
    seen = {pid(manager)}
    for _ in range(3):
        manager.systemctl("restart", "brokerd.service")
        seen.add(pid(manager))
    counts = load.stop()
    assert len(seen) == 4
    assert all(set(count) == {"200"} for count in counts), counts


def test_a_crash_is_followed_by_a_restart(service, manager):
    number = pid(manager)
    os.kill(number, signal.SIGKILL)
    manager.wait_until("brokerd.service", "NRestarts", lambda count: count == "1")
    manager.wait_until("brokerd.service", "ActiveState", lambda state: state == "active")
    assert pid(manager) != number
    assert service.ask(service.shop).role == SHOP.name


def test_one_that_hangs_is_replaced(service, manager, place):
    drop_in(place, "WatchdogSec=1s\n", name="watchdog")
    manager.systemctl("daemon-reload")
    manager.systemctl("restart", "brokerd.service")
    number = pid(manager)
    os.kill(number, signal.SIGSTOP)
    manager.wait_until("brokerd.service", "NRestarts", lambda count: count == "1")
    manager.wait_until("brokerd.service", "ActiveState", lambda state: state == "active")
    # The one that runs now says that it is alive.
    assert pid(manager) != number
    assert service.ask(service.shop).role == SHOP.name


def test_the_settings_are_in_force_and_no_namespace_is_made(service, manager):
    number = pid(manager)
    found = status_of(number)
    assert (found["NoNewPrivs"], found["Seccomp"], found["Umask"]) == ("1", "2", "0077")
    parent = int(found["PPid"])
    for namespace in ("user", "mnt", "pid", "net"):
        assert os.readlink(f"/proc/{number}/ns/{namespace}") == os.readlink(f"/proc/{parent}/ns/{namespace}")
    held = {measure["kind"]: measure["holds"] for measure in service.status()["hardening"]}
    needed = ["no-core-dumps", "not-dumpable", "private-files", "no-new-privileges", "system-call-filter"]
    assert all(held[kind] for kind in needed), held
    with open(f"/proc/{number}/limits") as limits:
        assert [line.split()[4:6] for line in limits if line.startswith("Max core")] == [["0", "0"]]


def test_a_user_namespace_of_its_own_is_a_named_error(service, manager, place):
    drop_in(place, "PrivateUsers=yes\n", name="private")
    manager.systemctl("daemon-reload")
    manager.systemctl("restart", "brokerd.service", check=False)
    assert "runs in a user namespace of its own" in service.log.read_text()


def test_a_start_that_fails_keeps_the_sockets_until_it_is_mended(service, manager, place):
    settings = (place.config / "config.toml").read_text()
    place.write(place.config / "config.toml", "listen = 1\n")
    manager.systemctl("restart", "brokerd.service", check=False)
    address = service.endpoint.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((address[0], int(address[1]))):
        # More of them than any limit of the manager's lets happen in so short a time.
        manager.wait_until("brokerd.service", "NRestarts", lambda count: int(count) >= 6)
        assert manager.show("brokerd.socket", "ActiveState") == "active"
    place.write(place.config / "config.toml", settings)
    assert service.ask(service.shop).role == SHOP.name
    assert manager.show("brokerd.socket", "ActiveState") == "active"


def test_one_started_by_hand_leaves_the_sockets_of_the_manager_alone(service, manager, place):
    manager.systemctl("stop", "brokerd.service")
    place.settings(f'listen = ["127.0.0.1:{free_port()}"]\n')
    failed = manager.person.run([service.programs.brokerd], cwd="/", env=place.environment())
    assert failed.returncode == 1 and "systemctl --user start brokerd.service" in failed.stderr, failed.stderr
    assert (place.runtime / "brokerd/control.sock").exists()


def test_one_that_runs_outside_is_replaced_when_that_is_asked_for(manager, broker, place):
    place.settings(f'listen = ["127.0.0.1:{free_port()}"]\n')
    before = files(place)
    broker.start()
    failed = broker.ctl("service", "install", code=1)
    assert "outside of the service" in failed.stderr and "--replace" in failed.stderr
    assert files(place) == before, "refused, and something was written"
    assert "which runs outside of the service" in broker.ctl("service", "install", "--replace").stdout
    assert broker.status()["pid"] == pid(manager)
    broker.ctl("service", "uninstall")


def test_uninstall_without_one_of_its_files_leaves_no_link(service, manager, place):
    (place.home / ".config/systemd/user/brokerd.service").unlink()
    service.ctl("service", "uninstall")
    links = [path for path in (place.home / ".config").rglob("*") if path.is_symlink()]
    assert links == [] and manager.show("brokerd.socket", "ActiveState") == "inactive"
    assert manager.show("brokerd.service", "ActiveState") in ("inactive", "failed")


def test_the_units_go_where_the_manager_looks(service, manager, place):
    elsewhere = place.root / "elsewhere"
    env = place.environment(XDG_CONFIG_HOME=str(elsewhere))
    said = manager.person.run([service.programs.brokerctl, "service", "install", "--dry-run"], cwd="/", env=env)
    assert f"{place.home}/.config/systemd/user/brokerd.service" in said.stdout, said.stdout + said.stderr


def test_another_address_in_the_settings_is_said(service, place):
    place.settings(f'listen = ["127.0.0.1:{free_port()}"]\n')
    failed = service.ctl("service", "status", code=1)
    assert "outdated" in failed.stdout and "brokerctl service install" in failed.stdout
    service.ctl("service", "install")
    service.ctl("service", "status")


def test_the_next_user_has_the_next_port(manager, broker, place, stranger):
    config = place.config / "config.toml"
    place.settings("", keychain="memory")
    with subprocess.Popen(
        ["/usr/bin/python3", "-c", "import socket; s = socket.create_server(('127.0.0.1', 9254)); print('ready', flush=True); input()"],
        user=stranger,
        group=stranger,
        extra_groups=[],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        if other.stdout.readline() != "ready\n":
            other.wait()
            pytest.skip("port 9254 of this machine is taken")
        broker.ctl("service", "install")
        text = config.read_text()
        assert "127.0.0.1:9254 is another user's" in text and 'keychain = "memory"' in text
        broker.ctl("service", "install")
        assert config.read_text() == text
        assert "127.0.0.1:9254" not in broker.status()["endpoints"][0]
        other.communicate("\n", timeout=20)
    broker.ctl("service", "uninstall")


def test_uninstall_leaves_nothing(manager, broker, place):
    place.settings(f'listen = ["127.0.0.1:{free_port()}"]\n')
    before = files(place)
    broker.ctl("service", "install")
    assert set(files(place)) - set(before)
    shown = broker.ctl("service", "uninstall", "--dry-run").stdout
    assert shown.count("would remove") == 3 and set(files(place)) - set(before)
    broker.ctl("service", "uninstall")
    assert files(place) == before
    links = [path for path in (place.home / ".config").rglob("*") if path.is_symlink()]
    assert links == [] and not (place.runtime / "brokerd/control.sock").exists()
    for unit in UNITS:
        assert manager.show(unit, "LoadState") == "not-found"
    assert "not installed" in broker.ctl("service", "uninstall").stdout
    assert "not installed" in broker.ctl("service", "status", code=1).stdout


def test_without_a_manager_it_says_what_to_do(broker, place):
    place.settings(f'listen = ["127.0.0.1:{free_port()}"]\n')
    failed = broker.ctl("service", "install", code=1)
    assert "service manager" in failed.stderr and "hint: start brokerd from your shell's profile" in failed.stderr


def test_the_units_are_well_formed(service, manager, place):
    units = [place.home / ".config/systemd/user" / name for name in UNITS]
    done = manager.person.run(["systemd-analyze", "verify", "--user", "--man=no", *units], cwd="/", env=place.environment())
    assert "brokerd" not in done.stderr, done.stderr
