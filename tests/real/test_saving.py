"""Every way in which a configuration is saved, moved, lost and found again: the next process gets what the file says."""

import ctypes
import os
import shutil

import pytest

from place import Role

DEV = Role("shop-dev", "111111111111")
PROD = Role("shop-prod", "222222222222")
RENAME_EXCHANGE = 2
AT_FDCWD = -100


@pytest.fixture(params=[False, True], ids=["asked", "rooted"])
def shop(request, broker, place):
    """An allowed project on stage dev, below a root that is searched or below none."""
    place.catalog({"shop": {"dev": DEV, "prod": PROD}})
    project = place.serverless("team/shop", app="shop", stage="dev")
    if request.param:
        place.settings('listen = ["127.0.0.1:0"]\nprojects = ["~/team"]\n')
    broker.start()
    broker.allow(project)
    assert broker.ask(project).role == DEV.name
    return project


def on(config, stage):
    """The text of a configuration on another stage: as long as before, or nearly so."""
    return config.read_text().replace("stage: dev", f"stage: {stage}").replace("stage: prod", f"stage: {stage}")


def git(place, *words, cwd):
    identity = ["-c", "user.name=ann", "-c", "user.email=ann@localhost", "-c", "init.defaultBranch=main"]
    done = place.person.run(["git", *identity, *words], cwd=cwd, env=place.environment())
    assert done.returncode == 0, done.stderr


def test_renamed_over(broker, shop, place):
    for stage, role in [("prod", PROD), ("dev", DEV)]:
        place.write(shop / "serverless.yml", on(shop / "serverless.yml", stage))
        assert broker.ask(shop).role == role.name


def test_cut_and_filled(broker, shop, place):
    for stage, role in [("prod", PROD), ("dev", DEV)]:
        place.overwrite(shop / "serverless.yml", on(shop / "serverless.yml", stage))
        assert broker.ask(shop).role == role.name


def test_written_with_the_old_size_and_the_old_time(broker, shop, place):
    """As `cp -p` and some editors do: only the time of change tells."""
    config = shop / "serverless.yml"
    before = config.stat()
    text = config.read_text()
    place.overwrite(config, text.replace("stage: dev", "stage: prd").replace("stage: prd", "stage: qa "))
    os.utime(config, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = config.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    answer = broker.ask(shop)
    assert (answer.access_key, broker.refused(answer.pid)[-1]["stage"]) == ("", "qa")


def test_exchanged(broker, shop, place):
    """renameat2 with RENAME_EXCHANGE: neither name is ever missing."""
    config, other = shop / "serverless.yml", shop / "serverless.yml.new"
    place.write(other, on(config, "prod"))
    libc = ctypes.CDLL(None, use_errno=True)
    for role in (PROD, DEV, PROD):
        done = libc.renameat2(AT_FDCWD, bytes(config), AT_FDCWD, bytes(other), RENAME_EXCHANGE)
        assert done == 0, os.strerror(ctypes.get_errno())
        assert broker.ask(shop).role == role.name


def test_checked_out(broker, shop, place):
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    config = shop / "serverless.yml"
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "dev"], ["checkout", "-qb", "live"]):
        git(place, *words, cwd=shop)
    place.write(config, on(config, "prod"))
    git(place, "commit", "-qam", "prod", cwd=shop)
    for branch, role in [("main", DEV), ("live", PROD), ("main", DEV)]:
        git(place, "checkout", "-q", branch, cwd=shop)
        assert broker.ask(shop).role == role.name
    git(place, "rm", "-q", "serverless.yml", cwd=shop)
    assert broker.ask(shop).access_key == ""
    git(place, "checkout", "-qf", "live", cwd=shop)
    assert broker.ask(shop).role == PROD.name


def test_removed_with_its_directory_and_back(broker, shop, place):
    for stage, role in [("prod", PROD), ("dev", DEV)]:
        shutil.rmtree(shop)
        row = broker.status()["projects"][0]
        assert "serverless.yml" in row["error"] and row["role"] is None
        place.serverless("team/shop", app="shop", stage=stage)
        assert broker.ask(shop).role == role.name
        assert broker.status()["projects"][0]["stage"] == stage


