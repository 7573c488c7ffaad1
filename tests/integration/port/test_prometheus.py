"""A real Prometheus, set up as docs/monitoring.md says: it scrapes a server, has the alerts, answers the dashboard."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.support.debian import ProgramMissingError, fetch
from tests.support.process import (
    ROOT,
    NotReadyError,
    free_port,
    inherited_environment,
    make_temp_folder,
    poll_until,
    remove_temp_folder,
    spawn,
)
from tests.support.server import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.one_server("each node has an ADMIN_PORT of its own")]

DOCUMENT = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
DEPLOY = ROOT / "docs" / "deploy"


class Prometheus:
    """Runs until :meth:`close`; `configuration` is its file, next to that of the alerts."""

    def __init__(self, configuration: str) -> None:
        self.port = free_port()
        self._folder = make_temp_folder("prometheus")
        (self._folder / "prometheus.yml").write_text(configuration)
        shutil.copy(DEPLOY / "alerts.yml", self._folder)
        self._process = self._start(self._folder)

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        program = fetch("prometheus")
        options = {"config.file": folder / "prometheus.yml", "storage.tsdb.path": folder / "data"}
        listen = {"web.listen-address": f"127.0.0.1:{self.port}"}
        command = [program.executable, *(f"--{name}={value}" for name, value in {**options, **listen}.items())]
        return spawn(command, log=folder / "log", env={**inherited_environment(), **program.environment}, cwd=folder)

    def ask(self, path: str, **query: str) -> Any:
        """Return the data of an answer of its API."""
        with urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urlencode(query)}") as answer:
            return json.load(answer)["data"]

    def ready(self) -> bool:
        """Whether it answers questions. Raises NotReadyError with its log if it has ended."""
        if self._process.poll() is not None:
            raise NotReadyError((self._folder / "log").read_text(errors="replace")[-2000:])
        connection = HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
        except OSError:  # it does not listen yet
            return False
        finally:
            connection.close()

    def value(self, query: str) -> float | None:
        """Return the only value of a query; None if it has none."""
        data = self.ask("query", query=query)
        return float(data["result"][0]["value"][1]) if data["result"] else None

    def close(self) -> None:
        """End it, and remove what it has stored."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        remove_temp_folder(self._folder)


@pytest.fixture
def scraped() -> Iterator[tuple[ServerProcess, Prometheus]]:
    """A server and the Prometheus that scrapes it."""
    admin = free_port()
    yaml = DOCUMENT.split("```yaml\n")[1].split("```")[0].replace("9090", str(admin))
    with ServerProcess({"ADMIN_PORT": str(admin)}) as server:
        try:
            prometheus = Prometheus(
                f"global: {{ scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }}\n{yaml}"
            )
        except ProgramMissingError as error:
            pytest.fail(str(error), pytrace=False)
        try:
            poll_until(prometheus.ready, what="Prometheus is ready")
            yield server, prometheus
        finally:
            prometheus.close()


def test_prometheus_scrapes_a_server_and_understands_alerts_and_dashboard(
    scraped: tuple[ServerProcess, Prometheus],
) -> None:
    server, prometheus = scraped
    assert server.get_status("/health") == 200
    counted = 'parley_http_requests_total{route="/health", status="200"}'
    poll_until(lambda: (prometheus.value(counted) or 0) >= 1, what="a request is counted by Prometheus")
    assert prometheus.value('up{job="parley"}') == 1
    assert prometheus.value('parley_role{role="owner"}') == 1

    def rules() -> Any:
        found = prometheus.ask("rules")["groups"][0]["rules"]
        return found if all(rule["health"] == "ok" for rule in found) else None

    alerts = poll_until(rules, what="every alert was evaluated")
    assert {rule["state"] for rule in alerts} == {"inactive"}
    board = json.loads((DEPLOY / "dashboard.json").read_text(encoding="utf-8"))
    for target in [target for panel in board["panels"] for target in panel.get("targets", ())]:
        query = target["expr"].replace("$__rate_interval", "5s").replace("$job", "parley").replace("$instance", ".*")
        assert prometheus.ask("query", query=query) is not None, query
    server.kill()
    down = re.compile("ParleyDown")
    poll_until(
        lambda: [alert for alert in prometheus.ask("alerts")["alerts"] if down.match(alert["labels"]["alertname"])],
        what="the alert about a server that is gone is pending",
    )
