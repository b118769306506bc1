//! What a change names beside the relations its rules ask about: an approval is bound to that too.

use super::RelationName;

/// Something that is looked up, and how far from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// As DROP calls it; `RELATION` stands for all of those.
    pub kind: &'static str,
    pub schema: Option<String>,
    /// Of what is on a relation, that relation's.
    pub name: String,
    /// The trigger, policy or rule of the relation; of a schema's contents, their kind.
    pub part: Option<String>,
    pub reach: Reach,
}

/// How far a change reaches from what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// No further.
    Itself,
    /// What depends on it, as the server's CASCADE finds it.
    Dependents,
    /// What runs besides when rows of it are written.
    Written,
    /// What is in a schema, of one kind.
    Contents,
    /// What a role owns.
    Owned,
    /// The same, with what depends on that.
    OwnedDependents,
}

impl Reach {
    /// For the look-up.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Itself => "itself",
            Self::Dependents => "dependents",
            Self::Written => "written",
            Self::Contents => "contents",
            Self::Owned => "owned",
            Self::OwnedDependents => "owned-dependents",
        }
    }
}

impl Named {
    #[must_use]
    pub fn new(kind: &'static str, name: RelationName, reach: Reach) -> Self {
        Self { kind, schema: name.schema, name: name.name, part: None, reach }
    }

    #[must_use]
    pub fn with_part(self, part: &str) -> Self {
        Self { part: Some(part.to_owned()), ..self }
    }
}
