"""The dashboard and the alerts ask for metrics that there are, and the alerts do what docs/monitoring.md says."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.metrics.table import ROWS
from tests.support.cluster import Cluster, ClusterNode
from tests.support.debian import ProgramMissingError, fetch
from tests.support.process import ROOT

DEPLOY = ROOT / "docs" / "deploy"
DOCUMENT = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
TESTS = yaml.safe_load((DEPLOY / "alerts.test.yml").read_text(encoding="utf-8"))["tests"]
BOARD = json.loads((DEPLOY / "dashboard.json").read_text(encoding="utf-8"))
# Labels that Prometheus adds, and that of histograms.
ADDED = {"job", "instance", "le"}
# Of the client library and of Prometheus itself.
FOREIGN = (*("up", "process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"),)
_SELECTOR = re.compile(r"\b((?:parley|process)_\w+|up)\b(?:\{([^}]*)\})?")
_LABELS = re.compile(r"\b(?:by|on|without|group_left|group_right) *\(([^)]*)\)")


@pytest.fixture
async def known() -> dict[str, set[str]]:
    """Return the labels of each name that may be queried."""
    names: dict[str, set[str]] = {name: set() for name in FOREIGN}
    for row in ROWS:
        ends = ("_bucket", "_sum", "_count") if row.kind == "histogram" else ("",)
        names |= {f"{row.full_name}{end}": set(row.labels) for end in ends}
    for sample in ClusterNode(Cluster(), "n1", {}).node.samples():
        names[f"parley_{sample.name}{'_total' if sample.counts else ''}"] = set()
    return names


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in BOARD["panels"] if panel["type"] != "row")


def queries() -> Iterator[tuple[str, str, str]]:
    """Yield where each query is, the query, and its legend."""
    for rule in RULES:
        yield rule["alert"], rule["expr"], json.dumps(rule["annotations"]).replace("$labels.", "").replace("$", "")
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]
    for annotation in BOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"], annotation["titleFormat"]
    for variable in BOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.sub(r"label_values\((.*), (\w+)\)", r"sum by (\2) (\1)", variable["query"]), ""


def promtool(*arguments: str | Path) -> str:
    """Run promtool and return what it says, after "SUCCESS" if it is content."""
    try:
        program = fetch("promtool", "prometheus")
    except ProgramMissingError as error:
        pytest.fail(str(error), pytrace=False)
    command = [program.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=program.environment)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_queries_ask_for_metrics_and_labels_that_there_are(known: dict[str, set[str]]) -> None:
    for where, query, legend in queries():
        found = [(match[1], match[2] or "") for match in _SELECTOR.finditer(query)]
        assert found, where
        labels = set(ADDED)
        for name, matchers in found:
            assert name in known, (where, name)
            asked = set(re.findall(r"(\w+) *[!=]", re.sub(r'"[^"]*"', '""', matchers)))
            assert asked <= known[name] | {"job", "instance"}, (where, name)
            labels |= known[name]
        grouped = {label.strip() for group in _LABELS.findall(query) for label in group.split(",")} - {""}
        assert grouped <= labels, where
        assert set(re.findall(r"{{ *(\w+)", legend)) - {"value"} <= labels, where


def test_every_metric_is_on_the_dashboard() -> None:
    asked = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    assert [row.full_name for row in ROWS if not re.search(rf"\b{row.full_name}(_bucket|_sum|_count)?\b", asked)] == []


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for place in [panel["gridPos"] for panel in BOARD["panels"]]:
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_prometheus_understands_every_query_of_the_dashboard(tmp_path: Path) -> None:
    names = {"$__rate_interval": "5m", "$job": "parley", "$instance": ".*"}
    rules = []
    for number, (_, query, _) in enumerate(queries()):
        for name, value in names.items():
            query = query.replace(name, value)
        rules.append({"record": f"query:{number}", "expr": query})
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


def test_alerts_do_what_their_tests_say() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", DEPLOY / "alerts.yml")
    assert "SUCCESS" in promtool("test", "rules", DEPLOY / "alerts.test.yml")


def test_every_alert_is_tested_to_go_off_and_for_no_other_server() -> None:
    """Each test has series of servers that must not alert, and names all that do."""
    tried = {}
    for test in TESTS:
        for case in test["alert_rule_test"]:
            if case["exp_alerts"]:
                tried[case["alertname"]] = test
    assert tried.keys() == {rule["alert"] for rule in RULES}
    for name, test in tried.items():
        alerting = {
            alert["exp_labels"].get("instance") for case in test["alert_rule_test"] for alert in case["exp_alerts"]
        }
        silent = {
            found for series in test["input_series"] for found in re.findall(r'instance="(\w+)"', series["series"])
        } - alerting
        assert silent, name


def test_monitoring_has_exactly_the_alerts() -> None:
    section = DOCUMENT.split("\n## Alerts")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(Parley\w+)` \| (\w+) \|", section, re.MULTILINE)
    assert rows == [(rule["alert"], rule["labels"]["severity"]) for rule in RULES]
    for rule in RULES:
        assert set(rule["annotations"]) == {"summary", "description"}
