"""docs/operate.md names only what there is."""

import re

from model.errors import ERRORS
from server.metrics.counts import REFUSALS
from server.metrics.table import ROWS
from server.settings.table import SETTINGS
from tests.support.cluster import Cluster, ClusterNode
from tests.support.process import ROOT

DOCS = ROOT / "docs"
PAGE, LINES = ((DOCS / name).read_text(encoding="utf-8") for name in ("operate.md", "log-lines.md"))
SYMPTOMS = PAGE.split("\n## Symptoms\n")[1]
ALERTS = re.findall(r"- alert: (\w+)", (DOCS / "deploy" / "alerts.yml").read_text(encoding="utf-8"))
DATABASES = {"parley_restored", "parley_lost"}
# Labels of metrics, and a field of `update_room`.
FIELDS = {"reason", "code", "result", "route", "guests"}
# Names in capitals that are no settings of Parley.
FOREIGN = {"ON_ERROR_STOP", "ALLOW_CONNECTIONS"}


def named(section: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", section))


async def test_every_metric_and_setting_of_the_page_is_one() -> None:
    samples = ClusterNode(Cluster(), "n1", {}).node.samples()
    metrics = {row.full_name for row in ROWS} | {f"parley_{s.name}{'_total' if s.counts else ''}" for s in samples}
    assert set(re.findall(r"\bparley_\w+", PAGE)) <= metrics | DATABASES
    settings = {setting.name for setting in SETTINGS}
    assert set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", PAGE)) <= settings | FOREIGN


def test_symptoms_lead_to_every_alert_and_to_nothing_else() -> None:
    assert {name for name in named(SYMPTOMS) if re.fullmatch(r"Parley\w+", name)} == set(ALERTS)


def test_symptoms_name_lines_of_the_log_errors_and_reasons_that_there_are() -> None:
    lines = set(re.findall(r"^\| \w+ \| `[\w.]+` \| `(.+?)` \|", LINES, re.MULTILINE))
    quoted = set(re.findall(r'"`(.+?)`"', SYMPTOMS))
    assert quoted <= lines
    words = {name for name in named(SYMPTOMS) - quoted if re.fullmatch(r"[a-z][a-z_]+", name)}
    assert {word for word in words if not word.startswith("parley_")} <= ERRORS.keys() | set(REFUSALS) | FIELDS | {
        "pg_stat_activity"
    }
