"""`brokerctl env` and `aws-config`: what leads tools to brokerd, as shells and tools take it."""

import json
import shutil

import pytest

from place import REGION, Role

SHOP = Role("shop-deploy")
PROD = Role("shop-prod", "222222222222")
SET = {
    "AWS_ACCESS_KEY_ID": "AKIAENVENVENVENVENVE",
    "AWS_SECRET_ACCESS_KEY": "secretOfTheEnvironment",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_PROFILE": "nowhere",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1/",
    "http_proxy": "http://127.0.0.1:1/",
    "no_proxy": "it's \"$HOME\" `x` \\ here",
}
SHELLS = {
    "bash": 'eval "$("$0" env --shell bash)"',
    "zsh": 'eval "$("$0" env --shell zsh)"',
    "sh": 'eval "$("$0" env --shell sh)"',
    "fish": "$argv[1] env --shell fish | source",
    "pwsh": "& $args[0] env --shell pwsh | Out-String | Invoke-Expression",
}


@pytest.fixture
def shop(broker, place):
    """An allowed project."""
    place.catalog({"shop": {"*": SHOP, "prod": PROD}})
    project = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(project)
    return project


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_evaluates_it_leads_boto3_to_brokerd(broker, shop, sts, place, shell):
    program = shutil.which(shell, path="/usr/local/bin:/usr/bin:/bin")
    if program is None:
        pytest.skip(f"{shell} is not installed")
    client = " ".join(str(word) for word in broker.python("session.py"))
    argv = [program, "-c", f"{SHELLS[shell]}\n{client}\nenv", broker.programs.brokerctl]
    environment = broker.client_environment() | SET
    del environment["AWS_DEFAULT_REGION"]
    done = place.person.run(argv, cwd=shop, env=environment)
    said = json.loads(done.stdout.splitlines()[0])
    assert (said["method"], said["region"], sts.role_of(said["key"])) == ("iam-role", REGION, SHOP.name), done.stderr
    assert f"no_proxy={SET['no_proxy']},127.0.0.1,localhost" in done.stdout.splitlines()


def test_the_shell_is_told_by_its_variable_and_no_value_of_a_secret_is_said(broker, shop):
    environment = broker.client_environment() | SET | {"SHELL": "/usr/bin/fish"}
    lines = broker.ctl("env", cwd=shop, env=environment).stdout
    assert "set -e AWS_SECRET_ACCESS_KEY" in lines and "set -gx AWS_REGION" in lines
    assert SET["AWS_SECRET_ACCESS_KEY"] not in lines and SET["AWS_ACCESS_KEY_ID"] not in lines
    broker.ctl("env", "--shell", "tcsh", code=2)
    assert "AWS_REGION" not in broker.ctl("env", cwd="/").stdout, "outside of a project no region is known"


def test_what_no_line_helps_against_is_a_remark(broker, shop, place):
    keys = place.home / ".aws/credentials"
    place.write(keys, keys.read_text() + "[default]\naws_access_key_id = x\n", mode=0o600)
    lines = broker.ctl("env", cwd=shop).stdout.splitlines()
    assert [line for line in lines if line.startswith("# ~/.aws/credentials has a [default] section")]


def cli(broker, profile, cwd="/"):
    """The AWS CLI with a profile, and without the metadata endpoint."""
    argv = [broker.programs.python, broker.programs.aws, "--profile", profile]
    argv += ["sts", "get-caller-identity", "--output", "json"]
    environment = broker.client_environment(AWS_EC2_METADATA_DISABLED="true")
    return broker.place.person.run(argv, cwd=cwd, env=environment)


def test_a_profile_of_aws_config_signs_with_its_stages_key_anywhere(broker, shop, sts, person, place):
    before = "# mine\n[profile own]\nregion = us-east-1\n"
    config = place.write("home/.aws/config", before, mode=0o640)
    said = broker.ctl("aws-config", "--write").stdout
    assert said.startswith(f"changed {config}") and f"{config}.before-brokerd" in said
    text = config.read_text()
    assert text.startswith(before) and "[default]" not in text and f"region = {REGION}" in text
    assert config.stat().st_mode & 0o777 == 0o640
    assert (place.home / ".aws/config.before-brokerd").read_text() == before
    assert "has them already" in broker.ctl("aws-config", "--write").stdout
    assert config.read_text() == text and broker.ctl("aws-config").stdout in text
    for stage, role in (("prod", PROD), ("dev", SHOP)):
        done = cli(broker, f"brokerd-shop-{stage}")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["Arn"] == role.assumed(f"brokerd-{person.name}-shop-{stage}")
        assert sts.role_of(sts.calls("GetCallerIdentity")[-1].access_key) == role.name
    broker.ctl("deny", cwd=shop)
    done = cli(broker, "brokerd-shop-prod")
    assert done.returncode != 0 and "no allowed project has application shop" in done.stderr
    assert "no allowed project has a profile" in broker.ctl("aws-config", "--write", code=1).stderr
    assert config.read_text() == text


def test_a_section_of_somebody_elses_is_not_doubled(broker, shop, place):
    text = "[profile brokerd-shop-prod]\nregion = x\n"
    config = place.write("home/.aws/config", text, mode=0o600)
    assert "brokerd-shop-prod of its own" in broker.ctl("aws-config", "--write", code=1).stderr
    assert config.read_text() == text


def test_credential_process_takes_names(broker, shop, sts, place):
    def named(*words, cwd="/", code=0):
        line = '"$0" credential-process "$@"; exit $?'
        argv = ["/bin/sh", "-c", line, broker.programs.brokerctl, *words]
        done = place.person.run(argv, cwd=cwd, env=broker.client_environment())
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if code == 0 else done.stderr

    assert sts.role_of(named("--app", "shop", "--stage", "prod")["AccessKeyId"]) == PROD.name
    assert sts.role_of(named("--app", "shop", "--profile", "shop-shop-prod")["AccessKeyId"]) == PROD.name
    assert sts.role_of(named("--stage", "prod", cwd=shop)["AccessKeyId"]) == PROD.name
    assert sts.role_of(named("--profile", "shop-shop-prod", cwd=shop)["AccessKeyId"]) == PROD.name
    assert "no allowed project has application nope" in named("--app", "nope", code=1)
    assert "/ is in no project" in named("--stage", "prod", code=1)
