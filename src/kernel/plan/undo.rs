//! The way back as a plan of its own: what each done step names as its undo, last step first.

use std::collections::BTreeMap;

use super::subjects::Seen;
use super::verify::{Check, check};
use super::{Action, Mode, Plan, Step, combine, copy, quote, shadow, subjects};
use crate::kernel::sql::read::read;
use crate::kernel::sql::statement::{Change, LockMode, Statement};

/// The recipe's name.
pub const RECIPE: &str = "undo";

/// What takes back the given steps of a plan (by their places); absent if none of them can be.
#[must_use]
pub fn plan(of: &Plan, done: &[usize]) -> Option<Plan> {
    if done.iter().any(|at| is_final(of, *at)) {
        return None;
    }
    let places = done.iter().filter_map(|at| of.steps.get(*at).map(|step| (*at, step)));
    let mut steps: Vec<(usize, &Step)> = places.filter(|(_, step)| !step.undo.is_empty()).collect();
    steps.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    steps.dedup_by_key(|(at, _)| *at);
    let steps: Vec<Step> = steps.into_iter().flat_map(|(_, step)| back(step)).collect();
    let names: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
    let stay: Vec<_> = done.iter().filter_map(|at| of.steps.get(*at)).filter_map(stays).collect();
    let but = if stay.is_empty() {
        String::new()
    } else {
        format!("; not taken back, as no way back is known: {}", stay.join("; "))
    };
    (!steps.is_empty()).then(|| Plan {
        recipe: RECIPE.to_owned(),
        tag: of.tag.clone(),
        summary: format!("what was done is taken back: {}{but}", names.join(", ")),
        relation: of.relation.clone(),
        undo_loses: None,
        verify: Vec::new(),
        steps,
    })
}

/// What stood under the names that the ways back of steps go by, when these were done, by their places.
pub type Left = BTreeMap<usize, Vec<Seen>>;

/// What an undo is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// With their schemas.
    pub relations: &'a [(u32, &'a str)],
    pub left: &'a Left,
    /// Some of it may have been taken back before.
    pub in_part: bool,
}

/// The same with what must be so for it to take back what was done, and nothing else: under the names of the relations,
/// and of what the steps have made or changed, stands nothing but what had them.
#[must_use]
pub fn bound_to(of: &Plan, done: &[usize], by: Bounds<'_>) -> Option<Plan> {
    let mut plan = plan(of, done)?;
    if by.in_part {
        let found: Vec<_> = plan.steps.iter_mut().flat_map(|step| std::mem::take(&mut step.expects)).collect();
        let any: Vec<String> = found.iter().map(|check| format!("({})", check.sql)).collect();
        if let (Some(first), false) = (plan.steps.first_mut(), any.is_empty()) {
            let names: Vec<String> = found.into_iter().map(|check| check.name).collect();
            first.expects = vec![check(names.join(", or "), format!("SELECT {}", any.join(" OR ")))];
        }
    }
    let made = done.iter().filter_map(|at| Some((of.steps.get(*at)?, by.left.get(at)?)));
    let made = made.flat_map(|(step, seen)| {
        let before = step.probe.as_ref().filter(|_| by.in_part).map(|probe| undone(step, probe));
        subjects::same(&step.undo, seen, &step.name, before.as_deref())
    });
    // The index of a constraint that was replaced under its name is another one; the constraint itself is looked at.
    let steps = done.iter().filter_map(|at| of.steps.get(*at));
    let constraints: Vec<String> = steps.flat_map(|step| subjects::constraints(&step.undo)).collect();
    let stay = by.relations.iter().filter(|(_, name)| !constraints.iter().any(|one| one == name));
    let stay = stay.map(|(oid, name)| itself(*oid, name));
    let all: Vec<Check> = stay.chain(made).collect();
    if let Some(first) = plan.steps.first_mut() {
        first.expects.splice(0..0, all);
    }
    Some(plan)
}

