"""No key, token or secret in any log at TRACE, any error, any command line, any file below the XDG directories."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

from place import BASE_SECRET, BASE_TOKEN, Role
from sts import Failure
from vault import KMS_DENIED, Vault

SHOP = Role("shop-deploy")
BROKEN = Role("broken-deploy")
# Logs cut long values: this much of the middle is a find. It is long enough to be no accident.
FRAGMENT = 20


def disguises(secret):
    """A piece of a secret as logs write it: as it is, escaped, encoded, as numbers."""
    middle = secret[len(secret) // 2 - FRAGMENT // 2 :][:FRAGMENT]
    yield middle
    yield json.dumps(middle)[1:-1].replace("/", "\\/")
    yield quote(middle, safe="")
    yield ", ".join(str(byte) for byte in middle.encode()[:8])
    yield middle.encode().hex()
    for shift in range(3):
        # Base64 of a text depends on where it starts; the ragged ends are cut off.
        yield base64.b64encode(b"x" * shift + middle.encode()).decode()[4:-6]


def found(secrets, texts):
    """Which secrets are in which texts."""
    return [
        (source, disguise)
        for secret in secrets
        for disguise in disguises(secret)
        for source, text in texts.items()
        if disguise in text
    ]


def files(*roots):
    """The text of every file below."""
    paths = [path for root in roots for path in root.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes().decode(errors="replace") for path in paths}


def test_the_search_finds_what_is_there():
    secret = "abcdefghijklmnopqrstuvwxyz0123456789+/ab"
    for text in (
        f"x {secret} y",
        f"x {quote(secret, safe='')} y",
        str(list(secret.encode())),
        base64.b64encode(f"user:{secret}".encode()).decode(),
        base64.b64encode(f"pass:1{secret}".encode()).decode(),
    ):
        assert found([secret], {"log": text}), text


def test_nothing_that_is_secret_is_written_anywhere(broker, place, person, sts):
    broker.environment["RUST_LOG"] = "trace"
    place.catalog({"shop": {"dev": SHOP, "broken": BROKEN}})
    shop = place.serverless("shop", app="shop")
    broker.start()
    secrets, outputs, given = [BASE_SECRET, BASE_TOKEN], {}, 0

    def client(cwd, **env):
        done = person.run(broker.python("imds.py"), cwd=cwd, env=broker.client_environment(**env))
        said = json.loads(done.stdout)
        secrets.extend(value for name in ("secret", "session_token", "token") if len(value := said[name]) > FRAGMENT)
        return bool(said["access_key"])

    def ctl(*words, cwd=shop, **env):
        argv = [broker.programs.brokerctl, *words]
        done = person.run(argv, cwd=cwd, env=broker.client_environment(**env))
        outputs[f"brokerctl {' '.join(words)} {len(outputs)}"] = done.stdout + done.stderr
        return done

    client(shop)
    ctl("allow")
    given += client(shop)
    client("/")
    for failure in Failure:
        sts.fail(BROKEN.name, failure)
        client(shop, BROKERD_STAGE="broken")
        ctl("status")
    process = broker.credential_process(shop)
    document = json.loads(process.stdout)
    secrets += [document["SecretAccessKey"], document["SessionToken"]]
    outputs["credential-process stderr"] = process.stderr
    for words in (["--stage", "dev"], ["--stage", "broken"], ["--static"]):
        done = ctl("exec", *words, "--", *(str(word) for word in broker.python("session.py")))
        given += bool(done.stdout and json.loads(done.stdout)["key"])
    made = person.run([broker.programs.brokerctl, "tokens", "add"], cwd=shop, env=broker.client_environment())
    secrets.append(made.stdout)
    outputs["tokens add stderr"] = made.stderr
    # What a command runs with is in its environment and in its file, and nowhere else.
    argv = [broker.programs.brokerctl, "exec", "--", "sh", "-c", 'echo "$AWS_CONTAINER_AUTHORIZATION_TOKEN"; read x']
    running = person.start(argv, cwd=shop, env=broker.client_environment())
    secrets.append(running.stdout.readline().strip())
    [token_file] = (place.runtime / "brokerd/tokens").iterdir()
    outputs["command line of the command"] = Path(f"/proc/{running.pid}/cmdline").read_text()
    for words in (["tokens"], ["tokens", "--json"], ["env"], ["aws-config"]):
        ctl(*words)
    # A user's secret in the wrong place is not to be repeated either.
    secrets.append(misplaced := "misplacedSecretMarked0123456789abcdef")
    catalog = place.config / "catalog.toml"
    good = catalog.read_text()
    place.write(catalog, good + f'[profiles.x.access_role]\nrole_arn = "{misplaced}"\nsecret = "{misplaced}"\n')
    ctl("status")
    ctl("status", "--json")
    place.write(catalog, good)
    place.write(shop / "serverless.yml", f"app: shop\nprovider: {{stage: dev\nkey: {misplaced}\n")
    given += client(shop, AWS_SECRET_ACCESS_KEY=misplaced, STRIPE_KEY=misplaced)
    given += client(shop)
    for words in (["status", "--json"], ["why", "--last"], ["why", "--last", "--json"], ["why"], ["why", "--json"]):
        ctl(*words, STRIPE_KEY=misplaced)
    ctl("paths")
    ctl("deny")
    ctl("credential-process")

    assert given >= 2, "the search is worth something only if there was something to leak"
    secrets += sts.secrets()
    texts = files(place.home / ".config", place.home / ".local", place.runtime)
    assert str(place.state / "audit.jsonl") in texts and '"issue"' in texts[str(place.state / "audit.jsonl")]
    texts |= outputs
    texts["log"] = broker.log.read_text()
    assert "TRACE" in texts["log"] or "DEBUG" in texts["log"], "the log is at its most talkative"
    for name in ("cmdline", "comm"):
        texts[name] = Path(f"/proc/{broker.process.pid}/{name}").read_text()
    # Where the user wrote the misplaced one himself it may stay, and a token in its file.
    own = {str(catalog), str(shop / "serverless.yml"), str(token_file)}
    assert token_file.read_text() in secrets
    running.communicate("\n", timeout=60)
    texts = {source: text for source, text in texts.items() if source not in own}
    assert found(set(secrets), texts) == []


def test_no_value_of_a_secret_is_written_anywhere(broker, place, person, moto, desktop):
    """Every way out of every source, at TRACE; the keyring is where values may be."""
    vault = Vault(moto, SHOP)
    broker.environment |= vault.environment() | desktop.environment() | {"RUST_LOG": "trace"}
    place.settings(keychain="secret-service")
    marked = {name: f"{name.lower()}ValueMarked0123456789abcdef" for name in ("SSM", "MANAGER", "JSON", "PROGRAM", "FILE", "ENVIRONMENT", "KEPT", "IMPORTED")}
    vault.ssm.put_parameter(Name="/leaks/ssm", Value=marked["SSM"], Type="SecureString", Overwrite=True)
    for name, text in [("manager", marked["MANAGER"]), ("json", json.dumps({"key": marked["JSON"], "nested": [marked["JSON"]]}))]:
        vault.secrets.create_secret(Name=f"leaks/{name}", SecretString=text)
    own = {str(place.write("home/key", marked["FILE"], mode=0o600))}
    own.add(str(place.write("home/op", f"#!/bin/sh\necho {marked['PROGRAM']}; echo {marked['PROGRAM']} >&2\n", mode=0o755)))
    own.add(str(place.write("home/.env", f"IMPORTED={marked['IMPORTED']}\n", mode=0o600)))
    broker.environment["MARKED"] = marked["ENVIRONMENT"]
    sources = {
        "SSM": '{ ssm = "/leaks/ssm" }', "MANAGER": '{ secretsmanager = "leaks/manager" }',
        "JSON": '{ secretsmanager = "leaks/json", key = "key" }', "NESTED": '{ secretsmanager = "leaks/json", key = "nested" }',
        "PROGRAM": f'{{ command = ["{place.home}/op"] }}', "FILE": '{ file = "~/key" }', "ENVIRONMENT": '{ env = "MARKED" }',
        "KEPT": '"keychain"', "IMPORTED": '"keychain"',
    }
    lines = "\n".join(f"{name} = {source}" for name, source in sources.items())
    place.catalog({"shop": {"dev": SHOP}}, extra=f"[profiles.shop-shop-deploy.secrets]\n{lines}")
    shop = place.serverless("shop", app="shop", stage="dev")
    broker.start()
    broker.allow(shop)
    outputs, given = {}, 0

    def ctl(*words, said=""):
        argv = [broker.programs.brokerctl, *words]
        done = person.run(argv, cwd=shop, env=broker.client_environment(), said=said)
        outputs[f"{words} {len(outputs)}"] = done.stderr
        return done

    outputs["set"] = ctl("secret", "set", "KEPT", said=marked["KEPT"]).stdout
    outputs["import"] = ctl("secret", "import", str(place.home / ".env")).stdout
    for name, value in marked.items():
        given += ctl("secret", "get", name).stdout == value
    assert given == len(marked), "the search is worth something only if there was something to leak"
    outputs["nested"] = ctl("secret", "get", "NESTED").stdout
    names = ",".join(marked)
    for words in (["--secrets=" + names], ["--env-file", "--secrets=" + names]):
        done = ctl("exec", *words, "--", "sh", "-c", 'env; cat "${BROKERD_ENV_FILE:-/dev/null}"; cat /proc/self/cmdline >&2')
        assert all(value in done.stdout for value in marked.values()), done.stderr
    argv = [str(word) for word in broker.python("agent.py")]
    ways = [f"/secretsmanager/get?secretId={name}" for name in marked] + [f"/v1/{name}" for name in marked]
    ways += [f"/systemsmanager/parameters/get?name={name}" for name in marked] + ["/secretsmanager/get?secretId=NESTED"]
    answers = [json.loads(line) for line in ctl("exec", "--", *argv, *ways).stdout.splitlines()]
    assert [answer["status"] for answer in answers] == [200] * (3 * len(marked)) + [400]
    outputs["agent"] = answers[-1]["body"]
    vault.fail("", KMS_DENIED)
    for words in (["secret", "refresh"], ["secret", "list"], ["secret", "list", "--json"], ["secret", "get", "SSM"], ["why", "--last", "--json"], ["status", "--json"]):
        outputs[f"out of {words}"] = ctl(*words).stdout
    misplaced = "misplacedValueMarked0123456789abcdef"
    for said in (f"{misplaced}\n", f"KEPT={misplaced}\nKEPT={misplaced}\n", f"KEPT='{misplaced}\n"):
        outputs[f"import of {len(outputs)}"] = ctl("secret", "import", "-", said=said).stdout
    outputs["remove"] = ctl("secret", "remove", "KEPT").stdout
    broker.stop()
    vault.close()
    texts = files(place.home / ".config", place.home / ".local", place.runtime) | outputs
    texts["log"] = broker.log.read_text()
    assert '"secrets-agent"' in texts[str(place.state / "audit.jsonl")]
    texts = {source: text for source, text in texts.items() if source not in own}
    assert found([*marked.values(), misplaced], texts) == []


def test_what_a_failing_helper_says_is_not_repeated(broker, place, person, sts):
    broker.environment["RUST_LOG"] = "trace"
    said = "helperSecretMarked0123456789abcdef"
    place.catalog({"shop": {"dev": SHOP}})
    shop = place.serverless("shop", app="shop")
    place.write(place.home / ".aws/config", f"[profile work]\ncredential_process = sh -c 'echo {said} >&2; exit 1'\n")
    (place.home / ".aws/credentials").unlink(missing_ok=True)
    broker.start()
    broker.allow(shop)
    assert broker.ask(shop).status == 403
    assert broker.refusals()[-1]["refusal"]["why"]["error"] == "no-base-credentials"
    texts = files(place.home / ".local", place.runtime) | {"log": broker.log.read_text()}
    texts["status"], texts["why"] = broker.ctl("status").stdout, broker.sentences()
    assert found([said], texts) == []


def test_files_are_the_users_alone(broker, place):
    place.catalog({"shop": {"*": SHOP}})
    shop = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(shop)
    assert broker.ask(shop).role == SHOP.name
    for directory in (place.state, place.runtime / "brokerd", place.config):
        assert directory.stat().st_mode & 0o077 == 0, directory
        for path in directory.iterdir():
            assert path.stat().st_mode & 0o077 == 0, path
            assert path.stat().st_uid == place.person.uid, path
