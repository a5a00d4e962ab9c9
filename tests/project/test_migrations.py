from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.project import migrations

TEXT = '"""A migration."""\n\nrevision = {revision!r}\ndown_revision = {down!r}\n'


def put(root: Path, name: str, revision: str, down: str | None) -> None:
    versions = root / "versions"
    versions.mkdir(exist_ok=True)
    (versions / name).write_text(TEXT.format(revision=revision, down=down), encoding="utf-8")


def test_a_line_of_migrations_is_read_in_order(tmp_path: Path) -> None:
    put(tmp_path, "0002_b.py", "0002", "0001")
    put(tmp_path, "0001_a.py", "0001", None)
    found = migrations.read(tmp_path)
    assert [(item.revision, item.down_revision) for item in found] == [("0001", None), ("0002", "0001")]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([("0001_a.py", "0002", None)], "0001_a.py:3: revision is '0002', but the file name says '0001'"),
        ([("one.py", "0001", None)], "file name is NNNN_name.py"),
        ([("0001_a.py", "0001", "0000")], "0001_a.py:4: down_revision is '0000'"),
        (
            [("0001_a.py", "0001", None), ("0002_b.py", "0002", "0001"), ("0003_c.py", "0003", "0001")],
            "0003_c.py:4: down_revision is '0001', but the migration before it is '0002'",
        ),
        ([("0001_a.py", "0001", None), ("0001_b.py", "0001", None)], "a second migration 0001"),
    ],
)
def test_what_is_no_line_is_refused(
    tmp_path: Path, files: list[tuple[str, str, str | None]], says: str
) -> None:
    for name, revision, down in files:
        put(tmp_path, name, revision, down)
    with pytest.raises(UsageError) as caught:
        migrations.read(tmp_path)
    assert says in str(caught.value)


def test_a_file_that_is_no_python_is_named_with_its_line(tmp_path: Path) -> None:
    put(tmp_path, "0001_a.py", "0001", None)
    (tmp_path / "versions" / "0001_a.py").write_text("revision = '0001'\nif\n")
    with pytest.raises(UsageError, match=r"0001_a\.py:2: not Python"):
        migrations.read(tmp_path)
