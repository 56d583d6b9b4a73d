"""Which stage a process is on."""

import json

import pytest

from place import Role
from serverless_cli import install, sls

DEV = Role("shop-dev", "111111111111")
PROD = Role("shop-prod", "222222222222")
BLOG = Role("blog-dev", "333333333333")


@pytest.fixture
def shop(broker, place, programs, node):
    """An allowed project with a Serverless CLI in its node_modules, as npm lays it out."""
    place.catalog({"shop": {"dev": DEV, "prod": PROD}, "blog": {"*": BLOG}})
    project = place.serverless("shop", app="shop")
    install(place, programs, project)
    broker.start()
    broker.allow(project)
    return project


def test_two_terminals_two_stages(broker, shop, person, sts):
    env = broker.client_environment()
    started = [person.start(sls("info", *words), cwd=shop, env=env) for words in (["--stage", "prod"], [])]
    said = [json.loads(process.communicate(timeout=60)[0]) for process in started]
    assert [one["name"] for one in said] == ["shop.prod", "shop.dev"]
    assert [sts.role_of(one["access_key"]) for one in said] == [PROD.name, DEV.name]


@pytest.mark.parametrize(
    "words", [["-s", "prod"], ["--stage=prod"], ["-s=prod"], ["--verbose", "--stage", "prod", "--force"]]
)
def test_every_spelling_of_the_option(broker, shop, words):
    assert broker.ask(shop, argv=sls("deploy", *words)).role == PROD.name


def test_the_script_by_its_own_path_and_by_its_link(broker, shop):
    for script in ("node_modules/serverless/bin/serverless.js", shop / "node_modules/.bin/sls"):
        assert broker.ask(shop, argv=["node", script, "info", "--stage", "prod"]).role == PROD.name


def test_a_script_that_is_no_serverless_cli_has_no_stage_option(broker, shop, programs):
    argv = ["node", programs.clients / "serverless.js", "info", "--stage", "prod"]
    assert broker.ask(shop, argv=argv).role == DEV.name


def test_the_variable_moves_other_tools(broker, shop, person, sts):
    argv = [broker.programs.python, broker.programs.aws, "sts", "get-caller-identity", "--output", "json"]
    for more, role, stage in (({}, DEV, "dev"), ({"BROKERD_STAGE": "prod"}, PROD, "prod")):
        done = person.run(argv, cwd=shop, env=broker.client_environment(**more))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["Arn"] == role.assumed(f"brokerd-{person.name}-shop-{stage}")
        assert sts.role_of(sts.calls("GetCallerIdentity")[-1].access_key) == role.name


def test_the_variable_never_moves_a_serverless_cli(broker, shop):
    answer = broker.ask(shop, argv=sls("info"), BROKERD_STAGE="prod")
    assert (answer.status, answer.access_key) == (403, "")
    refusal = broker.refused(answer.pid)[-1]
    assert refusal == {"kind": "stage-conflict", "environment": "prod", "cli": "dev"}
    said = broker.sentences()
    assert "BROKERD_STAGE is prod" in said and "stage dev" in said
    assert broker.ask(shop, argv=sls("info"), BROKERD_STAGE="dev").role == DEV.name
    assert broker.ask(shop, argv=sls("info", "--stage", "prod"), BROKERD_STAGE="prod").role == PROD.name
    assert broker.ask(shop, argv=sls("info", "--stage", "prod"), BROKERD_STAGE="dev").access_key == ""


def test_two_stages_on_one_command_line(broker, shop):
    answer = broker.ask(shop, argv=sls("deploy", "--stage", "dev", "-s", "prod"))
    assert (answer.status, answer.access_key) == (403, "")
    assert broker.refused(answer.pid)[-1]["kind"] == "unknown-stage"


def test_children_of_the_cli_are_on_its_stage(broker, shop, place):
    child = json.dumps([str(word) for word in broker.python("imds.py")])
    argv = sls("deploy", "--stage", "prod")
    assert broker.ask(shop, argv=argv, STAND_IN_CHILD=child).role == PROD.name
    shell = json.dumps(["sh", "-c", " ".join(str(word) for word in broker.python("imds.py")) + "; true"])
    below = place.directory("home/shop/src")
    answer = broker.ask(shop, argv=argv, STAND_IN_CHILD=shell, STAND_IN_DIRECTORY=below)
    assert answer.role == PROD.name


def test_a_child_in_another_project_is_on_that_projects_stage(broker, shop, place):
    blog = place.serverless("blog", app="blog")
    broker.allow(blog)
    child = json.dumps([str(word) for word in broker.python("imds.py")])
    answer = broker.ask(
        shop, argv=sls("deploy", "--stage", "prod"), STAND_IN_CHILD=child, STAND_IN_DIRECTORY=blog
    )
    assert (answer.name, answer.role) == ("blog.dev", BLOG.name)


def test_a_role_name_asks_for_another_stage_of_the_own_application_only(broker, shop, place):
    blog = place.serverless("blog", app="blog")
    broker.allow(blog)
    assert broker.ask(shop, AWS_EC2_INSTANCE_PROFILE_NAME="shop.prod").role == PROD.name
    other = broker.ask(shop, AWS_EC2_INSTANCE_PROFILE_NAME="blog.dev")
    assert (other.status, other.access_key) == (404, "")


def test_a_stage_that_cannot_be_resolved_is_no_dev(broker, shop, place):
    place.serverless("shop", app="shop", stage="${ssm:/stage}")
    answer = broker.ask(shop)
    assert (answer.status, answer.access_key) == (403, "")
    assert broker.refused(answer.pid)[-1]["kind"] == "unknown-stage"
    assert broker.ask(shop, BROKERD_STAGE="prod").role == PROD.name


def test_a_stage_that_nobody_configured(broker, shop):
    answer = broker.ask(shop, BROKERD_STAGE="prdo")
    assert (answer.status, answer.access_key) == (403, "")
    refusal = broker.refused(answer.pid)[-1]
    assert (refusal["kind"], refusal["stage"]) == ("no-default", "prdo")
    assert "did you mean prod?" in broker.sentences()


def test_why_explains_without_asking_sts(broker, shop, sts):
    broker.ask(shop)
    before = len(sts.assumed())
    assert PROD.name in broker.ctl("why", "--stage", "prod", cwd=shop).stdout
    said = json.loads(broker.ctl("why", str(shop), "--json", cwd="/").stdout)
    assert said["verdict"]["role"] == DEV.arn
    assert [reason["topic"] for reason in said["reasons"]][:4] == ["project", "application", "stage", "profile"]
    assert len(sts.assumed()) == before
