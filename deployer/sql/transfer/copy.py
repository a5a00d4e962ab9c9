"""COPY from Amazon S3, read out of its text.

Source: Redshift Database Developer Guide, "COPY" and its pages on data source, format, conversion and load parameters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from deployer.sql.names import Name
from deployer.sql.refused import Refused
from deployer.sql.transfer.moments import reader
from deployer.sql.transfer.options import Options, exclusive

_FILE = re.compile("s3://[^/]+/.+")
_COMPRESSIONS = ("gzip", "bzip2", "zstd")
_FORMATS = ("csv", "json", "parquet", "orc", "fixedwidth")
COLUMNAR = ("parquet", "orc")
MOST_ERRORS = 100_000
"""MAXERROR's limit."""
_LATER = {
    "avro": "AVRO", "lzop": "LZOP", "shapefile": "SHAPEFILE", "ssh": "SSH", "readratio": "READRATIO",
    "encoding": "ENCODING", "noload": "NOLOAD", "encrypted": "ENCRYPTED",
}  # fmt: skip


@dataclass
class Copy:
    """One COPY. `format` is text, csv, json, parquet, orc or fixedwidth; `columns` is empty where none are listed.

    `widths` are those of FIXEDWIDTH, in characters. `max_errors` is the number of errors that ends the load, 0 for the
    first; None for IGNOREALLERRORS.
    """

    table: Name
    columns: tuple[str, ...]
    bucket: str = ""
    prefix: str = ""
    role: str = ""
    manifest: bool = False
    format: str = "text"
    json_paths: str = "auto"
    """auto, auto ignorecase, noshred or the place of a JSONPaths file, s3://bucket/key."""
    serialize_to_json: bool = False
    compression: str | None = None
    delimiter: str | None = None
    quote: str = '"'
    null: str = "\\N"
    escape: bool = False
    remove_quotes: bool = False
    ignore_header: int = 0
    ignore_blank_lines: bool = False
    fill_record: bool = False
    blanks_as_null: bool = False
    empty_as_null: bool = False
    trim_blanks: bool = False
    truncate_columns: bool = False
    round_decimals: bool = False
    accept_invalid: str | None = None
    accept_any_date: bool = False
    date_format: str | None = None
    time_format: str | None = None
    explicit_ids: bool = False
    max_errors: int | None = 0
    widths: tuple[int, ...] = ()
    given: set[str] = field(default_factory=set)

    @property
    def tolerant(self) -> bool:
        """Whether the load goes on behind a record that does not fit."""
        return self.max_errors is None or self.max_errors > 1

    @property
    def separator(self) -> str:
        return self.delimiter or ("," if self.format == "csv" else "|")


def parse_copy(text: str) -> Copy:
    """Read one COPY statement; raises Refused."""
    options = Options(text, "COPY")
    options.expect("copy")
    names = [options.name()]
    while options.take("."):
        names.append(options.name())
    if len(names) > 3:
        raise options.syntax()
    table = Name(names[-1], names[-2] if len(names) > 1 else None, names[-3] if len(names) > 2 else None)
    columns = options.names() if options.token.value == "(" else ()
    options.expect("from")
    copy = Copy(table, columns)
    copy.bucket, copy.prefix = options.place()
    while not options.ended:
        start = options.token.start
        name = options.token.value.upper()
        _option(options, copy)
        if name in copy.given:
            raise options.refuse(f"COPY: {name} is given twice", start)
        copy.given.add(name)
    _check(copy)
    return copy


def _option(options: Options, copy: Copy) -> None:
    options.refuse_keys()
    if options.token.value in _LATER:
        raise options.refuse(
            f"COPY ... {_LATER[options.token.value]} is not supported by the local Redshift yet"
        )
    if options.take("iam_role"):
        copy.role = options.role()
    elif options.take("manifest"):
        copy.manifest = True
    elif options.take("format"):
        options.take("as")
        if options.token.value in _LATER:
            return _option(options, copy)
        if not _format(options, copy):
            raise options.syntax()
    elif not (_format(options, copy) or _reading(options, copy) or _conversion(options, copy)):
        raise options.syntax()
    return None


def _format(options: Options, copy: Copy) -> bool:
    for name in _FORMATS:
        if not options.take(name):
            continue
        if copy.format != "text":
            raise options.refuse("COPY takes one format")
        copy.format = name
        if name == "csv" and options.take("quote"):
            copy.quote = _character(options, "QUOTE")
        if name == "json" and (options.has_string() or options.take("as")):
            copy.json_paths = options.string()
            if copy.json_paths not in ("auto", "auto ignorecase", "noshred") and not _FILE.fullmatch(
                copy.json_paths
            ):
                raise options.refuse(
                    "COPY ... JSON takes 'auto', 'auto ignorecase', 'noshred' or the s3:// place of a JSONPaths file"
                )
        if name == "fixedwidth":
            copy.widths = _widths(options)
        if name == "parquet":
            copy.serialize_to_json = options.take("serializetojson")
        return True
    return False


