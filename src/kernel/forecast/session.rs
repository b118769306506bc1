//! Settings of the session that the run changes: what a name without a schema means, as which role, and which time zone
//! holds.

use super::{Forecast, TEMPORARY};
use crate::kernel::facts::Facts;
use crate::kernel::sql::read::outline::Outline;
use crate::kernel::sql::read::session::{Followed, SetTo, Setting, schemas};
use crate::kernel::sql::statement::RelationName;
use crate::kernel::sql::write::quote_ident;

/// Where what the run makes stands while nobody knows where that is.
const SOMEWHERE: &str = "?";
/// In a search path: the schema that is called like the role.
pub const OWN_SCHEMA: &str = "$user";
const CATALOG: &str = "pg_catalog";
const PUBLIC: &str = "public";
/// `SET ROLE NONE`: as whoever logged in.
const NO_ROLE: &str = "none";

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
    role: Held,
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
            Followed::Role => &mut self.role,
            Followed::SearchPath => &mut self.search_path,
            Followed::TimeZone => &mut self.time_zone,
        }
    }

    pub(super) fn end_transaction(&mut self) {
        self.role.local = None;
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
        let named = || schemas(self.set_path()).unwrap_or_default();
        *self.now.session.search_path.now() == SetTo::Unclear
            || self.role().is_none() && named().iter().any(|name| name == OWN_SCHEMA)
    }

    /// As a server takes it, the role's own schema by its name; of one that nobody knows, nothing.
    #[must_use]
    pub fn search_path(&self) -> String {
        let names = if self.is_lost() { Vec::new() } else { self.path() };
        names.iter().map(|name| quote_ident(name)).collect::<Vec<_>>().join(", ")
    }

    /// By whose name things run, where that is known.
    pub(super) fn role(&self) -> Option<&str> {
        match self.now.session.role.now() {
            SetTo::Text(role) if role != NO_ROLE => Some(role),
            SetTo::Own | SetTo::Text(_) => Some(&self.assumed.role),
            SetTo::Unclear => None,
        }
    }

    /// The run has set another.
    pub(super) fn sets_role(&self) -> Option<&str> {
        self.role().filter(|role| *role != self.assumed.role)
    }

    /// The next session may be another's: where neither role has a schema of its own, that is all the same.
    pub(super) fn leave_role(&mut self) {
        let tells = |role: &str| self.is_schema(role) || self.is_schema(&self.assumed.role);
        if self.sets_role().is_some_and(|role| !tells(role)) {
            self.now.session.role = Held::default();
        }
    }

    fn set_path(&self) -> &str {
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
        let mut path = self.path().into_iter().chain(self.found_in(&self.assumed.search_path));
        let first = path.find(|schema| !schema.is_empty() && schema != CATALOG);
        within(first.as_deref().unwrap_or(PUBLIC), name)
    }

    /// The schemas that names are looked up in. One of the role's own name counts where it is known to be there.
    fn path(&self) -> Vec<String> {
        if self.is_lost() {
            return vec![SOMEWHERE.to_owned()];
        }
        self.found_in(self.set_path())
    }

    fn found_in(&self, path: &str) -> Vec<String> {
        let own = || self.role().filter(|role| self.is_schema(role)).map(str::to_owned);
        let named = |name: String| if name == OWN_SCHEMA { own() } else { Some(name) };
        schemas(path).unwrap_or_default().into_iter().filter_map(named).collect()
    }

    fn is_schema(&self, name: &str) -> bool {
        let made_in = |relation: &RelationName| relation.schema.as_deref() == Some(name);
        self.assumed.schemas.contains(name) || self.makes_schema(name) || self.now.relations.keys().any(made_in)
    }
}

fn within(schema: &str, name: &RelationName) -> RelationName {
    RelationName { schema: Some(schema.to_owned()), name: name.name.clone() }
}
