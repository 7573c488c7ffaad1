"""What the documents say is what the code does."""

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from model.commands import AnyCommand
from model.errors import CLOSE_CODES, ERRORS
from model.events import NativeEvent
from server.settings import SETTINGS, show

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


def test_readme_has_exactly_the_settings_table() -> None:
    section = README.split("## Settings")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{s.name}` | {s.kind} | {show(s.default)} | {s.help} |" for s in SETTINGS]


def test_env_example_names_every_setting_once() -> None:
    names = re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert names == [s.name for s in SETTINGS]


def test_protocol_has_exactly_the_error_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (yes|no) \|", PROTOCOL, re.MULTILINE)
    assert rows == [(code, str(kind.status), "yes" if kind.retryable else "no") for code, kind in ERRORS.items()]


@pytest.mark.parametrize("close", CLOSE_CODES, ids=lambda close: close.reason)
def test_protocol_names_every_close_code(close: Any) -> None:
    assert re.search(rf"^\| {close.code} \| `?{close.reason}`? \|", PROTOCOL, re.MULTILINE)


@pytest.mark.parametrize("record", [*get_args(AnyCommand), *get_args(NativeEvent)], ids=lambda record: record.__name__)
def test_protocol_has_an_example_of_every_frame(record: Any) -> None:
    tag = msgspec.inspect.type_info(record).tag  # type: ignore[attr-defined]  # every record of ours is a tagged Struct
    assert f'{{"type":"{tag}"' in PROTOCOL
