"""Codecs for documents (JSON) and for opaque files.

Guarantee: a document is stored only if it can be read back as an equal one, and equal documents
have equal bytes and digests: floats keep every bit but the payload of a NaN, integers any size
that Python prints, strings even lone surrogates. The limit: a document's classes are found by
import name, so a renamed class makes old documents unreadable, with an error that names it.

A file is copied, never linked: its author may go on writing to it, a blob must not change.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import stat
import typing
from pathlib import Path
from typing import Any

from dagrun.engine.canonical import Json, decode, digest, encode, to_bytes, type_name
from dagrun.engine.codec import Dumped
from dagrun.engine.errors import DagrunError, DefinitionError, UnknownVersion

DOCUMENT_VERSION = 1
DOCUMENT_TYPES = (dict, list, tuple, set, frozenset, str, bytes, bool, int, float)


class UnstorableDocument(DefinitionError):
    """A value has a JSON form, but could not be read back from it."""

    def __init__(self, value: object, problem: str) -> None:
        self.value, self.problem = value, problem
        super().__init__(
            f"the result, a {type_name(type(value))}, cannot be stored: {problem}. Return a dict, "
            "a list, or a frozen dataclass defined at the top of a module with plain fields"
        )


class WrongType(DagrunError):
    """An artifact is of another type than its consumer asks for."""

    def __init__(self, found: object, wanted: object) -> None:
        self.found, self.wanted = type(found), wanted
        asked = type_name(wanted) if isinstance(wanted, type) else str(wanted)
        super().__init__(
            f"the artifact is a {type_name(type(found))}, not a {asked}. Correct the annotation, "
            "or return that type from the stage that makes it"
        )


class UnstorableFile(DagrunError):
    """A stage returned a Path that is no readable file."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(
            f"the result {path} {problem}. Return the Path of one finished file; pack a folder "
            "into a zip, or return its files as named outputs"
        )


def to_form(value: object) -> Json:
    """Return a document's JSON form, which `from_form` turns back into an equal value.

    Raises `Unhashable` for a value with no canonical encoding, naming the place in it, and
    `UnstorableDocument` for one that would be lost on the way back.
    """
    try:
        form = encode(value, "result")
        written = to_bytes(form)
        again = to_bytes(encode(decode(form), "result"))
    except RecursionError:
        raise UnstorableDocument(value, "it contains itself or is nested too deeply") from None
    except (TypeError, ValueError, DefinitionError) as error:
        if type(error).__name__ == "Unhashable":
            raise
        raise UnstorableDocument(value, str(error)) from error
    if again != written:
        raise UnstorableDocument(value, "its fields come back changed")
    return form


def document_digest(form: Json) -> str:
    """Return the logical digest of the document behind a JSON form."""
    return digest("document", form)


def from_form(form: Json, wanted: Any = None) -> Any:
    """Return the document behind a JSON form, for a consumer annotated `wanted`.

    Raises `WrongType` when `wanted` is a dataclass or a built-in document type that the value is
    not, and `DefinitionError` when the form's classes are gone.
    """
    value = decode(form)
    kind = typing.get_origin(wanted) or wanted
    if isinstance(kind, type) and (dataclasses.is_dataclass(kind) or kind in DOCUMENT_TYPES):
        accepted = (int, float) if kind is float else kind
        if not isinstance(value, accepted):
            raise WrongType(value, wanted)
    return value


class DocumentCodec:
    """Stores JSON-like values and frozen dataclasses as canonical JSON."""

    def dump(self, value: Any, path: Path) -> Dumped:
        """Write the document. Raises `Unhashable` or `UnstorableDocument`."""
        form = to_form(value)
        path.write_bytes(to_bytes({"document": form, "version": DOCUMENT_VERSION}))
        return Dumped(logical=document_digest(form))

    def load(self, path: Path, wanted: Any) -> Any:
        """Read a document. Raises `WrongType` and `UnknownVersion`."""
        stored = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
        if stored["version"] != DOCUMENT_VERSION:
            raise UnknownVersion("a document", stored["version"], DOCUMENT_VERSION)
        return from_form(stored["document"], wanted)


class FileCodec:
    """Stores the file that a `Path` names, whatever is in it; its name is not kept."""

    def dump(self, value: Path, path: Path) -> Dumped:
        """Copy the file. Raises `UnstorableFile` if it is no regular file or unreadable."""
        try:
            mode = value.stat().st_mode
            if not stat.S_ISREG(mode):
                what = "is a folder" if stat.S_ISDIR(mode) else "is no regular file"
                raise UnstorableFile(value, what)
            shutil.copyfile(value, path)
        except FileNotFoundError as error:
            raise UnstorableFile(value, "does not exist") from error
        except PermissionError as error:
            raise UnstorableFile(value, "cannot be read") from error
        return Dumped()

    def load(self, path: Path, wanted: Any) -> Path:
        """Return the path of the stored file itself: read it, never write to it.

        Raises `WrongType` for a consumer that wants anything but a `Path`.
        """
        if wanted is not Any and isinstance(wanted, type) and not isinstance(path, wanted):
            raise WrongType(path, wanted)
        return path


DOCUMENT = DocumentCodec()
FILE = FileCodec()
