"""Fixtures that every test may use. The real parts live in tests/support/.

- `postgres`: a real PostgreSQL server for the session; `database_url`, `module_database_url`: new databases on it, with
  the tables; `empty_database_url`: one without.
- `start_server`: real `main.py` processes.
- `start_proxy`: real nginx, haproxy and Caddy in front of them.
- `browser`, `new_page`: a real Chromium. Tests that use them run in the session's event loop automatically.
- Every test is checked for tasks and sockets it left behind.
"""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest
import pytest_asyncio
from hypothesis import settings as hypothesis_settings
from playwright.async_api import Browser

import dev
from chat.chat import Chat
from chat.rooms.room import Session
from model.commands import AnyCommand, Claim
from model.errors import ParleyError
from storage.postgres.connection.migrate import migrate
from tests.support import contract, log_search, programs
from tests.support.browser import Pages, launched_chromium
from tests.support.chromium import ChromiumMissingError, ensure, find_chromium
from tests.support.counts import COUNTED
from tests.support.debian import ProgramMissingError
from tests.support.leaks import describe_socket, open_sockets, tasks_left
from tests.support.postgres import DatabaseServer, any_server
from tests.support.process import remove_own_temp_folders, remove_stale_temp_folders
from tests.support.proxies import ProxyProcess
from tests.support.server import ServerProcess

# A slow machine is not a bug. In CI the examples are always the same; elsewhere they are new, to find unforeseen cases.
hypothesis_settings.register_profile("parley", deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True)
hypothesis_settings.load_profile("parley")


def pytest_sessionstart(session: pytest.Session) -> None:
    remove_stale_temp_folders()
    logs = session.config.pluginmanager.getplugin("logging-plugin")
    assert logs is not None
    log_search.listen([logs.caplog_handler, logs.report_handler])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests without garbage collections, of which each would look at all of them, now and later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    remove_own_temp_folders()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests that use the browser in the browser's event loop, and files with tests of minutes before all others.

    `dev.py test` gives each file to one process: a long one that came last would leave the others without work.
    """
    long = {item.path for item in items if item.get_closest_marker("timeout") is not None}
    items.sort(key=lambda item: item.path not in long)
    for item in items:
        if {"browser", "new_page"} & set(getattr(item, "fixturenames", ())):
            # Before the mark that asyncio_mode=auto has added: the closest one counts.
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Get a Chromium before any timeout runs, if `dev.py test` requests it and a selected test needs one.

    Without one, the tests that need it fail with one line each, and all others run.
    """
    wanted = any({"browser", "new_page"} & set(getattr(item, "fixturenames", ())) for item in session.items)
    if not wanted or session.config.option.collectonly or not os.environ.get("PARLEY_GET_CHROMIUM"):
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), dev.locked():
        try:
            ensure()
        except (ChromiumMissingError, programs.SetupError) as error:
            programs.say(f"the browser tests have no Chromium: {error}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the counts of every case of tests/faults, also of those that pass, from all test processes."""
    lines = [
        f"{report.nodeid.rpartition('::')[2]}: {value}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == COUNTED
    ]
    if lines:
        terminalreporter.section("faults: what the promises were worth")
        for line in lines:
            terminalreporter.write_line(line)


# --- leaks -----------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_sockets_left() -> Iterator[None]:
    """Fail a test that leaves a socket open. Set up first, so that it checks after all other fixtures have cleaned
    up."""
    before = open_sockets()
    yield
    left = {name: descriptor for name, descriptor in open_sockets().items() if name not in before}
    if left:
        pytest.fail(
            "sockets left open: " + "; ".join(describe_socket(descriptor) for descriptor in left.values()),
            pytrace=False,
        )


@pytest.fixture(autouse=True)
def _no_tasks_left(_no_sockets_left: None, request: pytest.FixtureRequest) -> None:
    """Fail an async test that leaves a task running, in the loop that the test runs in."""
    marker = request.node.get_closest_marker("asyncio")
    if marker is not None:
        in_session = marker.kwargs.get("loop_scope") == "session"
        request.getfixturevalue("_no_tasks_left_in_session_loop" if in_session else "_no_tasks_left_in_own_loop")


@pytest.fixture
async def _no_tasks_left_in_own_loop() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    if left := await tasks_left(before):
        pytest.fail("tasks left running: " + "; ".join(left), pytrace=False)


@pytest_asyncio.fixture(loop_scope="session")
async def _no_tasks_left_in_session_loop() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    if left := await tasks_left(before):
        pytest.fail("tasks left running: " + "; ".join(left), pytrace=False)


# --- the contract ----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _wrong_fields_are_the_command_s(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in which a command was refused for a field that it does not have."""
    refused, wrong = Chat.refuse, []

    def look(chat: Chat, session: Session, command: AnyCommand | Claim, error: ParleyError) -> None:
        inner = command.then if isinstance(command, Claim) else command
        if error.field is not None and error.field not in inner.__struct_fields__:
            wrong.append(f"{type(inner).__name__} has no field {error.field}: {error}")
        refused(chat, session, command, error)

    monkeypatch.setattr(Chat, "refuse", look)
    yield
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.fixture(autouse=True)
def _contract_is_kept() -> Iterator[None]:
    """Fail a test that received something from the server that the published documents do not describe."""
    contract.BROKEN.clear()
    yield
    if contract.BROKEN:
        pytest.fail("not what the contract says:\n" + "\n".join(contract.BROKEN), pytrace=False)


@pytest.fixture(autouse=True, scope="module")
def _logs_of_a_file_keep_secrets() -> Iterator[None]:
    """As `_logs_keep_secrets`, for servers that live as long as the file's tests run."""
    yield
    leaks = log_search.found()
    log_search.forget_texts()
    if leaks:
        pytest.fail("logged:\n" + "\n".join(leaks), pytrace=False)


@pytest.fixture(autouse=True)
def _logs_keep_secrets(_logs_of_a_file_keep_secrets: None) -> Iterator[None]:
    """Fail a test whose servers have logged a secret, or the text of a message."""
    yield
    if leaks := log_search.found():
        pytest.fail("logged:\n" + "\n".join(leaks), pytrace=False)


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres() -> Iterator[DatabaseServer]:
    """The server that TEST_DATABASE_URL names, or else a private cluster. Do not stop it: other tests use it too.

    A test that needs to stop, kill or restart PostgreSQL creates its own `PostgresCluster`.
    """
    with any_server() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: DatabaseServer) -> Iterator[str]:
    """The name of a database with nothing but the tables: to copy it takes a third of the time of the migrations."""
    url = postgres.create_database()

    async def make() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await migrate(connection)

    # In a thread: an async fixture may have requested this, and its event loop is running.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, make()).result()
    yield urlsplit(url).path.lstrip("/")
    postgres.drop_database(url)


