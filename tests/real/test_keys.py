"""Long-term keys that a person gives once: in the keychain, and nowhere else."""

import os
import pty
import select

import pytest

from place import Role
from test_leaks import files, found

ID = "AKIAKEPTKEPTKEPTKEPT"
SECRET = "keptSecretMarked0123456789abcdefABCDEFG/"
SHOP = Role("shop-deploy")


@pytest.fixture
def shop(broker, place, desktop):
    """An allowed project whose role is assumed with keys of the keychain."""
    broker.environment |= desktop.environment() | {"RUST_LOG": "trace"}
    place.settings(keychain="secret-service")
    place.catalog({"shop": {"*": SHOP}}, source="keychain")
    project = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(project)
    return project


def give(broker, *words, said=f"{ID}\n{SECRET}\n", code=0):
    """`brokerctl login --keys`, with the keys on its standard input."""
    argv = [broker.programs.brokerctl, "login", "--keys", *words]
    done = broker.place.person.run(argv, cwd="/", env=broker.client_environment(), said=said)
    assert done.returncode == code, f"{done.stdout}{done.stderr}"
    return done


def test_keys_sign_from_the_keychain_alone(broker, shop, place, sts, desktop):
    refused = broker.ask(shop)
    assert (refused.status, refused.access_key) == (403, "")
    assert "brokerctl login --keys default" in broker.sentences()
    assert broker.credential_process(shop, code=4).stderr.count("brokerctl login --keys default") == 1

    said = give(broker)
    assert said.stdout.splitlines()[0] == f"kept {ID} in the keychain (secret-service)"
    [item] = [item for item in desktop.items() if item["account"] == "keys default"]
    assert item["label"] == "brokerd: AWS keys default"
    assert SECRET in desktop.collection("get", "keys default")
    # The failure of before is remembered for a second; the next one who asks after that gets it.
    for _ in range(600):
        if (answer := broker.ask(shop)).status == 200:
            break
    assert answer.role == SHOP.name
    assert {call.access_key for call in sts.assumed()} == {ID}

    texts = files(place.home / ".config", place.state, place.runtime / "brokerd")
    texts |= {"log": broker.log.read_text(), "said": said.stdout + said.stderr, "status": broker.ctl("status").stdout}
    assert found([SECRET], texts) == []

    assert give(broker, "--remove").stdout.startswith("removed")
    assert "keys default" not in [item["account"] for item in desktop.items()]
    assert "no keys called default" in give(broker, "--remove", code=1).stderr


def test_keys_have_names_and_outlive_the_daemon(broker, shop, place, sts):
    give(broker, "work")
    place.catalog({"shop": {"*": SHOP}}, source="keychain:work")
    broker.stop()
    broker.start()
    assert broker.ask(shop).role == SHOP.name
    assert sts.assumed()[-1].access_key == ID
    assert '"keychain:work"' in broker.ctl("profile", "show", "shop-shop-deploy", "--json").stdout


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "expected the access key id and the secret access key"),
        (f"ASIAKEPTKEPTKEPTKEPT\n{SECRET}\n", "these are temporary keys"),
        (f"{SECRET}\n{ID}\n", "the access key id is none"),
        (f"{ID}\n{SECRET[1:]}\n", "the secret access key is none"),
    ],
)
def test_what_is_no_keys_is_refused_and_not_repeated(broker, shop, said, why):
    done = give(broker, said=said, code=1)
    assert why in done.stderr
    assert SECRET[1:30] not in done.stdout + done.stderr


def test_a_locked_keyring_keeps_nothing(broker, shop, desktop):
    desktop.lock()
    done = give(broker, code=1)
    assert "the keychain secret-service: it is locked" in done.stderr and "hint: unlock it" in done.stderr
    # What failed before is remembered for a second.
    for _ in range(600):
        assert broker.ask(shop).status == 403
        if "it is locked" in broker.sentences():
            break
    assert "it is locked" in broker.sentences()


@pytest.mark.parametrize("keychain", ["memory", "keyutils"])
def test_where_nothing_lasts_nothing_is_kept(broker, place, keychain):
    place.settings(keychain=keychain)
    place.catalog({"shop": {"*": SHOP}}, source="keychain")
    broker.prefix = ["keyctl", "session", "-"]
    broker.start()
    done = give(broker, code=1)
    assert f"the keychain in use, {keychain}, forgets" in done.stderr
    assert 'hint: write keychain = "secret-service"' in done.stderr


def test_a_terminal_is_asked_without_showing_the_secret(broker, shop, place, programs):
    terminal, slave = pty.openpty()
    place.person.own(os.ttyname(slave))
    argv = [programs.brokerctl, "login", "--keys", "typed"]
    process = place.person.start(
        argv, cwd="/", env=broker.client_environment(TERM="xterm"), stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    shown = b""

    def until(word):
        nonlocal shown
        while word not in shown:
            assert select.select([terminal], [], [], 60)[0], shown
            shown += os.read(terminal, 4096)

    until(b"Access key id of typed")
    os.write(terminal, f"{ID}\n".encode())
    until(b"Secret access key")
    os.write(terminal, f"{SECRET}\n".encode())
    until(b"in the keychain")
    assert process.wait(20) == 0
    os.close(terminal)
    assert SECRET.encode() not in shown
