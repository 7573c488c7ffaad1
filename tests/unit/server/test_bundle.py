"""Modules joined into one do what they do apart; what cannot be joined is refused."""

import json
import subprocess
from pathlib import Path

import pytest

from server.web.bundle import Bundle
from tests.support.chromium import find_node

# Forms of imports and exports as the client and its libraries have them.
APART = {
    "main.js": """import { add, Sum as Total } from "./sums/add.js";
import {
  log,
} from "./log.js";
import { asked } from "./parts.js";
import "./log.js";
const sum = new Total();
sum.of(add(1, 2));
log("later");
const { late } = await import("./sums/late.js");
late();
log(sum.value, (await import('./sums/late.js')) !== null, asked);
""",
    "log.js": """export { lines, lines as kept } from "./lines.js";
import { lines } from "./lines.js";
export async function log(...values) {
  lines.push(values);
}
""",
    "parts.js": """export const asked = [];
export const importPart = (...paths) => {
  asked.push(paths);
  return import(new URL(paths[0], import.meta.url));
};
""",
    "lines.js": "export const lines = [];\n",
    "sums/add.js": """import { log } from "../log.js";
const own = 1;
log("added", import.meta.url.endsWith("/sums/add.js"));
export function add(a, b) {
  return a + b + own - 1;
}
export class Sum {
  of(value) {
    this.value = value;
  }
}
export const text = `
  ${add(1, 1)} is no import`;
""",
    # As a minifier writes it.
    "min.js": 'import{log as e}from"./log.js";const t=()=>e("small");export{t as small,t as $also};',
    "sums/late.js": """import { log } from "../log.js";
import { small } from "../min.js";
export const late = () => {
  small();
  log("late");
};
""",
}
ENTRY = 'import { lines } from "./log.js";\nawait import("./{first}");\nconsole.log(JSON.stringify(lines));\n'


def run(folder: Path, files: dict[str, str], first: str) -> list[object]:
    """Run a module of these files, and return what they have logged."""
    for path, text in {
        **files,
        "entry.mjs": ENTRY.replace("{first}", first),
        "package.json": '{"type":"module"}',
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    done = subprocess.run([find_node(), folder / "entry.mjs"], stdout=subprocess.PIPE, text=True, check=True)
    logged: list[object] = json.loads(done.stdout)
    return logged


def test_joined_modules_do_what_they_do_apart(tmp_path: Path) -> None:
    """Also those that are loaded on demand, which share the state of what is joined."""
    joined = Bundle(APART, "main.js", "first.js", "parts.js")
    assert joined.joined == ["lines.js", "log.js", "sums/add.js", "parts.js"]
    apart = run(tmp_path / "apart", APART, "main.js")
    assert apart == [["added", True], ["later"], ["small"], ["late"], [3, True, []]]
    logged = run(tmp_path / "joined", APART | joined.stubs | {"first.js": joined.text}, "main.js")
    # The loader is told what has to be there before the module is imported.
    assert logged == [*apart[:-1], [3, True, [["sums/late.js", "min.js"]] * 2]]


@pytest.mark.parametrize(
    "text",
    [
        'import * as all from "./other.js";',
        'import other from "./other.js";',
        "export default 1;",
        "export let value = 1;",
        "export const { a, b } = {};",
        'export * from "./other.js";',
        "const x = 1;\nexport { x }\nexport default x;",
        'import { a } from "./main.js";',
        'import { a } from "./circle.js";',
        "import(`./other.js`);",
    ],
)
def test_what_cannot_be_joined_is_refused(text: str) -> None:
    files = {"main.js": text, "other.js": "export const a = 1;", "circle.js": 'import "./main.js";'}
    with pytest.raises(ValueError, match=r"main\.js"):
        Bundle(files, "main.js", "first.js", "parts.js")
