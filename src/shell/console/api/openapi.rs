//! The OpenAPI document, made from the table of routes and from the types they take and give.

use axum::Json;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::doors::Row;
use super::rows;
use crate::shell::console::problem::Problem;

/// The document itself: the specification says what is in it.
pub(super) type OpenApi = Map<String, Value>;

pub(super) async fn serve() -> Json<Value> {
    Json(document())
}

/// All of it.
fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for row in rows() {
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(row.method.to_owned(), operation(&row, &mut generator));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Lockkeeper", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "security": [{ "token": [] }],
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } }
        }
    })
}

fn operation(row: &Row, generator: &mut SchemaGenerator) -> Value {
    let (media, gives) = row.about.gives;
    let mut answers = json!({ (media): { "schema": gives(generator) } });
    for file in row.about.files {
        answers[*file] = json!({ "schema": { "type": "string" } });
    }
    let mut operation = json!({
        "operationId": name(row),
        "summary": row.about.summary,
        "description": row.power.map_or_else(
            || "Needs no token.".to_owned(),
            |power| format!("Needs the power `{}`.", power.as_str())
        ),
        "parameters": parameters(row, generator),
        "responses": {
            "200": { "description": "done", "content": answers },
            "default": {
                "description": "why not",
                "content": { "application/problem+json": { "schema": generator.subschema_for::<Problem>() } }
            }
        }
    });
    if let (Some((media, takes)), Some(operation)) = (row.about.takes, operation.as_object_mut()) {
        let body = json!({ "required": true, "content": { (media): { "schema": takes(generator) } } });
        operation.insert("requestBody".to_owned(), body);
    }
    if let (None, Some(operation)) = (row.power, operation.as_object_mut()) {
        operation.insert("security".to_owned(), json!([]));
    }
    operation
}

/// What a generated client calls it: `post_tickets_id_approve`.
fn name(row: &Row) -> String {
    let words = row.path.trim_start_matches("/v1/").replace(['{', '}'], "").replace(['/', '-', '.'], "_");
    format!("{}_{words}", row.method)
}

/// Those in the path, of the query, and a header.
fn parameters(row: &Row, generator: &mut SchemaGenerator) -> Vec<Value> {
    let in_path = row.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| {
            let kind = if name == "id" { "integer" } else { "string" };
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": kind } })
        })
        .collect();
    if let Some(query) = row.about.query {
        let query = query(generator).to_value();
        let required = query.get("required").and_then(Value::as_array);
        for (name, schema) in query.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let needed = required.is_some_and(|names| names.iter().any(|one| one == name));
            let mut schema = schema.clone();
            let meaning = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let query =
                json!({ "name": name, "in": "query", "required": needed, "description": meaning, "schema": schema });
            parameters.push(query);
        }
    }
    if let Some((name, meaning)) = row.about.header {
        parameters
            .push(json!({ "name": name, "in": "header", "description": meaning, "schema": { "type": "string" } }));
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for reference in found {
            let place = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(place).is_some(), "{reference}");
        }
    }

    /// Two types of one name get numbers by the order of the routes: a name that changes when a route is added.
    #[test]
    fn every_schema_has_a_name_of_its_own() {
        let document = document();
        let names: Vec<&String> = document["components"]["schemas"].as_object().expect("schemas").keys().collect();
        let numbered: Vec<_> = names.iter().filter(|name| name.ends_with(|last: char| last.is_ascii_digit())).collect();
        assert!(numbered.is_empty(), "{numbered:?}");
    }

    #[test]
    fn files_are_told_beside_the_page() {
        let document = document();
        let content = &document["paths"]["/v1/changes"]["get"]["responses"]["200"]["content"];
        let kinds: Vec<&String> = content.as_object().expect("kinds").keys().collect();
        assert_eq!(kinds, ["application/json", "application/jsonl", "text/csv; charset=utf-8"]);
    }

    #[test]
    fn every_operation_has_an_id_of_its_own() {
        let document = document();
        let paths = document["paths"].as_object().expect("paths");
        let mut ids: Vec<&str> = paths
            .values()
            .flat_map(|path| path.as_object().expect("operations").values())
            .map(|operation| operation["operationId"].as_str().expect("an id"))
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
        assert_eq!(all, rows().len());
    }
}
