//! JSON in the form that the genuine server prints it, blanks included (the default pretty printer of Jackson).

use serde_json::{Map, Value};

/// The fields of an answer, in the order they are shown.
pub(super) type Fields = Map<String, Value>;

/// Prints an object.
pub(super) fn print(fields: &Fields) -> String {
    let mut out = String::new();
    object(fields, 0, &mut out);
    out
}

fn value(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(fields) => object(fields, depth, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { " " } else { ", " });
                self::value(item, depth, out);
            }
            out.push_str(" ]");
        }
        // Numbers, texts, booleans and null are printed alike everywhere.
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn object(fields: &Fields, depth: usize, out: &mut String) {
    if fields.is_empty() {
        out.push_str("{ }");
        return;
    }
    out.push('{');
    for (i, (name, field)) in fields.iter().enumerate() {
        out.push_str(if i == 0 { "\n" } else { ",\n" });
        indent(depth + 1, out);
        out.push_str(&Value::from(name.as_str()).to_string());
        out.push_str(" : ");
        value(field, depth + 1, out);
    }
    out.push('\n');
    indent(depth, out);
    out.push('}');
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As answered by Apache ZooKeeper 3.9.5.
    #[test]
    fn objects_look_as_the_genuine_server_prints_them() {
        let Value::Object(fields) = json!({
            "connections": [
                { "remote_socket_address": "127.0.0.1:1", "avg_latency": 6.5 },
                { "remote_socket_address": "127.0.0.1:2", "avg_latency": 0.0 }
            ],
            "secure_connections": [],
            "current_config": {},
            "expiry_time_to_session_ids": { "3682500": [72057831652130816_i64, 1] },
            "text": "a\n\"b\"\u{e9}\u{1}",
            "error": null
        }) else {
            unreachable!("it is an object")
        };
        let expected = r#"{
  "connections" : [ {
    "remote_socket_address" : "127.0.0.1:1",
    "avg_latency" : 6.5
  }, {
    "remote_socket_address" : "127.0.0.1:2",
    "avg_latency" : 0.0
  } ],
  "secure_connections" : [ ],
  "current_config" : { },
  "expiry_time_to_session_ids" : {
    "3682500" : [ 72057831652130816, 1 ]
  },
  "text" : "a\n\"b\"é\u0001",
  "error" : null
}"#;
        assert_eq!(print(&fields), expected);
    }
}
