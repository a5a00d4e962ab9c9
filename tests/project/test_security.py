from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.project import environments, security
from deployer.project.security import Declared, Grantee

ROOT = Path(__file__).resolve().parents[2]


def read(tmp_path: Path, **files: str) -> tuple[Declared, ...]:
    directory = tmp_path / "procedures" / "security"
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / f"{name}.toml").write_text(text)
    return security.read_all(tmp_path / "procedures", tmp_path)


def test_a_file_with_everything(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        a="""\
[role."AWSIDC:analysts"]
managed = ["presentation", "raw"]
member_of = ["reader"]
usage = ["presentation"]
select = [
    "presentation.*",
    "curated.book?ngs",
]
execute = ["ops.run( TIMESTAMP , varchar(20) )"]

[role."AWSIDC:analysts".future]
select = ["presentation"]
created_by = ["loader", "dbt"]
""",
        b="[group.old]\nusage = ['raw']\n[public]\nusage = ['raw']\n",
    )
    assert [str(one.grantee) for one in found] == ["group old", "public", "role AWSIDC:analysts"]
    role = found[2]
    assert role.grantee.sql() == 'role "AWSIDC:analysts"'
    assert (role.path, role.line) == ("procedures/security/a.toml", 1)
    assert [(one.role, one.line) for one in role.memberships] == [("reader", 3)]
    assert [(rule.privilege, rule.pattern, rule.line) for rule in role.rules] == [
        ("usage", "presentation", 4),
        ("select", "presentation.*", 6),
        ("select", "curated.book?ngs", 7),
        ("execute", "ops.run( TIMESTAMP , varchar(20) )", 9),
    ]
    assert role.rules[3].arguments == "timestamp without time zone, character varying"
    assert [(one.privilege, one.schema, one.creator, one.line) for one in role.futures] == [
        ("select", "presentation", "loader", 12),
        ("select", "presentation", "dbt", 12),
    ]
    assert role.manages("raw") and not role.manages("curated") and not role.manages("")


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("s.*", ("s", "t"), True),
        ("s.*", ("t", "t"), False),
        ("s.a_*", ("s", "a_1"), True),
        ("s.a_*", ("s", "ab1"), False),
        ("s.a?", ("s", "ab"), True),
        ("s.a?", ("s", "abc"), False),
        ("s.[ab]", ("s", "a"), False),
        ("s.[ab]", ("s", "[ab]"), True),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, name: tuple[str, str], matches: bool) -> None:
    (found,) = read(tmp_path, a=f"[role.r]\nselect = ['{pattern}']\n")
    assert found.rules[0].matches(*name) is matches


def test_everything_is_not_the_systems(tmp_path: Path) -> None:
    (found,) = read(tmp_path, a='[role.r]\nmanaged = ["*"]\n')
    assert found.manages("a") and found.manages("")
    assert not found.manages("pg_catalog") and not found.manages("information_schema")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[role.a]\n[role.a]\n", 2, "not valid TOML"),
        ("[roles.a]\n", 1, "unknown key 'roles' in the file"),
        ("[role.a]\nread = ['s.t']\n", 2, "unknown key 'read' in \\[role.a\\]; it knows: managed, member_of"),
        ("[role.a.future]\nusage = ['s']\n", 2, "unknown key 'usage' in \\[role.a.future\\]"),
        ("[role.a]\nselect = 's.t'\n", 2, "must be a list of patterns"),
        (
            "[role.a]\nselect = ['s.t',\n 't']\n",
            3,
            "select is on schema.table, or schema.\\* for all, not on 't'",
        ),
        ("[role.a]\nusage = ['s.t']\n", 2, "usage is on a schema's name, not on 's.t'"),
        ("[role.a]\nselect = ['*.t']\n", 2, "not on '\\*.t'"),
        ("[role.a]\nexecute = ['s.p(']\n", 2, "execute is on schema.procedure"),
        ("[role.a]\nexecute = ['s.*(int)']\n", 2, "both argument types and a wildcard"),
        ("[role.'sys:dba']\n", 1, "is Redshift's own"),
        ("[role.'ds:share']\n", 1, "is Redshift's own"),
        ("[user.'ds:share_consumer']\n", 1, "is Redshift's own"),
        ("[role.a]\nmember_of = ['sys:operator']\n", 2, "is Redshift's own"),
        ("[user.ann]\nmanaged = ['*']\n", 2, "user ann cannot be managed"),
        ("[group.g]\nmember_of = ['a']\n", 2, "only roles and users"),
        ("[role]\na = 1\n", 2, "role.a must be a table"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(UsageError, match=f"^procedures/security/a.toml:{line}: .*{message}"):
        read(tmp_path, a=text)


def test_a_grantee_in_two_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="b.toml:2: role a is also declared at procedures/security/a.toml:1"):
        read(tmp_path, a="[role.a]\n", b="# again\n[role.a]\n")


def test_nothing_is_declared_without_files(tmp_path: Path) -> None:
    assert security.read_all(tmp_path / "procedures", tmp_path) == ()


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("", ""),
        ("int, BIGINT", "integer, bigint"),
        ("varchar(20),character varying", "character varying, character varying"),
        ("decimal(18, 2), numeric", "numeric, numeric"),
        ("timestamptz", "timestamp with time zone"),
        ("super", "super"),
        ("refcursor", "character varying"),
        ("geometry_of_mine", "geometry_of_mine"),
    ],
)
def test_types_have_one_spelling(written: str, spelled: str) -> None:
    assert security.argument_types(written) == spelled
    assert security.argument_types(spelled) == spelled


def test_our_own_roles() -> None:
    found = {one.grantee: one for one in security.read_all(ROOT / "procedures", ROOT)}
    # The schedules' IAM role gets the database role of this name.
    runner = found[Grantee("role", environments.Remote("w", "d", "r").runner)]
    assert [(rule.privilege, rule.pattern) for rule in runner.rules] == [
        ("usage", "ops"),
        ("execute", "ops.run_rental"),
        ("execute", "ops.assert_fresh"),
        ("execute", "ops.assert_fresh_at"),
    ]
    assert runner.manages("curated") and not runner.memberships and not runner.futures
