//! A world in words.

use std::fmt;
use std::time::Instant;

use crate::life::Life;
use crate::world::{File, Node, Request, Stop, Stored, World};

/// For whoever has to find out what went wrong.
impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = Instant::now();
        let left = |at: Instant| match at.checked_duration_since(now) {
            Some(left) => left.as_secs_f32(),
            None => -now.duration_since(at).as_secs_f32(),
        };
        for (path, node) in &self.nodes {
            let Node::File(Stored { content, space, life }) = node else {
                write!(f, "{path}/ ")?;
                continue;
            };
            write!(f, "{path}={content}")?;
            if let Some(space) = space {
                write!(f, " in space {space}")?;
            }
            if let Some(Life { ends, gone, .. }) = life {
                let (early, late) = (left(ends.early), left(ends.late));
                write!(f, " over in {early:.2} to {late:.2} s, gone in {:.2} s", left(*gone))?;
            }
            write!(f, ", ")?;
        }
        write!(f, "spaces {:?}", self.spaces)?;
        for (number, Request { kind, files, aborted, stop, suspended, .. }) in &self.requests {
            write!(f, "\n    {number} {kind:?}")?;
            if *aborted {
                write!(f, " aborted")?;
            }
            if *suspended {
                write!(f, " suspended")?;
            }
            if *stop != Stop::No {
                write!(f, " stop {stop:?}")?;
            }
            for File { path, source, state, data, doubtful, ends, .. } in files {
                if let Some(source) = source {
                    write!(f, "; from {source}")?;
                }
                write!(f, "; {path} {state:?} data {data:?}")?;
                write!(f, " ends in {:.1} to {:.1} s", left(ends.early), left(ends.late))?;
                write!(f, "{}", if *doubtful { " doubtful" } else { "" })?;
            }
        }
        Ok(())
    }
}
