"""The JSON file."""

from pathlib import Path

import pytest

from tests.load.record import Percentiles, RecordError, Run, read_record, write_record
from tests.unit.load.records import record, result, series


def test_a_record_survives_writing_and_reading(tmp_path: Path) -> None:
    run = Run("parley", result(lost=1, ack_us=Percentiles(p50=1, max=2)), disturbed=True)
    one = record(series(run), series(curve="members", x=10))
    write_record(one, tmp_path / "new" / "a.json")
    assert read_record(tmp_path / "new" / "a.json") == one
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "machine": "here"}'])
def test_a_file_that_is_no_record_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RecordError, match=r"a\.json: ") as caught:
        read_record(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="No such file"):
        read_record(tmp_path / "none.json")


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    one = record()
    one.format = 2
    write_record(one, tmp_path / "a.json")
    with pytest.raises(RecordError, match="format 2, not 1"):
        read_record(tmp_path / "a.json")
