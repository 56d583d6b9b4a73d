"""`brokerctl exec`: a command with container credentials, whatever else is set where it is started."""

import json
import signal
from pathlib import Path

import pytest

from place import BASE_KEY, REGION, Role
from serverless_cli import install, sls

SHOP = Role("shop-deploy")
PROD = Role("shop-prod", "222222222222")
BOOKS = Role("books-deploy", "333333333333")
OTHER = Role("shop-other")
SET = {
    "AWS_ACCESS_KEY_ID": "AKIAENVENVENVENVENVE",
    "AWS_SECRET_ACCESS_KEY": "secretOfTheEnvironment",
    "AWS_SESSION_TOKEN": "tokenOfTheEnvironment",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent",
    "AWS_ROLE_ARN": "arn:aws:iam::999999999999:role/other",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_PROFILE": "nowhere",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/other",
}


@pytest.fixture
def shop(broker, place):
    """Two allowed projects; the first one's directory."""
    place.catalog({"shop": {"*": OTHER, "dev": SHOP, "prod": PROD}, "books": {"dev": BOOKS}})
    shop, books = place.serverless("shop", app="shop", stage="dev"), place.serverless("books", app="books")
    broker.start()
    broker.allow(shop, books)
    return shop


def run(broker, cwd, *words, command=None, code=0, **env):
    """`brokerctl exec` to the command's end."""
    argv = [broker.programs.brokerctl, "exec", *words, "--", *(command or broker.python("session.py"))]
    done = broker.place.person.run(argv, cwd=cwd, env=broker.client_environment(**env))
    assert done.returncode == code, f"{argv} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def start(broker, cwd, *words, command=None):
    """`brokerctl exec` of a command that stays."""
    argv = [broker.programs.brokerctl, "exec", *words, "--", *(command or broker.python("session.py", "--stay"))]
    return broker.place.person.start(argv, cwd=cwd, env=broker.client_environment())


