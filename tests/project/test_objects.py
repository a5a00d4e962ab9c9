from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.project import graph, objects

HEADER = "-- Purpose: a test.\n"

VIEW = HEADER + "create or replace view {name} as\nselect {columns}\nfrom {source}\n;\n"

PROCEDURE = (
    HEADER
    + """\
create or replace procedure ops.go(as_of timestamp, mode varchar(20))
as $$
declare
    n bigint;
begin
    -- a comment's metrics.not_this is no dependency
    call ops.other(as_of);
    insert into metrics.m (a) select a from curated.v;
end;
$$ language plpgsql;
"""
)


def put(root: Path, name: str, text: str) -> Path:
    path = root / "procedures" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read_all(root: Path) -> tuple[objects.Object, ...]:
    return objects.read_all(root / "procedures", root)


def test_a_view_is_read_with_header_and_statements(tmp_path: Path) -> None:
    put(
        tmp_path,
        "presentation/v.sql",
        "-- Purpose: shows what is there\n--   and what is not.\n"
        "-- Grain: (a)\n"
        "create or replace view presentation.v as select a from metrics.m;\n"
        "comment on column presentation.v.a is 'semi;colon';\n"
        "grant select on presentation.v to role analyst;\n",
    )
    (item,) = read_all(tmp_path)
    assert (item.kind, item.name, item.signature) == ("view", "presentation.v", "")
    assert item.path == Path("procedures/presentation/v.sql")
    assert item.header["Purpose"] == "shows what is there and what is not."
    assert item.header["Grain"] == "(a)"
    assert item.header["Owner"] == ""
    assert [statement.line for statement in item.statements] == [4, 5, 6]
    assert not item.late_binding


def test_late_binding_is_seen(tmp_path: Path) -> None:
    put(
        tmp_path,
        "raw/v.sql",
        HEADER + "create or replace view raw.v as select a from db.s.t with no schema binding;",
    )
    assert read_all(tmp_path)[0].late_binding


def test_checksum_ignores_line_ends_and_nothing_else(tmp_path: Path) -> None:
    text = VIEW.format(name="raw.v", columns="1 as a", source="raw.t")
    path = put(tmp_path, "raw/v.sql", text)
    first = objects.read(path, tmp_path).checksum
    assert first.startswith("sha256:")
    path.write_bytes(text.replace("\n", "\r\n").encode())
    assert objects.read(path, tmp_path).checksum == first
    path.write_text(text + "\n")
    assert objects.read(path, tmp_path).checksum != first


def test_a_procedure_has_its_input_types_as_signature(tmp_path: Path) -> None:
    put(tmp_path, "ops/go.sql", PROCEDURE)
    (item,) = read_all(tmp_path)
    assert item.kind == "procedure"
    assert item.signature == "(timestamp, varchar)"
    assert {"ops.other", "metrics.m", "curated.v"} <= item.mentions
    assert "metrics.not_this" not in item.mentions


@pytest.mark.parametrize(
    ("arguments", "signature"),
    [
        ("", "()"),
        ("n int, inout x decimal(12, 2), y out bigint", "(integer, decimal)"),
        ("out total bigint", "()"),
        ("title character varying(10), share double precision", "(varchar, double precision)"),
        ("since timestamp without time zone", "(timestamp)"),
    ],
)
def test_signatures_are_spelled_as_drop_procedure_takes_them(
    tmp_path: Path, arguments: str, signature: str
) -> None:
    text = PROCEDURE.replace("as_of timestamp, mode varchar(20)", arguments).replace("(as_of)", "()")
    put(tmp_path, "ops/go.sql", text)
    assert read_all(tmp_path)[0].signature == signature


@pytest.mark.parametrize(
    ("name", "text", "line", "says"),
    [
        ("raw/w.sql", VIEW.format(name="raw.v", columns="1", source="x.y"), 2, "must be called v.sql"),
        ("raw/v.sql", HEADER + "create or replace view v as select 1;", 2, "written with its schema"),
        ("raw/v.sql", HEADER + "create view raw.v as select 1;", 2, "create or replace view"),
        ("raw/v.sql", "create or replace view raw.v as select 1;", 1, "lacks `-- Purpose"),
        (
            "raw/v.sql",
            HEADER + HEADER + "create or replace view raw.v as select 1;",
            2,
            "second entry Purpose",
        ),
        ("raw/v.sql", HEADER, 1, "no SQL statement"),
        (
            "raw/v.sql",
            HEADER + "create or replace view raw.v as select 1;\n\ndrop table raw.t;",
            4,
            "`drop table raw.t ...` does not belong",
        ),
        ("raw/v.sql", HEADER + "create or replace view raw.v as\nselect 'open", 3, "unterminated"),
        ("ops/go.sql", PROCEDURE.replace("end;\n", ""), 10, "expected END"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(
    tmp_path: Path, name: str, text: str, line: int, says: str
) -> None:
    put(tmp_path, name, text)
    with pytest.raises(UsageError) as caught:
        read_all(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"procedures/{name}:{line}: ")
    assert says in message


def test_not_utf8_is_one_sentence(tmp_path: Path) -> None:
    path = put(tmp_path, "raw/v.sql", "")
    path.write_bytes(b"-- \xff")
    with pytest.raises(UsageError, match=r"procedures/raw/v.sql:1: not UTF-8"):
        read_all(tmp_path)


def test_one_name_in_two_files_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "raw/v.sql", VIEW.format(name="raw.v", columns="1", source="x.y"))
    put(tmp_path, "raw/rental/v.sql", VIEW.format(name="raw.v", columns="1", source="x.y"))
    with pytest.raises(UsageError, match="is also in"):
        read_all(tmp_path)


def test_order_follows_the_sql_and_not_the_names(tmp_path: Path) -> None:
    put(tmp_path, "a/a.sql", VIEW.format(name="a.a", columns="1 as x", source="z.z"))
    put(tmp_path, "z/z.sql", VIEW.format(name="z.z", columns="1 as x", source="a.table_of_ours"))
    put(tmp_path, "b/b.sql", VIEW.format(name="b.b", columns="1 as x", source='a."a" as q'))
    listed = read_all(tmp_path)
    assert [item.name for item in graph.in_order(listed)] == ["z.z", "a.a", "b.b"]
    assert graph.dependents(["z.z"], graph.dependencies(listed)) == {"a.a", "b.b"}


def test_a_call_in_a_body_orders_procedures(tmp_path: Path) -> None:
    put(tmp_path, "ops/go.sql", PROCEDURE)
    other = PROCEDURE.replace(
        "ops.go(as_of timestamp, mode varchar(20))", "ops.other(as_of timestamp)"
    ).replace("    call ops.other(as_of);\n", "")
    put(tmp_path, "ops/other.sql", other)
    assert [item.name for item in graph.in_order(read_all(tmp_path))] == ["ops.other", "ops.go"]


def test_a_circle_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a/a.sql", VIEW.format(name="a.a", columns="1 as x", source="b.b"))
    put(tmp_path, "b/b.sql", VIEW.format(name="b.b", columns="1 as x", source="c.c"))
    put(tmp_path, "c/c.sql", VIEW.format(name="c.c", columns="1 as x", source="a.a"))
    with pytest.raises(UsageError, match=r"a\.a -> b\.b -> c\.c -> a\.a"):
        graph.in_order(read_all(tmp_path))
