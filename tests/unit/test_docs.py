"""The documents agree with the code."""

import json
import re
from pathlib import Path
from typing import Any, get_args
from unittest.mock import Mock

import pytest
from jsonschema_rs import validator_for
from prometheus_client.parser import text_string_to_metric_families

from chat.chat import Chat
from chat.rooms.parts import ChatOptions
from model.audit import AuditAction
from model.errors import ERRORS
from model.permissions import LEAST, RANK
from server.auth.keys import ServerKeys
from server.auth.tokens import JwtTokens
from server.dialects import PATHS
from server.dialects.api_chat import ApiChatDialect
from server.dialects.ws import WsDialect
from server.http.parameters import JSON
from server.metrics.counts import REFUSALS, ServerCounts
from server.metrics.exposition import Metrics
from server.metrics.table import ROWS
from server.settings.setting import show
from server.settings.table import SETTINGS
from server.spec.asyncapi import close_codes
from server.spec.openapi import openapi
from server.web.app import HttpEndpoints
from storage.factory import open_storage
from tests.support import contract
from tests.support.cluster import Cluster, ClusterNode
from tests.support.contract import json_frames
from tests.unit.server import test_api_chat, test_ws
from utils.clock import SystemClock

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MONITORING = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
CLUSTER = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
VALIDATORS = json_frames()


def test_links_lead_to_files_and_headings_that_there_are() -> None:
    """As GitHub makes anchors of headings."""
    wrong = []
    for page in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")):
        text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            found = page.parent / path if path else page
            if not found.exists() or (anchor and anchor not in anchors(found)):
                wrong.append(f"{page.name}: {target}")
    assert not wrong


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_has_exactly_the_settings_table() -> None:
    section = README.split("## Settings")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{s.name}` | {s.kind} | {show(s.default)} | {s.help} |" for s in SETTINGS]


def test_readme_has_exactly_the_settings_that_sighup_renews() -> None:
    paragraph = README.split("**While the server runs**")[1].split("The log says")[0]
    assert re.findall(r"`([A-Z_]{4,})`", paragraph) == [s.name for s in SETTINGS if s.live]


def test_readme_names_the_secrets_that_may_be_in_files() -> None:
    paragraph = README.split("**Secrets.**")[1].split("may be in a file")[0]
    assert re.findall(r"`(\w+)`", paragraph) == [s.name for s in SETTINGS if s.secret]


def test_env_example_names_every_setting_once() -> None:
    names = re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert names == [s.name for s in SETTINGS]


def test_protocol_names_every_action_of_the_audit_log() -> None:
    (row,) = re.findall(r"^\| `action` \| one of: (.+) \|$", PROTOCOL, re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == list(get_args(AuditAction))


def test_protocol_has_exactly_the_error_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (yes|no) \|", PROTOCOL, re.MULTILINE)
    assert rows == [(code, str(kind.status), "yes" if kind.retryable else "no") for code, kind in ERRORS.items()]


def test_close_codes_are_explained_alike_everywhere() -> None:
    codes = re.findall(r"^\| (\d{4}) \| (?:`?([\w ]+?)`? )?\|", PROTOCOL, re.MULTILINE)
    assert [(row["code"], row.get("reason", "")) for row in close_codes()] == [(int(code), why) for code, why in codes]


def test_protocol_has_exactly_the_table_of_permissions() -> None:
    text, table = part("Who may do what").split("|---|---|\n")
    rows = re.findall(r"^\| (.+) \| (\w+) \|$", table, re.MULTILINE)
    assert rows == [(action.value, least) for action, least in LEAST.items()]
    assert re.findall(r"\*(\w+)\*", text) == sorted(RANK, key=lambda standing: RANK[standing])


@pytest.fixture(scope="module")
def shown() -> dict[str, list[Any]]:
    """Return the examples of the protocol by the name of their message in /asyncapi.json."""
    found: dict[str, list[Any]] = {name: [] for name in VALIDATORS}
    for line in [line for block in examples(PROTOCOL.replace(section("Accounts"), "")) for line in block]:
        example = json.loads(line)
        for frame in example if isinstance(example, list) else [example]:
            names = [name for name, validator in VALIDATORS.items() if validator.is_valid(frame)]
            assert names, f"no frame is like this: {frame}"
            for name in names:
                found[name].append(frame)
    return found


@pytest.mark.parametrize("name", VALIDATORS)
def test_protocol_has_an_example_of_every_frame(shown: dict[str, list[Any]], name: str) -> None:
    """And every example is a valid frame, without unknown fields."""
    assert shown[name]


def test_monitoring_has_exactly_the_table_of_metrics() -> None:
    table = MONITORING.split("\n## Metrics")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(parley_\w+)`( \*)? \| (\w+) \| (.*?)\| (.+) \|$", table, re.MULTILINE)
    assert [
        (name, bool(full), kind, tuple(re.findall(r"`(\w+)`", labels)), text) for name, full, kind, labels, text in rows
    ] == [(row.full_name, row.full, row.kind, row.labels, row.help) for row in ROWS]


def test_monitoring_explains_every_reason_of_a_refused_handshake() -> None:
    paragraph = MONITORING.split("- `reason`")[1].split("\n- ")[0]
    assert set(REFUSALS) <= set(re.findall(r"`(\w+)`", paragraph))