def test_a_symlinked_project(broker, shop, place):
    """The directory is what it leads to; a configuration that is a link is asked for again where it leads elsewhere."""
    link = place.home / "link"
    link.symlink_to(shop)
    assert broker.ask(link).role == DEV.name
    place.write(shop / "serverless.yml", on(shop / "serverless.yml", "prod"))
    assert broker.ask(link).role == PROD.name

    aside = place.directory("home/aside")
    for name, stage in [("one", "dev"), ("two", "prod")]:
        place.write(aside / f"{name}.yml", on(shop / "serverless.yml", stage))
    linked = place.directory("home/linked")
    config = linked / "serverless.yml"
    config.symlink_to(aside / "one.yml")
    broker.allow(linked)
    assert broker.ask(linked).role == DEV.name
    place.write(aside / "one.yml", on(aside / "one.yml", "prod"))
    assert broker.ask(linked).role == PROD.name
    config.unlink()
    config.symlink_to(aside / "two.yml")
    answer = broker.ask(linked)
    assert (answer.access_key, broker.refused(answer.pid)[-1]["kind"]) == ("", "not-allowed")


def test_a_moved_parent(broker, shop, place):
    """Elsewhere it is another project, which nobody allowed; what takes its place is read anew, and watched."""
    team, moved = shop.parent, place.home / "moved"
    team.rename(moved)
    answer = broker.ask(moved / "shop")
    assert (answer.access_key, broker.refused(answer.pid)[-1]["kind"]) == ("", "not-allowed")
    assert "serverless.yml" in broker.status()["projects"][0]["error"]
    place.serverless("team/shop", app="shop", stage="prod")
    assert broker.ask(shop).role == PROD.name
    shutil.rmtree(team)
    moved.rename(team)
    assert broker.ask(shop).role == DEV.name


HALF = """
import sys
config, first, second = sys.argv[1:]
with open(config, "w") as out:
    out.write(first)
    out.flush()
    print("half", flush=True)
    sys.stdin.readline()
    out.write(second)
print("whole", flush=True)
sys.stdin.readline()
"""


def half_written(place, programs, config, stage):
    """A process of the user that has written half of the configuration: a valid one, without its stage."""
    first, second = config.read_text().split("  stage:")
    assert second
    second = f"  stage: {stage}\n"
    argv = [programs.python, "-c", HALF, config, first, second]
    writer = place.person.start(argv, cwd=place.home, env=place.environment())
    assert writer.stdout.readline() == "half\n"
    return writer


def test_half_written_after_a_good_reading(broker, shop, place, programs):
    place.write(shop / "serverless.yml", on(shop / "serverless.yml", "prod"))
    assert broker.ask(shop).role == PROD.name
    writer = half_written(place, programs, shop / "serverless.yml", "dev")
    try:
        # Half of the file would say dev, which is a stage that exists.
        for _ in range(3):
            assert broker.ask(shop).role == PROD.name
        row = broker.status()["projects"][0]
        assert f"(pid {writer.pid}) has it open for writing" in " ".join(row["notes"])
        writer.stdin.write("\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "whole\n"
        assert broker.ask(shop).role == DEV.name
    finally:
        writer.communicate("\n", timeout=20)


def test_half_written_before_any_reading(broker, place, programs):
    place.catalog({"shop": {"dev": DEV, "prod": PROD}})
    project = place.serverless("shop", app="shop", stage="prod")
    broker.start()
    broker.allow(project)
    broker.stop()
    writer = half_written(place, programs, project / "serverless.yml", "prod")
    try:
        broker.start()
        answer = broker.ask(project)
        assert answer.access_key == ""
        assert f"(pid {writer.pid}) has it open for writing" in broker.sentences()
        writer.stdin.write("\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "whole\n"
        assert broker.ask(project).role == PROD.name
    finally:
        writer.communicate("\n", timeout=20)
