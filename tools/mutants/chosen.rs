
/// One mutant of many, chosen by the environment: added to a copy by `tools/mutants`, never shipped.
#[doc(hidden)]
pub mod mutants {
    use std::fs::File;
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

    const NOT_READ: u32 = u32::MAX;
    const RECORD: u32 = u32::MAX - 1;
    const MOST: usize = 20_000;
    static ACTIVE: AtomicU32 = AtomicU32::new(NOT_READ);
    static SEEN: [AtomicU8; MOST] = [const { AtomicU8::new(0) }; MOST];
    static FILE: OnceLock<File> = OnceLock::new();

    /// Whether this mutant is the one. `MUTANT` names it; with `MUTANTS_SEEN` none is, and those that are asked for are
    /// written to that file.
    #[inline(always)]
    pub fn is(n: u32) -> bool {
        let active = ACTIVE.load(Relaxed);
        if active >= RECORD { asked(n) } else { active == n }
    }

    #[cold]
    #[inline(never)]
    fn asked(n: u32) -> bool {
        if ACTIVE.load(Relaxed) == NOT_READ {
            let one = std::env::var("MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            let seen = std::env::var_os("MUTANTS_SEEN").map(|path| FILE.get_or_init(|| File::create(path).unwrap()));
            ACTIVE.store(if seen.is_some() { RECORD } else { one }, Relaxed);
            return is(n);
        }
        // Nothing is allocated here: some tests count that.
        if SEEN[n as usize].swap(1, Relaxed) == 0 {
            writeln!(FILE.get().unwrap(), "{n}").unwrap();
        }
        false
    }
}
