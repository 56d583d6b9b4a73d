"""docs/clients.md: the table of what works, written from a run, and compared with each."""

from pathlib import Path

from matrix import CLIENTS, CODE

PAGE = Path(__file__).resolve().parents[2] / "docs/clients.md"
HEAD = """# Clients

What works how, as the last run of the tests saw it that wrote this page: `tests/run --write-clients`. Every other run
compares itself with it. Each client ran in two projects at once and signed with each project's own role; in a project
that nobody allowed it signed with no key at all. It is the access key of its requests that counts, not its exit code.

- *variable*: the environment variable that names brokerd's endpoint, `http://127.0.0.1:9254/` with the slash at the
  end; a dash where the client has none. *roles* and *refusal* are the two cases by it.
- *169.254.169.254*: both cases without any variable. The client runs in a network namespace in which that address,
  port 80, is redirected to brokerd.
- *exec*: both cases under `brokerctl exec`, with the variables of a container instead; a dash where the client knows
  none of them.

*no*: it asks, and gets no key in its own project either; the notes say why.

| client | version | variable | roles | refusal | 169.254.169.254 | exec | notes |
|---|---|---|---|---|---|---|---|
"""
# Rows are compared without it: the versions of Debian's packages are not ours to choose.
VERSION = 1
CASES = ("roles", "refusal")


class Table:
    """What one run saw."""

    def __init__(self, write):
        self._write = write
        self._seen = {}

    def seen(self, client, way, case, works):
        """This client did what was expected of it: what it should, or what it cannot help."""
        self._seen[client.name, way, case] = works

    def _cell(self, client, way, cases=CASES):
        seen = [self._seen.get((client.name, way, case)) for case in cases]
        return "–" if None in seen else "yes" if all(seen) else "no"

    def _row(self, client, tools):
        setting = {None: "–", CODE: "in code"}.get(client.setting, f"`{client.setting}`")
        return [
            client.name,
            tools.version(client) if not tools.lacking(client) else "",
            setting,
            self._cell(client, "setting", ["roles"]),
            self._cell(client, "setting", ["refusal"]),
            self._cell(client, "address"),
            self._cell(client, "exec"),
            client.notes,
        ]

    def close(self, tools):
        """Writes the page, or compares it: what it says of how, and no less nor more than was seen by those who ran."""
        rows = [self._row(client, tools) for client in CLIENTS]
        if self._write:
            PAGE.write_text(HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows))
            return
        text = PAGE.read_text()
        assert text.startswith(HEAD), f"{PAGE} is not written by this version: tests/run --write-clients"
        kept = [[cell.strip() for cell in line[1:-1].split("|")] for line in text[len(HEAD) :].splitlines()]
        assert [row[0] for row in kept] == [row[0] for row in rows]
        for was, now in zip(kept, rows, strict=True):
            for number, (old, new) in enumerate(zip(was, now, strict=True)):
                # A test that was skipped or failed has its own report.
                unknown = number in (3, 4, 5, 6) and new == "–"
                assert number == VERSION or old == new or unknown, f"{PAGE}: {was} but {now}"
