//! Memory for large tensors on the CPU.

/// Asks the C library to keep freed memory for later tensors instead of giving it back at once.
///
/// The GNU C library maps each large block anew and unmaps it when it is freed. The pages of a new
/// block are zeroed on first use, which costs as much as a layer's arithmetic once tensors have
/// tens of megabytes. After this call the memory of a freed tensor serves the next; the process
/// keeps the most memory it ever had in use.
///
/// For programs, not for libraries: it concerns the whole process. Call it first in `main`, as the
/// `kiln` binary and the examples do. Does nothing with other C libraries or a replaced global
/// allocator.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Blocks that may be mapped on their own.
        const NONE: i32 = 0;
        /// Freed memory at the end of the heap is never given back.
        const NEVER: i32 = -1;
        #[expect(unsafe_code, reason = "a setting of the C library")]
        // SAFETY: `mallopt` takes two integers and may be called at any time.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, NONE)
        };
        #[expect(unsafe_code, reason = "a setting of the C library")]
        // SAFETY: as above.
        unsafe {
            libc::mallopt(libc::M_TRIM_THRESHOLD, NEVER)
        };
    }
}