def _reading(options: Options, copy: Copy) -> bool:
    """Options on how the files are read."""
    if options.token.value in _COMPRESSIONS:
        exclusive("COPY", [options.token.value.upper()], [(copy.compression or "").upper()])
        copy.compression = options.name()
    elif options.take("delimiter"):
        copy.delimiter = _character(options, "DELIMITER")
    elif options.take("quote"):
        copy.quote = _character(options, "QUOTE")
    elif options.take("escape"):
        copy.escape = True
    elif options.take("removequotes"):
        copy.remove_quotes = True
    elif options.take("ignoreheader"):
        copy.ignore_header = int(options.number())
    elif options.take("ignoreblanklines"):
        copy.ignore_blank_lines = True
    elif options.take("fillrecord"):
        copy.fill_record = True
    elif options.take("maxerror"):
        start = options.token.start
        number = int(options.number())
        if not 0 <= number <= MOST_ERRORS:
            raise options.refuse(f"MAXERROR must be between 0 and {MOST_ERRORS}", start)
        copy.max_errors = number
    elif options.take("ignoreallerrors"):
        copy.max_errors = None
    elif options.take("region"):
        options.string()
    elif options.take("statupdate"):
        options.switch()
    elif options.take("compupdate"):
        if not options.take("preset"):
            options.switch()
    elif options.take("comprows"):
        options.number()
    else:
        return False
    return True


def _conversion(options: Options, copy: Copy) -> bool:
    """Options on what becomes of the values."""
    if options.take("null"):
        copy.null = options.string()
    elif options.take("blanksasnull"):
        copy.blanks_as_null = True
    elif options.take("emptyasnull"):
        copy.empty_as_null = True
    elif options.take("trimblanks"):
        copy.trim_blanks = True
    elif options.take("truncatecolumns"):
        copy.truncate_columns = True
    elif options.take("roundec"):
        copy.round_decimals = True
    elif options.take("acceptinvchars"):
        given = options.token.kind == "string" or options.token.value == "as"
        copy.accept_invalid = _character(options, "ACCEPTINVCHARS") if given else "?"
    elif options.take("acceptanydate"):
        copy.accept_any_date = True
    elif options.take("dateformat"):
        copy.date_format = options.string()
    elif options.take("timeformat"):
        copy.time_format = options.string()
    elif options.take("explicit_ids"):
        copy.explicit_ids = True
    else:
        return False
    return True


def _widths(options: Options) -> tuple[int, ...]:
    """FIXEDWIDTH's 'label:width,label:width'; the labels have no meaning."""
    start = options.token.start
    widths = []
    for part in options.string().split(","):
        _, colon, width = part.rpartition(":")
        if not colon or not width.strip().isdigit() or not int(width):
            raise options.refuse(
                "FIXEDWIDTH takes 'label:width,label:width', each width a number above 0", start
            )
        widths.append(int(width))
    return tuple(widths)


def _character(options: Options, what: str) -> str:
    start = options.token.start
    value = options.string()
    if len(value) != 1 or ord(value) > 127 or value == "\0":
        raise options.refuse(f"{what} takes a single ASCII character", start)
    return value


_COLUMNAR = {
    "ACCEPTINVCHARS", "FILLRECORD", "IAM_ROLE", "STATUPDATE", "MANIFEST", "EXPLICIT_IDS", "FORMAT", "PARQUET", "ORC",
}  # fmt: skip
"""DG "COPY from columnar data formats"."""


def _check(copy: Copy) -> None:
    given = copy.given
    if not copy.role:
        raise Refused("COPY needs an authorization: IAM_ROLE default or IAM_ROLE 'arn'", sqlstate="42601")
    if copy.format in COLUMNAR:
        if "REGION" in given:
            # The page quotes this error, "even if your Amazon S3 bucket and your database are in the same AWS Region".
            raise Refused(
                f"REGION argument is not supported for {copy.format.upper()} based COPY", sqlstate="0A000"
            )
        exclusive("COPY", [copy.format.upper()], sorted(given - _COLUMNAR))
    if copy.format == "csv":
        exclusive("COPY", ["CSV"], [name for name in ("REMOVEQUOTES", "ESCAPE") if name in given])
    elif "QUOTE" in given:
        raise Refused("COPY: QUOTE is for CSV only", sqlstate="42601")
    if copy.format == "fixedwidth":
        exclusive(
            "COPY", ["FIXEDWIDTH"], sorted(given & {"DELIMITER", "ESCAPE", "REMOVEQUOTES", "FILLRECORD"})
        )
    if copy.max_errors is None:
        exclusive("COPY", ["IGNOREALLERRORS"], sorted(given & {"MAXERROR"}))
    if copy.format == "json":
        exclusive(
            "COPY",
            ["JSON"],
            sorted(
                given
                & {"DELIMITER", "ESCAPE", "REMOVEQUOTES", "FILLRECORD", "IGNOREHEADER", "IGNOREBLANKLINES"}
            ),
        )
    for value, what in ((copy.date_format, "DATEFORMAT"), (copy.time_format, "TIMEFORMAT")):
        if value not in (None, "auto"):
            reader(value, what)
    if copy.accept_any_date and copy.date_format is None:
        # "Always use ACCEPTANYDATE with the DATEFORMAT parameter": what it does without no page says.
        raise Refused("COPY: ACCEPTANYDATE needs DATEFORMAT", sqlstate="42601")
