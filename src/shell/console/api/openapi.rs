//! The OpenAPI document, made from the table of routes. It names the bodies and answers, and does not spell them out.

use axum::Json;
use serde_json::{Value, json};

use super::doors::Row;
use super::rows;

pub(super) async fn serve() -> Json<Value> {
    Json(document())
}

/// All of it.
fn document() -> Value {
    let mut paths = serde_json::Map::new();
    for row in rows() {
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(row.method.to_owned(), operation(&row));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Lockkeeper", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "security": [{ "token": [] }],
        "components": { "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } }
    })
}

fn operation(row: &Row) -> Value {
    let of = |name: &str| json!({ "type": "object", "title": name });
    let mut parameters: Vec<Value> = Vec::new();
    if row.path.contains("{id}") {
        parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } }));
    }
    for (name, meaning) in row.about.query {
        let text = json!({ "name": name, "in": "query", "description": meaning, "schema": { "type": "string" } });
        parameters.push(text);
    }
    let kind = if row.about.gives == "Recorded" { "text/event-stream" } else { "application/json" };
    let mut operation = json!({
        "summary": row.about.summary,
        "description": row.power.map_or_else(
            || "Needs no token.".to_owned(),
            |power| format!("Needs the power `{}`.", power.as_str())
        ),
        "parameters": parameters,
        "responses": {
            "200": { "description": "done", "content": { (kind): { "schema": of(row.about.gives) } } },
            "default": {
                "description": "why not",
                "content": { "application/problem+json": { "schema": of("Problem") } }
            }
        }
    });
    if let (Some(takes), Some(operation)) = (row.about.takes, operation.as_object_mut()) {
        let body = json!({ "required": true, "content": { "application/json": { "schema": of(takes) } } });
        operation.insert("requestBody".to_owned(), body);
    }
    if let (None, Some(operation)) = (row.power, operation.as_object_mut()) {
        operation.insert("security".to_owned(), json!([]));
    }
    operation
}
