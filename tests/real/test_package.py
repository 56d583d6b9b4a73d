"""The Debian package: built from the programs that are there, installed into a root of its own, used, and removed."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shells import parses

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = 300


def run(*argv, **more):
    """Runs a command that must end well."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=PATIENCE, check=False, **more)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def needs(program):
    """Skips where it is not installed."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module")
def staged():
    """The manual pages and completions."""
    run(CHECKOUT / "packaging/stage", "debug")
    return CHECKOUT / "target/package"


def test_manual_pages_are_in_order_and_complete(staged, programs):
    needs("mandoc")
    pages = sorted((staged / "man").glob("*.1"))
    said = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True, check=False)
    # A page of one's own needs no date, and clap breaks its lines where it likes.
    known = ("missing date", "no document body", "skipping paragraph macro")
    left = [line for line in said.stdout.splitlines() if not any(word in line for word in known)]
    assert left == [], left
    names = {page.stem for page in pages}
    help_text = run(programs.brokerctl, "--help")
    commands = {line.split()[0] for line in help_text.split("Commands:")[1].split("Options:")[0].splitlines() if line.startswith("  ") and line[2] != " "}
    assert {"brokerd", "brokerctl"} | {f"brokerctl-{name}" for name in commands} <= names and len(commands) > 20
    shown = run("mandoc", "-T", "utf8", staged / "man/brokerctl-prompt.1")
    assert "--format" in shown.replace("\x08", "") or "f\x08fo\x08or\x08rm\x08ma\x08at\x08t" in shown


def test_completions_are_programs_of_their_shells(staged):
    for shell, name in {"bash": "brokerctl", "zsh": "_brokerctl", "fish": "brokerctl.fish"}.items():
        parses(shell, (staged / "completions" / name).read_text())


def units_are_accepted(root):
    """The units name programs that the package has, and systemd reads them without a word."""
    user = root / "usr/lib/systemd/user"
    service = (user / "brokerd.service").read_text()
    assert (root / next(line for line in service.splitlines() if line.startswith("ExecStart=")).partition("=/")[2]).exists()
    assert "ListenStream=127.0.0.1:9254\n" in (user / "brokerd.socket").read_text()
    assert "@" not in re.sub(r"@system-service|SystemCallFilter=.*", "", service), "nothing is left to fill in"
    if not shutil.which("systemd-analyze"):
        return
    # It looks for the programs on this machine, so the user's are shown where they are.
    copies = root / "verified"
    copies.mkdir()
    (copies / "brokerd.service").write_text(service.replace("=/usr/bin/", f"={root}/usr/bin/"))
    shutil.copy(user / "brokerd.socket", copies)
    verify = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"]
    run(*verify, "--user", copies / "brokerd.service", copies / "brokerd.socket", env={**os.environ, "XDG_RUNTIME_DIR": str(root)})
    if shutil.which("nft"):
        run(*verify, root / "usr/lib/systemd/system/brokerd-link-local@.service")
    shutil.rmtree(copies)


def test_it_installs_works_and_leaves_nothing(staged, tmp_path):
    needs("dpkg")
    if not shutil.which("cargo-deb"):
        pytest.skip("cargo-deb is not installed (cargo install cargo-deb --version 3.8.0 --locked)")
    if os.geteuid() != 0:
        pytest.skip("only root can install a package")
    package = tmp_path / "brokerd.deb"
    # What takes long in a package of such programs are their debug symbols.
    run("cargo", "deb", "--no-build", "--strip", "--fast", "--profile", "dev", "--output", package, cwd=CHECKOUT)
    about = run("dpkg-deb", "--field", package)
    assert "Package: brokerd\n" in about and "libc6" in about, about

    root = tmp_path / "root"
    for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates"):
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    # Nothing else is installed there, and it runs with what this machine has.
    dpkg = ["dpkg", f"--root={root}", "--force-depends"]
    run(*dpkg, "--install", package)
    there = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and "dpkg" not in path.parts}
    doc = "usr/share/doc/brokerd"
    assert there >= {
        "usr/bin/brokerd",
        "usr/bin/brokerctl",
        "usr/share/bash-completion/completions/brokerctl",
        "usr/share/zsh/vendor-completions/_brokerctl",
        "usr/share/fish/vendor_completions.d/brokerctl.fish",
        "usr/share/man/man1/brokerd.1.gz",
        "usr/share/man/man1/brokerctl-prompt.1.gz",
        "usr/lib/systemd/user/brokerd.service",
        "usr/lib/systemd/user/brokerd.socket",
        "usr/lib/systemd/system/brokerd-link-local@.service",
        f"{doc}/README.md",
        f"{doc}/prompt.md",
        f"{doc}/LICENSE-MIT",
        f"{doc}/LICENSE-APACHE",
        f"{doc}/copyright",
    }
    version = json.loads(run("cargo", "metadata", "--no-deps", "--format-version", "1", "--locked", cwd=CHECKOUT))["packages"][0]["version"]
    assert run(root / "usr/bin/brokerd", "--version") == f"brokerd {version}\n"
    assert run(root / "usr/bin/brokerctl", "--version") == f"brokerctl {version}\n"
    units_are_accepted(root)
    for path in (root / "usr").rglob("*"):
        assert path.stat().st_uid == 0 and path.stat().st_mode & 0o022 == 0, path
    run(*dpkg, "--purge", "brokerd")
    assert not [path for path in (root / "usr").rglob("*") if path.is_file()]


def test_the_release_workflow_pins_what_it_uses():
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((CHECKOUT / ".github/workflows/release.yml").read_text())
    # YAML 1.1 reads the key `on` as a truth value.
    assert workflow[True]["push"]["tags"] == ["v*"] and workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert "permissions" in job and "timeout-minutes" in job
        for step in job["steps"]:
            if "uses" in step:
                _, _, pinned = step["uses"].partition("@")
                assert len(pinned) == 40 and set(pinned) <= set("0123456789abcdef"), step


def test_the_crate_has_what_it_needs_and_no_more():
    listed = run("cargo", "package", "--list", "--allow-dirty", "--locked", cwd=CHECKOUT).splitlines()
    for name in ("Cargo.toml", "README.md", "LICENSE-MIT", "src/bin/brokerd.rs", "examples/manual.rs", "CHANGELOG.md", "systemd/brokerd.service", "launchd/dev.brokerd.plist"):
        assert name in listed, name
    outside = ("fuzz/", ".ci/", ".github/", "packaging/", "target/", "tests/real/test_")
    assert [name for name in listed if name.startswith(outside)] == []
