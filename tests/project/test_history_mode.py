"""What needs the history that an integration is told not to keep."""

from __future__ import annotations

from pathlib import Path

from deployer.project import config, history_mode
from deployer.project.environments import Environment
from deployer.project.zero_etl_aws import AwsZeroEtl

REPOSITORY = Path(__file__).parents[2]


def test_the_pipeline_of_the_repository_needs_it(tmp_path: Path) -> None:
    (tmp_path / "zeroshift.toml").write_text(
        '[project]\nname = "shop"\n[env.local]\nkind = "local"\n[env.local.zero_etl.rental]\nsource = "local"\n'
        "history_mode = false\n",
        encoding="utf-8",
    )
    off = config.load(tmp_path).environment("local")
    (told,) = history_mode.warnings(REPOSITORY, "zeroshift.toml", off)
    assert told.startswith(
        "zeroshift.toml:5: history_mode = false leaves rental_landing without the columns _record_...: procedures/raw/"
    )
    assert "of rental_landing.rental." in told and "more files; whoever reads them will fail" in told
    on = config.load(REPOSITORY).environment("local")
    assert list(history_mode.warnings(REPOSITORY, "zeroshift.toml", on)) == []


def test_only_what_reads_those_columns_of_that_database(tmp_path: Path) -> None:
    sold = AwsZeroEtl("shop", "cluster", "shop_in", history_mode=False, line=7)
    off, both = Environment("prod", "serverless", integrations=(sold,)), tmp_path / "procedures"
    both.mkdir()
    plain = "create or replace view raw_a as select id from shop_in.shop.sold with no schema binding;\n"
    for name, text in {
        "a.sql": plain,
        "b.sql": plain.replace("shop_in", "other_in").replace("id", "_record_is_active"),
        "c.sql": f"-- _record_is_active\n{plain}",
        "d.sql": plain.replace("shop_in.shop.sold", "curated.sold").replace("id", "_record_is_active")
        + "-- shop_in.shop.sold\n",
        "e.sql": "select 'shop_in.a.b",
    }.items():
        (both / name).write_text(text, encoding="utf-8")
    assert list(history_mode.warnings(tmp_path, "zeroshift.toml", off)) == []
    (both / "f.sql").write_text(
        "\n" + plain.replace("shop_in", "SHOP_IN").replace("id", '"_record_is_active"')
    )
    assert list(history_mode.warnings(tmp_path, "zeroshift.toml", off)) == [
        "zeroshift.toml:7: history_mode = false leaves shop_in without the columns _record_...: procedures/f.sql:2"
        " reads _record_is_active of shop_in.shop.sold; whoever reads them will fail: turn history mode on, or take"
        " those files out"
    ]
