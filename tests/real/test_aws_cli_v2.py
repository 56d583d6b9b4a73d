"""The AWS CLI v2, as the distribution packages it."""

import json
from pathlib import Path

import pytest

from place import Role

AWS = Path("/usr/bin/aws")


@pytest.fixture(scope="session")
def version_two(person):
    """Its path; skipped where it is not there."""
    if not AWS.exists():
        pytest.skip(f"{AWS} is not installed (Debian: awscli)")
    said = person.run([AWS, "--version"], cwd="/", env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})
    if not (said.stdout + said.stderr).startswith("aws-cli/2."):
        pytest.skip(f"{AWS} is not version 2: {said.stdout}{said.stderr}")
    return AWS


def test_it_acts_as_its_directorys_role(broker, place, person, sts, version_two):
    shop_role, blog_role = Role("shop-deploy"), Role("blog-deploy", "222222222222")
    place.catalog({"shop": {"*": shop_role}, "blog": {"*": blog_role}})
    shop, blog = place.serverless("shop", app="shop"), place.serverless("blog", app="blog")
    broker.start()
    broker.allow(shop, blog)
    for project, role in ((shop, shop_role), (blog, blog_role)):
        # Versions before 2.13 know no AWS_ENDPOINT_URL.
        argv = [version_two, "--endpoint-url", sts.url, "sts", "get-caller-identity", "--output", "json"]
        done = person.run(argv, cwd=project, env=broker.client_environment())
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["Arn"] == role.assumed(f"brokerd-{person.name}-{project.name}-dev")
        assert sts.role_of(sts.calls("GetCallerIdentity")[-1].access_key) == role.name
    outside = person.run(argv, cwd="/", env=broker.client_environment())
    assert outside.returncode != 0 and "credentials" in outside.stderr
    assert len(sts.calls("GetCallerIdentity")) == 2
