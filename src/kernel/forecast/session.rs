//! Settings of the session that the run changes: what a name without a schema means, and which time zone holds.

use super::{Forecast, TEMPORARY};
use crate::kernel::facts::Facts;
use crate::kernel::sql::read::outline::Outline;
use crate::kernel::sql::read::session::{Followed, SetTo, Setting, schemas};
use crate::kernel::sql::statement::RelationName;

/// Where what the run makes stands while nobody knows where that is.
const SOMEWHERE: &str = "?";
const OWN_SCHEMA: &str = "$user";
const CATALOG: &str = "pg_catalog";
const PUBLIC: &str = "public";

/// One setting as the run has left it.
#[derive(Clone, Debug, Default)]
struct Held {
    session: SetTo,
    /// To the end of the transaction.
    local: Option<SetTo>,
}

/// Those that are followed.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    search_path: Held,
    time_zone: Held,
}

impl Held {
    fn set(&mut self, to: SetTo, local: bool) {
        if local {
            self.local = Some(to);
        } else {
            *self = Self { session: to, local: None };
        }
    }

    fn now(&self) -> &SetTo {
        self.local.as_ref().unwrap_or(&self.session)
    }
}

impl Session {
    fn held(&mut self, what: Followed) -> &mut Held {
        match what {
            Followed::SearchPath => &mut self.search_path,
            Followed::TimeZone => &mut self.time_zone,
        }
    }

    pub(super) fn end_transaction(&mut self) {
        self.search_path.local = None;
        self.time_zone.local = None;
    }

    /// The next one may be this one, or another. With an empty path, nothing more would be found in this one.
    pub(super) fn end(&mut self) {
        for what in Followed::ALL {
            let held = self.held(what);
            let to = match &held.session {
                SetTo::Own => SetTo::Own,
                SetTo::Text(path) if what == Followed::SearchPath && names_nothing(path) => SetTo::Own,
                SetTo::Text(_) | SetTo::Unclear => SetTo::Unclear,
            };
            held.set(to, false);
        }
    }
}

fn names_nothing(path: &str) -> bool {
    schemas(path).is_some_and(|names| names.iter().all(|name| name.is_empty() || name == CATALOG))
}

impl Forecast {
    /// As the run has left it.
    #[must_use]
    pub fn time_zone(&self) -> &SetTo {
        self.now.session.time_zone.now()
    }

    /// Nobody knows what a name without a schema means.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        *self.now.session.search_path.now() == SetTo::Unclear
    }

    /// As a server takes it; of one that nobody knows, nothing.
    #[must_use]
    pub fn search_path(&self) -> &str {
        match self.now.session.search_path.now() {
            SetTo::Own => &self.assumed.search_path,
            SetTo::Text(path) => path,
            SetTo::Unclear => "",
        }
    }

    /// The tool puts the session back to what it was before the file.
    pub fn put_back(&mut self) {
        self.now.session = Session::default();
    }

    pub(super) fn learn_settings(&mut self, outline: &Outline, text: &str) {
        let unread = Followed::ALL.into_iter().filter(|what| outline.runs_code && what.is_named_in(text));
        let unread = unread.map(|what| Setting { what, to: SetTo::Unclear, local: false });
        for setting in outline.settings.iter().cloned().chain(unread) {
            let unclear = match (&setting.to, setting.what) {
                (SetTo::Text(path), Followed::SearchPath) => schemas(path).is_none(),
                (SetTo::Unclear, _) => true,
                (SetTo::Own | SetTo::Text(_), _) => false,
            };
            if unclear && setting.what == Followed::SearchPath {
                // That is somewhere else than somewhere was.
                self.now.relations.retain(|name, _| name.schema.as_deref() != Some(SOMEWHERE));
            }
            let to = if unclear { SetTo::Unclear } else { setting.to };
            self.now.session.held(setting.what).set(to, setting.local);
        }
    }

    /// The qualified name of what a name stands for.
    pub(super) fn key(&self, name: &RelationName, facts: &Facts) -> RelationName {
        if name.schema.is_some() {
            return name.clone();
        }
        let found = facts.relation(name).flatten().filter(|_| self.live);
        let path = self.path();
        for schema in std::iter::once(TEMPORARY).chain(path.iter().map(String::as_str)) {
            let key = within(schema, name);
            let known = matches!(self.now.relations.get(&key), Some(Some(_)));
            if known || found.is_some_and(|found| found.schema == schema) {
                return key;
            }
        }
        match found {
            Some(found) if found.schema == CATALOG => found.qualified(),
            Some(_) | None => self.place(name),
        }
    }

    /// Where something of this name is made.
    pub(super) fn place(&self, name: &RelationName) -> RelationName {
        if name.schema.is_some() {
            return name.clone();
        }
        let mut path = self.path().into_iter().chain(schemas(&self.assumed.search_path).unwrap_or_default());
        let first = path.find(|schema| !schema.is_empty() && schema != CATALOG);
        within(first.as_deref().unwrap_or(PUBLIC), name)
    }

    /// The schemas that names are looked up in. One of the role's own name counts where it is known to be there.
    fn path(&self) -> Vec<String> {
        if self.is_lost() {
            return vec![SOMEWHERE.to_owned()];
        }
        let names = schemas(self.search_path()).unwrap_or_default().into_iter();
        let there = || schemas(&self.assumed.search_path).unwrap_or_default().contains(&self.assumed.role);
        let named = |name: String| match name.as_str() {
            OWN_SCHEMA => there().then(|| self.assumed.role.clone()),
            _ => Some(name),
        };
        names.filter_map(named).collect()
    }
}

fn within(schema: &str, name: &RelationName) -> RelationName {
    RelationName { schema: Some(schema.to_owned()), name: name.name.clone() }
}
