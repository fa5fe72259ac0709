//! The operator's page of keys.

use std::fs;
use std::path::Path;

/// Set it to anything to write the page anew.
const REWRITE: &str = "ZABRA_REWRITE_DOCS";

#[test]
fn the_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = zabra_server::config::reference();
    if std::env::var_os(REWRITE).is_some() {
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = page.lines().zip(committed.lines()).find(|(now, then)| now != then);
    assert!(
        page == committed,
        "docs/configuration.md is not what the key table says, beginning with {differs:?}; \
         run the test again with {REWRITE}=1 and look at the difference"
    );
}
