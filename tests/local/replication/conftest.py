"""Fixtures: a MariaDB and a PostgreSQL (session), their database `rental` emptied, and a replica of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mariadb import MariaDb, program
from postgres import Postgres
from replica import Replica

from deployer.local.environment import Status


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    if program() is None:
        pytest.skip("mariadbd is not installed (Debian: apt-get install mariadb-server)")
    server = MariaDb(tmp_path_factory.mktemp("mariadb"))
    server.create()
    server.start()
    yield server
    server.destroy()


@pytest.fixture
def source_server(mariadb_server: MariaDb) -> MariaDb:
    """The server with an empty database `rental`."""
    if mariadb_server.process is None:
        mariadb_server.start()
    mariadb_server.execute(
        "drop database if exists rental", "create database rental character set utf8mb4", database=None
    )
    return mariadb_server


@pytest.fixture
def replica(source_server: MariaDb, engine_dsn: str, fresh_database: Status) -> Iterator[Replica]:
    made = Replica(source_server, engine_dsn)
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    server.create()
    yield server
    server.destroy()


@pytest.fixture
def postgres_source(postgres_server: Postgres) -> Postgres:
    """The server with an empty database `rental`."""
    if not postgres_server.running:
        postgres_server.start()
    postgres_server.empty()
    return postgres_server


@pytest.fixture
def postgres_replica(postgres_source: Postgres, engine_dsn: str, fresh_database: Status) -> Iterator[Replica]:
    made = Replica(postgres_source, engine_dsn)
    yield made
    made.close()
