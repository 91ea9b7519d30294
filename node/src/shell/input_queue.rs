//! The queue of inputs from the network to the core's thread, bounded by their number and by their bytes.
//!
//! A block announcement can be a thousand times as large as a tick, so that a bound on the number alone would let strangers
//! fill memory while the core is busy. The network fills the queue, [`core_loop`](super::core_loop) empties it.

use crate::core::event::Input;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes that one permit stands for.
const BYTES_PER_PERMIT: usize = 1 << 10;

/// An input with the place it takes until the core has it.
struct Queued {
    input: Input,
    _place: OwnedSemaphorePermit,
}

/// The network's end.
#[derive(Clone, Debug)]
pub struct InputSender {
    queue: mpsc::Sender<Queued>,
    places: Arc<Semaphore>,
    places_max: u32,
}

/// The core's end.
#[derive(Debug)]
pub struct InputReceiver(mpsc::Receiver<Queued>);

/// A place in the queue that has been reserved.
#[derive(Debug)]
pub struct Slot<'a> {
    slot: mpsc::Permit<'a, Queued>,
    place: OwnedSemaphorePermit,
}

/// Why an input was not queued.
#[derive(Debug)]
pub enum QueueError {
    /// The queue is full; the input comes back.
    Full(Input),
    /// The core takes no inputs any more.
    Closed,
}

/// A queue of at most `inputs_max` inputs that take at most `bytes_max` bytes together. An input that is larger than that
/// alone is taken when the queue is empty.
pub fn channel(inputs_max: usize, bytes_max: usize) -> (InputSender, InputReceiver) {
    let (queue, receiver) = mpsc::channel(inputs_max);
    let places_max = u32::try_from(bytes_max / BYTES_PER_PERMIT).unwrap_or(u32::MAX).max(1);
    let places = Arc::new(Semaphore::new(places_max as usize));
    (InputSender { queue, places, places_max }, InputReceiver(receiver))
}

impl InputSender {
    fn places_for(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(BYTES_PER_PERMIT)).unwrap_or(u32::MAX).clamp(1, self.places_max)
    }
    /// Queues an input of about `bytes` bytes if there is room now.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub fn try_send(&self, input: Input, bytes: usize) -> Result<(), QueueError> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_many_owned(self.places_for(bytes)) else {
            return Err(if self.queue.is_closed() { QueueError::Closed } else { QueueError::Full(input) });
        };
        match self.queue.try_reserve() {
            Ok(slot) => {
                slot.send(Queued { input, _place: place });
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(())) => Err(QueueError::Full(input)),
            Err(mpsc::error::TrySendError::Closed(())) => Err(QueueError::Closed),
        }
    }
    /// Waits for room for an input of about `bytes` bytes; `None` when the core takes no inputs any more. May be dropped
    /// while it waits.
    pub async fn reserve(&self, bytes: usize) -> Option<Slot<'_>> {
        let place = Arc::clone(&self.places).acquire_many_owned(self.places_for(bytes));
        let place = tokio::select! {
            place = place => place.ok()?,
            () = self.queue.closed() => return None,
        };
        let slot = self.queue.reserve().await.ok()?;
        Some(Slot { slot, place })
    }
}

impl Slot<'_> {
    /// Queues the input that the place was reserved for.
    pub fn send(self, input: Input) {
        self.slot.send(Queued { input, _place: self.place });
    }
}

impl InputReceiver {
    /// The next input; `None` when the network has ended.
    pub async fn recv(&mut self) -> Option<Input> {
        self.0.recv().await.map(|queued| queued.input)
    }
    /// The next input if one is there.
    pub fn try_recv(&mut self) -> Option<Input> {
        self.0.try_recv().ok().map(|queued| queued.input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn bytes_bound_the_queue_as_well_as_the_number() {
        let (sender, mut receiver) = channel(3, 10 << 10);
        sender.try_send(Input::Tick, 6 << 10).expect("room");
        assert!(matches!(sender.try_send(Input::Tick, 5 << 10), Err(QueueError::Full(_))), "11 KiB");
        sender.try_send(Input::Tick, 1).expect("room");
        sender.try_send(Input::Tick, 1).expect("room");
        assert!(matches!(sender.try_send(Input::Tick, 1), Err(QueueError::Full(_))), "a fourth");
        assert!(sender.reserve(5 << 10).now_or_never().is_none());
        receiver.recv().await.expect("queued");
        sender.reserve(5 << 10).await.expect("room again").send(Input::Tick);
    }

    #[tokio::test]
    async fn what_is_larger_than_the_queue_passes_alone_and_the_end_is_told() {
        let (sender, mut receiver) = channel(8, 4 << 10);
        sender.try_send(Input::Tick, 1 << 30).expect("alone");
        assert!(matches!(sender.try_send(Input::Tick, 1), Err(QueueError::Full(_))));
        receiver.recv().await.expect("queued");
        drop(receiver);
        assert!(matches!(sender.try_send(Input::Tick, 1), Err(QueueError::Closed)));
        assert!(sender.reserve(1).await.is_none());
    }
}
