// SPDX-License-Identifier: Apache-2.0

//! Finds librill by `pkg-config rill`, or builds it from the sources that this crate carries, by
//! Meson and Ninja, and links it in. RILL_FROM=installed or =bundled, and the feature `bundled`,
//! decide otherwise.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RILL_FROM");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    if env::var_os("DOCS_RS").is_some() {
        return; // documentation links nothing
    }
    let from = env::var("RILL_FROM").unwrap_or_default();
    let bundled = from == "bundled" || (from.is_empty() && has("BUNDLED"));
    match (bundled, installed()) {
        (false, Some(flags)) => link_installed(&flags),
        (false, None) if from == "installed" => {
            panic!("RILL_FROM=installed: pkg-config knows no rill")
        }
        _ => build_in(),
    }
}

fn has(feature: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{feature}")).is_some()
}

/// What a command prints, or None.
fn said(command: &mut Command) -> Option<String> {
    let done = command.output().ok().filter(|d| d.status.success())?;
    Some(String::from_utf8_lossy(&done.stdout).trim().to_string())
}

fn installed() -> Option<String> {
    said(Command::new("pkg-config").args(["--libs", "rill >= 0.1.0"]))
}

fn link_installed(flags: &str) {
    for flag in flags.split_whitespace() {
        if let Some(dir) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={dir}");
        } else if let Some(name) = flag.strip_prefix("-l") {
            println!("cargo:rustc-link-lib=dylib={name}");
        }
    }
    let variable =
        |name: &str| said(Command::new("pkg-config").args([&format!("--variable={name}"), "rill"]));
    for (name, key) in [("libdir", "libdir"), ("includedir", "include")] {
        println!("cargo:{key}={}", variable(name).unwrap_or_default());
    }
}

/// The library of this checkout, or of this package, which has the same files.
fn build_in() {
    let native = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("native");
    let rill = native.join("subprojects/rill");
    println!("cargo:rerun-if-changed={}", rill.join("lib").display());
    println!("cargo:rerun-if-changed={}", rill.join("include").display());
    let build = PathBuf::from(env::var("OUT_DIR").unwrap()).join("librill");
    if !build.join("build.ninja").exists() {
        let options =
            [("LZ4", "lz4"), ("ZSTD", "zstd"), ("NKEYS", "nkeys"), ("KAFKA", "kafka_peer")]
                .iter()
                .map(|(feature, option)| {
                    format!("-Drill:{option}={}", if has(feature) { "enabled" } else { "auto" })
                });
        let tls = if has("OPENSSL") { "openssl" } else { "mbedtls" };
        run(Command::new("meson")
            .args(["setup", "--buildtype=release", "-Db_ndebug=if-release"])
            .args(["-Ddefault_library=static", "-Drill:tests=disabled"])
            .arg(format!("-Drill:tls={tls}"))
            .args(options)
            .arg(&build)
            .arg(&native));
    }
    run(Command::new("ninja")
        .arg("-C")
        .arg(&build)
        .args(["-j", &env::var("NUM_JOBS").unwrap_or("1".into())])
        .arg("subprojects/rill/lib/librill.a"));
    println!("cargo:rustc-link-search=native={}", build.join("subprojects/rill/lib").display());
    println!("cargo:rustc-link-lib=static=rill");
    let needs = said(
        Command::new("pkg-config")
            .args(["--static", "--libs", "rill"])
            .env("PKG_CONFIG_PATH", build.join("meson-private")),
    )
    .expect("pkg-config says what the built librill needs");
    for name in needs.split_whitespace().filter_map(|f| f.strip_prefix("-l")) {
        if name != "rill" {
            println!("cargo:rustc-link-lib=dylib={name}");
        }
    }
    println!("cargo:include={}", rill.join("include").display());
    println!("cargo:libdir=");
}

fn run(command: &mut Command) {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("building librill: {command:?} ended with {status}"),
        Err(e) => panic!(
            "building librill: {name}: {e}. It needs a C compiler, pkg-config, Meson and Ninja, and \
             libevent, Mbed TLS, zlib and xxHash (Debian: gcc libc6-dev meson ninja-build pkg-config \
             libevent-dev libmbedtls-dev zlib1g-dev libxxhash-dev); or install librill first"
        ),
    }
}
