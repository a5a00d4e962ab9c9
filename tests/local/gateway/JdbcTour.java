// What test_jdbc.py runs: a tour of JDBC over one connection. Prints "step<TAB>what it saw" for each step.
// Arguments: URL user password. Only java.sql is used, so any driver on the class path will do.

import java.math.BigDecimal;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;

public class JdbcTour {
    interface Step { Object run() throws Exception; }

    static Connection db;

    static void step(String name, Step step) {
        Object seen;
        try {
            seen = step.run();
        } catch (Throwable error) {
            seen = "FAILED " + String.valueOf(error.getMessage()).replace("\n", " | ");
            try { if (!db.getAutoCommit()) db.rollback(); } catch (SQLException gone) { seen = seen + "; " + gone; }
        }
        System.out.println(name + "\t" + seen);
    }

    static List<String> rows(ResultSet set, String... columns) throws SQLException {
        List<String> found = new ArrayList<>();
        ResultSetMetaData meta = set.getMetaData();
        while (set.next()) {
            StringJoiner row = new StringJoiner(",");
            if (columns.length == 0)
                for (int i = 1; i <= meta.getColumnCount(); i++) row.add(set.getString(i));
            for (String column : columns) row.add(set.getString(column));
            found.add(row.toString());
        }
        set.close();
        return found;
    }

    static void run(String sql) throws SQLException {
        try (Statement statement = db.createStatement()) { statement.execute(sql); }
    }

    static List<String> query(String sql) throws SQLException {
        try (Statement statement = db.createStatement()) { return rows(statement.executeQuery(sql)); }
    }

