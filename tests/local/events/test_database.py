from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from deployer.errors import Unavailable
from deployer.local.database import Database

TABLES = "\ncreate table notes (text text not null) strict;\ncreate index notes_by_text on notes (text);\n"


def test_a_block_is_all_or_nothing_and_the_file_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite3"
    one, other = Database(path, TABLES), Database(path, TABLES)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(RuntimeError), one.transaction() as db:
        db.execute("insert into notes values ('lost')")
        with one.transaction() as inner:
            inner.execute("insert into notes values ('lost, too')")
        raise RuntimeError
    with one.transaction() as db:
        db.execute("insert into notes values ('kept')")
    assert other.rows("select text from notes where text like ?", ("%",)) == [("kept",)]
    one.close()
    other.close()


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite3"
    Database(path, TABLES).close()
    with pytest.raises(Unavailable, match="of another version of zeroshift; move it away"):
        Database(path, TABLES, version=2)
    with sqlite3.connect(path) as db:
        assert db.execute("pragma user_version").fetchone() == (1,)
    db.close()
