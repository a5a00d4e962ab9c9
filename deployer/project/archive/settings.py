"""[env.<name>.archive] of zeroshift.toml: where an environment archives to, when that is not the stack's own bucket."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.project.toml_file import Reader, Table

# Names that a bucket may have (S3 User Guide, bucketnamingrules); dots are left out: TLS's names do not match them.
_BUCKET = r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"
_KEYS = ("bucket", "spectrum")


@dataclass(frozen=True)
class ArchiveSettings:
    """`bucket`: one that exists already; it is only checked. Empty: the stack makes one. `spectrum`: whether the files
    become external tables, and views with what the warehouse has; they need AWS Glue's data catalog.
    """

    bucket: str = ""
    spectrum: bool = True


def read(reader: Reader, at: Table, value: object) -> ArchiveSettings:
    """The table `at`. Raises UsageError with file and line."""
    table = reader.table(at, value)
    reader.check_keys(at, table, _KEYS)
    return ArchiveSettings(
        reader.matching(
            at, table, "bucket", _BUCKET, "a bucket's name: small letters, digits and hyphens", ""
        ),
        reader.flag(at, table, "spectrum") if "spectrum" in table else True,
    )
