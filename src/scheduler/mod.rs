//! Work that goes on after the answer: bounded pools of workers, and the one timer; and the
//! threads for what is large, and for what is short. It knows jobs, not what they do; that stands in the core.

mod bulk;
mod pool;
mod queue;
mod quick;
mod timer;

pub use bulk::Bulk;
pub use pool::{Full, Job, JobFuture, Pool, Slots, Turn};
pub use quick::quick;
pub use timer::Timer;
