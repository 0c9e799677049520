// SPDX-License-Identifier: Apache-2.0

//! `Stream` and `Sink` of the `futures` family, on any executor.

use std::collections::VecDeque;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;

use crate::bus::Bus;
use crate::call::Pending;
use crate::error::{Code, Error, Result};
use crate::msg::OwnedMsg;
use crate::reap::{Items, Reaped};
use crate::records::Receipt;
use crate::sub::Sub;

/// Messages of one's own, until the subscription ends.
impl Stream for Sub {
    type Item = Result<OwnedMsg>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx)
    }
}

/// What comes for a bus, until it is closed.
impl Stream for Items<'_> {
    type Item = Result<Reaped>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(Items::poll_next(self.get_mut(), cx)) {
            Err(e) if e.code() == Code::ECLOSED => Poll::Ready(None),
            end => Poll::Ready(Some(end)),
        }
    }
}

/// Publishes what it is sent: see [`Bus::sink`].
pub struct PublishSink<'a, B> {
    bus: &'a Bus,
    subject: String,
    waits: Option<B>, // for room
    flush: Option<Pending<'a, ()>>,
}

/// Appends what it is sent: see [`Bus::append_sink`].
pub struct AppendSink<'a, B> {
    bus: &'a Bus,
    subject: String,
    window: usize,
    under_way: VecDeque<Pending<'a, Receipt>>,
    last: Option<Receipt>,
    _of: std::marker::PhantomData<fn(B)>,
}

impl Bus {
    /// A `Sink` that publishes what it is sent. When there is no room for a message it waits until
    /// there is; its flush is `rill_flush()`.
    pub fn sink<B: AsRef<[u8]>>(&self, subject: &str) -> PublishSink<'_, B> {
        PublishSink { bus: self, subject: subject.into(), waits: None, flush: None }
    }

    /// A `Sink` that appends what it is sent, in order, with up to `window` under way. Its flush
    /// waits until all are stored. An error of one is an error of the sink, once.
    pub fn append_sink<B: AsRef<[u8]>>(&self, subject: &str, window: usize) -> AppendSink<'_, B> {
        AppendSink {
            bus: self,
            subject: subject.into(),
            window: window.max(1),
            under_way: VecDeque::new(),
            last: None,
            _of: std::marker::PhantomData,
        }
    }
}

impl<B: AsRef<[u8]>> PublishSink<'_, B> {
    /// Sends again what has found no room, when others have gone.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while let Some(data) = &self.waits {
            match self.bus.publish(self.subject.as_str(), data) {
                Err(e) if e.code() == Code::EAGAIN => ready!(self.poll_flushed(cx))?,
                end => {
                    self.waits = None;
                    return Poll::Ready(end);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let bus = self.bus;
        let flush = self.flush.get_or_insert_with(|| bus.flush().into_future());
        let end = ready!(Pin::new(flush).poll(cx));
        self.flush = None;
        Poll::Ready(end)
    }
}

impl<B: AsRef<[u8]> + Unpin> Sink<B> for PublishSink<'_, B> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_sent(cx)
    }

    fn start_send(self: Pin<&mut Self>, data: B) -> Result<()> {
        let own = self.get_mut();
        match own.bus.publish(own.subject.as_str(), &data) {
            Err(e) if e.code() == Code::EAGAIN => {
                own.waits = Some(data);
                Ok(())
            }
            end => end,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let own = self.get_mut();
        ready!(own.poll_sent(cx))?;
        own.poll_flushed(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_flush(cx)
    }
}

impl<B> AppendSink<'_, B> {
    /// The receipt of the last one that was stored.
    pub fn last(&self) -> Option<&Receipt> {
        self.last.as_ref()
    }

    fn poll_down_to(&mut self, n: usize, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.under_way.len() > n {
            let first = self.under_way.front_mut().expect("one that is under way");
            let end = ready!(Pin::new(first).poll(cx));
            self.under_way.pop_front();
            self.last = Some(end?);
        }
        Poll::Ready(Ok(()))
    }
}

impl<B: AsRef<[u8]>> Sink<B> for AppendSink<'_, B> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let own = self.get_mut();
        let room = own.window - 1;
        own.poll_down_to(room, cx)
    }

    fn start_send(self: Pin<&mut Self>, data: B) -> Result<()> {
        let own = self.get_mut();
        // What it points to is copied when this returns.
        let lent: &[u8] = data.as_ref();
        let pending = own.bus.append(&own.subject, lent).start()?.copied();
        own.under_way.push_back(pending);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_down_to(0, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_flush(cx)
    }
}
