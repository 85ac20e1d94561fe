"""Users: those of config/users.acl, given passwords, on a server of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis

from rqflow.backend.redis.embedded import EmbeddedServer

CONFIG = Path(__file__).parents[2] / "config"
PASSWORD = "pass-word/+:"


def shipped() -> dict[str, list[str]]:
    """The rules of each user in the file, by role."""
    lines = (CONFIG / "users.acl").read_text(encoding="utf-8").splitlines()
    users = [line.split() for line in lines if line.startswith("user ")]
    return {words[1].removeprefix("rqflow-"): words[2:] for words in users}


def grant(server: EmbeddedServer, role: str, *without: str) -> str:
    """Let a user of the file in, by its role; `without` are rights that are taken away again. Its URL."""
    assert shipped()[role][0] == "off"
    with redis.Redis.from_url(server.url) as other:
        command: Any = other.execute_command
        # Never two commands: whoever is let in meanwhile would be cut off by a reset.
        rules = ["reset", "on", f">{PASSWORD}", *shipped()[role][1:], *(f"-{right}" for right in without)]
        command("ACL", "SETUSER", f"rqflow-{role}", *rules)
    return url_of(server.url, role)


def url_of(url: str, role: str) -> str:
    """The same server, as this user."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://rqflow-{role}:{quote(PASSWORD, safe='')}@{rest}"


def configured(folder: Path, program: str | None = None) -> EmbeddedServer:
    """A server that runs with config/redis.conf and the users, each with a password."""
    ours = ("bind ", "port ", "dir ", "protected-mode ")
    text = "".join(
        line
        for line in (CONFIG / "redis.conf").read_text(encoding="utf-8").splitlines(keepends=True)
        if not line.startswith(ours)
    )
    users = (CONFIG / "users.acl").read_text(encoding="utf-8")
    (folder / "redis.conf").write_text(text, encoding="utf-8")
    (folder / "users.acl").write_text(users.replace(" off ", f" on >{PASSWORD} "), encoding="utf-8")
    (folder / "both.conf").write_text(f"include {folder}/redis.conf\ninclude {folder}/users.acl\n", encoding="utf-8")
    return EmbeddedServer(folder / "data", options={"include": str(folder / "both.conf")}, program=program)
