"""The promises of tests/support itself: servers come back after a crash, die with pytest, and nothing stays behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.support import leaks, postgres_binaries, process
from tests.support.postgres import ExternalServer, PostgresCluster, StopMode
from tests.support.process import ROOT, NotReadyError, has_ended, poll_until
from tests.support.server import ServerProcess

pytestmark = pytest.mark.slow  # a tool's tests

STAND_IN = """
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
print("settings:", sorted(name for name in os.environ if name.startswith(("PORT", "X_", "DATABASE"))), flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def test_a_cluster_keeps_its_data_and_port_after_any_kind_of_stop() -> None:
    with PostgresCluster(durable=True) as cluster:
        url = cluster.create_database()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        modes: list[StopMode | None] = ["smart", "fast", "immediate", None]
        for n, mode in enumerate(modes):
            with psycopg.connect(url) as connection:
                connection.execute("INSERT INTO kept VALUES (%s)", [n])
            if mode is None:
                cluster.kill()
                assert not cluster.running
                cluster.start()
            else:
                cluster.restart(mode)
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT count(*) FROM kept").fetchone() == (n + 1,)


def test_databases_are_empty_separate_and_fold_case_beyond_ascii(database_url: str, module_database_url: str) -> None:
    assert database_url != module_database_url
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE mine (n int)")
        assert connection.execute("SELECT lower('ÄΩ'), current_setting('server_encoding')").fetchone() == ("äω", "UTF8")
    with psycopg.connect(module_database_url) as connection:
        assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)


async def test_a_cluster_started_from_a_worker_thread_outlives_the_thread() -> None:
    """Linux would end it with the thread that forked it; the spawning thread prevents that."""
    cluster = PostgresCluster()
    try:
        await asyncio.to_thread(cluster.start)
        await asyncio.get_running_loop().shutdown_default_executor()
        async with await psycopg.AsyncConnection.connect(cluster.url()) as connection:
            await connection.execute("SELECT 1")
    finally:
        cluster.remove()


def test_a_cluster_that_cannot_start_reports_why() -> None:
    cluster = PostgresCluster(settings={"shared_buffers": "many"})
    try:
        with pytest.raises(NotReadyError, match="shared_buffers"):
            cluster.start()
    finally:
        cluster.remove()


def test_an_external_server_gets_databases_under_its_own_address() -> None:
    server = ExternalServer("postgresql://me:secret@db.example:5433/main?sslmode=require")
    assert server.url() == "postgresql://me:secret@db.example:5433/main?sslmode=require"
    assert server.url("other") == "postgresql://me:secret@db.example:5433/other?sslmode=require"


def test_without_postgres_there_is_one_line_of_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(postgres_binaries.PostgresMissingError, match="TEST_POSTGRES_BIN="):
        postgres_binaries.find_postgres({"TEST_POSTGRES_BIN": str(tmp_path)})
    for place in ("_in_debian", "_in_wheel"):
        monkeypatch.setattr(postgres_binaries, place, list)
    with pytest.raises(postgres_binaries.PostgresMissingError, match="install postgresql"):
        postgres_binaries.find_postgres({"PATH": str(tmp_path)})


@pytest.mark.skipif(not postgres_binaries._in_wheel(), reason="no wheel of PostgreSQL for this platform")
def test_the_wheels_postgres_can_be_run_by_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where we are root and .venv is below a home folder that nobody else may enter."""
    binaries = postgres_binaries.find_postgres({"TEST_POSTGRES_BIN": "wheel"})
    monkeypatch.setattr(postgres_binaries, "_others_may_enter", lambda folder: False)
    copied = postgres_binaries.readable_copy(binaries, tmp_path)
    assert copied.is_relative_to(tmp_path)
    version = subprocess.run([copied / "postgres", "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("postgres (PostgreSQL) 1")


# --- the server process ----------------------------------------------------------------------------------------------


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A main.py that answers /health, so that these tests do not depend on the real one."""
    main = tmp_path / "main.py"
    main.write_text(STAND_IN)
    return main


