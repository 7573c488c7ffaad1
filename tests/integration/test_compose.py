"""The compose files: Debian's docker-compose accepts them, and their services work together, as processes."""

import asyncio
import json
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
import pytest
from psycopg import sql
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.compose import COMPOSE, HOST_NAME, Composed, ServiceProcess
from tests.support.debian import ProgramMissingError
from tests.support.postgres import PostgresCluster
from tests.support.process import PATIENCE, ROOT, free_port, make_temp_folder, poll_until, remove_temp_folder

pytestmark = pytest.mark.slow

NATIVE = [Subprotocol("parley.v1")]


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = make_temp_folder("compose")
    yield folder
    remove_temp_folder(folder)


def composed(folder: Path, file: str, host: str = HOST_NAME) -> Composed:
    project = folder / "project"
    project.mkdir()
    try:
        return Composed(project, file, ["RATE_LIMIT_MESSAGES=7"], host)
    except ProgramMissingError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def database() -> Iterator[PostgresCluster]:
    with PostgresCluster() as server:
        yield server


@pytest.fixture
def processes() -> Iterator[list[ServiceProcess]]:
    started: list[ServiceProcess] = []
    yield started
    for process in reversed(started):
        process.kill()


def set_up(server: PostgresCluster, service: dict[str, Any], secrets: Path) -> None:
    """Make the user and the database as the image of PostgreSQL does at its first start."""
    environment = service["environment"]
    password = (secrets / Path(environment["POSTGRES_PASSWORD_FILE"]).name).read_text().strip()
    user, name = (sql.Identifier(environment[part]) for part in ("POSTGRES_USER", "POSTGRES_DB"))
    with psycopg.connect(server.url(), autocommit=True) as connection:
        role = sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(user, sql.Literal(password))
        connection.execute(role)
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, user))


