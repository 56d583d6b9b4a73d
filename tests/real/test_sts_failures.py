"""What a user sees when STS says no, and how often STS is asked."""

import json
import time

import pytest

from place import Role
from sts import Failure

SHOP = Role("shop-deploy")
# What the AWS client gets, what the error is called, and a word of the sentence.
EXPECTED = {
    Failure.ACCESS_DENIED: (403, "access-denied", "may not assume"),
    Failure.EXPIRED: (403, "base-credentials-expired", "have expired"),
    Failure.WRONG_CODE: (403, "needs-mfa", "AWS did not take the last one"),
    Failure.TOO_LONG: (403, "too-long", "gives no session"),
    Failure.CHAINED: (403, "too-long", "role chaining"),
    Failure.PACKED: (403, "refused", "Packed policy"),
    Failure.THROTTLING: (503, "throttled", "throttling"),
    Failure.SERVER_ERROR: (503, "network", "cannot be reached"),
    Failure.DROPPED: (503, "network", "cannot be reached"),
}
# Attempts of one call: the SDK's standard retries.
ATTEMPTS = 3


@pytest.fixture
def shop(broker, place):
    """An allowed project whose role nobody has assumed yet."""
    place.catalog({"shop": {"prod": SHOP, "dev": Role("shop-dev")}})
    project = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(project)
    return project


def settled(broker, project):
    """Asks until STS has answered: before that, the refusal is that it has not."""
    for _ in range(60):
        answer = broker.ask(project, BROKERD_STAGE="prod")
        refusal = broker.refused(answer.pid)[-1]
        if refusal["why"]["error"] != "pending":
            return answer, refusal["why"]
    raise AssertionError("STS never answered")


@pytest.mark.parametrize("failure", Failure, ids=lambda failure: failure.name.lower())
def test_a_failure_reaches_the_user_by_name(broker, shop, sts, failure):
    sts.fail(SHOP.name, failure)
    status, error, words = EXPECTED[failure]
    answer, why = settled(broker, shop)
    assert (answer.list_status, answer.status, answer.access_key) == (200, status, "")
    assert why["error"] == error
    assert words in broker.sentences()
    [row] = [row for row in broker.status()["projects"] if row["stage"] == "prod"]
    assert words in row["error"]
    # The next one may have to wait for the next call, but is mended without a restart.
    sts.fail(SHOP.name, None)
    deadline = time.monotonic() + 30
    while broker.ask(shop, BROKERD_STAGE="prod").role != SHOP.name:
        assert time.monotonic() < deadline, "the failure is remembered for longer than it says"


@pytest.mark.parametrize("failure", [Failure.ACCESS_DENIED, Failure.THROTTLING], ids=["access_denied", "throttling"])
def test_many_callers_of_a_failing_role_are_no_storm(broker, shop, sts, person, failure):
    sts.fail(SHOP.name, failure)
    env = broker.client_environment(BROKERD_STAGE="prod")
    for _ in range(3):
        started = [person.start(broker.python("imds.py"), cwd=shop, env=env) for _ in range(10)]
        said = [json.loads(process.communicate(timeout=60)[0]) for process in started]
        assert {one["access_key"] for one in said} == {""}
        assert {one["status"] for one in said} <= {403, 503}
    logical = broker.status()["sts_calls"]
    # One for stage dev when the project was allowed; the rest is what thirty callers caused.
    assert logical <= 4
    assert len(sts.assumed(SHOP.name)) <= 3 * ATTEMPTS


def test_a_client_is_told_in_time_while_sts_hangs(broker, shop, sts, person):
    gate = sts.hold(SHOP.name)
    # botocore gives up after a second, as most SDKs do; it must have been told something by then.
    argv = [broker.programs.python, broker.programs.aws, "sts", "get-caller-identity"]
    done = person.run(argv, cwd=shop, env=broker.client_environment(BROKERD_STAGE="prod"))
    assert done.returncode != 0
    assert sts.calls("GetCallerIdentity") == [], "nothing was sent unsigned"
    assert [refusal["why"]["error"] for record in broker.refusals() if (refusal := record["refusal"])] == ["pending"]
    assert len(sts.assumed(SHOP.name)) == 1
    gate.set()
    answer, _ = next(
        (answer, None) for _ in range(50) if (answer := broker.ask(shop, BROKERD_STAGE="prod")).status == 200
    )
    assert answer.role == SHOP.name
    assert len(sts.assumed(SHOP.name)) == 1


def test_no_base_credentials(broker, place, sts):
    (place.home / ".aws/credentials").unlink()
    place.catalog({"shop": {"*": SHOP}})
    shop = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(shop)
    answer = broker.ask(shop)
    assert (answer.status, answer.access_key) == (403, "")
    why = broker.refused(answer.pid)[-1]["why"]
    assert (why["error"], why["source_name"]) == ("no-base-credentials", "profile work")
    assert "no base credentials: profile work" in broker.sentences()
    assert sts.assumed() == []
    # Exit code 4: a login is needed.
    said = broker.credential_process(shop, code=4)
    assert "no base credentials" in said.stderr and "hint:" in said.stderr and said.stdout == ""
    # The user logs in; the daemon is not restarted.
    place.base_profile()
    deadline = time.monotonic() + 10
    while broker.ask(shop).role != SHOP.name:
        assert time.monotonic() < deadline


def test_the_base_key_signs_assume_role_and_nothing_else(broker, shop, place, sts):
    from place import BASE_KEY

    assert broker.ask(shop, BROKERD_STAGE="prod").role == SHOP.name
    assert {call.access_key for call in sts.assumed()} == {BASE_KEY}
    [call] = sts.assumed(SHOP.name)
    assert call.form["DurationSeconds"] == "3600"
    assert call.form["RoleSessionName"] == f"brokerd-{place.person.name}-shop-prod"
