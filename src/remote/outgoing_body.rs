//! The body of an outgoing request: sent in small pieces, at the allowed rate, with progress
//! counters.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use opendal::Buffer;
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::throttle::Pace;

/// The maximum size of a piece in bytes.
const PIECE: usize = 64 << 10;

/// The progress of an outgoing body.
#[derive(Debug, Default)]
pub(super) struct Sent {
    bytes: AtomicU64,
    expected: AtomicU64,
    /// The pauses for the rate limit that were begun and not reported yet.
    pauses: Mutex<Duration>,
}

impl Sent {
    /// Sets the total number of bytes to send.
    pub(super) fn expect(&self, bytes: u64) {
        self.expected.store(bytes, Ordering::Relaxed);
    }

    /// The number of bytes sent so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns true if all bytes were sent.
    pub(super) fn is_done(&self) -> bool {
        self.bytes() >= self.expected.load(Ordering::Relaxed)
    }

    /// Returns the total length of the pauses that began since the last call.
    pub(super) fn take_pauses(&self) -> Duration {
        std::mem::take(&mut *self.pauses.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

enum BodyBytes {
    Buffer(Buffer),
    Channel(mpsc::Receiver<Bytes>),
}

/// The body of a request.
pub(super) struct OutgoingBody {
    source: BodyBytes,
    /// The number of bytes left to send.
    left: u64,
    piece: Bytes,
    /// A pause before the next piece.
    pause: Option<(Pin<Box<Sleep>>, Duration)>,
    pace: Arc<Pace>,
    sent: Arc<Sent>,
}

impl OutgoingBody {
    pub(super) fn of_buffer(buffer: Buffer, pace: &Arc<Pace>, sent: &Arc<Sent>) -> Self {
        let left = buffer.len() as u64;
        Self::new(BodyBytes::Buffer(buffer), left, pace, sent)
    }

    pub(super) fn of_channel(
        chunks: mpsc::Receiver<Bytes>,
        size: u64,
        pace: &Arc<Pace>,
        sent: &Arc<Sent>,
    ) -> Self {
        Self::new(BodyBytes::Channel(chunks), size, pace, sent)
    }

    fn new(source: BodyBytes, left: u64, pace: &Arc<Pace>, sent: &Arc<Sent>) -> Self {
        let (pace, sent) = (Arc::clone(pace), Arc::clone(sent));
        OutgoingBody { source, left, piece: Bytes::new(), pause: None, pace, sent }
    }

    /// Loads the next piece if necessary. Returns false if the source has ended.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if self.piece.is_empty() {
            let next = match &mut self.source {
                BodyBytes::Buffer(buffer) => buffer.next(),
                BodyBytes::Channel(chunks) => ready!(chunks.poll_recv(context)),
            };
            let Some(next) = next else { return Poll::Ready(false) };
            self.piece = next;
        }
        Poll::Ready(true)
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let this = &mut *self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        if !ready!(this.poll_piece(context)) {
            // The source ended early: the server must not take the body for the whole object.
            return Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())));
        }
        let length = this.piece.len().min(PIECE);
        if this.pause.is_none() {
            let wait = this.pace.sending.take(length as u64);
            this.pause = Some((Box::pin(tokio::time::sleep(wait)), wait));
            *this.sent.pauses.lock().unwrap_or_else(PoisonError::into_inner) += wait;
        }
        if let Some((pause, wait)) = &mut this.pause {
            if !wait.is_zero() {
                ready!(pause.as_mut().poll(context));
            }
            this.pause = None;
        }
        let piece = this.piece.split_to(length);
        this.left = this.left.saturating_sub(length as u64);
        this.sent.bytes.fetch_add(length as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
