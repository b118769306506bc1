//! Views over the table. Each keeps its place in the catalog, with its privileges, comments, triggers and the views over
//! it; only its query is given to it again, once the copy has the table's name.

use super::Copy;
use crate::kernel::facts::WholeView;
use crate::kernel::plan::quote;
use crate::kernel::sql::statement::RelationName;

impl Copy<'_> {
    /// Views are locked before the table, in the order in which readers come to them. LOCK TABLE would lock all tables
    /// of their queries with them; whoever makes a view's owner its owner locks the view and changes nothing.
    pub(super) fn views_locked(&self) -> Vec<String> {
        let lock = |view: &WholeView| format!("ALTER VIEW {} OWNER TO {}", name(view), quote::identifier(&view.owner));
        self.whole.views.iter().map(lock).collect()
    }

    pub(super) fn views_named(&self) -> impl Iterator<Item = RelationName> {
        let named = |view: &WholeView| RelationName { schema: Some(view.schema.clone()), name: view.name.clone() };
        self.whole.views.iter().map(named)
    }

    pub(super) fn views_again(&self) -> Vec<String> {
        self.whole.views.iter().map(again).collect()
    }

    /// For people.
    pub(super) fn views_said(&self) -> String {
        let names: Vec<String> = self.views_named().map(|view| view.written()).collect();
        match names.as_slice() {
            [] => String::new(),
            [name] => format!(" View {name} is locked for that moment too, and given its query again."),
            names => {
                format!(" Views {} are locked for that moment too, and given their queries again.", names.join(", "))
            }
        }
    }
}

fn name(view: &WholeView) -> String {
    quote::qualified(&view.schema, &view.name)
}

fn again(view: &WholeView) -> String {
    let query = view.definition.trim().trim_end_matches(';');
    format!("CREATE OR REPLACE VIEW {}{} AS {query}", name(view), quote::with_options(&view.options))
}