async def test_the_table_of_metrics_is_what_a_server_serves() -> None:
    clock = SystemClock()
    chat = Chat(open_storage(None), clock, JwtTokens("", clock, ServerKeys()), ChatOptions())
    for full in (False, True):
        text, _ = Metrics(chat, ServerCounts(), full=full).render()
        families = [one for one in text_string_to_metric_families(text.decode()) if one.name.startswith("parley_")]
        ends = {"counter": "_total"}
        assert [(f"{one.name}{ends.get(one.type, '')}", one.type, one.documentation) for one in families] == [
            (row.full_name, row.kind, row.help) for row in ROWS if full or not row.full
        ]


async def test_cluster_has_exactly_the_metrics_of_a_node() -> None:
    rows = re.findall(r"^\| `(parley_\w+)` \| (\w+) \| (.+) \|$", CLUSTER, re.MULTILINE)
    samples = ClusterNode(Cluster(), "n1", {}).node.samples()
    kinds = {True: ("counter", "_total"), False: ("gauge", "")}
    assert rows == [(f"parley_{s.name}{kinds[s.counts][1]}", kinds[s.counts][0], s.text) for s in samples]


def test_cluster_names_exactly_the_settings_that_must_agree() -> None:
    text = CLUSTER.split("### Settings that must agree")[1].split("The log and")[0]
    assert re.findall(r"`([A-Z_]+)`", text) == [setting.name for setting in SETTINGS if setting.shared]


def test_readme_names_every_address() -> None:
    table = README.split("| address | what |")[1].split("\n## ")[0]
    document = openapi(HttpEndpoints(Mock(), Mock(), Mock(), Mock()).endpoints())
    elsewhere = ("/static/", "/api/rooms/", "/api/chat/")
    for path in document["paths"]:
        assert re.search(rf"[` ]{re.escape(path)}[`?]", table) or path.startswith(elsewhere), path


def test_protocol_has_a_row_for_every_request() -> None:
    document = openapi(HttpEndpoints(Mock(), Mock(), Mock(), Mock()).endpoints())
    served = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if (operation.get("security") or path.startswith("/api/")) and path not in PATHS
    }
    rows = re.findall(r"^\| `([A-Z]+) (/[^`]*)` \|", section("Accounts") + section("HTTP"), re.MULTILINE)
    assert set(rows) == served
    assert len(rows) == len(served)


def test_protocols_http_examples_match_the_document() -> None:
    """Every HTTP example: the request's body and the response match the document."""
    document = openapi(HttpEndpoints(Mock(), Mock(), Mock(), Mock()).endpoints())
    blocks = re.findall(r"^```http\n(.*?)^```$", section("HTTP"), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    for block in blocks:
        asked, _, told = block.partition("\n\n")
        first, *body = asked.split("\n")
        method, target = first.split()
        status, *answer = told.strip().split("\n")
        contract.hold_reply(
            method, target, int(status), JSON if answer else "", json.loads(answer[0]) if answer else None
        )
        if body:
            operation = next(
                operations[method.lower()]
                for path, operations in document["paths"].items()
                if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), target) and method.lower() in operations
            )
            schema = operation["requestBody"]["content"][JSON]["schema"]
            components = {"schemas": contract.strict(document["components"]["schemas"])}
            validator_for({**schema, "components": components}).validate(json.loads(body[0]))
    assert not contract.BROKEN


def part(title: str) -> str:
    """Return the protocol's text under a smaller heading."""
    return PROTOCOL.split(f"\n### {title}\n")[1].split("\n##")[0]


def section(title: str) -> str:
    """Return the protocol's text under a heading that starts with this word."""
    return PROTOCOL.split(f"\n## {title}")[1].split("\n## ")[0]


def examples(text: str) -> list[list[str]]:
    """Yield the frames of each block of examples; a long one continues on an indented line."""
    blocks = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block.replace("\n ", "").splitlines() for block in blocks]


DIALECTS: list[tuple[str, Any, list[tuple[Any, str]], str]] = [
    ("Rooms", WsDialect(), test_ws.TOLD, "type"),
    ("Events", ApiChatDialect(SystemClock()), test_api_chat.TOLD, "event"),
]


@pytest.mark.parametrize(("title", "dialect", "frames", "tag"), DIALECTS, ids=["rooms", "events"])
def test_protocols_examples_of_a_dialect_match_its_frames(title: str, dialect: Any, frames: Any, tag: str) -> None:
    asked, told = examples(section(title))
    for frame in asked:
        dialect.command(frame, "general")
    shown = {json.loads(frame)[tag]: shape(json.loads(frame)) for frame in told}
    known = [json.loads(frame) for _, frame in frames]
    assert set(shown) == {frame[tag] for frame in known}
    for kind, form in shown.items():
        assert form in [shape(frame) for frame in known if frame[tag] == kind]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section(title), re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"\w+", row)}
    assert set(shown) <= explained


def shape(frame: Any) -> Any:
    """Return the names of a frame's fields, in order."""
    return [(name, shape(value)) for name, value in frame.items()] if isinstance(frame, dict) else None
