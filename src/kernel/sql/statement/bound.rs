//! Bounds of partitions, as a statement writes them.

/// `FOR VALUES …` or `DEFAULT`. Values are expressions usable in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionBound {
    Default,
    List(Vec<String>),
    Range { from: Vec<Edge>, to: Vec<Edge> },
    Hash { modulus: i32, remainder: i32 },
}

/// One column's end of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edge {
    Least,
    Greatest,
    Value(String),
}

impl PartitionBound {
    /// As it stands in a statement.
    #[must_use]
    pub fn sql(&self) -> String {
        match self {
            Self::Default => "DEFAULT".to_owned(),
            Self::List(values) => format!("FOR VALUES IN ({})", values.join(", ")),
            Self::Range { from, to } => format!("FOR VALUES FROM ({}) TO ({})", edges(from), edges(to)),
            Self::Hash { modulus, remainder } => {
                format!("FOR VALUES WITH (MODULUS {modulus}, REMAINDER {remainder})")
            }
        }
    }
}

fn edges(edges: &[Edge]) -> String {
    let words: Vec<&str> = edges
        .iter()
        .map(|edge| match edge {
            Edge::Least => "MINVALUE",
            Edge::Greatest => "MAXVALUE",
            Edge::Value(sql) => sql,
        })
        .collect();
    words.join(", ")
}
