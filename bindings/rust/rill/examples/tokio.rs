// SPDX-License-Identifier: Apache-2.0

//! On tokio: a service and who asks it, in tasks; a stream of its jobs; a time-out that takes a call
//! back. `cargo run --example tokio --features futures`

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use rill::{Bus, StreamOptions, SubOptions};

fn main() -> rill::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run())
}

async fn run() -> rill::Result<()> {
    let bus = Arc::new(Bus::open("mem:")?);
    let mut asked = bus.subscribe("upper", None).await?;
    let service = tokio::spawn(async move {
        while let Ok(m) = asked.recv_async().await {
            let _ = m.reply(m.data().to_ascii_uppercase());
        }
    });
    let answer = bus.request("upper", "hello").await?;
    println!("{}", String::from_utf8_lossy(answer.data()));

    bus.stream_ensure("JOBS", &StreamOptions::new().in_memory(true)).await?;
    for job in ["one", "two"] {
        bus.append("JOBS", job).await?;
    }
    let mut jobs = bus.consume("JOBS", &SubOptions::new().group("workers")).await?;
    for _ in 0..2 {
        let job = jobs.recv_async().await?;
        println!("{} {}", job.seq(), String::from_utf8_lossy(job.data()));
        job.ack()?;
    }
    let _deaf = bus.subscribe("deaf", None).await?;
    let question = bus.request("deaf", "hello?").into_future();
    let late = tokio::time::timeout(Duration::from_millis(50), question).await;
    println!("answered: {}", late.is_ok());
    service.abort();
    Ok(())
}
