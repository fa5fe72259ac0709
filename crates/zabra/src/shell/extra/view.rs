//! Data as people read it.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::shell::Shell;
use crate::shell::commands::{Call, Running};
use crate::shell::fault::Fault;
use crate::shell::format;
use crate::shell::path;
use crate::shell::session::fault_of;

/// A form in which data can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Hex,
}

/// The command `view`.
pub(super) fn view<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let path = call.argument(1);
        path::check(path)?;
        let wanted = match call.parsed.value("as") {
            None => None,
            Some("text") => Some(Form::Text),
            Some("json") => Some(Form::Json),
            Some("hex") => Some(Form::Hex),
            Some(other) => {
                return Err(call.bad_value("as", format!("--as is text, json or hex, not {other}")));
            }
        };
        let client = shell.client()?;
        let (data, stat) = client.get(path).or_null().await.map_err(|error| fault_of(&error, Some(path)))?;
        if call.out.is_json() {
            let mut value = json!({ "path": path, "stat": format::stat_json(&stat) });
            match data.as_deref().map(serde_json::from_slice::<Value>) {
                Some(Ok(parsed)) => value["json"] = parsed,
                _ => format::put_data(&mut value, data.as_deref()),
            }
            return call.out.json(&value);
        }
        let Some(data) = data else { return call.out.text("null") };
        if data.is_empty() {
            call.out.note("(no data)");
            return Ok(());
        }
        let form = wanted.unwrap_or_else(|| form_of(&data));
        match shown(&data, form) {
            Some(text) => call.out.text(text.trim_end_matches('\n')),
            None => Err(Fault::new(format!("The data of {path} is not JSON"))),
        }
    })
}

/// What data is.
fn form_of(data: &[u8]) -> Form {
    let is_text = |text: &str| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    match str::from_utf8(data) {
        Ok(text) if text.trim_start().starts_with(['{', '[']) && indented(data).is_some() => Form::Json,
        Ok(text) if is_text(text) => Form::Text,
        _ => Form::Hex,
    }
}

fn shown(data: &[u8], form: Form) -> Option<Cow<'_, str>> {
    Some(match form {
        Form::Text => String::from_utf8_lossy(data),
        Form::Json => indented(data)?.into(),
        Form::Hex => format::hex_dump(data).into(),
    })
}

fn indented(data: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(data).ok()?;
    serde_json::to_string_pretty(&value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_known_by_its_bytes() {
        let cases: [(&[u8], Form); 7] = [
            (b"hello\n", Form::Text),
            (b" {\"a\": [1]}\n", Form::Json),
            (b"[]", Form::Json),
            (b"{not json", Form::Text),
            (b"17", Form::Text),
            (b"\0\0\0\x01", Form::Hex),
            (b"\xff", Form::Hex),
        ];
        for (data, form) in cases {
            assert_eq!(form_of(data), form, "{data:?}");
        }
        assert_eq!(shown(b"{\"b\":1,\"a\":[]}", Form::Json).unwrap(), "{\n  \"b\": 1,\n  \"a\": []\n}");
        assert_eq!(shown(b"x", Form::Json), None);
    }
}
