"""The modules that a page needs first, joined into one: a quarter smaller when compressed together, and one answer.

Nothing is built: the files are plain modules, and are joined when the server starts. Each keeps its scope, as a
function that returns what the module exports. The address of a joined module answers with the same exports, so that a
module that is loaded on demand shares the state of those it imports. `import("./part.js")` becomes a call of a function
of the client that is told all modules which have to be loaded for it. What the client's modules do not use is refused,
not guessed: default exports, exports that change, `import *`, cycles. None of them may `await` while it is loaded.
"""

import posixpath
import re
from collections.abc import Mapping

# Statements at the start of a line, or after another one. That is looked for behind the word, for speed: a start of the
# server looks through half a megabyte.
_IMPORT = re.compile(r"""import(?<![^;}\n]import)\s*(?:\{([^}]*)\}\s*from\s*)?["'](\.[^"']+)["'];?""")
_ON_DEMAND = re.compile(r"""import(?<!\wimport)\(\s*["'](\.[^"']*)["']\s*\)""")
_DECLARED = re.compile(r"export(?<![^;}\n]export)\s+((?:async\s+)?function\*?|class|const)\s+([\w$]+)")
_LISTED = re.compile(r"""export(?<![^;}\n]export)\s*\{([^}]*)\}(?:\s*from\s*["'](\.[^"']+)["'])?;?""")
_LEFT = re.compile(r"[;}\n][ \t]*(?:im|ex)port\b(?!\s*[(.])")
_MODULES = "$modules"


class Bundle:
    """The joined modules.

    Args:
        files: the text of every module, by path.
        first: the module with which the page begins, in the root of the paths. It is not joined: it may wait for a
            module that is loaded on demand, which waits for those that it imports.
        name: of the joined module, in the root.
        loader: the joined module whose `importPart(path, ...others)` takes the place of `import()`: it returns the
            module at the first path, of which the others are what it imports. Paths are those of the files.

    Attributes:
        text: the joined module.
        joined: the modules in it, by path.
        stubs: what to serve at the addresses of all modules, by path. Those that are loaded on demand take from the
            joined module what is in there.

    Raises:
        ValueError: a module has a form of import or export that is not known, or modules import each other in a circle.
    """

    def __init__(self, files: Mapping[str, str], first: str, name: str, loader: str) -> None:
        self._files = files
        self._name = name
        self._loader = loader
        self._order: list[str] = []
        self._exports: dict[str, dict[str, str]] = {}
        self._add(first, ())
        self.joined = self._order[:-1]
        parts = [f"{self._place(path)}=(()=>{{{self._code(path)}}})();" for path in self.joined]
        self.text = "\n".join((f"export const {_MODULES}=[];", *parts))
        self.stubs = {path: self._stub(path) for path in self.joined}
        self.stubs[first] = f"{self._bundle(first)}\n{self._code(first)}"
        self.stubs |= {path: self._later(path) for path in files if path not in self._order}

    def _add(self, path: str, above: tuple[str, ...]) -> None:
        """Put a module behind those that it imports."""
        if path in above:
            raise ValueError(f"modules import each other in a circle: {' > '.join((*above, path))}")
        if path in self._order:
            return
        for imported in _imports(path, self._files[path]):
            self._add(imported, (*above, path))
        self._order.append(path)

    def _code(self, path: str) -> str:
        """Return the body of the function that is the module, or of the first module as it is."""
        text = self._files[path]
        exports = {name: name for _, name in _DECLARED.findall(text)}
        text = _DECLARED.sub(r"\1 \2", text)
        for names, source in _LISTED.findall(text):
            owner = f"{self._place(_resolve(path, source))}." if source else ""
            exports |= {outer: owner + inner for inner, outer in _pairs(names)}
        text = _IMPORT.sub(lambda found: self._taken(path, *found.groups()), _LISTED.sub("", text))
        if _LEFT.search(f"\n{text}"):
            raise ValueError(f"{path} has an import or an export of a kind that cannot be joined")
        text = self._on_demand(path, text)
        text = text.replace("import.meta.url", f"new URL({path!r},import.meta.url).href")
        self._exports[path] = exports
        if path == self._order[-1]:
            return text
        returned = ",".join(outer if outer == inner else f"{outer}:{inner}" for outer, inner in exports.items())
        return f"{text}\nreturn {{{returned}}};"

    def _on_demand(self, path: str, text: str) -> str:
        """Have the loader load what the text of a module imports on demand."""

        def load(found: re.Match[str]) -> str:
            needed = ",".join(repr(each) for each in self._needed(_resolve(path, found[1])))
            return f"{self._place(self._loader)}.importPart({needed})"

        text = _ON_DEMAND.sub(load, text)
        if "import(" in text and path != self._loader:
            raise ValueError(f"{path} imports something on demand whose path is not written in it")
        return text

    def _needed(self, path: str) -> list[str]:
        """Return a module, and then what it imports and is not joined."""
        needed = {path: None}
        pending = [path]
        while pending:
            at = pending.pop()
            later = [each for each in _imports(at, self._files[at]) if each not in self._order and each not in needed]
            needed |= dict.fromkeys(later)
            pending += later
        return list(needed)

    def _taken(self, path: str, names: str | None, source: str) -> str:
        """Return the declaration that replaces an import."""
        if not names:
            return ""
        wanted = ",".join(inner if inner == outer else f"{inner}:{outer}" for inner, outer in _pairs(names))
        return f"const{{{wanted}}}={self._place(_resolve(path, source))};"

    def _place(self, path: str) -> str:
        """Return where the exports of a joined module are. Numbers are half a kilobyte smaller than paths."""
        return f"{_MODULES}[{self._order.index(path)}]"

    def _bundle(self, path: str) -> str:
        """Return the import of the joined module by another one."""
        return f'import{{{_MODULES}}}from"{"../" * path.count("/") or "./"}{self._name}";'

    def _stub(self, path: str) -> str:
        names = ",".join(self._exports[path])
        return f"{self._bundle(path)}export const{{{names}}}={self._place(path)};\n"

    def _later(self, path: str) -> str:
        def taken(found: re.Match[str]) -> str:
            return self._taken(path, *found.groups()) if _resolve(path, found[2]) in self.joined else found[0]

        text = self._on_demand(path, _IMPORT.sub(taken, self._files[path]))
        return text if text == self._files[path] else self._bundle(path) + text


def _resolve(path: str, source: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), source))


def _imports(path: str, text: str) -> list[str]:
    return [_resolve(path, source) for _, source in (*_IMPORT.findall(text), *_LISTED.findall(text)) if source]


def _pairs(names: str) -> list[tuple[str, str]]:
    """Return ``a, b as c`` as pairs of the names before and after ``as``."""
    pairs = (name.split(" as ") for name in names.split(",") if name.strip())
    return [(pair[0].strip(), pair[-1].strip()) for pair in pairs]
