"""What tests are marked with."""

from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet


def slow(*values: Any) -> ParameterSet:
    """Return parameters that differ little from others of the same test: they run in `dev.py test --all` alone."""
    return pytest.param(*values, marks=pytest.mark.slow)
