// SPDX-License-Identifier: Apache-2.0

//! peer URL: what interop.py says to each language's program, in Rust.

use std::time::Duration;

use rill::*;

const ME: &str = "Rust";
const SOON: Duration = Duration::from_secs(50);

fn told(how: &str, m: &Msg) {
    let from = m.header("From").unwrap_or_default();
    println!("{how} {} {} {from}", m.subject(), String::from_utf8_lossy(m.data()));
}

fn write(bus: &Bus, kv: &Kv) -> Result<()> {
    let from = Post::new().header("From", ME);
    bus.publish_with(format!("live.{ME}"), format!("published by {ME}"), &from)?;
    bus.append_with(&format!("s.{ME}"), &format!("stored by {ME}"), &from).wait()?;
    kv.put(ME, &format!("set by {ME}")).wait()?;
    bus.flush().timeout(SOON).wait()?;
    println!("written");
    Ok(())
}

fn read(n: usize, bus: &Bus, kv: &Kv, live: &mut Sub) -> Result<()> {
    for _ in 0..n {
        told("live", live.recv_timeout(SOON)?);
    }
    let mut stored = bus.consume("S", &SubOptions::new().group("rust")).wait()?;
    for _ in 0..n {
        let m = stored.recv_timeout(SOON)?;
        told("stored", m);
        m.ack()?;
    }
    for key in kv.keys(None).wait()? {
        let value = kv.get(&key).wait()?;
        println!("key {key} {}", String::from_utf8_lossy(value.data()));
    }
    println!("end");
    Ok(())
}

fn main() -> Result<()> {
    let bus = Bus::open(&std::env::args().nth(1).unwrap())?;
    let kv = bus.kv("kv", None).wait()?;
    let mut live = bus.subscribe("live.*", None).wait()?;
    bus.flush().timeout(SOON).wait()?;
    println!("ready");
    for line in std::io::stdin().lines() {
        match line.unwrap().split_once(' ') {
            Some((_, n)) => read(n.parse().unwrap(), &bus, &kv, &mut live)?,
            None => write(&bus, &kv)?,
        }
    }
    Ok(())
}
