"""`Objects`: the objects of a bucket, or of any other object store, as a source.

Guarantee: a listing is compared by entity tag, version and size, and only objects that changed are
downloaded; each is whole. The limit: an object without a tag (some stores have none) counts by its
size and time; a listing and the downloads after it are not one moment.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from dagrun.engine.canonical import Json, digest
from dagrun.engine.codec import FILE_CODEC
from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.events import Output
from dagrun.engine.extras import MissingExtra
from dagrun.engine.openfiles import SourceError
from dagrun.engine.reading import Readable
from dagrun.engine.remote.placeholders import fill, fill_uri, hide, refuse_password, refuse_secrets
from dagrun.engine.remote.remote import Remote
from dagrun.engine.remote.snapshots import Snapshot, Snapshots
from dagrun.engine.store.blobs import Blobs

SCHEMES = ("s3", "gs", "az", "file")
_WILD = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|.")
AT_ONCE = 8
"""Objects that are downloaded at the same time."""


class ObjectsFailed(SourceError):
    """An object store cannot be read."""

    def __init__(self, url: str, problem: str) -> None:
        what = " ".join(problem.partition("Debug source:")[0].split()).rstrip(".")
        what = what if len(what) <= 300 else what[:297] + "..."
        advice = "Check the address, the credentials in the environment, and options="
        super().__init__(url, f"cannot be read: {what}", advice)


class NoSuchObjects(DefinitionError):
    """No object matches a pattern."""

    def __init__(self, url: str, pattern: str, names: list[str]) -> None:
        self.url, self.pattern, self.names = url, pattern, names
        found = f"it holds: {listing(names)}" if names else "it holds nothing"
        super().__init__(f"{url} has no object like {pattern!r}; {found}.{nearest(pattern, names)}")


@dataclass(frozen=True, slots=True)
class Objects(Remote, Readable):
    """The objects beneath `url` whose names match `pattern`, read as files are.

    `url` is `s3://bucket/folder`, `gs://...`, `az://...` or `file:///folder`. A name is the path
    below it; in a pattern `*` stays within a folder and `**/` stands for any. Credentials come from
    the environment, as is usual for each store; `options` are those of obstore (`region`,
    `endpoint`, `skip_signature`), in which `{NAME}` stands for an environment variable. Needs the
    extra `objects`. Every plan and run lists the objects, but for `max_age`.
    """

    url: str
    pattern: str = "**/*"
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scheme = self.url.partition("://")[0]
        if scheme not in SCHEMES and not self.url.startswith("{"):
            raise DefinitionError(
                f"Objects takes an address such as 's3://bucket/folder', not {self.url!r}. "
                f"It reads: {', '.join(f'{each}://' for each in SCHEMES)}"
            )
        refuse_password(self.url)
        refuse_secrets(self.options)
        _ = self.age

    @property
    def request(self) -> Json:
        """The address, the pattern and the options, with placeholders; the place is filled in."""
        return {
            "kind": "Objects",
            "place": digest("place", fill_uri(self.url)),
            "pattern": self.pattern,
            "options": dict(self.options),
        }

    def find(self, where: str = "source") -> dict[str, Path]:  # noqa: ARG002 - bound with one
        """Return the objects by name. Raises `ObjectsFailed`, `NoSuchObjects`, `MissingExtra`."""
        return self.stored

    def pick(self, name: str) -> Self:
        """Return the one object of that name alone, to be read in the same way."""
        return replace(self, chosen=name)

    def take(self, known: Snapshot | None, at: Snapshots) -> Snapshot:
        """List the objects and download those that are not known as they are."""
        taken = time.time()
        with self._opened() as (store, obstore):
            every = {str(each["path"]): each for batch in obstore.list(store) for each in batch}
            like = re.compile(translate(self.pattern))
            found = {name: every[name] for name in sorted(every) if like.fullmatch(name)}
            if not found:
                raise NoSuchObjects(self._shown, self.pattern, sorted(every))

            def settle(name: str) -> tuple[Output, Json]:
                facts = _facts(found[name])
                if known and known.seen.get(name) == facts:
                    return known.files[name], facts
                result = obstore.get(store, name)
                return download(result, at.store.blobs), _facts(result.meta)

            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dagrun-objects") as pool:
                settled = dict(zip(found, pool.map(settle, found), strict=True))
        return Snapshot(
            files={name: output for name, (output, _) in settled.items()},
            taken=taken,
            seen={name: facts for name, (_, facts) in settled.items()},
        )

    @property
    def _shown(self) -> str:
        return hide(self.url, self.url, *self.options.values())

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        """Give the object store and the library. Raises `ObjectsFailed`, `MissingExtra`."""
        try:
            import obstore
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ModuleNotFoundError as error:
            raise MissingExtra("obstore", "objects", "the source Objects") from error
        config: Any = {name: fill(value) for name, value in self.options.items()}
        if config.get("endpoint", "").startswith("http://"):
            config["client_options"] = {"allow_http": True}
        try:
            yield from_url(fill_uri(self.url), **config), obstore
        except (BaseError, OSError, ValueError) as error:
            shown = hide(str(error), self.url, *self.options.values())
            raise ObjectsFailed(self._shown, shown) from None


def download(result: Any, blobs: Blobs) -> Output:
    """Store what an object holds, in pieces."""
    path = blobs.new_file()
    try:
        with path.open("wb") as file:
            for chunk in result.stream():
                file.write(chunk)
        size = path.stat().st_size
        blob = blobs.put_file(path)
    finally:
        path.unlink(missing_ok=True)
    return Output(codec=FILE_CODEC, blob=blob, logical=blob, size=size)


def _facts(meta: Mapping[str, Any]) -> list[Json]:
    """Return what tells an object's content; its time only where there is no tag."""
    tag = meta.get("e_tag")
    when = "" if tag else meta["last_modified"].isoformat()
    return [tag, meta.get("version"), int(meta["size"]), when]


def translate(pattern: str) -> str:
    """Return a pattern of names as a regular expression: `*`, `?`, `[...]`, `**/`."""
    parts = []
    for part in _PARTS.findall(pattern):
        if part.startswith("[") and len(part) > 1:
            parts.append(f"[^/{part[2:]}" if part[1] == "!" else part)
        else:
            parts.append(_WILD.get(part) or re.escape(part))
    return "".join(parts)
