//! Counts the allocations of a thread, and the bytes that are live in the whole process.

#![allow(dead_code, reason = "every test binary uses some of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicIsize, Ordering};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static KEPT: Cell<isize> = const { Cell::new(0) };
}

static LIVE: AtomicIsize = AtomicIsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator; the counts are beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        let _ = KEPT.try_with(|kept| kept.set(kept.get() + layout.size() as isize));
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = KEPT.try_with(|kept| kept.set(kept.get() - layout.size() as isize));
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `call` until it has warmed up, then counts the allocations of a hundred runs.
pub async fn allocations<Fut: Future>(mut call: impl FnMut() -> Fut) -> u64 {
    for _ in 0..10 {
        black_box(call().await);
    }
    let before = ALLOCATIONS.get();
    for _ in 0..100 {
        black_box(call().await);
    }
    ALLOCATIONS.get() - before
}

/// Returns how often this thread has allocated.
pub fn of_this_thread() -> u64 {
    ALLOCATIONS.get()
}

/// Returns how many bytes this thread has allocated and not freed.
pub fn kept_by_this_thread() -> isize {
    KEPT.get()
}

/// Returns how many bytes are allocated and not freed, in the whole process.
pub fn live() -> isize {
    LIVE.load(Ordering::Relaxed)
}
