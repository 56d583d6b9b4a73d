"""An edit is for the next process; a running one keeps what it was given, or gets nothing."""

import pytest

from place import Role

DEV = Role("shop-dev", "111111111111")
PROD = Role("shop-prod", "222222222222")
OTHER = Role("shop-other", "333333333333")


@pytest.fixture
def shop(broker, place):
    """An allowed project on stage dev."""
    place.catalog({"shop": {"dev": DEV, "prod": PROD}})
    project = place.serverless("shop", app="shop", stage="dev")
    broker.start()
    broker.allow(project)
    return project


def renamed_over(place, project, stage):
    """As editors save."""
    place.serverless(project.name, app="shop", stage=stage)


def cut_and_filled(place, project, stage):
    """As a shell's `>` saves; the same size, too."""
    config = project / "serverless.yml"
    place.overwrite(config, config.read_text().replace("stage: dev", f"stage: {stage}"))


@pytest.mark.parametrize("save", [renamed_over, cut_and_filled])
def test_an_edited_stage_is_the_next_processs(broker, shop, place, save):
    with broker.companion(shop) as running:
        assert running.ask().role == DEV.name
        save(place, shop, "prod")
        assert broker.ask(shop).role == PROD.name
        assert running.ask().role == DEV.name
        assert running.ask(move_to=place.directory("home/shop/src")).role == DEV.name
    assert broker.ask(shop).role == PROD.name


def test_a_process_that_moves_to_another_project_gets_that_ones(broker, shop, place):
    other = place.serverless("other", app="shop", stage="prod")
    broker.allow(other)
    with broker.companion(shop) as running:
        assert running.ask().role == DEV.name
        assert running.ask(move_to=other).role == PROD.name
        outside = running.ask(move_to="/")
        assert (outside.list_status, outside.access_key) == (404, "")
        assert running.ask(move_to=shop).role == DEV.name


def test_a_broken_configuration_keeps_its_last_good_reading(broker, shop, place):
    assert broker.ask(shop).role == DEV.name
    place.write(shop / "serverless.yml", "app: shop\nprovider: {stage: prod\n")
    assert broker.ask(shop).role == DEV.name
    [row] = broker.status()["projects"]
    assert "serverless.yml" in " ".join([*row["notes"], row["error"] or ""])
    place.serverless("shop", app="shop", stage="prod")
    assert broker.ask(shop).role == PROD.name


def test_a_deleted_configuration_gives_nothing(broker, shop, place):
    above = place.write("home/serverless.yml", "service: home\napp: shop\nprovider: {name: aws, stage: prod}\n")
    broker.allow(above.parent)
    assert broker.ask(shop).role == DEV.name
    (shop / "serverless.yml").unlink()
    answer = broker.ask(shop)
    assert (answer.list_status, answer.access_key) == (404, "")
    assert broker.refused(answer.pid)[-1]["kind"] == "configuration-missing"


def test_another_role_in_the_catalog_ends_what_runs(broker, shop, place, sts):
    with broker.companion(shop) as running:
        assert running.ask().role == DEV.name
        place.catalog({"shop": {"dev": OTHER, "prod": PROD}})
        assert broker.ask(shop).role == OTHER.name
        for _ in range(3):
            answer = running.ask()
            assert (answer.list_status, answer.status, answer.access_key) == (200, 403, "")
        assert {refusal["kind"] for refusal in broker.refused(answer.pid)} == {"ended"}
        assert "the catalog changed" in broker.sentences()
        # What has ended stays so, also when the user takes the edit back: nobody knows what it did meanwhile.
        place.catalog({"shop": {"dev": DEV, "prod": PROD}})
        assert running.ask().status == 403
        assert broker.ask(shop).role == DEV.name
    assert len(sts.assumed(OTHER.name)) == 1


def test_an_edit_elsewhere_in_the_catalog_ends_nothing(broker, shop, place, sts):
    with broker.companion(shop) as running:
        assert running.ask().role == DEV.name
        place.catalog({"shop": {"dev": DEV, "prod": OTHER}})
        assert running.ask().role == DEV.name
    assert len(sts.assumed(DEV.name)) == 1


def test_a_broken_catalog_changes_nothing_and_is_shown(broker, shop, place):
    catalog = place.config / "catalog.toml"
    good = catalog.read_text()
    with broker.companion(shop) as running:
        assert running.ask().role == DEV.name
        place.write(catalog, good.replace("role_arn", "role_anr", 1) + '[applications.shop2]\ndefault_profile = "x"\n')
        assert running.ask().role == DEV.name
        assert broker.ask(shop).role == DEV.name
        shown = broker.status()["catalog"]
        messages = " ".join(f"{fault['message']} {fault.get('hint')}" for fault in shown["faults"])
        assert len(shown["faults"]) >= 2, "all errors at once"
        assert "role_anr" in messages and "role_arn" in messages
        assert all(fault["place"]["line"] and fault["place"]["column"] for fault in shown["faults"])
        assert "catalog.toml" in broker.ctl("status").stdout
        place.write(catalog, good)
        assert broker.status()["catalog"]["faults"] == []
        assert running.ask().role == DEV.name


def test_deny_ends_what_runs_and_what_comes(broker, shop):
    with broker.companion(shop) as running:
        assert running.ask().role == DEV.name
        broker.ctl("deny", cwd=shop)
        answer = running.ask()
        assert answer.access_key == ""
        assert broker.refused(answer.pid)[-1]["kind"] in ("ended", "not-allowed")
        later = broker.ask(shop)
        assert (later.list_status, later.access_key) == (404, "")
        assert broker.refused(later.pid)[-1]["kind"] == "not-allowed"
    broker.allow(shop)
    assert broker.ask(shop).role == DEV.name


def test_permissions_outlive_the_daemon(broker, shop):
    broker.stop()
    broker.start()
    assert broker.ask(shop).role == DEV.name
    [allowed] = [row["config"] for row in broker.status()["projects"]]
    assert allowed == str(shop / "serverless.yml")


def test_a_running_process_goes_on_after_a_restart(broker, shop, place):
    # The endpoint's port is the same again, as it is with the default settings.
    port = broker.endpoint.rstrip("/").rpartition(":")[2]
    place.settings(f'listen = ["127.0.0.1:{port}"]\n')
    with broker.companion(shop) as running:
        assert running.ask().role == DEV.name
        broker.stop()
        assert running.ask().error.startswith("ConnectionRefused")
        broker.start()
        assert running.ask().role == DEV.name
