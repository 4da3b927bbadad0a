//! Where log lines go: a buffer that a thread of its own empties every few milliseconds. Written one
//! by one, every request would wait for a system call, and for the others that wait for theirs.
//!
//! Warnings and errors are written at once, and what stood before them with them. A line is never
//! dropped: when the reader of the log is slow, whoever logs waits. `kill -9` costs the lines of the
//! last moment.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for others.
const GATHER: Duration = Duration::from_millis(10);

/// From so many bytes on, nobody may add more before some are written.
const FULL: usize = 1 << 20;

/// The way to a log file, a pipe or a terminal.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    gathered: Mutex<Vec<u8>>,
    /// The buffer is no longer empty.
    some: Condvar,
    /// The end of the way. Taken before `gathered`, so that lines keep their order.
    end: Mutex<End>,
}

struct End {
    way: Box<dyn Write + Send>,
    /// Empty: changes places with `gathered`, so that neither has to grow again.
    spare: Vec<u8>,
}

impl Lines {
    /// Starts the thread.
    pub(super) fn start(end: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            gathered: Mutex::default(),
            some: Condvar::new(),
            end: Mutex::new(End { way: Box::new(end), spare: Vec::new() }),
        });
        let lines = Self(Arc::clone(&shared));
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.empty_for_ever())?;
        Ok(lines)
    }

    /// Writes what is there.
    pub(super) fn flush(&self) {
        self.0.empty();
    }
}

impl Shared {
    fn empty_for_ever(&self) {
        loop {
            let gathered = lock(&self.gathered);
            let waited = self.some.wait_while(gathered, |gathered| gathered.is_empty());
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            std::thread::sleep(GATHER);
            self.empty();
        }
    }

    fn empty(&self) {
        let end = &mut *lock(&self.end);
        std::mem::swap(&mut end.spare, &mut *lock(&self.gathered));
        // A log that cannot be written must not end the service.
        let _ = end.way.write_all(&end.spare).and_then(|()| end.way.flush());
        end.spare.clear();
    }

    fn add(&self, line: &[u8]) {
        let mut gathered = lock(&self.gathered);
        while gathered.len() >= FULL {
            drop(gathered);
            self.empty();
            gathered = lock(&self.gathered);
        }
        let first = gathered.is_empty();
        gathered.extend_from_slice(line);
        drop(gathered);
        if first {
            self.some.notify_one();
        }
    }
}

/// One line on its way.
pub(super) struct Line<'a> {
    shared: &'a Shared,
    urgent: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { shared: &self.0, urgent: true }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line<'a> {
        Line { shared: &self.0, urgent: *meta.level() <= Level::WARN }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.add(line);
        if self.urgent {
            self.shared.empty();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A buffer of whole lines is good whatever became of the thread that held it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn lines_come_whole_in_order_and_soon() {
        let sink = Sink::default();
        let lines = Lines::start(sink.clone()).unwrap();
        let calm = |text: &str| {
            Line { shared: &lines.0, urgent: false }.write_all(text.as_bytes()).unwrap();
        };
        calm("one\n");
        calm("two\n");
        Line { shared: &lines.0, urgent: true }.write_all(b"three\n").unwrap();
        assert_eq!(sink.text(), "one\ntwo\nthree\n");
        calm("four\n");
        let end = Instant::now() + Duration::from_secs(5);
        while !sink.text().ends_with("four\n") {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_full_buffer_holds_up_and_loses_nothing() {
        let sink = Sink::default();
        let lines = Lines::start(sink.clone()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let lines = &lines;
                scope.spawn(move || {
                    let line = format!("{thread}{}\n", "x".repeat(998));
                    for _ in 0..1000 {
                        Line { shared: &lines.0, urgent: false }
                            .write_all(line.as_bytes())
                            .unwrap();
                    }
                });
            }
        });
        lines.flush();
        let text = sink.text();
        assert_eq!(text.lines().count(), 4000);
        assert!(text.lines().all(|line| line.len() == 999));
    }
}
