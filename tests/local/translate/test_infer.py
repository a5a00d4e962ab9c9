"""The numbers are those of the guide's page "Computations with numeric values"."""

from __future__ import annotations

import pytest

from deployer.local.translate import infer
from deployer.sql.parse.datatypes import redshift_text
from deployer.sql.types import (
    BIGINT,
    DOUBLE,
    INTEGER,
    REAL,
    SMALLINT,
    UNKNOWN,
    VARCHAR,
    RedshiftType,
    decimal,
)


@pytest.mark.parametrize(
    "op, left, right, expected",
    [
        ("/", decimal(8, 2), decimal(8, 2), decimal(17, 9)),  # the guide's own example
        ("/", decimal(8, 2), SMALLINT, decimal(14, 8)),  # r_WHERE_clause prints 1706.00000000
        ("*", decimal(8, 2), SMALLINT, decimal(14, 2)),
        ("+", decimal(12, 2), decimal(18, 8), decimal(19, 8)),
        ("-", decimal(38, 2), decimal(38, 2), decimal(38, 2)),
        ("/", decimal(38, 2), BIGINT, decimal(38, 4)),  # SUM(price) / COUNT(*)
        ("*", decimal(38, 2), decimal(18, 8), decimal(38, 10)),
        ("+", SMALLINT, SMALLINT, SMALLINT),
        ("/", SMALLINT, INTEGER, INTEGER),
        ("*", INTEGER, BIGINT, BIGINT),
        ("+", REAL, REAL, REAL),
        ("+", REAL, INTEGER, DOUBLE),
        ("*", decimal(5, 2), REAL, DOUBLE),
    ],
)
def test_arithmetic(op: str, left: RedshiftType, right: RedshiftType, expected: RedshiftType) -> None:
    assert redshift_text(infer.arithmetic(op, left, right)) == redshift_text(expected)


def test_a_scale_beyond_37_is_not_told() -> None:
    with pytest.raises(infer.Undetermined, match="37"):
        infer.arithmetic("*", decimal(38, 20), decimal(38, 20))


@pytest.mark.parametrize(
    "kinds, expected",
    [
        ([decimal(7, 2), decimal(15, 3)], decimal(15, 3)),  # the guide's own example
        ([decimal(19, 0), decimal(10, 4)], decimal(19, 4)),  # 23 digits are cut to 19
        ([decimal(38, 2), decimal(12, 4)], decimal(38, 4)),
        ([INTEGER, decimal(5, 2)], decimal(12, 2)),
        ([SMALLINT, BIGINT], BIGINT),
        ([INTEGER, UNKNOWN], INTEGER),
        ([UNKNOWN, UNKNOWN], UNKNOWN),
        ([decimal(5, 2), None], None),
        ([INTEGER, VARCHAR], None),
        (
            [RedshiftType("varchar", length=3), RedshiftType("char", length=5)],
            RedshiftType("varchar", length=5),
        ),
    ],
)
def test_common_type(kinds: list[infer.Kind], expected: infer.Kind) -> None:
    assert infer.common(kinds) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("23", INTEGER),
        ("2147483648", BIGINT),
        ("9223372036854775808", decimal(19, 0)),
        ("3.14159", decimal(6, 5)),
        ("0.5", decimal(2, 1)),
        ("-37.", decimal(2, 0)),
        ("2.0e19", DOUBLE),
    ],
)
def test_number_literals(text: str, expected: RedshiftType) -> None:
    assert infer.number_literal(text) == expected
