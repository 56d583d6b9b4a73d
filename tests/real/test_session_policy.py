"""Safeguards that hold for every tool: what STS is asked for, and when it is not asked at all."""

import json

import pytest

from place import Role
from sts import Failure

PROD = Role("shop-prod", "222222222222")
DEV = Role("shop-dev", "111111111111")
REGIONS = '{ policy = "allowed-regions", config = ["eu-west-1", "eu-central-1"], enforce = "session" }'
SERVICE_ROLE = '{ policy = "require-cfn-role", enforce = "session" }'
VPC = '{ policy = "require-global-vpc", enforce = "session" }'
# It is for `brokerctl check` alone, and AWS never hears of it.
CHECKED = '{ policy = "require-description" }'
OWN = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}'
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
CATALOG = """
[profiles.dev.access_role]
role_arn = "{dev}"
source = "work"
[profiles.prod]
safeguards = [{safeguards}]
[profiles.prod.access_role]
role_arn = "{role}"
source = "work"
{more}
[applications.shop]
default_profile = "dev"
[applications.shop.stages]
prod = "prod"
"""
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def catalog(place, *safeguards, more="", role=PROD.arn):
    """A catalog in which prod has safeguards; dev has the same application and none."""
    text = CATALOG.format(dev=DEV.arn, role=role, safeguards=", ".join(safeguards), more=more)
    return place.write(place.config / "catalog.toml", text, mode=0o600)


def allowed(broker, place):
    """An allowed project on stage prod."""
    project = place.serverless("shop", app="shop", stage="prod")
    broker.start()
    broker.allow(project)
    return project


def statements(call):
    """The statements of the session policy that STS was asked to put on a session."""
    text = call.form["Policy"]
    assert len(text) <= 2048
    return json.loads(text)["Statement"]


def settled(broker, project, **env):
    """Asks until STS has answered: before that, the refusal is that it has not."""
    for _ in range(60):
        answer = broker.ask(project, **env)
        refusals = broker.refused(answer.pid)
        if answer.status == 200 or refusals[-1].get("why", {}).get("error") != "pending":
            return answer
    raise AssertionError("STS never answered")


def test_what_aws_can_enforce_is_in_the_session(broker, place, sts):
    catalog(place, REGIONS, SERVICE_ROLE, CHECKED, VPC)
    shop = allowed(broker, place)
    assert settled(broker, shop).role == PROD.name
    [call] = sts.assumed(PROD.name)
    allow, regions, service_role, vpc = statements(call)
    assert allow == EVERYTHING, "without any Allow the session could do nothing"
    assert {one["Effect"] for one in (regions, service_role, vpc)} == {"Deny"}
    assert {one["Resource"] for one in (regions, service_role, vpc)} == {"*"}
    assert regions["Condition"] == {"StringNotEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-central-1"]}}
    assert {"iam:*", "sts:*", "route53:*", "cloudfront:*", "chatbot:*", "devicefarm:*"} <= set(regions["NotAction"])
    assert not {"*", "lambda:*", "s3:*", "cloudformation:*"} & set(regions["NotAction"])
    assert service_role["Condition"] == {"Null": {"cloudformation:RoleArn": "true"}}
    assert {"cloudformation:CreateStack", "cloudformation:UpdateStack"} <= set(service_role["Action"])
    assert vpc["Action"] == ["lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"]
    assert vpc["Condition"] == {"Null": {"lambda:VpcIds": "true"}}
    assert not any(name.startswith("PolicyArns") for name in call.form)

    # The other stage has no safeguards, and its session only what its role says.
    assert settled(broker, shop, BROKERD_STAGE="dev").role == DEV.name
    assert all("Policy" not in call.form for call in sts.assumed(DEV.name))

    why = json.loads(broker.ctl("why", "--json", shop).stdout)["verdict"]["narrowed"]
    assert why["session_policy"] == call.form["Policy"]
    assert [line.partition(":")[0] for line in why["not_stopped"][:3]] == [
        "allowed-regions",
        "require-cfn-role",
        "require-global-vpc",
    ]
    said = broker.ctl("why", shop).stdout
    shown = said.partition("session policy, enforced by AWS beside the role's:\n")[2]
    listed, _, rest = shown.partition("it does not stop:\n")
    assert [json.loads(line) for line in listed.splitlines() if "{" in line] == statements(call)
    assert [line.strip() for line in rest.splitlines()] == why["not_stopped"]
    assert "a role of its own" in rest and "roles that the session assumes next" in rest


@pytest.mark.parametrize(("partition", "named", "missing"), [
    ("aws-cn", "cloudfront:*", "devicefarm:*"),
    ("aws-us-gov", "networkmanager:*", "cloudfront:*"),
])
def test_each_partition_has_global_services_of_its_own(broker, place, sts, partition, named, missing):
    arn = PROD.arn.replace("arn:aws:", f"arn:{partition}:")
    catalog(place, REGIONS, role=arn)
    shop = allowed(broker, place)
    settled(broker, shop)
    call = sts.assumed(PROD.name)[0]
    assert call.form["RoleArn"] == arn
    _, regions = statements(call)
    assert named in regions["NotAction"] and missing not in regions["NotAction"]


