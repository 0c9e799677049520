// SPDX-License-Identifier: Apache-2.0

//! Each size, offset and constant is that which a C compiler finds in rill.h.

use std::process::Command;

#[test]
fn declarations_are_those_of_the_header() {
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/native/subprojects/rill/include");
    let exe = format!("{}/layout-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let cc = std::env::var("CC").unwrap_or("cc".into());
    let mut words = cc.split_whitespace();
    let built = Command::new(words.next().unwrap())
        .args(words)
        .args(["-std=c11", "-I", include, "-o", &exe, "-x", "c"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layout.inc"))
        .status()
        .expect("a C compiler");
    assert!(built.success());
    let said = Command::new(&exe).output().unwrap();
    std::fs::remove_file(&exe).unwrap();
    let c = String::from_utf8(said.stdout).unwrap();
    let rust = rill_sys::layout();
    assert!(rust.len() > 500, "the layout has its rows");
    for (rust, c) in rust.iter().zip(c.lines()) {
        assert_eq!(rust, c);
    }
    assert_eq!(rust.len(), c.lines().count());
    let linked = unsafe { rill_sys::rill_version() };
    assert!(linked >= rill_sys::RILL_VERSION, "{linked:#x}");
}