def ask(process):
    """Lets a staying command look once more."""
    process.stdin.write("\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def tokens(broker):
    """`brokerctl tokens --json`."""
    return json.loads(broker.ctl("tokens", "--json").stdout)


def tokens_gone(broker, process):
    """Whether no token of a process is listed any more."""
    return all(token["life"].get("process", {}).get("pid") != process.pid for token in tokens(broker))


@pytest.mark.parametrize("words, role, stage", [((), SHOP, "dev"), (("--stage", "prod"), PROD, "prod")])
def test_boto3_signs_with_the_stages_key_whatever_else_is_set(broker, shop, sts, person, place, words, role, stage):
    config = f"[default]\nrole_arn = {BOOKS.arn}\nsource_profile = work\n[profile other]\nregion = us-east-1\n"
    place.write("home/.aws/config", config, mode=0o600)
    keys = place.home / ".aws/credentials"
    place.write(keys, keys.read_text().replace("[work]", "[default]") + keys.read_text(), mode=0o600)
    done = run(broker, shop, *words, **SET)
    said = json.loads(done.stdout)
    assert (said["method"], said["region"], said["error"]) == ("container-role", REGION, "")
    assert sts.role_of(said["key"]) == role.name
    assert said["arn"] == role.assumed(f"brokerd-{person.name}-shop-{stage}")
    assert "~/.aws/credentials has a [default] section" in done.stderr
    assert "~/.aws/config has a [default] section" in done.stderr


def test_without_a_default_section_no_file_is_hidden(broker, shop):
    done = run(broker, shop, command=["env"])
    assert "AWS_CONFIG_FILE" not in done.stdout and "AWS_SHARED_CREDENTIALS_FILE" not in done.stdout
    assert "BROKERD_STAGE=dev" in done.stdout and "127.0.0.1,localhost" in done.stdout
    assert done.stderr == ""


def test_the_aws_cli_signs_with_it_too(broker, shop, sts, person):
    argv = [broker.programs.python, broker.programs.aws, "sts", "get-caller-identity", "--output", "json"]
    done = run(broker, shop, "--stage", "prod", command=argv, **SET)
    assert json.loads(done.stdout)["Arn"] == PROD.assumed(f"brokerd-{person.name}-shop-prod")
    assert sts.role_of(sts.calls("GetCallerIdentity")[-1].access_key) == PROD.name


def test_both_ways_in_agree_on_the_stage(broker, shop, sts):
    done = run(broker, shop, "--stage", "prod", command=broker.python("imds.py"))
    assert sts.role_of(json.loads(done.stdout)["access_key"]) == PROD.name


def test_another_application_from_anywhere_and_its_own_way_in_is_the_only_one(broker, shop, sts, place):
    for cwd in (place.home, shop, "/"):
        done = run(broker, cwd, "--app", "books", "--region", "us-west-2")
        said = json.loads(done.stdout)
        assert (sts.role_of(said["key"]), said["region"], said["method"]) == (BOOKS.name, "us-west-2", "container-role")
        env = run(broker, cwd, "--app", "books", command=["env"]).stdout
        assert "AWS_EC2_METADATA_DISABLED=true" in env and "AWS_EC2_METADATA_SERVICE_ENDPOINT" not in env
    done = run(broker, "/", code=1)
    assert "/ is in no project" in done.stderr
    assert "no allowed project has application nope" in run(broker, "/", "--app", "nope", code=1).stderr


def test_a_fall_back_is_said(broker, shop, sts):
    done = run(broker, shop, "--stage", "prdo")
    assert "stage prdo is not configured on shop: default profile" in done.stderr
    assert "did you mean prod?" in done.stderr
    assert sts.role_of(json.loads(done.stdout)["key"]) == OTHER.name


def test_exit_status_and_signals_are_the_commands_own(broker, shop):
    assert run(broker, shop, command=["sh", "-c", "exit 42"], code=42)
    assert "cannot run /nowhere" in run(broker, shop, command=["/nowhere"], code=127).stderr
    assert run(broker, shop, command=["/etc/passwd"], code=126)
    for number in (signal.SIGINT, signal.SIGTERM):
        script = 'trap "echo caught INT; exit 7" INT; trap "echo caught TERM; exit 7" TERM; echo ready; while :; do read x; done'
        process = start(broker, shop, command=["bash", "-c", script])
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
        assert (process.returncode, out) == (7, f"caught {number.name[3:]}\n")
    process = start(broker, shop, command=["cat"])
    process.kill()
    assert process.wait(60) == -signal.SIGKILL


def test_the_token_file_has_no_newline_and_goes_with_the_process(broker, shop, person):
    script = 'cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" | od -An -c | tail -1; stat -c %a "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"; '
    script += '[ "$(cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")" = "$AWS_CONTAINER_AUTHORIZATION_TOKEN" ] && echo same; '
    script += 'echo "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"; read x'
    process = start(broker, shop, command=["bash", "-c", script])
    last, mode, same, path = (process.stdout.readline().strip() for _ in range(4))
    assert "\\n" not in last and (mode, same) == ("600", "same")
    assert Path(path).exists()
    arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
    token = Path(path).read_text()
    assert token not in arguments and len(token) == 43
    [listed] = [token for token in tokens(broker) if token["life"].get("process", {}).get("pid") == process.pid]
    assert (listed["app"], listed["stage"]) == ("shop", "dev")
    process.communicate("\n", timeout=60)
    # The daemon is told of the end by the kernel; whoever asks sees at once that the token has ended.
    assert tokens_gone(broker, process)
    broker.stop()
    broker.start()
    assert not Path(path).exists() and token not in "".join(
        path.read_text() for path in (broker.place.runtime / "brokerd").rglob("*") if path.is_file()
    )


def test_a_running_command_keeps_its_credentials_over_an_upgrade_of_brokerd(broker, shop, sts, place):
    # The port must be the same for that, as it is by default.
    place.settings(f'listen = ["{broker.endpoint.split("/")[2]}"]\n')
    process = start(broker, shop, "--stage", "prod")
    assert sts.role_of(ask(process)["key"]) == PROD.name
    broker.stop()
    broker.start()
    assert sts.role_of(ask(process)["key"]) == PROD.name
    broker.end(signal.SIGKILL)
    broker.start()
    assert sts.role_of(ask(process)["key"]) == PROD.name
    process.communicate(timeout=60)


def test_a_deny_and_a_catalog_edit_end_what_a_command_has(broker, shop, sts, place):
    process = start(broker, shop, "--stage", "prod")
    assert sts.role_of(ask(process)["key"]) == PROD.name
    place.catalog({"shop": {"*": PROD, "dev": SHOP}, "books": {"dev": BOOKS}})
    said = ask(process)
    assert said["key"] == "" and "403" in said["error"]
    assert "the catalog changed since it was made for profile shop-shop-prod" in broker.sentences()
    process.communicate(timeout=60)
    process = start(broker, shop)
    assert sts.role_of(ask(process)["key"]) == SHOP.name
    broker.ctl("deny", cwd=shop)
    assert ask(process)["key"] == ""
    assert "is no longer allowed as shop" in broker.sentences()
    process.communicate(timeout=60)


def test_a_revoked_token_gives_nothing(broker, shop, sts):
    process = start(broker, shop)
    assert sts.role_of(ask(process)["key"]) == SHOP.name
    broker.ctl("tokens", "revoke", "--all")
    said = ask(process)
    assert said["key"] == "" and "401" in said["error"]
    process.communicate(timeout=60)


@pytest.mark.parametrize("asked, given", [("prod", "prod"), ("prod", "dev")])
def test_a_serverless_cli_on_another_stage_is_refused(broker, shop, sts, place, node, asked, given):
    """It would deploy its own stage into the account of the token's."""
    install(place, broker.programs, shop)
    child = json.dumps([str(word) for word in broker.python("session.py")])
    done = run(broker, shop, "--stage", asked, command=sls("deploy", "--stage", given), STAND_IN_CHILD=child)
    said = json.loads(done.stdout)
    if asked == given:
        assert sts.role_of(said["key"]) == PROD.name
    else:
        assert said["key"] == ""
        assert f"the token is for stage {asked}: the Serverless CLI works on stage {given}" in broker.sentences()


def test_static_keys_are_for_tools_that_know_nothing_else(broker, shop, sts):
    done = run(broker, shop, "--stage", "prod", "--static", **SET)
    said = json.loads(done.stdout)
    assert (said["method"], sts.role_of(said["key"])) == ("env", PROD.name)
    assert "these keys of shop.prod end at" in done.stderr and "are not renewed" in done.stderr
    env = run(broker, shop, "--static", command=["env"]).stdout
    assert "AWS_CONTAINER" not in env and "AWS_CREDENTIAL_EXPIRATION=" in env
    ways = [record["way"] for record in broker.audit() if record["event"] == "issue"]
    assert ways == ["static", "static"]


def test_who_uses_a_token_is_in_the_audit_log(broker, shop):
    said = json.loads(run(broker, shop, "--stage", "prod").stdout)
    [record] = [record for record in broker.audit() if record["event"] == "issue"]
    assert (record["way"], record["stage"], record["role"]) == ("container", "prod", PROD.arn)
    assert record["access_key_id"] == said["key"] and len(record["token"]["id"]) == 8
    assert record["caller"]["pid"] == said["pid"]


def test_base_credentials_stay_out_of_reach(broker, shop):
    assert BASE_KEY not in run(broker, shop, command=["env"], **{"AWS_ACCESS_KEY_ID": BASE_KEY}).stdout