def test_an_own_session_policy_is_narrowed_and_not_replaced(broker, place, sts):
    catalog(place, VPC, more=f"session_policy = '{OWN}'\npolicy_arns = [\"{READ_ONLY}\"]")
    shop = allowed(broker, place)
    assert settled(broker, shop).role == PROD.name
    [call] = sts.assumed(PROD.name)
    own, vpc = statements(call)
    assert own == json.loads(OWN)["Statement"], "what the catalog says, and no Allow of everything beside it"
    assert (vpc["Effect"], vpc["Condition"]) == ("Deny", {"Null": {"lambda:VpcIds": "true"}})
    assert call.form["PolicyArns.member.1.arn"] == READ_ONLY
    assert f"managed session policy: {READ_ONLY}" in broker.ctl("why", shop).stdout


def test_managed_policies_alone_are_refused_with_what_to_write(broker, place, sts):
    path = catalog(place, VPC, more=f'policy_arns = ["{READ_ONLY}"]')
    said = broker.ctl("catalog", "validate", path, code=1)
    said = said.stdout + said.stderr
    assert f"{path}:6:" in said
    assert "policy_arns without session_policy would leave it to those policies" in said
    assert "write session_policy too, with an Allow for what policy_arns is to permit" in said
    catalog(place, VPC)
    shop = allowed(broker, place)
    assert settled(broker, shop).role == PROD.name
    catalog(place, VPC, more=f'policy_arns = ["{READ_ONLY}"]')
    # A daemon that runs goes on with the catalog that it could read, one that starts has none: neither gives a
    # session without the denials.
    assert broker.ask(shop).role == PROD.name
    assert all([one["Effect"] for one in statements(call)] == ["Allow", "Deny"] for call in sts.assumed(PROD.name))
    asked = len(sts.assumed())
    broker.stop()
    broker.start()
    answer = broker.ask(shop)
    assert answer.access_key == ""
    assert "policy_arns without session_policy" in broker.sentences()
    assert len(sts.assumed()) == asked


WITHHELD = [
    (
        '{ policy = "allowed-stages", config = ["dev"], enforce = "issue" }',
        'Stage name "prod" not in list of permitted names: ["dev"]',
    ),
    (
        '{ policy = "allowed-regions", config = ["us-east-1"], enforce = "issue" }',
        'Region "eu-west-1" not in list of permitted regions',
    ),
    (
        '{ policy = "restricted-deploy-times", enforce = "issue", '
        'config = { time = "2000-01-01T00:00:00Z", duration = "P1W", interval = "P1W" } }',
        "is not allowed",
    ),
]


@pytest.mark.parametrize(
    ("safeguard", "words"), WITHHELD, ids=["allowed-stages", "allowed-regions", "restricted-deploy-times"]
)
def test_a_withheld_profile_asks_sts_for_nothing(broker, place, sts, safeguard, words):
    catalog(place, safeguard)
    policy = safeguard.split('"')[1]
    shop = allowed(broker, place)
    answer = broker.ask(shop)
    assert (answer.status, answer.access_key) == (403, "")
    refusal = broker.refused(answer.pid)[-1]
    assert (refusal["kind"], refusal["profile"], refusal["policy"]) == ("withheld", "prod", policy)
    assert words in refusal["why"]
    for said in (
        broker.ctl("why", shop).stdout,
        broker.sentences(),
        broker.ctl("exec", "--", "true", cwd=shop, code=1).stderr,
        broker.credential_process(shop, code=1).stderr,
    ):
        assert policy in said and refusal["why"] in said, said
        assert f"hint: brokerctl safeguard explain {policy}" in said
    assert sts.requests() == [], "nothing is asked for what would not be handed out"
    # It is the profile that is withheld, not the application.
    assert settled(broker, shop, BROKERD_STAGE="dev").role == DEV.name


def test_a_policy_that_sts_finds_too_large_is_never_left_out(broker, place, sts):
    sts.fail(PROD.name, Failure.PACKED)
    catalog(place, REGIONS, SERVICE_ROLE)
    shop = allowed(broker, place)
    answer = settled(broker, shop)
    assert (answer.status, answer.access_key) == (403, "")
    why = broker.refused(answer.pid)[-1]["why"]
    assert (why["error"], why["code"]) == ("refused", "PackedPolicyTooLarge")
    for said in (broker.sentences(), broker.credential_process(shop, code=1).stderr):
        assert "PackedPolicyTooLarge" in said and "105%" in said
    for _ in range(5):
        assert broker.ask(shop).access_key == ""
    asked = sts.assumed(PROD.name)
    assert asked and {call.form.get("Policy") for call in asked} == {asked[0].form["Policy"]}
    assert [one["Effect"] for one in statements(asked[0])] == ["Allow", "Deny", "Deny"]
