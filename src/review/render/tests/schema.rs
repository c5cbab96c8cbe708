//! The published schema and what is written cannot drift apart.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::review::evidence::Kind;
use crate::review::verdict::Verdict;

/// Compares a value with its part of the schema, and notes which properties there were.
fn check(value: &Value, schema: &Value, at: &str, seen: &mut BTreeSet<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "type" => assert_eq!(*rule, type_of(value), "{at}"),
            "const" => assert_eq!(value, rule, "{at}"),
            "enum" => assert!(rule.as_array().unwrap().contains(value), "{at}: {value}"),
            "maxItems" => assert!(value.as_array().unwrap().len() as u64 <= rule.as_u64().unwrap(), "{at}"),
            "minItems" => assert!(value.as_array().unwrap().len() as u64 >= rule.as_u64().unwrap(), "{at}"),
            "items" => {
                for value in value.as_array().unwrap() {
                    check(value, rule, &format!("{at}[]"), seen);
                }
            }
            "format" => drop(humantime::parse_rfc3339(value.as_str().unwrap()).unwrap()),
            "required" => {
                for key in rule.as_array().unwrap() {
                    assert!(value.get(key.as_str().unwrap()).is_some(), "{at} has no {key}");
                }
            }
            "additionalProperties" => assert_eq!(*rule, false),
            "properties" => {
                for (key, value) in value.as_object().unwrap() {
                    let at = format!("{at}.{key}");
                    let rule = rule.get(key).unwrap_or_else(|| panic!("{at} is not in the schema"));
                    check(value, rule, &at, seen);
                    seen.insert(at);
                }
            }
            "title" | "description" | "$schema" | "$id" => {}
            unknown => panic!("{unknown} is not looked at here"),
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
        Value::Number(_) => "number",
        Value::Object(_) => "object",
        Value::String(_) => "string",
    }
}

/// Lists every property of a schema, and requires that each object says what it must have and admits nothing else.
fn properties(schema: &Value, at: &str, all: &mut BTreeSet<String>) {
    if let Some(items) = schema.get("items") {
        properties(items, &format!("{at}[]"), all);
    }
    if let Some(known) = schema.get("properties") {
        assert_eq!(schema["additionalProperties"], false, "{at}");
        assert!(schema.get("required").is_some(), "{at}");
        for (key, schema) in known.as_object().unwrap() {
            let at = format!("{at}.{key}");
            properties(schema, &at, all);
            all.insert(at);
        }
    }
}

fn schema() -> Value {
    serde_json::from_str(JSON_SCHEMA).unwrap()
}

#[test]
fn json_is_what_its_schema_says_and_all_of_that() {
    let mut seen = BTreeSet::new();
    let towards = Level::ALL.map(|level| sample().toward(level));
    for review in towards.into_iter().chain([bare()]) {
        check(&serde_json::from_str(&review.json()).unwrap(), &schema(), "", &mut seen);
    }
    let mut all = BTreeSet::new();
    properties(&schema(), "", &mut all);
    assert_eq!(seen, all);
}

#[test]
fn what_must_be_there_is_all_but_the_details_of_evidence() {
    let optional = |schema: &Value| {
        let all = schema["properties"].as_object().unwrap().keys();
        let required = schema["required"].as_array().unwrap();
        let optional = all.filter(|key| !required.contains(&json!(key)));
        optional.cloned().collect::<BTreeSet<_>>()
    };
    let schema = schema();
    let item = &schema["properties"]["items"]["items"];
    assert_eq!(optional(&schema), BTreeSet::new());
    assert_eq!(optional(&schema["properties"]["findings"]["items"]), BTreeSet::new());
    assert_eq!(optional(item), BTreeSet::new());
    let details = ["at", "by", "link", "on", "until"].map(String::from);
    assert_eq!(optional(&item["properties"]["evidence"]["items"]), details.into());
}

#[test]
fn the_schema_knows_every_word() {
    let schema = schema();
    let top = &schema["properties"];
    let item = &top["items"]["items"]["properties"];
    let kinds = [
        Kind::Missing,
        Kind::Waived,
        Kind::Attested,
        Kind::Measured,
        Kind::Proven,
    ]
    .map(Kind::label);
    let levels = Level::ALL.map(Level::label);
    assert_eq!(item["kind"]["enum"], json!(kinds));
    assert_eq!(item["evidence"]["items"]["properties"]["kind"]["enum"], json!(kinds));
    assert_eq!(item["level"]["enum"], json!(levels));
    assert_eq!(top["target"]["enum"], json!(levels));
    assert_eq!(
        top["reached"]["enum"],
        json!([levels[0], levels[1], levels[2], levels[3], null])
    );
    assert_eq!(
        top["verdict"]["enum"],
        json!([Verdict::Go, Verdict::NoGo].map(Verdict::label))
    );
    let mut review = bare();
    for (area, word) in AREAS.into_iter().zip(item["area"]["enum"].as_array().unwrap()) {
        review.items[0].item.area = area;
        let page: Value = serde_json::from_str(&review.json()).unwrap();
        assert_eq!(page["items"][0]["area"], *word);
    }
    assert_eq!(item["area"]["enum"].as_array().unwrap().len(), AREAS.len());
}

const AREAS: [Area; 14] = [
    Area::Health,
    Area::Resilience,
    Area::Errors,
    Area::Configuration,
    Area::Data,
    Area::Observability,
    Area::Objectives,
    Area::Operations,
    Area::Performance,
    Area::Security,
    Area::Deployment,
    Area::Testing,
    Area::Documentation,
    Area::Own,
];
