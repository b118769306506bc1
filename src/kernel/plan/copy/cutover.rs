//! The one short transaction in which the copy takes the table's place, with everything under the old names.

use super::{Anew, Copy, aside};
use crate::kernel::facts::{IndexMarks, WholeIndex, WholePolicy, WholeSequence, WholeTrigger};
use crate::kernel::plan::rename::{granted, grantee};
use crate::kernel::plan::shadow::sequence_options;
use crate::kernel::plan::{Step, drop_index, helper, quote};
use crate::kernel::sql::statement::LockMode;

impl Copy<'_> {
    pub(super) fn cut_over(&self) -> Result<Step, String> {
        let (relation, copy) = (self.relation(), self.copy());
        let mut all = vec![self.lock(), self.unchanged()];
        all.extend(self.again(false));
        all.extend(self.whole.sequences.iter().flat_map(|sequence| self.sequence(sequence)));
        all.push(format!("DROP TABLE {}", self.log()));
        all.extend(self.drop_incoming());
        let old = helper("old", &self.of);
        all.push(format!("ALTER TABLE {relation} RENAME TO {}", quote::identifier(&old)));
        all.push(format!("ALTER TABLE {copy} RENAME TO {}", quote::identifier(&self.table.name)));
        all.extend(self.views_again());
        all.push(format!("DROP TABLE {}", quote::qualified(&self.table.schema, &old)));
        all.push(format!("DROP FUNCTION {}()", self.function()));
        let index = |one: &WholeIndex| {
            let name = quote::qualified(&self.table.schema, &aside(&one.index.name));
            format!("ALTER INDEX {name} RENAME TO {}", quote::identifier(&one.index.name))
        };
        all.extend(self.whole.indexes.iter().map(index));
        all.extend(self.whole.indexes.iter().flat_map(|one| self.marks(one)));
        all.extend(match self.whole.replica_identity {
            'f' => Some(format!("ALTER TABLE {relation} REPLICA IDENTITY FULL")),
            'n' => Some(format!("ALTER TABLE {relation} REPLICA IDENTITY NOTHING")),
            _ => None,
        });
        all.extend(self.whole.statistics_objects.iter().map(|of| {
            let name = quote::qualified(&of.schema, &aside(&of.name));
            format!("ALTER STATISTICS {name} RENAME TO {}", quote::identifier(&of.name))
        }));
        all.extend(self.keys_again());
        all.extend(self.constraints_named());
        all.extend(self.whole.triggers.iter().flat_map(|one| self.trigger(one)));
        all.extend(self.whole.policies.iter().flat_map(|one| self.policy(one)));
        if self.whole.row_security {
            all.push(format!("ALTER TABLE {relation} ENABLE ROW LEVEL SECURITY"));
        }
        all.extend(self.published_again());
        Ok(Step {
            ahead: self.again(true),
            also: self.locked_too(),
            stands_in: Some(self.stands_in()),
            ..Step::together("cut over", all, LockMode::AccessExclusive)
        })
    }

    /// A sequence that the table owns is given on; that of an identity is made anew and goes on at the same number.
    fn sequence(&self, of: &WholeSequence) -> Vec<String> {
        let (copy, column) = (self.copy(), quote::identifier(&of.column));
        let sequence = &of.sequence;
        let name = quote::qualified(&sequence.schema, &sequence.name);
        let Some(identity) = of.identity else {
            let mut all = vec![format!("ALTER SEQUENCE {name} OWNED BY {copy}.{column}")];
            if let (Anew::Logged(logged), true) = (self.anew, self.facts.major() >= 15) {
                all.push(format!("ALTER SEQUENCE {name} SET {}", if logged { "LOGGED" } else { "UNLOGGED" }));
            }
            return all;
        };
        let old = helper("seq", &sequence.name);
        let when = if identity == 'a' { "ALWAYS" } else { "BY DEFAULT" };
        let mut all = vec![
            format!("ALTER SEQUENCE {name} RENAME TO {}", quote::identifier(&old)),
            format!(
                "ALTER TABLE {copy} ALTER COLUMN {column} ADD GENERATED {when} AS IDENTITY (SEQUENCE NAME {name} {})",
                sequence_options(sequence, &sequence.type_sql)
            ),
            format!(
                "SELECT pg_catalog.setval({}::pg_catalog.regclass, s.last_value, s.is_called) FROM {} AS s",
                quote::literal(&name),
                quote::qualified(&sequence.schema, &old)
            ),
        ];
        let comment = sequence.comment.iter();
        all.extend(comment.map(|text| format!("COMMENT ON SEQUENCE {name} IS {}", quote::literal(text))));
        let on = format!("SEQUENCE {name}");
        all.extend(granted(sequence.grants.iter().map(|grant| (None, grant)), &on));
        all
    }

    fn marks(&self, one: &WholeIndex) -> Vec<String> {
        let clustered = self.order.map_or(one.index.clustered, |by| by.index.name == one.index.name);
        let marks = IndexMarks {
            replica_identity: one.index.replica_identity,
            clustered,
            tablespace: None,
            comment: one.index.comment.clone(),
            statistics: one.statistics.clone(),
        };
        let name = quote::qualified(&self.table.schema, &one.index.name);
        drop_index::put_back(&marks, &name, (Some(self.relation()), &one.index.name))
    }

    /// What is said of constraints.
    fn constraints_named(&self) -> Vec<String> {
        let relation = self.relation();
        let mut all = Vec::new();
        for one in &self.whole.constraints {
            let name = quote::identifier(&one.name);
            let comment = one.comment.iter();
            all.extend(
                comment.map(|text| format!("COMMENT ON CONSTRAINT {name} ON {relation} IS {}", quote::literal(text))),
            );
        }
        all
    }

    fn trigger(&self, one: &WholeTrigger) -> Vec<String> {
        let (relation, name) = (self.relation(), quote::identifier(&one.name));
        let mut all = vec![one.definition.clone()];
        let word = match one.enabled {
            'D' => Some("DISABLE"),
            'R' => Some("ENABLE REPLICA"),
            'A' => Some("ENABLE ALWAYS"),
            _ => None,
        };
        all.extend(word.map(|word| format!("ALTER TABLE {relation} {word} TRIGGER {name}")));
        let comment = one.comment.iter();
        all.extend(comment.map(|text| format!("COMMENT ON TRIGGER {name} ON {relation} IS {}", quote::literal(text))));
        all
    }

    fn policy(&self, one: &WholePolicy) -> Vec<String> {
        let (relation, name) = (self.relation(), quote::identifier(&one.name));
        let kind = if one.permissive { "PERMISSIVE" } else { "RESTRICTIVE" };
        let command = match one.command {
            'r' => "SELECT",
            'a' => "INSERT",
            'w' => "UPDATE",
            'd' => "DELETE",
            _ => "ALL",
        };
        let roles: Vec<String> = one.roles.iter().map(|role| grantee(role.as_ref())).collect();
        let mut create = format!("CREATE POLICY {name} ON {relation} AS {kind} FOR {command} TO {}", roles.join(", "));
        if let Some(sql) = &one.using_sql {
            create.push_str(&format!(" USING ({sql})"));
        }
        if let Some(sql) = &one.check_sql {
            create.push_str(&format!(" WITH CHECK ({sql})"));
        }
        let mut all = vec![create];
        let comment = one.comment.iter();
        all.extend(comment.map(|text| format!("COMMENT ON POLICY {name} ON {relation} IS {}", quote::literal(text))));
        all
    }
}
