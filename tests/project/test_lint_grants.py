from __future__ import annotations

from pathlib import Path

from deployer.project.lint.run import lint


def told(root: Path, text: str) -> list[tuple[str, int, str]]:
    path = root / "procedures" / "security" / "roles.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    # Contracts are TOML, too, and nothing of this.
    (root / "procedures" / "v.contract.toml").write_text("[user.ann]\n")
    (root / "security").mkdir(exist_ok=True)
    (root / "security" / "other.toml").write_text("[user.ann]\n")
    report = lint(root)
    assert lint(root, [path]).findings == lint(root, [root / "procedures"]).findings == report.findings
    assert report.files == 1
    return [(finding.code, finding.line, finding.message) for finding in report.findings]


def test_users_and_public_are_told_in_files_of_grants(tmp_path: Path) -> None:
    assert told(tmp_path, "# Roles.\n[role.a]\nusage = ['s']\n\n[user.ann]\nusage = ['s']\n[public]\n") == [
        ("ZS602", 5, "ann is a user: grant to a role"),
        ("ZS603", 7, "PUBLIC is everybody: grant to a role"),
    ]


def test_a_comment_with_a_reason_silences(tmp_path: Path) -> None:
    text = "# lint: ignore ZS602 because the dashboard has no roles\n[user.ann]\nusage = ['#s']\n"
    assert told(tmp_path, text) == []
    assert told(tmp_path, text.replace("user.ann", "role.ann")) == [
        ("ZS003", 1, "nothing here breaks ZS602: remove the comment")
    ]
    assert told(tmp_path, "[public] # lint: ignore ZS603 because it is a demo\nusage = ['s']\n") == []
    assert told(tmp_path, "[role.a]\nusage = ['# lint: ignore ZS602']\n")[0][0] == "ZS001"


def test_a_broken_file_is_told_with_its_line(tmp_path: Path) -> None:
    assert told(tmp_path, "[role.a]\nread = ['s.t']\n") == [
        (
            "ZS001",
            2,
            "unknown key 'read' in [role.a]; it knows: managed, member_of, usage, create, select, insert, update,"
            " delete, references, execute, future",
        )
    ]