    public static void main(String[] given) throws Exception {
        DriverManager.setLoginTimeout(30);
        db = DriverManager.getConnection(given[0], given[1], given[2]);
        DatabaseMetaData meta = db.getMetaData();
        step("product", () -> meta.getDatabaseProductName() + " " + meta.getDatabaseProductVersion());
        run("create schema tour");
        run("set search_path to tour");
        run("create table customers (id integer not null, email varchar(40) not null, primary key (id))");
        run("create table orders (id bigint identity(1, 1), customer_id integer references customers (id), at timestamp,"
            + " day date, total decimal(12, 2) default 0, note varchar(20), paid boolean, rate double precision, what super)");
        run("comment on table orders is 'what was ordered'");
        run("create view recent as select id, total from orders");
        run("create view late as select id from tour.orders with no schema binding");
        run("create procedure add_up(a in integer, b in integer, c out integer) as $$ begin c := a + b; end; $$ language plpgsql");

        step("types", () -> {
            run("insert into orders (customer_id, at, day, total, note, paid, rate, what) values"
                + " (1, '2024-02-29 10:00:00.5', '2024-02-29', 12.50, 'x', true, 0.5, json_parse('{\"a\": 1}'))");
            try (Statement s = db.createStatement(); ResultSet r = s.executeQuery("select * from orders")) {
                r.next();
                return r.getLong("id") + " " + r.getInt(2) + " " + r.getTimestamp("at") + " " + r.getDate("day") + " "
                    + r.getBigDecimal("total") + " " + r.getString("note") + " " + r.getBoolean("paid") + " "
                    + r.getDouble("rate") + " " + r.getString("what");
            }
        });
        step("column types", () -> {
            try (Statement s = db.createStatement(); ResultSet r = s.executeQuery("select * from orders")) {
                StringJoiner told = new StringJoiner(" ");
                ResultSetMetaData columns = r.getMetaData();
                for (int i = 1; i <= columns.getColumnCount(); i++)
                    told.add(columns.getColumnTypeName(i) + "/" + columns.getPrecision(i) + "/" + columns.getScale(i));
                return told;
            }
        });
        step("nullable", () -> {
            try (Statement s = db.createStatement(); ResultSet r = s.executeQuery("select id, email from customers")) {
                ResultSetMetaData columns = r.getMetaData();
                return columns.isNullable(1) + " " + columns.isAutoIncrement(1) + " " + columns.getTableName(1) + " "
                    + columns.getSchemaName(1);
            }
        });
        step("prepared", () -> {
            try (PreparedStatement s = db.prepareStatement(
                    "select ?::integer + 1, ?::varchar, ?::decimal(10, 2), ?::date, ?::timestamp, ?::boolean")) {
                s.setInt(1, 41);
                s.setString(2, "it's");
                s.setBigDecimal(3, new BigDecimal("1.50"));
                s.setDate(4, java.sql.Date.valueOf("2024-02-29"));
                s.setTimestamp(5, Timestamp.valueOf("2024-02-29 12:00:00"));
                s.setBoolean(6, true);
                return rows(s.executeQuery());
            }
        });
        step("prepared often", () -> {
            // From the fifth execution on the server's own prepared statement is used, and binary results are asked for.
            List<String> found = new ArrayList<>();
            try (PreparedStatement s = db.prepareStatement("select id, note, at, day, paid, rate from orders where id > ?")) {
                for (int turn = 0; turn < 8; turn++) {
                    s.setLong(1, 0);
                    found = rows(s.executeQuery());
                }
            }
            return found;
        });
        step("prepared decimals", () -> {
            List<String> found = new ArrayList<>();
            try (PreparedStatement s = db.prepareStatement("select total from orders where id > ?")) {
                for (int turn = 0; turn < 8; turn++) {
                    s.setLong(1, 0);
                    found = rows(s.executeQuery());
                }
            }
            return found;
        });
        step("parameter metadata", () -> {
            try (PreparedStatement s = db.prepareStatement("select note from orders where id = ? and day > ?")) {
                return s.getParameterMetaData().getParameterCount() + " " + s.getMetaData().getColumnName(1);
            }
        });
        step("batch", () -> {
            try (PreparedStatement s = db.prepareStatement("insert into customers values (?, ?)")) {
                for (int id = 1; id <= 300; id++) {
                    s.setInt(1, id);
                    s.setString(2, "c" + id + "@example.com");
                    s.addBatch();
                }
                int[] counts = s.executeBatch();
                return counts.length + " " + query("select count(*), max(email) from customers");
            }
        });
        step("statement batch", () -> {
            try (Statement s = db.createStatement()) {
                s.addBatch("insert into customers values (900, 'x')");
                s.addBatch("update customers set email = 'y' where id >= 900");
                s.addBatch("delete from customers where id = 900");
                return Arrays.toString(s.executeBatch());
            }
        });
        step("failing batch", () -> {
            try (Statement s = db.createStatement()) {
                s.addBatch("insert into customers values (901, 'x')");
                s.addBatch("insert into nothing values (1)");
                try {
                    s.executeBatch();
                    return "no error";
                } catch (BatchUpdateException error) {
                    return error.getSQLState();
                }
            }
        });
        step("fetch size", () -> {
            db.setAutoCommit(false);
            try (Statement s = db.createStatement()) {
                s.setFetchSize(50);
                int count = 0;
                try (ResultSet r = s.executeQuery("select id from customers where id <= 300 order by id")) {
                    while (r.next()) count += r.getInt(1) == count + 1 ? 1 : -1000;
                }
                db.commit();
                return count;
            } finally {
                db.setAutoCommit(true);
            }
        });
        step("max rows", () -> {
            try (Statement s = db.createStatement()) {
                s.setMaxRows(7);
                return rows(s.executeQuery("select id from customers")).size();
            }
        });
        step("rollback", () -> {
            db.setAutoCommit(false);
            run("insert into customers values (902, 'x')");
            db.rollback();
            db.setAutoCommit(true);
            return query("select count(*) from customers where id = 902");
        });
        step("savepoint", () -> {
            db.setAutoCommit(false);
            try {
                db.setSavepoint();
                return "made";
            } catch (SQLException error) {
                db.rollback();
                return error.getSQLState();
            } finally {
                db.setAutoCommit(true);
            }
        });
        step("update count", () -> {
            try (Statement s = db.createStatement()) {
                return s.executeUpdate("update customers set email = 'z' where id < 4") + " "
                    + s.executeLargeUpdate("update customers set email = 'z' where id < 4");
            }
        });
        step("several results", () -> {
            try (Statement s = db.createStatement()) {
                boolean first = s.execute("select 1; update customers set email = 'z' where id = 1; select 2");
                StringJoiner told = new StringJoiner(" ");
                told.add(first + "");
                told.add(s.getMoreResults() + "/" + s.getUpdateCount());
                told.add(s.getMoreResults() + "");
                return told;
            }
        });
        step("error", () -> {
            try {
                run("select nothing from orders");
                return "no error";
            } catch (SQLException error) {
                return error.getSQLState() + " " + error.getMessage().replace("\n", " | ");
            }
        });
        step("cancel", () -> {
            try (Statement s = db.createStatement()) {
                ScheduledExecutorService later = Executors.newSingleThreadScheduledExecutor();
                // Again and again: one that comes before the statement runs hits nothing.
                later.scheduleAtFixedRate(() -> {
                    try {
                        s.cancel();
                    } catch (SQLException error) {
                        throw new IllegalStateException(error);
                    }
                }, 500, 500, TimeUnit.MILLISECONDS);
                try {
                    s.executeQuery("select count(*) from svv_all_columns a, svv_all_columns b, svv_all_columns c").close();
                    return "ran to its end";
                } catch (SQLException error) {
                    return error.getSQLState();
                } finally {
                    later.shutdown();
                    later.awaitTermination(60, TimeUnit.SECONDS);
                }
            }
        });
        step("query timeout", () -> {
            try (Statement s = db.createStatement()) {
                s.setQueryTimeout(1);
                s.executeQuery("select count(*) from svv_all_columns a, svv_all_columns b, svv_all_columns c").close();
                return "ran to its end";
            } catch (SQLException error) {
                return error.getSQLState();
            }
        });
        step("alive", () -> db.isValid(60) + " " + query("select 17"));
        step("call", () -> {
            try (CallableStatement s = db.prepareCall("{call add_up(?, ?, ?)}")) {
                s.setInt(1, 20);
                s.setInt(2, 22);
                s.registerOutParameter(3, Types.INTEGER);
                s.execute();
                return s.getInt(3);
            }
        });
        step("call as a query", () -> query("call add_up(1, 2)"));
        step("transaction isolation", () -> db.getTransactionIsolation());
        step("set transaction isolation", () -> {
            db.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            return "set";
        });
        step("read only", () -> {
            db.setReadOnly(true);
            db.setReadOnly(false);
            return db.isReadOnly();
        });
        step("schema and catalog", () -> {
            db.setSchema("tour");
            return db.getSchema() + " " + db.getCatalog();
        });
        step("client info", () -> {
            db.setClientInfo("ApplicationName", "tour");
            return query("select count(*) from stv_sessions where user_name <> ''").size();
        });
        step("getSchemas", () -> {
            List<String> all = rows(meta.getSchemas(), "TABLE_SCHEM");
            all.retainAll(List.of("tour", "public", "pg_catalog", "information_schema"));
            return all;
        });
        step("getCatalogs", () -> rows(meta.getCatalogs(), "TABLE_CAT"));
        step("getTableTypes", () -> rows(meta.getTableTypes(), "TABLE_TYPE").size() > 2);
        step("getTables", () -> rows(meta.getTables(null, "tour", "%", null), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS"));
        step("getTables of types", () -> rows(meta.getTables(null, "tour", "%", new String[] {"VIEW"}), "TABLE_NAME"));
        step("getColumns", () -> rows(meta.getColumns(null, "tour", "orders", "%"),
            "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "IS_NULLABLE"));
        step("getColumns late", () -> rows(meta.getColumns(null, "tour", "late", "%"), "COLUMN_NAME", "TYPE_NAME"));
        step("getPrimaryKeys", () -> rows(meta.getPrimaryKeys(null, "tour", "customers"), "COLUMN_NAME", "KEY_SEQ"));
        step("getImportedKeys", () -> rows(meta.getImportedKeys(null, "tour", "orders"), "PKTABLE_NAME", "PKCOLUMN_NAME", "FKCOLUMN_NAME"));
        step("getExportedKeys", () -> rows(meta.getExportedKeys(null, "tour", "customers"), "FKTABLE_NAME", "FKCOLUMN_NAME"));
        step("getCrossReference", () -> rows(meta.getCrossReference(null, "tour", "customers", null, "tour", "orders"), "FKCOLUMN_NAME"));
        step("getIndexInfo", () -> rows(meta.getIndexInfo(null, "tour", "customers", false, true), "COLUMN_NAME"));
        step("getBestRowIdentifier", () -> rows(meta.getBestRowIdentifier(null, "tour", "customers", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME"));
        step("getProcedures", () -> rows(meta.getProcedures(null, "tour", "%"), "PROCEDURE_NAME"));
        step("getProcedureColumns", () -> rows(meta.getProcedureColumns(null, "tour", "add_up", "%"), "COLUMN_NAME", "COLUMN_TYPE", "TYPE_NAME"));
        step("getFunctions", () -> rows(meta.getFunctions(null, "tour", "%"), "FUNCTION_NAME"));
        step("getTypeInfo", () -> rows(meta.getTypeInfo(), "TYPE_NAME").containsAll(List.of("int4", "varchar", "timestamp")));
        step("getTablePrivileges", () -> rows(meta.getTablePrivileges(null, "tour", "orders"), "PRIVILEGE").contains("SELECT"));
        step("getColumnPrivileges", () -> rows(meta.getColumnPrivileges(null, "tour", "orders", "note"), "PRIVILEGE").size() >= 0);
        step("getVersionColumns", () -> rows(meta.getVersionColumns(null, "tour", "orders")).size() >= 0);
        step("getMaxNameLength", () -> meta.getMaxColumnNameLength());
        step("keywords", () -> meta.getSQLKeywords().length() > 100);
        step("generated keys", () -> {
            try (PreparedStatement s = db.prepareStatement("insert into orders (note) values ('g')", Statement.RETURN_GENERATED_KEYS)) {
                s.executeUpdate();
                return rows(s.getGeneratedKeys()).size();
            } catch (SQLException error) {
                return error.getSQLState();
            }
        });
        step("updatable result", () -> {
            try (Statement s = db.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
                    ResultSet r = s.executeQuery("select id from customers where id <= 3 order by id")) {
                r.last();
                int last = r.getInt(1);
                r.first();
                return r.getInt(1) + " " + last;
            }
        });
        step("closed", () -> {
            run("drop view late");
            db.close();
            return db.isClosed();
        });
    }
}