async def test_a_server_gets_only_the_given_settings(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://of-the-person-who-runs-the-tests/")
    async with ServerProcess({"X_MINE": "1"}, main=stand_in) as server:
        assert server.wait_for_log(r"settings: (.*)").group(1) == "['PORT', 'X_MINE']"
        assert server.get_status("/nothing") == 404


def test_a_server_can_be_drained_killed_and_started_again_on_its_port(stand_in: Path) -> None:
    with ServerProcess(main=stand_in) as server:
        url = server.http_url
        server.terminate()
        assert server.wait() == 3
        server.start()
        server.kill()
        assert server.returncode == -signal.SIGKILL
        server.start()
        assert server.http_url == url
        assert server.log_text().count("settings:") == 3


def test_a_server_that_ends_while_starting_shows_its_log(tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text("import sys\nprint('PORT must be a number')\nsys.exit(2)")
    server = ServerProcess(main=main)
    with pytest.raises(NotReadyError, match=r"(?s)ended with status 2.*PORT must be a number"):
        server.start()
    server.remove()


@pytest.mark.parametrize("new", [False, True], ids=["forked", "new"])
def test_a_forked_server_is_like_a_new_one(new: bool) -> None:
    server = ServerProcess({"LOG_LEVEL": "debug"}, new=new)
    with server, ServerProcess(new=new) as other:
        seen = psutil.Process(server.pid)
        assert Path(seen.cwd()) == server.folder
        assert (os.getsid(server.pid), os.getsid(other.pid)) == (server.pid, other.pid)
        server.terminate()
        assert server.wait() == 0
        server.wait_for_log("stopping;")
        assert "stopping;" not in other.log_text()
        server.start().kill()
        assert server.returncode == -signal.SIGKILL
        server.env["GUESTS"] = "perhaps"
        with pytest.raises(NotReadyError, match=r"(?s)ended with status 2.*GUESTS"):
            server.start()
        assert other.returncode is None


# --- the browser ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selected", "outcome"),
    [("tests/unit/model/test_errors.py", "passed"), ("tests/browser/test_modules.py", "failed")],
    ids=["none selected", "some selected"],
)
def test_chromium_is_required_only_if_a_selected_test_needs_it(selected: str, outcome: str) -> None:
    """As `dev.py test` runs pytest, with a browser that cannot be had: those tests fail with a line, others run."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--quiet", "--maxfail=2", "-p", "no:cacheprovider", selected],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**process.inherited_environment(), "PARLEY_GET_CHROMIUM": "1", "TEST_CHROMIUM": "/no/such/program"},
    )  # fmt: skip
    said = "the browser tests have no Chromium: TEST_CHROMIUM='/no/such/program' does not start"
    assert (said in done.stdout + done.stderr) is (outcome == "failed")
    assert "Traceback" not in done.stdout + done.stderr
    assert (done.returncode == 0) is (outcome == "passed")
    if outcome == "failed":
        assert "no Chromium found" in done.stdout


# --- what stays behind -----------------------------------------------------------------------------------------------


def test_processes_end_with_pytest_and_the_next_run_cleans_up(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for pytest starts a cluster and a server and is killed by SIGKILL."""
    temp = process.make_temp_folder("temp")  # pytest's own ones are closed to others, and PostgreSQL may be another
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.support.postgres import PostgresCluster\n"
        "from tests.support.server import ServerProcess\n"
        "cluster = PostgresCluster().start()\n"
        "server, forked = ServerProcess(main=Path(sys.argv[1])).start(), ServerProcess().start()\n"
        "print(server.pid, forked.pid, cluster._process.pid)\n"
        "print(server.folder, forked.folder, cluster._folder, cluster._data, flush=True)\n"
        "sys.stdin.read()\n"
    )
    victim = subprocess.Popen(
        [sys.executable, "-c", script, str(stand_in)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temp)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with victim:
        assert victim.stdout is not None
        pids = [int(word) for word in victim.stdout.readline().split()]
        folders = [Path(word) for word in victim.stdout.readline().split()]
        assert (len(pids), len(folders)) == (3, 4)
        assert not any(has_ended(pid) for pid in pids)
        monkeypatch.setattr(tempfile, "tempdir", str(temp))
        process.remove_stale_temp_folders()
        assert all(folder.exists() for folder in folders), "the folders of a live run must stay"
        victim.kill()
    poll_until(lambda: all(has_ended(pid) for pid in pids), what="all of them have died with their parent")
    process.remove_stale_temp_folders()
    assert not any(folder.exists() for folder in folders)
    assert not list(temp.glob("parley-test-*"))
    process.remove_temp_folder(temp)


async def test_a_task_left_running_is_detected() -> None:
    before = asyncio.all_tasks()
    task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
    assert ["forgotten" in line for line in await leaks.tasks_left(before)] == [True]
    task.cancel()
    assert await leaks.tasks_left(before) == []


def test_a_socket_left_open_is_detected() -> None:
    before = leaks.open_sockets()
    with socket.socket() as forgotten:
        left = {name: number for name, number in leaks.open_sockets().items() if name not in before}
        assert list(left.values()) == [forgotten.fileno()]
        assert "SOCK_STREAM" in leaks.describe_socket(forgotten.fileno())
    assert leaks.open_sockets() == before
