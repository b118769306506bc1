"""The API as its own OpenAPI document describes it: the document is valid, and every answer is what it says.
The PG* variables say where the gateway is, LOCKKEEPER_DATA_DIR where it keeps the address of its API and the token."""
import json
import os
import pathlib
import re
import urllib.error
import urllib.request

import psycopg
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

DATA = pathlib.Path(os.environ["LOCKKEEPER_DATA_DIR"])
BASE = "http://" + (DATA / "admin.addr").read_text().strip()
TOKEN = (DATA / "admin.token").read_text().strip()


def call(method, path, body=None, headers=()):
    request = urllib.request.Request(BASE + path, method=method.upper(), data=body and json.dumps(body).encode())
    for name, value in (("Authorization", f"Bearer {TOKEN}"), ("Content-Type", "application/json"), *headers):
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.load(error)


document = call("get", "/v1/openapi.json")[2]
validate(document)


def must_fit(operation, code, media, value, why):
    schema = document["paths"][operation[1]][operation[0]]["responses"][code]["content"][media]["schema"]
    whole = {**schema, "components": document["components"]}
    found = Draft202012Validator(whole).iter_errors(value)
    mistakes = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in found]
    assert not mistakes, (why, mistakes[:5])


with psycopg.connect(autocommit=True) as conn:
    conn.execute("create index on orders (customer_id)")
    conn.execute("drop table doomed")  # held, and approved by somebody else
    session = call("get", "/v1/sessions?live=true")[2]["sessions"][0]["id"]
    asked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            given = {"id": "1", "session": session}
            if method != "get" or path in ("/v1/events",):
                continue
            real = re.sub(r"{(\w+)}", lambda name: given[name[1]], path)
            if path.endswith("/wait"):
                real += "?version=0&timeout_s=1"
            status, headers, answer = call(method, real)
            if status == 200:
                must_fit((method, path), "200", "application/json", answer, real)
                asked += 1
            else:
                assert headers["Content-Type"] == "application/problem+json", (real, status)
                must_fit((method, path), "default", "application/problem+json", answer, real)
    assert asked >= 12, asked

must_fit(("get", "/v1/tickets/{id}"), "200", "application/json", call("get", "/v1/tickets/1")[2], "the ticket")
database = os.environ["PGDATABASE"]
question = {"database": database, "role": "alice", "sql": "alter table orders add column place uuid default gen_random_uuid()"}
status, _, answer = call("post", "/v1/explain", question)
assert status == 200, answer
must_fit(("post", "/v1/explain"), "200", "application/json", answer, "explain")
status, _, answer = call("post", "/v1/tickets/1/approve", {"by": "bob"}, [("If-Match", '"1"')])
assert status >= 400
must_fit(("post", "/v1/tickets/{id}/approve"), "default", "application/problem+json", answer, "too late")
