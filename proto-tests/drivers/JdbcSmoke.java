import java.io.StringReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.postgresql.PGConnection;

/** JDBC: the PG* variables say where. */
public class JdbcSmoke {
    static void check(boolean right, String what) {
        if (!right) throw new IllegalStateException(what);
    }

    static String one(Connection conn, String sql) throws SQLException {
        try (Statement statement = conn.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            check(rows.next(), sql);
            return rows.getString(1);
        }
    }

    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
            + System.getenv("PGDATABASE") + "?sslmode=disable";
        try (Connection conn = DriverManager.getConnection(url, System.getenv("PGUSER"), "")) {
            check(one(conn, "select 6 * 7").equals("42"), "a query");
            try (PreparedStatement plus = conn.prepareStatement("select ?::int + 1")) {
                for (int n = 0; n < 12; n++) { // named at the server from the fifth time on
                    plus.setInt(1, n);
                    try (ResultSet rows = plus.executeQuery()) {
                        check(rows.next() && rows.getInt(1) == n + 1, "a prepared statement");
                    }
                }
            }
            try (PreparedStatement insert = conn.prepareStatement("insert into note values (?, ?)")) {
                for (int n = 100; n < 300; n++) {
                    insert.setInt(1, n);
                    insert.setString(2, "note " + n);
                    insert.addBatch();
                }
                check(insert.executeBatch().length == 200, "a batch");
            }
            long copied = conn.unwrap(PGConnection.class).getCopyAPI()
                .copyIn("copy note from stdin", new StringReader("1\tone\n2\ttwo\n"));
            check(copied == 2, "COPY");
            conn.setAutoCommit(false);
            try (Statement statement = conn.createStatement()) {
                statement.setFetchSize(50); // a portal read in portions
                int count = 0;
                try (ResultSet rows = statement.executeQuery("select id from note")) {
                    while (rows.next()) count++;
                }
                check(count == 202, "a cursor");
            }
            conn.commit();
            try (Statement statement = conn.createStatement()) {
                statement.execute("insert into note values (-1, 'lost')");
                statement.execute("create index refused on orders (amount)");
                throw new IllegalStateException("a change in a transaction was not refused");
            } catch (SQLException error) {
                check(error.getSQLState().startsWith("LK"), error.getSQLState());
            }
            conn.rollback();
            conn.setAutoCommit(true);
            check(one(conn, "select count(*) from note where id = -1").equals("0"), "the refused transaction");
            try (Statement statement = conn.createStatement()) {
                statement.execute("create index on orders (customer_id)");
                statement.execute("drop table doomed");
            }
            check(one(conn, "select to_regclass('doomed') is null").equals("t"), "a held change");
        }
        try (Connection conn = DriverManager.getConnection(url + "&preferQueryMode=simple", System.getenv("PGUSER"), "")) {
            try (Statement statement = conn.createStatement()) {
                statement.execute("drop table doomed_too");
            }
            check(one(conn, "select to_regclass('doomed_too') is null").equals("t"), "a held change in a simple query");
        }
    }
}
