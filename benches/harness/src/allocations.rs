//! Counts what a call allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many want to know; nobody in the timed batches, which then pay one load an allocation, all alike.
static ON: AtomicU32 = AtomicU32::new(0);

thread_local!(static SO_FAR: Cell<Allocated> = const { Cell::new(Allocated { count: 0, bytes: 0 }) });

/// What has been allocated; what has been freed since is not subtracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocated {
    /// How often.
    pub count: u64,
    /// Of how many bytes in all.
    pub bytes: u64,
}

/// Returns what this thread has allocated; everything is counted from the first call on.
pub fn so_far() -> Allocated {
    ON.fetch_max(1, Ordering::Relaxed);
    SO_FAR.get()
}

/// Counts what this thread allocates while `work` runs.
pub fn count(work: impl FnOnce()) -> Allocated {
    let before = SO_FAR.get();
    ON.fetch_add(1, Ordering::Relaxed);
    work();
    ON.fetch_sub(1, Ordering::Relaxed);
    let after = SO_FAR.get();
    Allocated {
        count: after.count - before.count,
        bytes: after.bytes - before.bytes,
    }
}

struct Counting;

impl Counting {
    fn note(size: usize) {
        if ON.load(Ordering::Relaxed) > 0 {
            // A thread that ends may allocate after its locals have gone.
            let _ = SO_FAR.try_with(|so_far| {
                let Allocated { count, bytes } = so_far.get();
                so_far.set(Allocated {
                    count: count + 1,
                    bytes: bytes + size as u64,
                });
            });
        }
    }
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::note(layout.size());
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::note(layout.size());
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::note(size);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::{Allocated, count};

    #[test]
    fn boxes_are_counted_with_their_bytes() {
        let allocated = count(|| {
            for n in 0..10_u64 {
                drop(black_box(Box::new([n; 4])));
            }
        });
        assert_eq!(allocated, Allocated { count: 10, bytes: 320 });
    }
}
