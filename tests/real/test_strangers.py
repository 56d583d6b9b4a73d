"""Who gets nothing, and that `why --last` says why to each."""

import shutil
import subprocess

import pytest

from place import Role
from broker import Answer

SHOP = Role("shop-deploy")


@pytest.fixture
def shop(broker, place):
    """One allowed project, warm."""
    place.catalog({"shop": {"*": SHOP}, "evil": {"*": Role("evil-deploy")}})
    project = place.serverless("shop", app="shop")
    place.directory("home/shop/src")
    broker.start()
    broker.allow(project)
    assert broker.ask(project).role == SHOP.name
    return project


def test_a_process_outside_of_any_project(broker, shop):
    answer = broker.ask("/")
    # The role list is not found, so that the tool's SDK goes on to whatever else it knows.
    assert (answer.token_status, answer.list_status, answer.access_key) == (200, 404, "")
    [refusal] = broker.refused(answer.pid)
    assert refusal["kind"] == "no-project"
    assert "/ is in no project" in broker.sentences()


def test_another_user(broker, shop, stranger):
    done = subprocess.run(
        [str(word) for word in broker.python("imds.py")],
        cwd=shop,
        env=broker.client_environment(),
        user=stranger,
        group=stranger,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
    )
    answer = Answer.read(done.stdout, broker.sts)
    # Closed before a byte was read: not even a status.
    assert (answer.token_status, answer.access_key) == (0, "") and answer.error
    [refusal] = broker.refused()
    assert refusal == {"kind": "unidentified", "why": {"other-user": {"uid": stranger}}}
    assert f"another user (uid {stranger})" in broker.sentences()


def test_a_project_that_nobody_allowed(broker, shop, place):
    evil = place.serverless("evil", app="evil")
    answer = broker.ask(evil)
    assert (answer.list_status, answer.access_key) == (404, "")
    [refusal] = broker.refused(answer.pid)
    assert (refusal["kind"], refusal["config"]) == ("not-allowed", str(evil / "serverless.yml"))
    said = broker.sentences()
    assert "is not allowed yet" in said and f"brokerctl allow {evil}" in said


def test_a_cloned_repository_with_somebody_elses_app(broker, shop, place):
    clone = place.serverless("clone", app="shop")
    answer = broker.ask(clone)
    assert (answer.list_status, answer.access_key) == (404, "")
    assert broker.refused(answer.pid)[0]["kind"] == "not-allowed"


def test_an_allowed_project_whose_app_changed(broker, shop, place):
    place.serverless("shop", app="evil")
    answer = broker.ask(shop)
    assert answer.access_key == ""
    assert "was allowed as application shop" in broker.refused(answer.pid)[-1]["why"]


def test_a_project_that_others_can_write(broker, shop, place):
    (shop / "serverless.yml").chmod(0o666)
    answer = broker.ask(shop)
    assert (answer.list_status, answer.access_key) == (404, "")
    assert broker.refused(answer.pid)[0]["kind"] == "untrusted"


# Each puts the process where a path says "shop" and another directory lies, or the other way round. The last two
# show the real directory below a forged parent, and the real project under another path.
FORGERIES = {
    "other directory at the project's path": ("mount --bind plain shop", "shop"),
    "other directory at a path in the project": ("mount --bind plain shop/src", "shop/src"),
    "real directory below a forged project": (
        "mount --bind shop/src kept && mount --bind plain shop && mount --bind kept shop/src",
        "shop/src",
    ),
    "project at another path": ("mount --bind shop plain", "plain"),
}


def namespaces(person):
    """Ways into a mount namespace of one's own: as the user, and as root who then becomes the user."""
    identity = ["setpriv", f"--reuid={person.uid}", f"--regid={person.gid}", "--clear-groups"]
    return {"user": ["unshare", "-Urm"], "root": ["unshare", "-m"]}, {"user": [], "root": identity}


@pytest.mark.parametrize("way", ["user", "root"])
@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_directory(broker, shop, place, person, way, forgery, request):
    enter, become = namespaces(person)
    if way == "root":
        request.getfixturevalue("stranger")
    start = subprocess.run if way == "root" else None
    trial = [*enter[way], "true"]
    env = broker.client_environment()
    tried = start(trial, check=False) if start else person.run(trial, cwd="/", env=env)
    if tried.returncode != 0:
        pytest.skip(f"no namespaces here: {' '.join(enter[way])} fails")
    for name in ("plain/src", "kept"):
        place.directory(f"home/{name}")
    mount, directory = FORGERIES[forgery]
    client = " ".join(str(word) for word in [*become[way], "env", "-C", directory, *broker.python("imds.py")])
    argv = [*enter[way], "sh", "-ec", f"cd {place.home}; {mount}; exec {client}"]
    if start:
        done = start(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    else:
        done = person.run(argv, cwd="/", env=env)
    assert done.returncode == 0, done.stderr
    answer = Answer.read(done.stdout, broker.sts)
    assert (answer.token_status, answer.list_status, answer.access_key) == (200, 404, "")
    whys = [refusal["why"] for record in broker.refusals() if (refusal := record["refusal"])["kind"] == "unidentified"]
    assert [next(iter(why)) for why in whys] == ["foreign-directory"], broker.refusals()
    assert whys[0]["foreign-directory"]["pid"] == answer.pid
    assert "mount namespace" in broker.sentences()
    assert broker.ask(shop).role == SHOP.name, "others are served as before"


def test_a_relay(broker, shop, place, person):
    # Python under another name does what a relay does: it holds the connection for somebody else.
    relay = place.root / "socat"
    shutil.copy(broker.programs.python.resolve(), relay)
    person.own(relay)
    answer = broker.ask(shop, argv=[relay, "-I", broker.programs.clients / "imds.py"])
    assert (answer.list_status, answer.access_key) == (404, "")
    assert "socat" in broker.sentences() and "forwards for others" in broker.sentences()


def test_a_process_that_hides(broker, shop):
    answer = broker.ask(shop, "--hidden")
    assert (answer.token_status, answer.list_status, answer.access_key) == (200, 404, "")
    [refusal] = broker.refused()
    assert any(str(answer.pid) in name for name in refusal["why"]["hidden"]["candidates"])


def test_a_token_is_of_no_use_to_another_process(broker, shop, place, person):
    # The token travels by argument; the thief sits in a directory that gets nothing by itself.
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import os, imds\n"
        "endpoint = imds.Endpoint(os.environ['AWS_EC2_METADATA_SERVICE_ENDPOINT'])\n"
        "token = sys.stdin.readline().strip() or endpoint.token()[1]\n"
        "print(token); print(endpoint.get(imds.ROLES, token)[0], flush=True); sys.stdin.readline()\n"
    )
    argv = [broker.programs.python, "-c", program, broker.programs.clients]
    env = broker.client_environment()
    with person.start(argv, cwd=shop, env=env) as owner:
        owner.stdin.write("\n")
        owner.stdin.flush()
        token, status = owner.stdout.readline().strip(), owner.stdout.readline().strip()
        thief = person.run(argv, cwd="/", env=env, said=f"{token}\n")
        owner.communicate("\n", timeout=20)
    assert status == "200"
    assert thief.stdout.split() == [token, "401"]
