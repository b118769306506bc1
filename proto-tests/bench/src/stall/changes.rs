//! The kinds of change that are tried, and how to see that each was really made.

/// One kind of change.
#[derive(Debug)]
pub struct Change {
    pub name: &'static str,
    pub sql: &'static str,
    /// Must answer `t` after the change.
    pub proof: &'static str,
    /// Whether a reader's open transaction stands in the way.
    pub long_reader: bool,
}

const COLUMN: &str = "SELECT count(*) = 1 FROM pg_attribute \
    WHERE attrelid = 'orders'::regclass AND attname = 'extra' AND NOT attisdropped";

/// All of them, in the order of the table.
pub const CHANGES: [Change; 8] = [
    Change {
        name: "CREATE INDEX",
        sql: "CREATE INDEX orders_customer ON orders (customer_id, created_at)",
        proof: "SELECT count(*) = 1 FROM pg_index \
            WHERE indexrelid = to_regclass('orders_customer') AND indisvalid",
        long_reader: false,
    },
    Change {
        name: "ADD COLUMN uuid DEFAULT gen_random_uuid()",
        sql: "ALTER TABLE orders ADD COLUMN extra uuid DEFAULT gen_random_uuid()",
        proof: "SELECT count(*) = 0 FROM orders WHERE extra IS NULL",
        long_reader: false,
    },
    Change {
        name: "ADD COLUMN NOT NULL DEFAULT clock_timestamp()",
        sql: "ALTER TABLE orders ADD COLUMN extra timestamptz NOT NULL DEFAULT clock_timestamp()",
        proof: "SELECT count(*) = 1 FROM pg_attribute \
            WHERE attrelid = 'orders'::regclass AND attname = 'extra' AND attnotnull",
        long_reader: false,
    },
    Change {
        name: "SET NOT NULL",
        sql: "ALTER TABLE orders ALTER COLUMN created_at SET NOT NULL",
        proof: "SELECT count(*) = 1 FROM pg_attribute \
            WHERE attrelid = 'orders'::regclass AND attname = 'created_at' AND attnotnull",
        long_reader: false,
    },
    Change {
        name: "ADD CHECK",
        sql: "ALTER TABLE orders ADD CONSTRAINT amount_positive CHECK (amount >= 0)",
        proof: "SELECT count(*) = 1 FROM pg_constraint \
            WHERE conname = 'amount_positive' AND convalidated",
        long_reader: false,
    },
    Change {
        name: "ADD FOREIGN KEY",
        sql: "ALTER TABLE orders ADD CONSTRAINT orders_customer_fk \
            FOREIGN KEY (customer_id) REFERENCES customers (id)",
        proof: "SELECT count(*) = 1 FROM pg_constraint \
            WHERE conname = 'orders_customer_fk' AND convalidated",
        long_reader: false,
    },
    Change {
        name: "ADD COLUMN behind a long reader",
        sql: "ALTER TABLE orders ADD COLUMN extra text",
        proof: COLUMN,
        long_reader: true,
    },
    Change {
        name: "ADD COLUMN with inline UNIQUE",
        sql: "ALTER TABLE orders ADD COLUMN extra text UNIQUE",
        proof: "SELECT count(*) = 1 FROM pg_index \
            WHERE indrelid = 'orders'::regclass AND indisunique AND NOT indisprimary AND indisvalid",
        long_reader: false,
    },
];
