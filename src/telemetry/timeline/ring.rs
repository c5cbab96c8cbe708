use super::entry::Entry;

/// How many entries are kept.
pub(super) const SLOTS: usize = 1024;

/// The last entries, in slots that are all there from the beginning.
pub(super) struct Ring {
    slots: Box<[Entry]>,
    /// How many were recorded, and so the next one's number.
    next: u64,
}

impl Ring {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots: vec![Entry::default(); slots].into(),
            next: 0,
        }
    }

    /// Writes the next entry over the oldest one.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Entry)) {
        let seq = self.next;
        let place = self.place(seq);
        let entry = &mut self.slots[place];
        entry.seq = seq;
        write(entry);
        self.next += 1;
    }

    pub(super) fn recorded(&self) -> u64 {
        self.next
    }

    /// How many are no longer there.
    pub(super) fn overwritten(&self) -> u64 {
        self.next.saturating_sub(self.slots.len() as u64)
    }

    /// Copies the oldest entries that are there from number `from` on and before `until`, as many as fit into `into`.
    pub(super) fn copy(&self, from: u64, until: u64, into: &mut Vec<Entry>) {
        let from = from.max(self.overwritten());
        let room = (into.capacity() - into.len()) as u64;
        let until = until.min(self.next).min(from.saturating_add(room));
        into.extend((from..until).map(|seq| self.slots[self.place(seq)].clone()));
    }

    fn place(&self, seq: u64) -> usize {
        // Less than their number, which is a `usize`.
        (seq % self.slots.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_the_last_of_what_was_recorded(slots in 1_usize..9, pushed in 0_u64..40, from in 0_u64..50, many in 0_u64..50, room in 0_usize..12) {
            let mut ring = Ring::new(slots);
            let mut model = VecDeque::new();
            for number in 0..pushed {
                ring.push(|entry| entry.name.set(&number.to_string()));
                model.push_back(number);
                if model.len() > slots {
                    model.pop_front();
                }
                prop_assert_eq!(ring.recorded(), number + 1);
                prop_assert_eq!(ring.overwritten(), number + 1 - model.len() as u64);
            }
            let mut copied = Vec::with_capacity(room);
            let room = copied.capacity();
            ring.copy(from, from + many, &mut copied);
            let copied: Vec<_> = copied.iter().map(|entry| (entry.seq, entry.name.to_string())).collect();
            let expected = model.into_iter().filter(|number| (from..from + many).contains(number));
            let expected: Vec<_> = expected.take(room).map(|number| (number, number.to_string())).collect();
            prop_assert_eq!(copied, expected);
        }
    }
}