/// No other relation has its name. A view may stand in for a table that was renamed.
fn itself(oid: u32, name: &str) -> Check {
    let sql = format!(
        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
         ON n.oid OPERATOR(pg_catalog.=) c.relnamespace WHERE pg_catalog.concat(n.nspname, '.', c.relname) \
         OPERATOR(pg_catalog.=) {} AND c.oid OPERATOR(pg_catalog.<>) {oid}::pg_catalog.oid \
         AND c.relkind OPERATOR(pg_catalog.<>) 'v'::pg_catalog.\"char\")",
        quote::literal(name)
    );
    check(format!("{name} is still the relation that was changed"), sql)
}

/// What the step did is there, or what a later one made of it.
fn found(step: &Step) -> Option<Check> {
    let queries = std::iter::once(step.probe.as_ref()?).chain(&step.past);
    let any: Vec<String> = queries.map(|sql| format!("coalesce(({sql}), false)")).collect();
    Some(check(format!("what \"{}\" did is there under its name", step.name), format!("SELECT {}", any.join(" OR "))))
}

/// What a step has done that no way back is known for: brief as it was asked for. Others without one have only read,
/// or are undone with an earlier step.
fn stays(step: &Step) -> Option<&str> {
    match &step.action {
        Action::Sql { sql, mode: Mode::Brief } if step.undo.is_empty() && step.probe.is_none() => Some(sql),
        _ => None,
    }
}

/// A step that cannot be taken back itself and has made earlier ones past, a cut-over say: there is no way back
/// over it, and taking back what was before it would undo nothing.
#[must_use]
pub fn is_final(of: &Plan, at: usize) -> bool {
    let Some(step) = of.steps.get(at).filter(|step| step.undo.is_empty()) else { return false };
    let ends = !matches!(step.action, Action::Backfill(_) | Action::Later { .. });
    ends && step.probe.is_some() && of.steps.iter().take(at).any(|earlier| earlier.past == step.probe)
}

/// A query that is true where something else stands in the place of what the plan was made for. Before anything of the plan
/// has run, that was somebody else's doing, and the plan is none for what stands there.
#[must_use]
pub fn replaced(of: &Plan) -> Option<&String> {
    let recipes = [copy::RECIPE, shadow::RECIPE, combine::RECIPE];
    let last = recipes.contains(&of.recipe.as_str()).then(|| (0..of.steps.len()).find(|at| is_final(of, *at)))??;
    of.steps.get(last)?.probe.as_ref()
}

/// What an undo is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// What refuses a transaction block: an index that is built or dropped.
    pub concurrent: Option<&'a String>,
    /// All or nothing.
    pub brief: &'a [String],
    /// What reads the table to prove a constraint again: that has a transaction of its own, in which no strong lock is
    /// held.
    pub proof: Option<&'a String>,
    /// What only what was proven allows.
    pub after: &'a [String],
}

/// Its parts, in order.
#[must_use]
pub fn parts(undo: &[String]) -> Parts<'_> {
    let (concurrent, rest) = match undo.split_first() {
        Some((first, rest)) if first.contains(" CONCURRENTLY ") => (Some(first), rest),
        Some(_) | None => (None, undo),
    };
    let at = rest.iter().position(|sql| sql.contains(" VALIDATE CONSTRAINT ")).unwrap_or(rest.len());
    let (brief, rest) = rest.split_at(at);
    let (proof, after) = rest.split_first().map_or((None, rest), |(proof, after)| (Some(proof), after));
    Parts { concurrent, brief, proof, after }
}

/// What the step made is gone. Where its way back does more than drop that: its own probe no longer finds it done, of
/// which other steps back may take a part.
fn undone(step: &Step, probe: &str) -> String {
    subjects::gone(&step.undo).unwrap_or_else(|| format!("SELECT NOT coalesce(({probe}), false)"))
}

