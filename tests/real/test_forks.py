"""A parent that forks into other directories all the time gets its own project's credentials, always."""

import json

import pytest

from place import Role

SHOP = Role("shop-deploy")
BLOG = Role("blog-deploy")


@pytest.mark.parametrize("rounds", [400, pytest.param(5000, marks=pytest.mark.soak)])
def test_a_forking_parent_and_its_children_each_get_their_own(broker, place, person, sts, rounds):
    place.catalog({"shop": {"*": SHOP}, "blog": {"*": BLOG}})
    shop, blog = place.serverless("shop", app="shop"), place.serverless("blog", app="blog")
    broker.start()
    broker.allow(shop, blog)
    # Warm, since 503 while STS is asked would be right too.
    assert (broker.ask(shop).role, broker.ask(blog).role) == (SHOP.name, BLOG.name)
    argv = broker.python("forks.py", blog, rounds)
    done = person.run(argv, cwd=shop, env=broker.client_environment(), timeout=90 + rounds / 4)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    own = {sts.role_of(key) or key: count for key, count in counts["own"].items()}
    children = {sts.role_of(key) or key: count for key, count in counts["children"].items()}
    assert own == {SHOP.name: rounds}
    assert children == {BLOG.name: sum(children.values())}
    # A stress test that did not stress proves nothing.
    assert sum(children.values()) >= rounds / 20 and counts["started"]["programs"] >= rounds / 20, counts
    assert counts["started"]["forks"] >= rounds / 20, counts
    print(counts["started"], children)


def test_a_connection_shared_with_a_daemon_elsewhere_is_never_the_daemons(broker, place, person, sts):
    place.catalog({"shop": {"*": SHOP}, "blog": {"*": BLOG}})
    shop, blog = place.serverless("shop", app="shop"), place.serverless("blog", app="blog")
    broker.start()
    broker.allow(shop, blog)
    assert (broker.ask(shop).role, broker.ask(blog).role) == (SHOP.name, BLOG.name)
    done = person.run(broker.python("shared.py", blog), cwd=shop, env=broker.client_environment())
    said = json.loads(done.stdout)
    assert said["shared"] == 404 or sts.role_of(said["shared"]) == SHOP.name, said
    assert sts.role_of(said["alone"]) == SHOP.name
    if said["shared"] == 404:
        assert "shared" in broker.refused()[-1]["why"]
