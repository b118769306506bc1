//! The table of routes: what each needs, takes and gives. Router and OpenAPI document are both made from it, so
//! there is no route without a power and none that is not described.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{Next, from_fn};
use axum::routing::{MethodRouter, delete, get, post};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{ApiState, Identity, Problem};
use crate::kernel::review::Power;

/// Media type of almost everything here.
const JSON: &str = "application/json";

/// One route.
#[derive(Clone, Copy, Debug)]
pub(in crate::shell::console) struct Row {
    pub(in crate::shell::console) method: &'static str,
    pub(in crate::shell::console) path: &'static str,
    /// None: it is for whoever has no token yet.
    pub(in crate::shell::console) power: Option<Power>,
    pub(super) about: About,
}

/// What a route is for people and programs.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    pub(super) summary: &'static str,
    /// Its body, and the media type of it; nothing: it has none.
    pub(super) takes: Option<(&'static str, Shape)>,
    /// Its answer.
    pub(super) gives: (&'static str, Shape),
    /// What it answers with as well, where it is asked to: files.
    pub(super) files: &'static [&'static str],
    /// Its query: an object with a property for each parameter.
    pub(super) query: Option<Shape>,
    /// A header it understands, and what it means.
    pub(super) header: Option<(&'static str, &'static str)>,
}

/// Gives the schema of a type, and notes those of the types in it.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// A route that is read.
pub(super) fn gives<T: JsonSchema>(summary: &'static str) -> About {
    About { summary, takes: None, gives: (JSON, shape::<T>), files: &[], query: None, header: None }
}

/// A route that is told something.
pub(super) fn takes<B: JsonSchema, T: JsonSchema>(summary: &'static str) -> About {
    About { takes: Some((JSON, shape::<B>)), ..gives::<T>(summary) }
}

/// The same with parameters.
pub(super) fn asked<Q: JsonSchema>(about: About) -> About {
    About { query: Some(Q::json_schema), ..about }
}

fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The routes so far.
#[derive(Default)]
pub(super) struct Doors {
    router: Router<Arc<ApiState>>,
    open: Router<Arc<ApiState>>,
    rows: Vec<Row>,
}

impl Doors {
    pub(super) fn get<H, T>(self, path: &'static str, power: Power, about: About, handler: H) -> Self
    where
        H: Handler<T, Arc<ApiState>>,
        T: 'static,
    {
        self.route(Row { method: "get", path, power: Some(power), about }, power, get(handler))
    }

    pub(super) fn post<H, T>(self, path: &'static str, power: Power, about: About, handler: H) -> Self
    where
        H: Handler<T, Arc<ApiState>>,
        T: 'static,
    {
        self.route(Row { method: "post", path, power: Some(power), about }, power, post(handler))
    }

    pub(super) fn delete<H, T>(self, path: &'static str, power: Power, about: About, handler: H) -> Self
    where
        H: Handler<T, Arc<ApiState>>,
        T: 'static,
    {
        self.route(Row { method: "delete", path, power: Some(power), about }, power, delete(handler))
    }

    /// A route without a token, to come by one.
    pub(super) fn open<H, T>(mut self, path: &'static str, about: About, handler: H) -> Self
    where
        H: Handler<T, Arc<ApiState>>,
        T: 'static,
    {
        self.open = self.open.route(path, post(handler));
        self.rows.push(Row { method: "post", path, power: None, about });
        self
    }

    fn route(mut self, row: Row, power: Power, method: MethodRouter<Arc<ApiState>>) -> Self {
        let guard = from_fn(move |request: Request, next: Next| async move {
            match request.extensions().get::<Identity>() {
                Some(who) if who.has(power) => Ok(next.run(request).await),
                Some(who) => Err(who.lacks(power)),
                None => Err(Problem::unauthorized()),
            }
        });
        self.router = self.router.route(row.path, method.route_layer(guard));
        self.rows.push(row);
        self
    }

    /// What is behind a token, what is before it, and all of it as a table.
    pub(super) fn into_parts(self) -> (Router<Arc<ApiState>>, Router<Arc<ApiState>>, Vec<Row>) {
        (self.router, self.open, self.rows)
    }
}
