"""axe-core, which finds what keeps people with disabilities from using a page. The npm package, for tests alone."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.support.npm import Package, fetch, unpack
from tests.support.programs import SetupError, say

AXE = Package(
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
)
# WCAG 2.2 AA and all before it, and what axe-core counts as good practice.
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
# The rules about colours.
COLOURS = ("color-contrast", "link-in-text-block")


def ensure() -> Path:
    """Return the program, fetched if it is not there. Raises SetupError."""
    folder = Path(sys.prefix) / "parley-axe" / AXE.version
    if not folder.is_dir():
        say("installing axe-core from npm")
        unpack(fetch(AXE), folder)
    return folder / "axe.min.js"


async def violations(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """Return what is wrong with a page as it is now, by all rules or some: the rule, the element and the reason."""
    await page.evaluate(ensure().read_text() + ";undefined")
    options = {
        "runOnly": {"type": "rule", "values": list(rules)} if rules else list(TAGS),
        "rules": {} if rules else {"target-size": {"enabled": True}},  # of WCAG 2.2, and off by default
        "resultTypes": ["violations"],
    }
    found: list[dict[str, Any]] = await page.evaluate(
        "async (options) => (await axe.run(document, JSON.parse(options))).violations", json.dumps(options)
    )
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']} {node['html'][:200]}"
        for rule in found
        for node in rule["nodes"]
    ]


if __name__ == "__main__":
    try:
        ensure()
    except SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)  # noqa: T201 - dev.py's user reads it
        sys.exit(1)
