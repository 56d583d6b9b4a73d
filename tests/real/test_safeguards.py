"""Safeguards beside the original, and on what a real CLI packages."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from place import Role

DATA = Path(__file__).parent.parent / "safeguards"
DEV = Role("shop-dev", "111111111111")
SERVICE = """service: shop
app: shop
provider: {name: aws, runtime: nodejs22.x}
functions:
  hello:
    handler: hello.handler
    environment: {KEY: AKIAEXAMPLEEXAMPLE01, SEEN: "${env:AWS_SECRET_ACCESS_KEY, 'nothing'}"}
custom:
  brokerd: {app: shop}
"""


@pytest.fixture
def original():
    directory = os.environ.get("BROKERD_CLIENTS_SERVERLESS")
    if not directory:
        pytest.skip("the original safeguards are not installed: BROKERD_CLIENTS_SERVERLESS is not set")
    return Path(directory)


def test_the_original_still_says_what_is_written_down(original):
    done = subprocess.run(
        ["node", DATA / "original.js", original], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((DATA / "verdicts.json").read_text())


def test_a_real_cli_packages_without_credentials(original, broker, place):
    place.catalog({"shop": {"dev": DEV}})
    project = place.serverless("shop", app="shop")
    configuration = project / "serverless.yml"
    # osls 4 knows no top-level app.
    configuration.write_text(SERVICE.replace("app: shop\n", "", 1))
    (project / "hello.js").write_text("exports.handler = async () => 1;\n")
    catalog = place.root / "guarded.toml"
    catalog.write_text(
        '[profiles.dev.access_role]\nrole_arn = "arn:aws:iam::111111111111:role/dev"\n'
        '[[profiles.dev.safeguards]]\npolicy = "no-secret-env-vars"\n'
        '[[profiles.dev.safeguards]]\npolicy = "framework-version"\nconfig = "^4"\n'
        '[[profiles.dev.safeguards]]\npolicy = "javascript"\n'
        "config = 'declaration.functions.hello.environment.SEEN === \"nothing\"'\n"
        '[applications.shop]\ndefault_profile = "dev"\n'
    )
    for path in (configuration, project / "hello.js", catalog):
        place.person.own(path)
    search = f"{original}/node_modules/.bin:{os.environ['PATH']}"
    env = broker.client_environment(PATH=search, AWS_SECRET_ACCESS_KEY="marked")
    done = broker.ctl("check", "--trust", "--catalog", catalog, "--json", cwd=project, env=env, code=1)
    report = json.loads(done.stdout)
    verdicts = {entry["policy"]: entry["verdict"] for entry in report["entries"]}
    assert verdicts == {"no-secret-env-vars": "failed", "framework-version": "passed", "javascript": "passed"}
    finding = report["entries"][0]["findings"][0]
    assert (finding["resource"], finding["line"]) == ("HelloLambdaFunction", 6)
    assert "AKIA" not in json.dumps(report)
