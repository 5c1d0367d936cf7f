"""`dagrun token`, and what `dagrun serve` takes about TLS, tokens and limits."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dagrun.cli.entrance import LimitInvalid, entrance_settings, read_limits
from dagrun.cli.main import main
from dagrun.server.serving import ServerSettings
from dagrun.server.serving.settings import LIMITS
from dagrun.server.serving.tokens import read_tokens

NONE = {"tls_cert": None, "tls_key": None, "client_ca": None, "tokens": None}


def test_tokens_are_shown_once_and_kept_as_hashes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tokens"
    assert main(["token", "billing", "--tokens", str(path)]) == 0
    first = capsys.readouterr().out.strip()
    assert main(["token", "audit", "--tokens", str(path), "--only", "GetModel"]) == 0
    second = capsys.readouterr().out.strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first not in path.read_text()
    tokens = read_tokens(path)
    found = [tokens.find(token) for token in (first, second)]
    assert [(line.name, set(line.only)) for line in found if line] == [
        ("billing", set()),
        ("audit", {"GetModel"}),
    ]


def test_a_damaged_file_of_tokens_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tokens"
    path.write_text("not a line\n")
    assert main(["token", "billing", "--tokens", str(path)]) == 2
    assert "line 1" in capsys.readouterr().err
    assert path.read_text() == "not a line\n"
    assert main(["token", "bill ing", "--tokens", str(path)]) == 2
    assert "the new line: the name is not of letters" in capsys.readouterr().err


def test_limits_become_settings() -> None:
    limits = read_limits(["max_rows=5", "receive_seconds=2.5"])
    assert ServerSettings(**limits).max_rows == 5  # type: ignore[arg-type]
    assert limits["receive_seconds"] == 2.5
    assert all(hasattr(ServerSettings(), name) for name in LIMITS)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("max_rowz=5", "there is no such limit.*max_rows"),
        ("max_rows=many", "not a number of the right kind"),
        ("max_rows=2.5", "not a number of the right kind"),
        ("max_rows", "not a number of the right kind"),
        ("max_rows=-1", "it is below 0"),
        ("port=5", "there is no such limit"),
    ],
)
def test_a_limit_that_is_none_is_told(given: str, problem: str) -> None:
    with pytest.raises(LimitInvalid, match=problem):
        read_limits([given])


def test_files_are_named_so_that_every_process_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links are kept: certificates are replaced by moving them."""
    (tmp_path / "now").mkdir()
    (tmp_path / "current").symlink_to("now")
    monkeypatch.chdir(tmp_path)
    given = entrance_settings(**{**NONE, "tls_cert": "current/a.pem"}, insecure=False, limits=())
    assert given == {"insecure": False, "tls_cert": str(tmp_path / "current/a.pem")}


def test_a_server_in_the_open_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key.pem"
    key.touch()
    assert main(["serve", str(key), "--limit", "max_rows=x"]) == 2
    assert "--limit max_rows=x" in capsys.readouterr().err
