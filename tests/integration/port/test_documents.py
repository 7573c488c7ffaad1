"""The published documents of a real server, and requests to that server generated from them."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import poll_until
from tests.support.rawws import fetch
from tests.support.server import ServerProcess
from tests.support.serving import Serve
from tests.support.web import SECRET, Web

pytestmark = pytest.mark.one_server("the documents are made of the code and of the node's own settings")

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "missing_required_header",
)
"""All of schemathesis' but `positive_data_acceptance` (no schema says that a name can be seen, or that `q` has a word),
and those of accounts and of what was made and deleted."""


async def test_both_documents_are_served_to_any_page(port: int) -> None:
    for path, key, version in (("/openapi.json", "openapi", "3.1"), ("/asyncapi.json", "asyncapi", "3.0")):
        reply = await fetch(port, path)
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.json()[key].startswith(version)
        assert (await fetch(port, path)).body == reply.body


async def test_the_documents_show_the_limits_in_force(serve: Serve) -> None:
    server = await serve(MAX_CONTENT_CHARS="77")
    document = (await fetch(server.port, "/asyncapi.json")).json()
    assert document["x-limits"]["max_content_chars"] == 77
    assert document["info"]["version"] == "1", "of the protocol, not of the program"


@pytest.mark.slow
async def test_requests_with_a_token_are_answered_as_openapi_json_says(tmp_path: Path, database_url: str) -> None:
    """As an admin, with an existing room and member, on PostgreSQL: requests reach the handlers and storage."""
    settings = {"RATE_LIMIT_MESSAGES": "0", "JWT_SECRET": SECRET, "DATABASE_URL": database_url}
    async with ServerProcess(settings) as server:
        await asyncio.to_thread(poll_until, lambda: server.get_status("/ready") == 200, what="it is ready")
        ann, ben = Web(server.port, "ann", "admin"), Web(server.port, "ben")
        await ann.create("plans")
        await ben.create("of ben")
        seqs = [await ann.say("plans", f"message {number}") for number in range(60)]
        known = {"room": '"plans"', "user": '"u_ben"', "seq": seqs[0]}
        config = "".join(f'"path.{name}" = {value}\n' for name, value in known.items())
        (tmp_path / "schemathesis.toml").write_text(f"[parameters]\n{config}", encoding="utf-8")
        header = f"--header=Authorization: Bearer {ann.token}"
        done = await asyncio.to_thread(schemathesis, server.http_url, tmp_path, header, "--max-examples=10")
        assert done.returncode == 0, done.stdout
        assert server.healthy()
        assert "Traceback" not in server.log_text()


def schemathesis(url: str, folder: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    """Generate the same requests every time: a failure found by a random seed belongs in a test of its own."""
    program = Path(sys.executable).with_name("schemathesis")
    # The token of /api/chat is only checked in a real handshake: otherwise the response is 426.
    options = [
        f"--url={url}",  # it appends the document's relative address to the host, and then tests /./
        "--exclude-path=/api/chat",
        "--phases=examples,coverage,fuzzing",
        "--max-examples=10",
        "--seed=1",
        "--continue-on-failure",
        *more,
    ]
    return subprocess.run(
        [program, "run", f"{url}/openapi.json", *options, "--generation-database=none", f"--checks={','.join(CHECKS)}"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
