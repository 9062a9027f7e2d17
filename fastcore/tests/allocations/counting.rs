//! An allocator that counts what one thread asks for while it is told to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// None: nobody counts. Per thread, because tests run beside each other.
    static CALLS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The system's allocator, counted.
pub struct Counting;

fn count() {
    // A thread that ends has no counter any more, and still frees.
    let _ended = CALLS.try_with(|calls| calls.set(calls.get().map(|n| n + 1)));
}

// SAFETY: every call goes to the system's allocator unchanged; the counter allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(place, layout, size) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

/// How often memory was asked for, grown or moved while `work` ran on this thread.
pub fn allocations(work: impl FnOnce()) -> u64 {
    CALLS.set(Some(0));
    work();
    CALLS.take().unwrap_or(0)
}
