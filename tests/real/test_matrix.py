"""Every client of the matrix, by each way to brokerd: the key that it signs with is its own project's, or none."""

import shlex

import pytest

from installed import Tools
from matrix import CLIENTS
from namespace import PORT, Namespace
from person import PATIENCE
from place import REGION, Place, Role
from sts import Sts
from table import Table

SHOP = Role("shop-deploy", "111111111111")
BLOG = Role("blog-deploy", "222222222222")
BUCKET = "matrix-bucket"

# setting: the client is told of brokerd by a variable. address: by nothing, brokerd is at 169.254.169.254:80.
# exec: `brokerctl exec` starts it, with the variables of a container.
WAYS = ("setting", "address", "exec")
EVERY = pytest.mark.parametrize(
    "way, client",
    [pytest.param(way, client, id=f"{way}-{client.id}") for way in WAYS for client in CLIENTS if client.goes(way)],
    indirect=True,
)


@pytest.fixture(scope="module")
def way(request, person, programs):
    """One way to brokerd, or why it cannot be tried."""
    if request.param == "address" and (why := Namespace.lacking()):
        pytest.skip(why)
    if request.param == "exec":
        asked = person.run([programs.brokerctl, "exec", "--help"], cwd="/", env={"HOME": "/nonexistent"})
        if asked.returncode != 0:
            pytest.skip("this brokerctl has no exec")
    return request.param


@pytest.fixture(scope="module")
def namespace(way):
    """The network namespace of those who find brokerd by its address; None for the others."""
    made = Namespace() if way == "address" else None
    yield made
    if made:
        made.close()


@pytest.fixture(scope="module")
def tools(programs):
    """Where the clients are."""
    return Tools(programs)


@pytest.fixture(scope="module")
def table(request):
    """What was seen, for docs/clients.md."""
    return Table(request.config.getoption("--write-clients"))


@pytest.fixture(scope="module")
def bucket(moto):
    """A bucket with an object for those who speak nothing but S3."""
    moto.put(f"/{BUCKET}")
    moto.put(f"/{BUCKET}/data.csv", b"name,number\none,1\n")
    return BUCKET


@pytest.fixture
def door(moto, namespace):
    """Makes doors to AWS, in the namespace if there is one."""
    made = []

    def make():
        made.append(Sts(moto, namespace.within) if namespace else Sts(moto))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def place(person, namespace):
    """A user's directories; processes start in the namespace if there is one."""
    made = Place(namespace.person(person) if namespace else person)
    made.settings(f'listen = ["127.0.0.1:{PORT if namespace else 0}"]\n')
    made.base_profile()
    yield made
    made.remove()


@pytest.fixture
def sts(door):
    """The door that the daemon uses, and nobody else."""
    return door()


@pytest.fixture
def start(broker, place, tools, bucket, way, door):
    """Starts clients, each with a door of its own, and gives the doors once all have ended."""

    def start_all(client, directories):
        started = []
        try:
            for cwd in directories:
                own = door()
                started.append((own, place.person.start(*command(client, own), cwd=cwd, env=environment(client, own))))
            ended = []
            for own, process in started:
                out, err = process.communicate("\n", timeout=PATIENCE)
                ended.append((own, f"{client.name}:\n{out}\n{err}"))
            return ended
        finally:
            for _, process in started:
                process.kill()
                process.wait()

    def words(own):
        return tools.words(own.url, REGION, bucket)

    def command(client, own):
        argv = [word.format(**words(own)) for word in shlex.split(client.argv)]
        return [[broker.programs.brokerctl, "exec", "--", *argv] if way == "exec" else argv]

    def environment(client, own):
        known = {"AWS_ENDPOINT_URL": own.url, "AWS_DEFAULT_REGION": REGION}
        known["NODE_PATH"] = f"{tools.homes['node']}/node_modules"
        known |= {name: value.format(**words(own)) for name, value in client.environment.items()}
        if way == "setting":
            known[client.setting] = broker.endpoint
        return place.environment(**known)

    return start_all


@pytest.fixture
def client(request, tools):
    """One client, or why it cannot be started."""
    if why := tools.lacking(request.param):
        pytest.skip(why)
    return request.param


@pytest.fixture
def projects(broker, place):
    """Two allowed projects, and the daemon."""
    place.catalog({"shop": {"*": SHOP}, "blog": {"prod": BLOG}})
    made = place.serverless("shop", app="shop"), place.serverless("code/blog", app="blog", stage="prod")
    broker.start()
    broker.allow(*made)
    return made


@EVERY
def test_two_projects_at_once(client, way, projects, start, sts, table):
    works = way not in client.fails
    for (door, said), role in zip(start(client, projects), (SHOP, BLOG), strict=True):
        signed = {sts.role_of(call.access_key) for call in door.requests()}
        assert signed == ({role.name} if works else set()), f"{door.requests()}\n{said}"
    table.seen(client, way, "roles", works)


@EVERY
def test_a_project_that_nobody_allowed(client, way, projects, start, broker, place, table):
    clone = place.serverless("clone", app="shop")
    [(door, said)] = start(client, [clone])
    # Unsigned requests are the client's own affair; a key would be somebody else's.
    assert {call.access_key for call in door.requests()} <= {""}, f"{door.requests()}\n{said}"
    # It did ask; `exec` is refused before there is a client.
    if way != "exec" and way not in client.fails:
        assert "not-allowed" in [record["refusal"]["kind"] for record in broker.refusals()], said
    table.seen(client, way, "refusal", True)


def test_docs_clients_says_what_was_seen(table, tools):
    table.close(tools)