def own(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def asked(url: str) -> Any:
    with urlopen(url, timeout=PATIENCE) as answer:
        return json.load(answer)


def status(port: int | str, path: str) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("file", ["compose.yaml", "compose.cluster.yaml"])
def test_docker_compose_accepts_a_file(folder: Path, file: str) -> None:
    """And reads no warning into it; parley.env is part of the environment, and no password is."""
    accepted = composed(folder, file)
    assert accepted.said == ""
    secrets = accepted.folder / "secrets"
    assert secrets.stat().st_mode & 0o777 == 0o700
    ours = [service for service in accepted.services.values() if "build" in service]
    assert len(ours) == (1 if file == "compose.yaml" else 2)
    for service in ours:
        assert service["environment"]["RATE_LIMIT_MESSAGES"] == "7"
    password = (secrets / "db_password").read_text()
    assert len(password) == 48
    assert password not in json.dumps(accepted.whole)


def test_prepare_leaves_what_there_is(folder: Path) -> None:
    first = composed(folder, "compose.yaml").folder
    before = {path: path.read_bytes() for path in (first / "secrets").iterdir()}
    again = Composed(first, "compose.yaml")
    assert {path: path.read_bytes() for path in (again.folder / "secrets").iterdir()} == before
    assert again.services["parley"]["environment"]["RATE_LIMIT_MESSAGES"] == "7"


async def test_parley_and_postgres_of_compose_work_together(
    folder: Path, database: PostgresCluster, processes: list[ServiceProcess]
) -> None:
    project = composed(folder, "compose.yaml")
    secrets = project.folder / "secrets"
    set_up(database, project.services["postgres"], secrets)
    postgres = ServiceProcess(folder, project.services["postgres"], {"5432": str(database.port)})
    assert postgres.check() == 0

    port, admin = free_port(), free_port()
    here = {"/run/secrets": str(secrets), "0.0.0.0": "127.0.0.1", "9090": str(admin), "172.30.93.1": "127.0.0.1"}
    more = {"PORT": str(port), "DB_HOST": "127.0.0.1", "DB_PORT": str(database.port)}
    parley = ServiceProcess(own(folder, "parley"), project.services["parley"], here, more)
    processes.append(parley)
    await asyncio.to_thread(parley.start)
    await ready(parley)
    assert parley.check("parley", "check") == 0

    async with connect(f"ws://127.0.0.1:{port}/chat?u=ann&r=den", subprotocols=NATIVE) as ann:
        await said(ann, "hello")
    assert await asyncio.to_thread(status, admin, "/metrics") == 200
    assert await asyncio.to_thread(status, port, "/metrics") == 404
    await asyncio.to_thread(database.stop)
    assert (postgres.check(), parley.check()) == (2, 0), "without PostgreSQL, a server is not ready, but healthy"
    assert await asyncio.to_thread(parley.stop) == 0
    assert parley.check() == 1


async def ready(server: ServiceProcess) -> None:
    """Wait until a server stores messages."""
    check = ("parley", "health", "--ready")
    await asyncio.to_thread(poll_until, lambda: server.check(*check) == 0, what="it is ready", every=0.1)


async def said(client: ClientConnection, content: str) -> None:
    """Send a message in den, and wait until it is stored."""
    await client.send(json.dumps({"type": "message", "id": content, "room": "den", "content": content}))
    await heard(client, "ack")


async def heard(client: ClientConnection, kind: str) -> Any:
    async with asyncio.timeout(PATIENCE):
        while (frame := json.loads(await client.recv()))["type"] != kind:
            assert frame["type"] not in ("error", "goodbye"), frame
    return frame


async def test_the_services_of_the_cluster_work_together(
    folder: Path, database: PostgresCluster, processes: list[ServiceProcess]
) -> None:
    names = ("a", "b", "admin_a", "admin_b", "nats", "nats_http", "tls", "http", "alive", "prometheus")
    port = {name: str(free_port()) for name in names}
    host = f"localhost:{port['tls']}"
    project = composed(folder, "compose.cluster.yaml", host)
    secrets = project.folder / "secrets"
    set_up(database, project.services["postgres"], secrets)

    async def start(name: str, here: dict[str, str], more: dict[str, str] | None = None, *entry: str) -> ServiceProcess:
        service = project.services[name]
        processes.append(ServiceProcess(own(folder, name), service, here, more, entry))
        try:
            return await asyncio.to_thread(processes[-1].start)
        except ProgramMissingError as error:
            pytest.fail(str(error), pytrace=False)

    def put(source: Path, name: str, here: dict[str, str]) -> None:
        """Put a mounted file into the folder, with the names and ports of this machine."""
        text = source.read_text(encoding="utf-8")
        for inside, outside in here.items():
            assert inside in text
            text = text.replace(inside, outside)
        (folder / name).write_text(text, encoding="utf-8")

    put(secrets / "nats.conf", "nats.conf", {"0.0.0.0:4222": f"127.0.0.1:{port['nats']}", "8222": port["nats_http"]})
    await start("nats", {"/run/secrets": str(folder), "8222": port["nats_http"]})

    put(secrets / "nats_url", "nats_url", {"nats:4222": f"127.0.0.1:{port['nats']}"})
    shutil.copy(secrets / "db_password", folder)
    nodes = {}
    for node in ("a", "b"):
        here = {"/run/secrets": str(folder), "0.0.0.0": "127.0.0.1", "9090": port[f"admin_{node}"]}
        here["172.30.94.10"] = "127.0.0.1"
        more = {"PORT": port[node], "DB_HOST": "127.0.0.1", "DB_PORT": str(database.port)}
        nodes[node] = await start(f"parley-{node}", here, more)
    for server in nodes.values():
        await ready(server)

    upstreams = {f"parley-{node}:8080": f"127.0.0.1:{port[node]}" for node in nodes}
    here = {"admin off": f"admin off\n\thttp_port {port['http']}", "8081": port["alive"]}
    put(COMPOSE / "Caddyfile", "Caddyfile", here)
    shutil.copy(ROOT / "docs" / "deploy" / "caddy" / "Caddyfile", folder / "parley.Caddyfile")
    data = own(folder, "data")
    here = {"/etc/caddy": str(folder), "8081": port["alive"], **upstreams}
    await start("caddy", here, {"XDG_DATA_HOME": str(data), "XDG_CONFIG_HOME": str(data), "HOME": str(data)})

    scraped = {f"parley-{node}:9090": f"127.0.0.1:{port[f'admin_{node}']}" for node in nodes}
    put(COMPOSE / "prometheus.yml", "prometheus.yml", {**scraped, "15s": "1s"})
    shutil.copy(ROOT / "docs" / "deploy" / "alerts.yml", folder)
    here = {"/etc/prometheus": str(folder), "=/prometheus": f"={own(folder, 'tsdb')}"}
    here |= {"0.0.0.0:9091": f"127.0.0.1:{port['prometheus']}", "9091": port["prometheus"]}
    await start("prometheus", here, None, "prometheus")

    trusted = ssl.create_default_context(cafile=data / "caddy" / "pki" / "authorities" / "local" / "root.crt")

    def client(name: str) -> connect:
        return connect(f"wss://{host}/chat?u={name}&r=den", ssl=trusted, subprotocols=NATIVE)

    async with client("ann") as ann, client("bob") as bob:
        assert (await heard(ann, "welcome"))["type"] == (await heard(bob, "welcome"))["type"]
        await heard(bob, "joined")
        await said(ann, "hello")
        assert (await heard(bob, "message"))["content"] == "hello"
        served = [asked(f"http://127.0.0.1:{port[f'admin_{node}']}/health")["cluster"] for node in nodes]
        assert sorted(node["role"] for node in served) == ["edge", "owner"]

    api = f"http://127.0.0.1:{port['prometheus']}/api/v1"
    await asyncio.to_thread(
        poll_until,
        lambda: [target["health"] for target in asked(f"{api}/targets")["data"]["activeTargets"]] == ["up", "up"],
        what="Prometheus scrapes both nodes",
        every=0.2,
    )
    rules = {rule["name"]: rule for group in asked(f"{api}/rules")["data"]["groups"] for rule in group["rules"]}
    assert "ParleyNoServerReady" in rules
    assert await asyncio.to_thread(status, port["a"], "/metrics") == 404

    assert await asyncio.to_thread(nodes["a"].stop) == 0
    await ready(nodes["b"])
    async with client("cy") as cy:  # Caddy tries the other node
        await heard(cy, "joined")
        await said(cy, "still here")