/// One step back.
fn back(step: &Step) -> Vec<Step> {
    let Parts { concurrent, brief, proof, after: last } = parts(&step.undo);
    let whole = |statements: &[String]| match statements {
        [only] => Action::Sql { sql: only.clone(), mode: Mode::Brief },
        several => Action::Together { statements: several.to_vec() },
    };
    let action = match concurrent {
        Some(sql) => Action::Sql { sql: sql.clone(), mode: Mode::NoTransaction },
        None => whole(brief),
    };
    // Done or not, the number of its transaction tells.
    let put_back = |statements: &[String]| Step {
        action: whole(statements),
        on: step.on.clone(),
        ..Step::brief("put back", String::new(), LockMode::AccessExclusive)
    };
    // What belongs to an index that was built again.
    let after = concurrent.filter(|_| !brief.is_empty()).map(|_| put_back(brief));
    let back = Step {
        name: format!("undo {}", step.name),
        action,
        scans: false,
        past: None,
        probe: step.probe.as_ref().map(|probe| undone(step, probe)),
        undo: Vec::new(),
        reworded: None,
        estimate: None,
        expects: found(step).into_iter().collect(),
        loses: Vec::new(),
        ..step.clone()
    };
    let back = concurrent.and_then(|sql| again(sql, &back)).unwrap_or(back);
    let proof = proof.map(|sql| Step { on: step.on.clone(), ..Step::scan("prove again", sql.clone()) });
    let last = Some(last).filter(|last| !last.is_empty()).map(put_back);
    std::iter::once(back).chain(after).chain(proof).chain(last).collect()
}

