//! Virtual time: events in the order of their times, and of their making where times are equal.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events to come. Time moves only when the next one is taken.
pub struct Queue<E> {
    heap: BinaryHeap<Reverse<Scheduled<E>>>,
    now_us: u64,
    made: u64,
}

struct Scheduled<E> {
    at_us: u64,
    made: u64,
    event: E,
}

impl<E> Default for Queue<E> {
    fn default() -> Queue<E> {
        Queue { heap: BinaryHeap::new(), now_us: 0, made: 0 }
    }
}

impl<E> Queue<E> {
    /// Microseconds since the start.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Schedules an event `delay_us` microseconds from now.
    pub fn push(&mut self, delay_us: u64, event: E) {
        self.made += 1;
        self.heap.push(Reverse(Scheduled { at_us: self.now_us + delay_us, made: self.made, event }));
    }

    /// Takes the earliest event and moves time to it.
    pub fn advance(&mut self) -> Option<E> {
        let Reverse(scheduled) = self.heap.pop()?;
        self.now_us = scheduled.at_us;
        Some(scheduled.event)
    }

    /// When the next event is, microseconds since the start.
    pub fn next_us(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(scheduled)| scheduled.at_us)
    }

    /// Events to come.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing is to come.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<E> PartialEq for Scheduled<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at_us, self.made) == (other.at_us, other.made)
    }
}
impl<E> Eq for Scheduled<E> {}
impl<E> PartialOrd for Scheduled<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for Scheduled<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_us, self.made).cmp(&(other.at_us, other.made))
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn equal_times_keep_the_order_they_were_made_in() {
        let mut queue = Queue::default();
        for (delay, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            queue.push(delay, event);
        }
        let order: String = std::iter::from_fn(|| queue.advance()).collect();
        assert_eq!(order, "abcd");
        assert_eq!(queue.now_us(), 5);
        queue.push(2, 'e');
        assert_eq!((queue.advance(), queue.now_us()), (Some('e'), 7));
    }
}
