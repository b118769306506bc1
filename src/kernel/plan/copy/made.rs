//! The copy itself: an empty table like the old one, and what is made on it while nobody else uses it.

use super::{Anew, Copy, aside, beside, incoming, on_copy, regclass};
use crate::kernel::facts::{Persistence, StatisticsUse, WholeConstraint, WholeIndex};
use crate::kernel::plan::rename::{granted, grantee};
use crate::kernel::plan::shadow::index_body;
use crate::kernel::plan::{Reworded, Step, quote};
use crate::kernel::sql::statement::LockMode;

impl Copy<'_> {
    /// The copy with its key, and the table for keys of changed rows.
    pub(super) fn make(&self) -> Result<Step, String> {
        let (copy, log) = (self.copy(), self.log());
        // Long waits may lie between the plan and its run, another job on the table too.
        let mut all = vec![self.unchanged(), self.create()];
        all.extend(self.anew.altered().map(|altered| altered.sql(&copy)));
        all.extend(self.whole.columns.iter().filter_map(|column| {
            let name = quote::identifier(&column.name);
            let mut actions = Vec::new();
            actions.extend(column.statistics.map(|target| format!("ALTER COLUMN {name} SET STATISTICS {target}")));
            if !column.options.is_empty() {
                actions.push(format!("ALTER COLUMN {name} SET ({})", column.options.join(", ")));
            }
            (!actions.is_empty()).then(|| format!("ALTER TABLE {copy} {}", actions.join(", ")))
        }));
        all.push(self.index(self.key)?);
        all.extend(self.owner(self.key).map(|owner| self.owned(self.key, owner)));
        let keys = self.key().into_iter().enumerate();
        let keys: Vec<String> = keys.map(|(at, key)| format!("{} AS k{at}", quote::identifier(key))).collect();
        all.push(format!(
            "CREATE TABLE {log} AS SELECT {} FROM ONLY {} WITH NO DATA",
            keys.join(", "),
            self.relation()
        ));
        all.push(format!("COMMENT ON TABLE {log} IS {}", quote::literal(&self.purpose())));
        for table in [&copy, &log] {
            let given = self.face.given_by_default.iter();
            all.extend(given.map(|name| format!("REVOKE ALL ON {table} FROM {}", grantee(name.as_ref()))));
            if self.facts.current_role != self.table.owner {
                all.push(format!("ALTER TABLE {table} OWNER TO {}", quote::identifier(&self.table.owner)));
            }
        }
        all.extend(granted(self.face.grants.iter().map(|grant| (None, grant)), &copy));
        let of_columns = self.face.column_grants.iter().map(|of| (Some(of.column.as_str()), &of.grant));
        all.extend(granted(of_columns, &copy));
        all.extend(self.face.comment.iter().map(|text| format!("COMMENT ON TABLE {copy} IS {}", quote::literal(text))));
        // What another statement has left is none of this one's.
        let probe = format!(
            "SELECT {} IS NOT NULL AND pg_catalog.obj_description({}::pg_catalog.oid, 'pg_class') OPERATOR(pg_catalog.=) {}",
            regclass(&copy),
            regclass(&log),
            quote::literal(&self.purpose())
        );
        Ok(beside("make the copy", all)
            .probed(probe)
            .undone_by(format!("DROP TABLE IF EXISTS {log}"))
            .undone_by(format!("DROP TABLE IF EXISTS {copy}")))
    }

    fn create(&self) -> String {
        let unlogged = if self.persistence() == Persistence::Unlogged { "UNLOGGED " } else { "" };
        let (own, there) = (self.whole.access_method.as_str(), self.whole.tablespace.as_str());
        let (method, tablespace) = match self.anew {
            Anew::AccessMethod(to) => (to, there),
            Anew::Tablespace(to) => (own, to),
            Anew::Ordered(_) | Anew::Smaller | Anew::Logged(_) | Anew::Altered(_) => (own, there),
        };
        format!(
            "CREATE {unlogged}TABLE {} (LIKE {} INCLUDING COMMENTS INCLUDING COMPRESSION INCLUDING CONSTRAINTS \
             INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE) USING {}{} TABLESPACE {}",
            self.copy(),
            self.relation(),
            quote::identifier(method),
            quote::with_options(&self.whole.options),
            quote::identifier(tablespace)
        )
    }

    fn index(&self, of: &WholeIndex) -> Result<String, String> {
        let index = &of.index;
        let body = index_body(&index.definition, index.tablespace.as_deref())
            .ok_or_else(|| format!("index {} could not be read", index.name))?;
        let unique = if index.unique { "UNIQUE " } else { "" };
        Ok(format!("CREATE {unique}INDEX {} ON {} {body}", quote::identifier(&aside(&index.name)), self.copy()))
    }

    /// All but that of the key.
    fn others(&self) -> impl Iterator<Item = &WholeIndex> {
        incoming::built(self.whole, self.key).skip(1)
    }

    /// The constraint that the index belongs to.
    fn owner(&self, of: &WholeIndex) -> Option<&WholeConstraint> {
        let owner = of.index.constraint.as_deref()?;
        self.whole.constraints.iter().find(|constraint| constraint.name == owner)
    }

    /// Makes the constraint of the index.
    fn owned(&self, of: &WholeIndex, owner: &WholeConstraint) -> String {
        let name = quote::identifier(&aside(&of.index.name));
        let words = if owner.kind == 'p' { "PRIMARY KEY" } else { "UNIQUE" };
        let mut add = format!("ALTER TABLE {} ADD CONSTRAINT {name} {words} USING INDEX {name}", self.copy());
        if owner.deferrable {
            add.push_str(" DEFERRABLE");
        }
        if owner.deferred {
            add.push_str(" INITIALLY DEFERRED");
        }
        add
    }

    /// Built at once: nobody else uses the copy.
    pub(super) fn indexes(&self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        for one in self.others() {
            match self.owner(one).filter(|owner| owner.kind == 'x') {
                Some(owner) => steps.extend(self.exclusion(one, owner)),
                None => steps.push(self.built(one)?),
            }
        }
        Ok(steps)
    }

    fn built(&self, one: &WholeIndex) -> Result<Step, String> {
        let name = quote::qualified(&self.table.schema, &aside(&one.index.name));
        let unique = Reworded {
            code: "23505".to_owned(),
            as_code: "23505".to_owned(),
            message: format!("could not create unique index \"{}\"", one.index.name),
            column: String::new(),
        };
        let step = Step { reworded: Some(unique), ..Step::scan("build index", self.index(one)?) }
            .probed(format!("SELECT {} IS NOT NULL", regclass(&name)))
            .undone_by(format!("DROP INDEX IF EXISTS {name}"));
        Ok(on_copy(step, self))
    }

    /// An exclusion constraint makes its index itself, which is then moved to where the old one is.
    fn exclusion(&self, of: &WholeIndex, owner: &WholeConstraint) -> Vec<Step> {
        let (copy, name) = (self.copy(), aside(&of.index.name));
        let (quoted, index) = (quote::identifier(&name), quote::qualified(&self.table.schema, &name));
        let alone = |step: Step| on_copy(Step { lock: LockMode::AccessExclusive, ..step }, self);
        let make =
            Step::scan("build constraint", format!("ALTER TABLE {copy} ADD CONSTRAINT {quoted} {}", owner.definition))
                .probed(quote::constraint_probe_of(&regclass(&copy), &name, 'x', ""))
                .undone_by(format!("ALTER TABLE IF EXISTS {copy} DROP CONSTRAINT IF EXISTS {quoted}"));
        let there = of.index.tablespace.as_ref().map(|space| {
            let is_there = format!(
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_class x JOIN pg_catalog.pg_database d \
                 ON d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() JOIN pg_catalog.pg_tablespace s \
                 ON s.oid OPERATOR(pg_catalog.=) coalesce(nullif(x.reltablespace, 0::pg_catalog.oid), d.dattablespace) \
                 WHERE x.oid OPERATOR(pg_catalog.=) {} AND s.spcname OPERATOR(pg_catalog.=) {})",
                regclass(&index),
                quote::literal(space)
            );
            Step::scan("place index", format!("ALTER INDEX {index} SET TABLESPACE {}", quote::identifier(space)))
                .probed(is_there)
        });
        std::iter::once(make).chain(there).map(alone).collect()
    }

    /// Other keys and extended statistics, under names of their own.
    pub(super) fn constraints(&self) -> Result<Option<Step>, String> {
        let copy = self.copy();
        let mut all = Vec::new();
        let (mut there, mut undo) = (Vec::new(), Vec::new());
        for one in self.others() {
            let Some(owner) = self.owner(one).filter(|owner| owner.kind != 'x') else { continue };
            let name = aside(&one.index.name);
            let quoted = quote::identifier(&name);
            all.push(self.owned(one, owner));
            undo.push(format!("ALTER TABLE IF EXISTS {copy} DROP CONSTRAINT IF EXISTS {quoted}"));
            there.push(format!("({})", quote::constraint_probe_of(&regclass(&copy), &name, owner.kind, "")));
        }
        for statistics in &self.whole.statistics_objects {
            all.extend(self.statistics(statistics)?);
            let name = quote::qualified(&statistics.schema, &aside(&statistics.name));
            undo.push(format!("DROP STATISTICS IF EXISTS {name}"));
            there.push(format!(
                "EXISTS (SELECT FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid OPERATOR(pg_catalog.=) {} \
                 AND s.stxname OPERATOR(pg_catalog.=) {})",
                regclass(&copy),
                quote::literal(&aside(&statistics.name))
            ));
        }
        if all.is_empty() {
            return Ok(None);
        }
        let step = Step::together("constraints", all, LockMode::AccessExclusive);
        let step = undo.into_iter().fold(step.probed(format!("SELECT {}", there.join(" AND "))), Step::undone_by);
        Ok(Some(on_copy(step, self)))
    }

    fn statistics(&self, of: &StatisticsUse) -> Result<Vec<String>, String> {
        let unclear = || format!("statistics {} could not be read", of.name);
        let old = quote::qualified(&of.schema, &of.name);
        let name = quote::qualified(&of.schema, &aside(&of.name));
        let body = of.definition.strip_prefix(&format!("CREATE STATISTICS {old}")).ok_or_else(unclear)?;
        let body = body.strip_suffix(&format!(" FROM {}", self.relation())).ok_or_else(unclear)?;
        let mut all = vec![format!("CREATE STATISTICS {name}{body} FROM {}", self.copy())];
        if of.owner != self.facts.current_role {
            all.push(format!("ALTER STATISTICS {name} OWNER TO {}", quote::identifier(&of.owner)));
        }
        all.extend(of.target.map(|target| format!("ALTER STATISTICS {name} SET STATISTICS {target}")));
        let comment = of.comment.iter();
        all.extend(comment.map(|text| format!("COMMENT ON STATISTICS {name} IS {}", quote::literal(text))));
        Ok(all)
    }
}