/// An index that is built again, whatever a try before this has left of it. It is past when what belongs to it has
/// been done too, which may have given it another name.
fn again(sql: &str, back: &Step) -> Option<Step> {
    let reading = read(sql).ok()?;
    let [parsed] = reading.statements.as_slice() else { return None };
    let Statement::Change(Change::CreateIndex(index)) = &parsed.statement else { return None };
    let index = quote::qualified(index.relation.schema.as_ref()?, index.name.as_ref()?);
    let is_there = |more: &str| {
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid OPERATOR(pg_catalog.=) \
             pg_catalog.to_regclass({})::pg_catalog.oid AND {more})",
            quote::literal(&index)
        )
    };
    let leftover = is_there("NOT i.indisvalid");
    let past = back.probe.as_ref().map(|undone| format!("SELECT ({undone}) AND NOT {leftover}"));
    Some(Step {
        action: Action::BuildIndex {
            sql: sql.to_owned(),
            leftover: format!("SELECT {leftover}"),
            cleanup: format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"),
        },
        lock: LockMode::ShareUpdateExclusive,
        scans: true,
        probe: Some(format!("SELECT {}", is_there("i.indisvalid AND i.indisready"))),
        past,
        ..back.clone()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests report by panicking")]

    use super::*;

    fn step(name: &str, undo: &[&str]) -> Step {
        let step = Step::brief(name, format!("ALTER TABLE t ADD {name} int"), LockMode::AccessExclusive);
        undo.iter().fold(step.probed("SELECT true".to_owned()), |step, sql| step.undone_by((*sql).to_owned()))
    }

    fn forth() -> Plan {
        Plan {
            recipe: "r".to_owned(),
            tag: "ALTER TABLE".to_owned(),
            summary: "s".to_owned(),
            relation: None,
            steps: vec![
                step("a", &["ALTER TABLE t DROP a"]),
                step("b", &["DROP TRIGGER x ON t", "DROP FUNCTION f()"]),
                step("c", &[]),
                step("d", &["DROP INDEX CONCURRENTLY IF EXISTS i"]),
                step("e", &["ALTER TABLE t DROP e"]),
            ],
            undo_loses: Some("the column".to_owned()),
            verify: Vec::new(),
        }
    }

    #[test]
    fn goes_back_in_reverse_order_over_what_was_done() {
        let forth = forth();
        let back = plan(&forth, &[0, 1, 2, 3]).unwrap();
        let sql: Vec<String> = back.steps.iter().map(|step| step.action.sql().into_owned()).collect();
        assert_eq!(
            sql,
            [
                "DROP INDEX CONCURRENTLY IF EXISTS i",
                "BEGIN; DROP TRIGGER x ON t; DROP FUNCTION f(); COMMIT",
                "ALTER TABLE t DROP a"
            ]
        );
        assert!(matches!(back.steps[0].action, Action::Sql { mode: Mode::NoTransaction, .. }));
        // What only drops is done when that is gone, whatever else the step's own probe asks for.
        let gone = back.steps[2].probe.as_deref().unwrap();
        assert!(gone.starts_with("SELECT NOT EXISTS (") && gone.contains("x.attname"), "{gone}");
        let more = step("f", &["ALTER TABLE t ALTER f DROP NOT NULL", "ALTER TABLE t DROP g"]);
        let back_of_more = plan(&Plan { steps: vec![more], ..forth.clone() }, &[0]).unwrap();
        assert_eq!(back_of_more.steps[0].probe.as_deref(), Some("SELECT NOT coalesce((SELECT true), false)"));
        back.reads_back().unwrap();
        assert_eq!(back.summary, "what was done is taken back: undo d, undo b, undo a");
        assert_eq!(plan(&forth, &[2]), None);
        // Over a cut-over there is no way back.
        let mut forth = forth;
        forth.steps[0].past = Some("SELECT 'cut over'".to_owned());
        assert!(plan(&forth, &[0, 1, 2, 3]).is_some());
        forth.steps[2].probe = Some("SELECT 'cut over'".to_owned());
        assert_eq!(plan(&forth, &[0, 1, 2, 3]), None);
        assert!(plan(&forth, &[0, 1]).is_some());
        // What has no way back is named.
        let run = Step::brief("run", "ALTER TABLE t ALTER x SET DEFAULT 1".to_owned(), LockMode::AccessExclusive);
        forth.steps.push(run);
        let back = plan(&forth, &[0, 5]).unwrap();
        assert_eq!(
            back.summary,
            "what was done is taken back: undo a; not taken back, as no way back is known: \
             ALTER TABLE t ALTER x SET DEFAULT 1"
        );
    }

    #[test]
    fn goes_by_what_stood_under_its_names() {
        let forth = forth();
        let back = plan(&forth, &[0, 1, 2, 3]).unwrap();
        let expected: Vec<&str> =
            back.steps.iter().flat_map(|step| &step.expects).map(|one| one.name.as_str()).collect();
        assert_eq!(expected, ["d", "b", "a"].map(|name| format!("what \"{name}\" did is there under its name")));
        let seen = |what: &str| vec![Seen { what: what.to_owned(), id: "9".to_owned(), definition: None }];
        let left = Left::from([(0, seen("column a of t")), (3, seen("index of nobody")), (4, seen("column e of t"))]);
        let bound = |in_part| {
            let by = Bounds { relations: &[(7, "public.t")], left: &left, in_part };
            bound_to(&forth, &[0, 1, 2, 3], by).unwrap()
        };
        let names = |plan: &Plan| plan.steps[0].expects.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        assert_eq!(
            names(&bound(false)),
            [
                "public.t is still the relation that was changed",
                "column a of t is still the one that \"a\" made",
                "what \"d\" did is there under its name"
            ]
        );
        assert_eq!(bound(false).steps[2].expects.len(), 1);
        // Some is gone already.
        let some = bound(true);
        assert_eq!((some.steps[0].expects.len(), some.steps[2].expects.len()), (3, 0));
        assert!(some.steps[0].expects[1].sql.starts_with("SELECT (SELECT NOT EXISTS ("));
        some.reads_back().unwrap();
    }

    #[test]
    fn the_index_of_a_replaced_constraint_is_another_one() {
        let swap = ["ALTER TABLE public.k DROP CONSTRAINT k_pkey, ADD CONSTRAINT k_pkey PRIMARY KEY USING INDEX i"];
        let forth = Plan { steps: vec![step("swap", &swap)], ..forth() };
        let by = Bounds { relations: &[(7, "public.k"), (8, "public.k_pkey")], left: &Left::new(), in_part: false };
        let back = bound_to(&forth, &[0], by).unwrap();
        let names: Vec<&str> = back.steps[0].expects.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names[0], "public.k is still the relation that was changed");
        assert!(!names.iter().any(|name| name.starts_with("public.k_pkey")), "{names:?}");
    }
}
