"""UNLOAD, read out of its text.

Source: Redshift Database Developer Guide, "UNLOAD".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from deployer.sql.refused import Refused
from deployer.sql.transfer.options import MEGABYTE, Options, exclusive

MAX_FILE_SIZE = int(6.2 * 1024 * MEGABYTE)
ROW_GROUP_SIZE = 32 * MEGABYTE
_COMPRESSIONS = {"gzip": ".gz", "bzip2": ".bz2", "zstd": ".zst"}


@dataclass
class Unload:
    """One UNLOAD. Sizes are in bytes; `format` is text, csv, json or parquet; `kms_key` is None for SSE-S3,
    "auto" for the key of the bucket."""

    query: str
    query_position: int
    bucket: str
    prefix: str
    role: str = ""
    format: str = "text"
    partition_by: tuple[str, ...] = ()
    include: bool = False
    manifest: bool = False
    verbose: bool = False
    header: bool = False
    delimiter: str | None = None
    add_quotes: bool = False
    null: str | None = None
    escape: bool = False
    compression: str | None = None
    kms_key: str | None = None
    allow_overwrite: bool = False
    clean_path: bool = False
    parallel: bool = True
    max_file_size: int = MAX_FILE_SIZE
    row_group_size: int = ROW_GROUP_SIZE
    extension: str | None = None
    given: set[str] = field(default_factory=set)
    """The options that were written, in upper case."""

    @property
    def separator(self) -> str:
        return self.delimiter or ("," if self.format == "csv" else "|")

    @property
    def suffix(self) -> str:
        """What a file's name ends with. With EXTENSION, that and nothing else."""
        if self.extension is not None:
            return "." + self.extension.lstrip(".")
        if self.format == "parquet":
            return ".parquet"
        return _COMPRESSIONS.get(self.compression or "", "")


def parse_unload(text: str) -> Unload:
    """Read one UNLOAD statement; raises Refused."""
    options = Options(text, "UNLOAD")
    options.expect("unload", "(")
    position = options.token.start
    query = options.string()
    options.expect(")")
    options.expect("to")
    bucket, prefix = options.place()
    unload = Unload(query, position, bucket, prefix)
    while not options.ended:
        start = options.token.start
        name = options.token.value.upper()
        _option(options, unload)
        if name in unload.given:
            raise options.refuse(f"UNLOAD: {name} is given twice", start)
        unload.given.add(name)
    _check(unload)
    return unload


def _option(options: Options, unload: Unload) -> None:
    options.refuse_keys()
    if options.take("iam_role"):
        unload.role = options.role()
    elif options.take("format"):
        options.take("as")
        if not _format(options, unload):
            raise options.syntax()
    elif _format(options, unload):
        pass
    elif options.take("partition", "by"):
        unload.partition_by = options.names()
        unload.include = options.take("include")
    elif options.take("manifest"):
        unload.manifest = True
        unload.verbose = options.take("verbose")
    elif options.take("header"):
        unload.header = True
    elif options.take("delimiter"):
        unload.delimiter = _delimiter(options)
    elif options.take("addquotes"):
        unload.add_quotes = True
    elif options.take("null"):
        unload.null = options.string()
    elif options.take("escape"):
        unload.escape = True
    elif options.token.value in _COMPRESSIONS:
        exclusive("UNLOAD", [options.token.value.upper()], [(unload.compression or "").upper()])
        unload.compression = options.name()
    elif options.take("encrypted"):
        unload.kms_key = "auto" if options.take("auto") else unload.kms_key
    elif options.take("kms_key_id"):
        unload.kms_key = options.string()
    elif options.take("allowoverwrite"):
        unload.allow_overwrite = True
    elif options.take("cleanpath"):
        unload.clean_path = True
    elif options.take("parallel"):
        unload.parallel = options.switch()
    elif options.take("maxfilesize"):
        unload.max_file_size = options.size(5, 6.2 * 1024, "MAXFILESIZE")
    elif options.take("rowgroupsize"):
        unload.row_group_size = options.size(32, 128, "ROWGROUPSIZE")
    elif options.take("region"):
        options.string()
    elif options.take("extension"):
        unload.extension = options.string()
    elif options.take("fixedwidth"):
        raise options.refuse("UNLOAD ... FIXEDWIDTH is not supported by the local Redshift yet")
    else:
        raise options.syntax()


def _format(options: Options, unload: Unload) -> bool:
    for name in ("csv", "parquet", "json"):
        if options.take(name):
            if unload.format != "text":
                raise options.refuse("UNLOAD takes one format")
            unload.format = name
            return True
    return False


def _delimiter(options: Options) -> str:
    start = options.token.start
    value = options.string()
    # The guide writes a tab as '\t', which the literal itself turns into a tab.
    if len(value) != 1 or ord(value) > 127:
        raise options.refuse("DELIMITER takes a single ASCII character", start)
    return value


def _check(unload: Unload) -> None:
    """The combinations that the page forbids."""
    given = unload.given
    if not unload.role:
        raise Refused("UNLOAD needs an authorization: IAM_ROLE default or IAM_ROLE 'arn'", sqlstate="42601")
    text_only = ["DELIMITER", "ADDQUOTES", "ESCAPE", "NULL", "HEADER"]
    if unload.format == "parquet":
        exclusive(
            "UNLOAD", ["PARQUET"], [name for name in [*text_only, "GZIP", "BZIP2", "ZSTD"] if name in given]
        )
        if "ENCRYPTED" in given and unload.kms_key is None:
            raise Refused("UNLOAD: PARQUET with ENCRYPTED needs KMS_KEY_ID or AUTO", sqlstate="42601")
    if unload.format == "json":
        exclusive("UNLOAD", ["JSON"], [name for name in text_only if name in given])
    if "KMS_KEY_ID" in given and "ENCRYPTED" not in given:
        raise Refused("UNLOAD: KMS_KEY_ID needs ENCRYPTED", sqlstate="42601")
    if "ROWGROUPSIZE" in given and unload.format != "parquet":
        raise Refused("UNLOAD: ROWGROUPSIZE is for PARQUET only", sqlstate="42601")
    if unload.clean_path:
        exclusive("UNLOAD", ["CLEANPATH"], [name for name in ("ALLOWOVERWRITE",) if name in given])
    if unload.partition_by:
        if len(set(unload.partition_by)) < len(unload.partition_by):
            raise Refused("UNLOAD: PARTITION BY names a column twice", sqlstate="42701")
        if unload.prefix and not unload.prefix.endswith("/"):
            unload.prefix += "/"
    last = unload.prefix.rpartition("/")[2]
    if unload.format == "parquet" and last.startswith(("_", ".")):
        # The guide says "don't": Spectrum would not see the files. Refused, since nobody would notice.
        raise Refused(
            f'UNLOAD: files whose names begin with "{last[0]}" are hidden from Redshift Spectrum; choose another'
            " prefix",
            sqlstate="42601",
        )
