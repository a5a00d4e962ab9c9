"""Writing a result into the store page by page while the warehouse sends it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from typing import Any

from deployer.local.data_api import encoding, limits
from deployer.local.gateway import codec
from deployer.local.gateway.backend import Row

_LEVEL = 1
"""Of gzip: results are read once or twice."""


class TooLarge(Exception):
    """The result breaks a documented limit; the message begins as the guide's troubleshooting page names it."""


class ResultWriter:
    """Takes the rows of one statement. `add_page` keeps a page by its number, counted from 0."""

    def __init__(self, add_page: Callable[[int, bytes], None], result_format: str) -> None:
        self._add_page = add_page
        self._csv = result_format == "CSV"
        self._oids: list[int] = []
        self._pieces: list[str] = []
        self._piece_bytes = 0
        self._pages = 0
        self._compressed = 0
        self.described: Sequence[codec.Column] | None = None
        self.count = 0
        self.size = 0

    def columns(self, columns: Sequence[codec.Column]) -> None:
        self.described = columns
        self._oids = [column.type for column in columns]
        if self._csv:
            self._put(encoding.csv_line([column.name for column in columns]))

    def row(self, row: Row, size: int) -> None:
        """Raises TooLarge."""
        size = sum(len(value) for value in row if value is not None)
        if size > limits.ROW_BYTES:
            raise TooLarge(
                f"Packet for query is too large: a row of the result has {size} bytes, at most"
                f" {limits.ROW_BYTES} are allowed"
            )
        self.count += 1
        self.size += size
        if self._csv:
            self._put(encoding.csv_row(self._oids, row))
        else:
            fields = [encoding.field(oid, value) for oid, value in zip(self._oids, row, strict=True)]
            self._put(json.dumps(fields, ensure_ascii=False, separators=(",", ":")))

    def _put(self, piece: str) -> None:
        size = len(piece.encode())
        if self._pieces and self._piece_bytes + size > limits.PAGE_BYTES:
            self._flush()
        self._pieces.append(piece)
        self._piece_bytes += size

    def _flush(self) -> None:
        whole = "".join(self._pieces) if self._csv else "[" + ",".join(self._pieces) + "]"
        data = gzip.compress(whole.encode(), _LEVEL, mtime=0)
        self._compressed += len(data)
        if self._compressed > limits.RESULT_BYTES:
            raise TooLarge(
                f"Database response exceeded size limit: the result has more than {limits.RESULT_BYTES} bytes"
            )
        self._add_page(self._pages, data)
        self._pages += 1
        self._pieces, self._piece_bytes = [], 0

    def finish(self) -> None:
        """Keep what is left. Raises TooLarge."""
        if self._pieces:
            self._flush()


def records(page: bytes) -> list[Any]:
    """The records of a JSON page."""
    loaded: list[Any] = json.loads(gzip.decompress(page))
    return loaded


def csv_text(page: bytes) -> str:
    return gzip.decompress(page).decode()
