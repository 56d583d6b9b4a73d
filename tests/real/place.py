"""The directories of one test: a home, a runtime directory, projects, a catalog."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

# Looks like a key, and is none. The suite searches every output for the secret halves.
BASE_KEY = "AKIABASEBASEBASEBASE"
BASE_SECRET = "baseSecretMarked0123456789abcdefABCDEF/+"
BASE_TOKEN = "baseTokenMarked" + "0123456789abcdefghijklmnopqrstuvwxyz" * 4
REGION = "eu-west-1"


@dataclass(frozen=True)
class Role:
    """An IAM role; each has an account of its own unless a test says otherwise."""

    name: str
    account: str = "111111111111"

    @property
    def arn(self):
        """Its ARN."""
        return f"arn:aws:iam::{self.account}:role/{self.name}"

    def assumed(self, session_name):
        """The ARN that get-caller-identity shows."""
        return f"arn:aws:sts::{self.account}:assumed-role/{self.name}/{session_name}"


class Place:
    """What a user has on disk. Everything belongs to that user and is open to no other, as brokerd demands."""

    def __init__(self, person):
        self.person = person
        # Short: the path of a Unix socket has no more than 107 bytes. Canonical: brokerd prints real paths.
        self.root = Path(tempfile.mkdtemp(prefix="bd-", dir=Path("/tmp").resolve()))
        person.own(self.root)
        self.root.chmod(0o755)
        self.home = self.directory("home")
        self.runtime = self.directory("run", mode=0o700)
        self.config = self.directory("home/.config/brokerd", mode=0o700)
        self.state = self.home / ".local/state/brokerd"

    def remove(self):
        """Removes everything."""
        shutil.rmtree(self.root)

    def environment(self, **more):
        """What a user's process has, and nothing else."""
        clean = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_STATE_HOME": str(self.home / ".local/state"),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return {**clean, **{name: str(value) for name, value in more.items()}}

    def directory(self, path, mode=0o755):
        """Makes a directory, and those above it that are missing."""
        path = self.root / path
        for step in [*reversed(path.relative_to(self.root).parents), path.relative_to(self.root)]:
            made = self.root / step
            if not made.exists():
                made.mkdir()
                made.chmod(mode if made == path else 0o755)
                self.person.own(made)
        return path

    def write(self, path, text, mode=0o644):
        """Writes a file as an editor does: a new one, renamed over the old one."""
        path = self.root / path
        self.directory(path.parent)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        new.chmod(mode)
        self.person.own(new)
        os.replace(new, path)
        return path

    def overwrite(self, path, text):
        """Writes a file as a shell's `>` does: cut to nothing, then filled, the same inode."""
        (self.root / path).write_text(text)

    def serverless(self, name, *, app, stage=None, more=""):
        """A project: a directory below home with a serverless.yml."""
        stage = f"  stage: {stage}\n" if stage else ""
        text = f"service: {Path(name).name}\napp: {app}\nprovider:\n  name: aws\n  region: {REGION}\n{stage}{more}"
        return self.write(self.home / name / "serverless.yml", text).parent

    def catalog(self, applications, source="work", extra=""):
        """A catalog: for each application its stages and their roles; the stage `*` is the default profile."""
        lines = [extra]
        for app, stages in applications.items():
            table = [f"[applications.{app}.stages]"]
            for stage, role in stages.items():
                profile = f"{app}-{role.name}"
                lines.append(f'[profiles."{profile}".access_role]\nrole_arn = "{role.arn}"')
                lines.append(f'source = "{source}"' if source else "")
                if stage == "*":
                    lines.append(f'[applications.{app}]\ndefault_profile = "{profile}"')
                else:
                    table.append(f'{stage} = "{profile}"')
            lines.extend(table)
        return self.write(self.config / "catalog.toml", "\n".join(lines) + "\n", mode=0o600)

    def settings(self, text='listen = ["127.0.0.1:0"]\n', keychain="memory"):
        """config.toml. A keychain outlives the test, so that only tests of one use another."""
        text += f'keychain = "{keychain}"\n'
        return self.write(self.config / "config.toml", text, mode=0o600)

    def aws_config(self, text):
        """~/.aws/config."""
        return self.write(self.home / ".aws/config", text, mode=0o600)

    def base_profile(self):
        """Base credentials as a profile of ~/.aws, and no [default]: clients see the same file."""
        text = (
            f"[work]\naws_access_key_id = {BASE_KEY}\naws_secret_access_key = {BASE_SECRET}\n"
            f"aws_session_token = {BASE_TOKEN}\n"
        )
        return self.write(self.home / ".aws/credentials", text, mode=0o600)
