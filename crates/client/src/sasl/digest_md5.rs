//! DIGEST-MD5 (RFC 2831), as servers with `DigestLoginModule` speak it.

use crate::sasl::{SaslConversation, SaslMechanism, SaslStep};
use md5::{Digest, Md5};
use std::borrow::Cow;
use std::fmt;

/// Who the servers say they are; the same in all of them.
const DIGEST_URI: &str = "zookeeper/zk-sasl-md5";
/// The longest message we take afterwards. Nothing is encrypted afterwards, so it means nothing.
const MAX_BUF: u32 = 65_536;

/// Proves a user's name by a password that both sides know (`DIGEST-MD5`, without encryption of what follows).
///
/// It protects the password from those who only listen, no more than that: use it over connections that are trusted
/// otherwise.
#[derive(Clone)]
pub struct DigestMd5 {
    user: String,
    password: String,
}

impl DigestMd5 {
    /// A user and the password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }
}

impl fmt::Debug for DigestMd5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestMd5").field("user", &self.user).finish_non_exhaustive()
    }
}

impl SaslMechanism for DigestMd5 {
    fn begin(&self) -> Box<dyn SaslConversation> {
        // Random bits that nobody can guess; a GUID has 122 of them.
        let client_nonce = uuid::Uuid::new_v4().simple().to_string();
        Box::new(Conversation { who: self.clone(), client_nonce, expected: None })
    }
}

#[derive(Debug)]
struct Conversation {
    who: DigestMd5,
    client_nonce: String,
    /// What the server has to say at last, to prove that it knows the password too.
    expected: Option<String>,
}

impl SaslConversation for Conversation {
    fn answer(&mut self, challenge: &[u8]) -> Result<SaslStep, String> {
        let challenge = String::from_utf8_lossy(challenge);
        let directives = parse(&challenge)?;
        match &self.expected {
            None => {
                let (answer, expected) = respond(&self.who, &self.client_nonce, DIGEST_URI, &directives)?;
                self.expected = Some(expected);
                Ok(SaslStep::Answer(answer))
            }
            Some(expected) if directive(&directives, "rspauth") == Some(expected) => Ok(SaslStep::Done),
            Some(_) => Err("the server does not know the password".to_owned()),
        }
    }
}

/// Name and value.
type Directive<'a> = (&'a str, Cow<'a, str>);

