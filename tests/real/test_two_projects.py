"""Two projects, two roles, one daemon, no variable per project."""

import json

import pytest

from place import Role

SHOP = Role("shop-deploy", "111111111111")
BLOG = Role("blog-deploy", "222222222222")


@pytest.fixture
def two(broker, place):
    """Two allowed projects, and the daemon."""
    place.catalog({"shop": {"*": SHOP}, "blog": {"prod": BLOG}})
    projects = place.serverless("shop", app="shop"), place.serverless("code/blog", app="blog", stage="prod")
    broker.start()
    broker.allow(*projects)
    return projects


def identities(broker, directories):
    """Starts one boto3 in each directory, lets all of them ask in the same moment, and gives their ARNs."""
    env = broker.client_environment()
    started = [broker.place.person.start(broker.python("boto.py"), cwd=cwd, env=env) for cwd in directories]
    try:
        for process in started:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
        for process in started:
            process.stdin.write("\n")
            process.stdin.flush()
        return [json.loads(process.communicate(timeout=60)[0])["arn"] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_twenty_boto3_at_once_each_act_as_their_projects_role(broker, two, sts, person):
    # `allow` has fetched ahead; a daemon that was started anew has nothing, so that all twenty find it cold.
    broker.stop()
    broker.start()
    earlier = len(sts.assumed())
    directories = [two[number % 2] for number in range(20)]
    arns = identities(broker, directories)
    expected = [SHOP.assumed(f"brokerd-{person.name}-shop-dev"), BLOG.assumed(f"brokerd-{person.name}-blog-prod")]
    assert arns == [expected[number % 2] for number in range(20)]
    assert sorted(call.role for call in sts.assumed()[earlier:]) == [BLOG.name, SHOP.name]
    signed = {sts.role_of(call.access_key) for call in sts.calls("GetCallerIdentity")}
    assert signed == {SHOP.name, BLOG.name}


def test_a_cold_role_is_assumed_once_for_all_who_wait(broker, two, sts):
    # `allow` fetches ahead; a role of its own makes sure that nothing is warm.
    cold = Role("shop-cold")
    gate = sts.hold(cold.name)
    broker.place.catalog({"shop": {"*": cold}, "blog": {"prod": BLOG}})
    env = broker.client_environment()
    started = [broker.place.person.start(broker.python("imds.py"), cwd=two[0], env=env) for _ in range(10)]
    # Nobody gets anything while STS is silent, and everybody is told so within an SDK's patience.
    said = [json.loads(process.communicate(timeout=60)[0]) for process in started]
    assert [one["status"] for one in said] == [503] * 10
    assert len(sts.assumed(cold.name)) == 1
    gate.set()
    # The call outlived those who asked for it, so whoever comes next finds the session.
    for _ in range(50):
        answer = broker.ask(two[0])
        if answer.status == 200:
            break
    assert answer.role == cold.name
    assert len(sts.assumed(cold.name)) == 1


def test_the_aws_cli_acts_as_its_directorys_role(broker, two, sts, person):
    for directory, role, name in ((two[0], SHOP, "shop-dev"), (two[1], BLOG, "blog-prod")):
        argv = [broker.programs.python, broker.programs.aws, "sts", "get-caller-identity", "--output", "json"]
        done = person.run(argv, cwd=directory, env=broker.client_environment())
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["Arn"] == role.assumed(f"brokerd-{person.name}-{name}")
        assert sts.role_of(sts.calls("GetCallerIdentity")[-1].access_key) == role.name


def test_a_directory_below_the_project_is_the_project(broker, two, place):
    below = place.directory("home/shop/src/handlers")
    assert broker.ask(below).role == SHOP.name
    inner = place.serverless("shop/services/inner", app="blog", stage="prod")
    answer = broker.ask(inner)
    assert (answer.list_status, answer.role) == (404, None), "the nearest project counts, allowed or not"


def test_status_says_what_each_project_gets(broker, two, sts):
    assert broker.ask(two[1]).role == BLOG.name
    rows = {row["app"]: row for row in broker.status()["projects"]}
    assert (rows["shop"]["stage"], rows["shop"]["matched"], rows["shop"]["account"]) == ("dev", "default", SHOP.account)
    assert (rows["blog"]["stage"], rows["blog"]["matched"], rows["blog"]["role"]) == ("prod", "exact", BLOG.arn)
    assert rows["blog"]["expires"] and not rows["blog"]["error"]
    assert "stage dev is not configured on shop" in " ".join(rows["shop"]["notes"])
    people = broker.ctl("status", cwd=two[0]).stdout
    for word in ("shop", "blog", "prod", BLOG.name, BLOG.account):
        assert word in people
    assert "\x1b[" not in people, "colours are for terminals"
