"""The pictures of the page: they are complete, small, and README shows two. `python3 dev.py screenshots` draws them."""

import re
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.screenshots import FOLDER, SCREENS, THEMES, VIEWS, main, path_of
from tests.support.process import ROOT

PICTURES = {
    path_of(view, screen, theme): (size["viewport"]["width"], size["viewport"]["height"])
    for view in VIEWS
    for screen, size in SCREENS.items()
    for theme in THEMES
}
LARGEST = 60 * 1024


def test_there_are_ten_views_and_no_other_file() -> None:
    assert len(VIEWS) == 10
    assert set(FOLDER.iterdir()) == PICTURES.keys()


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_small_and_has_the_size_of_its_screen(path: Path) -> None:
    assert path.stat().st_size < LARGEST
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", PICTURES[path])


def test_readme_shows_a_desktop_and_a_phone_and_says_what_is_on_them() -> None:
    shown = re.findall(r'<img src="(docs/screenshots/[^"]+)"[^>]*\balt="([^"]+)"', (ROOT / "README.md").read_text())
    assert [path for path, _ in shown] == [
        "docs/screenshots/room-desktop-light.png",
        "docs/screenshots/room-phone-dark.png",
    ]
    assert all(len(alt) > 20 for _, alt in shown)


def test_a_view_that_there_is_not_draws_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["room", "attic"]) == 2
    assert "no view attic" in capsys.readouterr().err
