"""Several byte strings as one file, always the same bytes for the same content.

The format is a ZIP without compression, members sorted by name, every timestamp the ZIP epoch,
so that equal content gives equal bytes on every machine. Nothing here checks what the members
mean; who reads them verifies their digests.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX, _PLAIN_FILE = 3, 0o644 << 16


def pack(members: Mapping[str, bytes]) -> bytes:
    """Return the archive of `members` (name to content)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.create_system, info.external_attr = _UNIX, _PLAIN_FILE
            archive.writestr(info, members[name])
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the members of an archive, sorted by name.

    Raises `ValueError` when `data` is no such archive, is cut short, or names a member twice. A
    damaged archive may lose or rename a member, but never gives one other content.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise ValueError("a member is compressed")
            members = {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(str(error) or "it is cut short") from error
    if len(members) != len(infos):
        raise ValueError("a member is named twice")
    return dict(sorted(members.items()))