fn directive<'a>(directives: &'a [Directive<'_>], name: &str) -> Option<&'a str> {
    directives.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
}

/// The answer to a server's challenge, and what it is to say in return.
fn respond(
    who: &DigestMd5,
    client_nonce: &str,
    digest_uri: &str,
    challenge: &[Directive<'_>],
) -> Result<(Vec<u8>, String), String> {
    let get = |name| directive(challenge, name);
    let nonce = get("nonce").ok_or("the server offers no DIGEST-MD5: its challenge has no nonce")?;
    if get("algorithm").is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case("md5-sess")) {
        return Err("the server wants another algorithm than md5-sess".to_owned());
    }
    if !get("qop").unwrap_or("auth").split(',').any(|offered| offered.trim() == "auth") {
        return Err("the server insists on encrypting what follows (qop)".to_owned());
    }
    let realm = get("realm").unwrap_or("");
    let secret = hash(&[&to_hash(&who.user), b":", &to_hash(realm), b":", &to_hash(&who.password)]);
    let first = hex(&hash(&[&secret, b":", nonce.as_bytes(), b":", client_nonce.as_bytes()]));
    let proof = |method: &str| {
        let second = hex(&hash(&[method.as_bytes(), b":", digest_uri.as_bytes()]));
        let parts = [first.as_str(), nonce, "00000001", client_nonce, "auth", &second];
        hex(&hash(&[parts.join(":").as_bytes()]))
    };
    let answer = format!(
        "charset=utf-8,username=\"{}\",realm=\"{}\",nonce=\"{}\",nc=00000001,cnonce=\"{client_nonce}\",\
         digest-uri=\"{digest_uri}\",maxbuf={MAX_BUF},response={},qop=auth",
        quoted(&who.user),
        quoted(realm),
        quoted(nonce),
        proof("AUTHENTICATE"),
    );
    Ok((answer.into_bytes(), proof("")))
}

/// Splits `name=value,name="value, quoted \" too"`.
fn parse(text: &str) -> Result<Vec<Directive<'_>>, String> {
    let mut directives = Vec::new();
    let mut rest = text.trim_matches(|c: char| c == ',' || c.is_whitespace());
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or("the server's challenge is malformed")?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted).ok_or("a quotation in the server's challenge has no end")?,
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (Cow::Borrowed(after[..end].trim_end()), &after[end..])
            }
        };
        directives.push((name.trim(), value));
        rest = after.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
    }
    Ok(directives)
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((Cow::Owned(value), &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// What is hashed of a text: Latin-1 where that can say it, else UTF-8.
fn to_hash(text: &str) -> Vec<u8> {
    let latin: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
    latin.unwrap_or_else(|_| text.as_bytes().to_vec())
}

fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    md5.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let challenge = "realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",qop=\"auth\",\
                         algorithm=md5-sess,charset=utf-8";
        let (who, uri) = (DigestMd5::new("chris", "secret"), "imap/elwood.innosoft.com");
        let (answer, expected) = respond(&who, "OA6MHXh6VqTrRk", uri, &parse(challenge).unwrap()).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let said = parse(&answer).unwrap();
        let expected_said = [
            ("username", "chris"),
            ("realm", "elwood.innosoft.com"),
            ("nonce", "OA6MG9tEQGm2hh"),
            ("nc", "00000001"),
            ("cnonce", "OA6MHXh6VqTrRk"),
            ("digest-uri", uri),
            ("response", "d388dad90d4bbd760a152321f2143af7"),
            ("qop", "auth"),
        ];
        for (name, value) in expected_said {
            assert_eq!(directive(&said, name), Some(value), "{answer}");
        }
        assert_eq!(expected, "ea40f60335c427b5527b84dbabcdfffd");
    }

    #[test]
    fn a_conversation_ends_only_with_a_server_that_knows_the_password() {
        let who = DigestMd5::new("bob", "b\"o,b\\");
        let challenge = b"nonce=\"n\",realm=\"zk-sasl-md5\",qop=\"auth-int,auth\"";
        let mut conversation = who.begin();
        assert!(conversation.first().is_empty());
        let Ok(SaslStep::Answer(answer)) = conversation.answer(challenge) else { panic!("no answer") };
        // The server computes the same from what both know.
        let answer = String::from_utf8(answer).unwrap();
        let answer = parse(&answer).unwrap();
        let client_nonce = directive(&answer, "cnonce").unwrap();
        let (_, expected) =
            respond(&who, client_nonce, DIGEST_URI, &parse(std::str::from_utf8(challenge).unwrap()).unwrap())
                .unwrap();
        assert!(conversation.answer(b"rspauth=00").is_err());
        assert_eq!(conversation.answer(format!("rspauth={expected}").as_bytes()), Ok(SaslStep::Done));
    }

    #[test]
    fn other_challenges_are_refused() {
        for challenge in [
            "",
            "x",
            "nonce=\"n",
            "nonce=\"n\\",
            "realm=\"r\"",
            "nonce=\"n\",qop=\"auth-conf\"",
            "nonce=\"n\",algorithm=md5",
        ] {
            let answer = DigestMd5::new("a", "b").begin().answer(challenge.as_bytes());
            assert!(answer.is_err(), "{challenge}: {answer:?}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let who = DigestMd5::new("ann", "hunter2");
        let mut conversation = who.begin();
        let step = conversation.answer(b"nonce=\"n\"");
        assert!(!format!("{who:?} {conversation:?} {step:?}").contains("hunter2"));
    }
}
