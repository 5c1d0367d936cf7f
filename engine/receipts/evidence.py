"""What a full plan has seen, collected so that stats can tell when the next one would see the same.

A `Witness` is made before the pipeline is loaded and looks once when it has been planned;
`testimony` adds what the store holds. Guarantee: every part of the plan is covered, or there is a
doubt, and then no receipt: effects, stages that are never cached, sources that have to be asked
whether they changed, code whose reach is warned of, local packages, and what `doubts` finds in the
loading of the pipeline. A source with a time to live is covered until that has passed.

Not covered are the memory and other resources of the machine, which nothing asks for when nothing
runs, and what loading reads from the store itself.

Covered are the files that loading opened or imported, the folders in which modules, metadata and
matches were looked for, `pyproject.toml`, the sources, dagrun itself, the metadata of
distributions, and in the store its format, the entries and their blobs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dagrun.engine.code.distributions import canonical_name
from dagrun.engine.code.imports import LOADED, SEARCHED, is_installed
from dagrun.engine.errors import DagrunError
from dagrun.engine.keys import Recipe
from dagrun.engine.prepare import Prepared
from dagrun.engine.project import find_project
from dagrun.engine.receipts.doubts import Watch, unsteady_calls
from dagrun.engine.receipts.receipt import is_plain, surroundings
from dagrun.engine.receipts.stamps import content, listing, rested, stamp
from dagrun.engine.remote.remote import Remote
from dagrun.engine.sources import Files, Source
from dagrun.engine.store.store import Store

Json = Any

_OURS = f"{Path(__file__).parents[2] / 'stages'}{os.sep}"
"""The ready-made stages do nothing unsteady when they are imported."""


class Witness:
    """Sees one command being planned, from before its pipeline is loaded.

    Attributes:
        seen: what the plan rests on, empty before `look` and in doubt.
        doubts: why there can be no receipt, empty if there can.
    """

    def __init__(self, words: Sequence[str], pipeline: str | None) -> None:
        self._began = time.time_ns()
        self._surroundings = surroundings(words)
        self._pipeline, self._here = pipeline, Path.cwd()
        self._watch = Watch()
        self.seen: dict[str, Json] = {}
        self.doubts: list[str] = []
        if not is_plain(words):
            self.doubts.append("the command asks for more than a run or a plan")

    def look(self, prepared: Prepared, store: Store) -> None:
        """Note what the plan rests on; called once it is made, before anything runs."""
        self._watch.stop()
        self.doubts += self._watch.doubts
        trees = [loaded.tree for path, loaded in LOADED.items() if not path.startswith(_OURS)]
        self.doubts += [f"loading calls {name}()" for name in sorted(unsteady_calls(trees))]
        self.doubts += _unsure(prepared)
        digests = {path: loaded.digest for path, loaded in LOADED.items()}
        LOADED.clear()  # syntax trees are large, and nobody asks for them any more
        if self.doubts:
            return
        try:
            self.seen = self._see(prepared, store, digests)
        except (OSError, DagrunError) as error:  # something went while it was looked at
            self.doubts.append(str(error))

    def _see(self, prepared: Prepared, store: Store, digests: dict[str, str]) -> dict[str, Json]:
        absent, digests = self._project(prepared, digests)
        recipes = prepared.recipes.values()
        matched = [*self._matched(recipes, digests)]
        own = [*_modules(), *(str(file) for file in _read(recipes)), *_records(recipes)]
        for path in own:
            digests.setdefault(path, "")
        for path, digest in self._watch.opened.items():
            # The same before it was read and now: then that is what was read.
            if not path.startswith(f"{store.folder}{os.sep}") and not digests.get(path):
                digests[path] = digest if digest and content(path) == digest else ""
        values = (value for recipe in recipes for value in recipe.params.values())
        standing = [found for value in values if (found := _stands(value))]
        digests |= {str(path): content(str(path)) for path, _ in standing}
        for name in ("format.json", "stats.json"):
            path = str(store.folder / name)
            digests[path] = content(path) if Path(path).exists() else ""
        return {
            "surroundings": self._surroundings,
            "links": self._links(),
            "files": [*self._files(digests, absent)],
            "folders": [*matched, *self._listed(), *self._searched(absent), *self._installed()],
            "absent": sorted(absent),
            "until": min((until for _, until in standing), default=None),
        }

    def _project(
        self, prepared: Prepared, digests: dict[str, str]
    ) -> tuple[set[str], dict[str, str]]:
        """Cover how the project was found: the `pyproject.toml` there, and those that are not."""
        project = prepared.pipeline.project
        digests = {**digests}
        absent = set()
        starts = {project.pipeline.parent, self._here}
        for folder in {above for start in starts for above in (start, *start.parents)}:
            path = folder / "pyproject.toml"
            if path.exists():
                digests[str(path)] = content(str(path))
            else:
                absent.add(str(path))
        if find_project(self._pipeline, self._here) != project:
            self.doubts.append("the project moved while it was loaded")
        return absent, digests

    def _links(self) -> list[list[str]]:
        if self._pipeline is None:
            return []
        path = str(self._here / self._pipeline)
        return [[path, os.path.realpath(path)]]

    def _files(self, digests: dict[str, str], absent: set[str]) -> Iterator[Json]:
        for path, digest in sorted(digests.items()):
            found = stamp(path)
            if found is None:
                absent.add(path)
                continue
            at_rest = rested(found, self._began)
            if Path(path).is_dir():
                continue
            if not (at_rest or digest):
                self.doubts.append(f"{path} was changed a moment ago")
            yield [path, found, at_rest, digest]

    def _matched(self, recipes: Iterable[Recipe], digests: dict[str, str]) -> Iterator[Json]:
        """The folders that sources search, and the digests of what they found there."""
        for recipe in recipes:
            for param, files in recipe.params.items():
                if not isinstance(files, Files):
                    continue
                known = recipe.form["params"][param]["$source"][1]["files"]
                folders = {path: listing(path, modules=False) for path in map(str, files.searched)}
                found = files.find()
                if list(found) != list(known):
                    self.doubts.append(f"the files of {recipe.stage.name}.{param} changed")
                digests |= {str(path): known.get(name, "") for name, path in found.items()}
                for path, names in folders.items():
                    was = stamp(path) or []
                    yield [path, was, bool(was) and rested(was, self._began), False, names]

    def _listed(self) -> Iterator[Json]:
        """The folders that the pipeline listed while it was loaded."""
        for path in sorted(self._watch.listed):
            found = stamp(path)
            if found is None or not rested(found, self._began):
                self.doubts.append(f"the folder {path} was changed a moment ago")
            yield [path, found, True, False, listing(path, modules=False)]

    def _searched(self, absent: set[str]) -> Iterator[Json]:
        """The folders of modules and metadata; by their names, since a package may be inside."""
        for path, was in sorted(SEARCHED.items()):
            if was.stamp is None or was.listing is None:
                absent.add(path)
                continue
            if stamp(path) != was.stamp:
                self.doubts.append(f"the folder {path} changed while modules were looked for in it")
            yield [path, was.stamp, False, True, was.listing]

    def _installed(self) -> Iterator[Json]:
        for path in dict.fromkeys(sys.path):
            if is_installed(path + os.sep) and (found := stamp(path)) and Path(path).is_dir():
                if not rested(found, self._began):
                    self.doubts.append(f"the folder {path} was changed a moment ago")
                # By its stamp alone: what is installed again may have the same names.
                yield [path, found, True, True, ""]


def _unsure(prepared: Prepared) -> Iterator[str]:
    yield from prepared.warnings
    yield from (f"stage {name!r} is forced" for name in prepared.forced)
    for name, recipe in prepared.recipes.items():
        stage = recipe.stage
        if stage.effect or not stage.cache:
            yield f"stage {name!r} runs every time"
        for value in recipe.params.values():
            if isinstance(value, Source) and not isinstance(value, Files) and not _stands(value):
                yield f"stage {name!r} takes a {type(value).__name__}, which has to be asked"
        for other, version in recipe.code.distributions.items():
            if version.startswith("files "):
                yield f"{other} is a local package, which counts by all its files"


def _stands(value: Source) -> tuple[Path, float] | None:
    return value.stands if isinstance(value, Remote) else None


def _modules() -> Iterator[str]:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name == "__main__":
            continue
        if name.partition(".")[0] == "dagrun" or not is_installed(os.path.abspath(file)):  # noqa: PTH100
            yield os.path.abspath(file)  # noqa: PTH100


def _read(recipes: Iterable[Recipe]) -> set[Path]:
    groups = {id(recipe.code.files): recipe.code.files for recipe in recipes}
    return {file for files in set(groups.values()) for file in files}


def _records(recipes: Iterable[Recipe]) -> Iterator[str]:
    reached = {name for recipe in recipes for name in recipe.code.distributions}
    for folder in dict.fromkeys(sys.path):
        if reached and is_installed(folder + os.sep) and Path(folder).is_dir():
            for item in sorted(os.listdir(folder)):  # noqa: PTH208
                stem = item.removesuffix(".dist-info")
                if stem != item and canonical_name(stem.partition("-")[0]) in reached:
                    yield f"{folder}{os.sep}{item}{os.sep}RECORD"