@pytest.fixture
def database_url(postgres: DatabaseServer, template: str) -> Iterator[str]:
    """The URL of a database for this test alone, with empty tables."""
    url = postgres.create_database(template=template)
    yield url
    postgres.drop_database(url)


@pytest.fixture
def empty_database_url(postgres: DatabaseServer) -> Iterator[str]:
    """The URL of a database for this test alone, without tables."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="module")
def module_database_url(postgres: DatabaseServer, template: str) -> Iterator[str]:
    """The URL of a database that is shared by the tests of one file, with tables that are empty at first."""
    url = postgres.create_database(template=template)
    yield url
    postgres.drop_database(url)


# --- the server ------------------------------------------------------------------------------------------------------


@pytest.fixture
def start_server() -> Iterator[Callable[[Mapping[str, str]], ServerProcess]]:
    """Start `main.py` with the given settings and wait until it is healthy; a test may start several."""
    servers: list[ServerProcess] = []

    def start(env: Mapping[str, str]) -> ServerProcess:
        servers.append(ServerProcess(env))
        return servers[-1].start()

    yield start
    for server in servers:
        server.remove()


@pytest.fixture
def start_proxy() -> Iterator[Callable[..., ProxyProcess]]:
    """Start proxies: `start_proxy("nginx", text, port)`, see `ProxyProcess`; fetched from Debian's archive if need be.

    If a program is not available, the test fails with one line.
    """
    proxies: list[ProxyProcess] = []

    def start(name: str, text: str, *nodes: int | str, tls: bool = False, listen: str = "") -> ProxyProcess:
        proxies.append(ProxyProcess(name, text, *nodes, tls=tls, listen=listen))
        try:
            return proxies[-1].start()
        except ProgramMissingError as error:
            pytest.fail(str(error), pytrace=False)

    yield start
    for proxy in proxies:
        proxy.remove()


# --- the browser -----------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One headless Chromium for all browser tests."""
    try:
        find_chromium()
    except ChromiumMissingError as error:
        pytest.fail(str(error), pytrace=False)
    async with launched_chromium() as chromium:
        yield chromium


@pytest_asyncio.fixture(loop_scope="session")
async def new_page(browser: Browser, start_server: object) -> AsyncIterator[Pages]:
    """Open pages: `page = await new_page(url)`. Fails the test on console errors and uncaught exceptions.

    It requests `start_server` only for the order: pages must close before their servers do.
    """
    pages = Pages(browser)
    yield pages
    await pages.close()
    if errors := pages.unexpected():
        pytest.fail("the browser reported errors:\n" + "\n".join(errors), pytrace=False)
