#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# package.sh: what tests.sh has for `package`. The two crates are packed; a program elsewhere, with
# nothing but these and no librill installed, is built and run, and prints what it should. Then
# the bench, with librill of this build, if async-nats is to be had. Nothing is optimized: what is
# looked at is that it is built, and runs.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cargo=${CARGO:-cargo}
dir=$RILL_BUILD/bindings/rust
unset PKG_CONFIG_PATH LD_LIBRARY_PATH RILL_FROM
cd "$here" || exit 1

failed=0
step() {
    name=$1
    shift
    if "$@" >"$dir/package.log" 2>&1; then echo "ok   $name"; else
        echo "FAIL $name"
        tail -n 60 "$dir/package.log"
        failed=1
    fi
}

step "cargo package" "$cargo" package --locked --allow-dirty --no-verify --target-dir "$dir/pack"
rm -rf "$dir/clean" && mkdir -p "$dir/clean/src" && cd "$dir/clean" || exit 1
for crate in rill rill-sys; do
    tar -xzf "$dir/pack/package/$crate-0.1.0.crate" || failed=1
done
cat >Cargo.toml <<'END'
[package]
name = "user"
version = "0.0.0"
edition = "2021"

[dependencies]
rill = { path = "rill-0.1.0", features = ["bundled"] }

[patch.crates-io]
rill-sys = { path = "rill-sys-0.1.0" }

[workspace]
END
cat >src/main.rs <<'END'
fn main() -> rill::Result<()> {
    let bus = rill::Bus::open("mem:")?;
    let mut sub = bus.subscribe("greet.*", None).wait()?;
    bus.publish("greet.world", "hello")?;
    let m = sub.recv()?;
    println!("{}: {}", m.subject(), String::from_utf8_lossy(m.data()));
    Ok(())
}
END
export CARGO_TARGET_DIR="$dir/clean/target"
step "a program with the packages alone" env CFLAGS=-O0 "$cargo" build
said=$("$CARGO_TARGET_DIR/debug/user" 2>&1)
step "it says hello" test "$said" = "greet.world: hello"
if ldd "$CARGO_TARGET_DIR/debug/user" 2>/dev/null | grep -q librill; then
    echo "FAIL it has its own librill"
    failed=1
fi

cd "$here/bench" || exit 1
export CARGO_TARGET_DIR="$dir/target-bench" RILL_FROM=installed
export PKG_CONFIG_PATH="$RILL_BUILD/meson-uninstalled" LD_LIBRARY_PATH="$RILL_BUILD/lib"
if timeout 300 "$cargo" fetch --locked >"$dir/fetch.log" 2>&1; then
    step "its bench is built" "$cargo" build --locked --config profile.dev.debug=0
    step "its bench, beside async-nats" "$CARGO_TARGET_DIR/debug/rill-bench" --rounds 2 --msgs 20000
    cat "$dir/package.log"
else
    echo "skipped: async-nats was not to be had from crates.io: $(tail -n 1 "$dir/fetch.log")"
fi
exit $failed
