//! What a name can be of, where names have patterns to fit.

/// What is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    Table,
    /// Materialized ones too.
    View,
    Column,
    /// An index of no constraint.
    Index,
    Sequence,
    PrimaryKey,
    Unique,
    ForeignKey,
    Check,
    Exclusion,
}

impl NameKind {
    pub const ALL: [Self; 10] = [
        Self::Table,
        Self::View,
        Self::Column,
        Self::Index,
        Self::Sequence,
        Self::PrimaryKey,
        Self::Unique,
        Self::ForeignKey,
        Self::Check,
        Self::Exclusion,
    ];

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Column => "column",
            Self::Index => "index",
            Self::Sequence => "sequence",
            Self::PrimaryKey => "primary key",
            Self::Unique => "UNIQUE constraint",
            Self::ForeignKey => "foreign key",
            Self::Check => "CHECK constraint",
            Self::Exclusion => "EXCLUDE constraint",
        }
    }

    /// As it is written in the configuration.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Column => "column",
            Self::Index => "index",
            Self::Sequence => "sequence",
            Self::PrimaryKey => "primary_key",
            Self::Unique => "unique",
            Self::ForeignKey => "foreign_key",
            Self::Check => "check",
            Self::Exclusion => "exclusion",
        }
    }
}
