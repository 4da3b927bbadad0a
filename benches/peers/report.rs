//! What was measured, against its bounds and as a page.

use std::fmt::Write as _;
use std::fs;

use crate::servers::Server;
use crate::support::{Bounds, median};

/// One turn.
pub struct Sample {
    /// What was done: GB, requests or entries.
    pub amount: f64,
    pub seconds: f64,
    /// Seconds of processor at the server.
    pub cpu: f64,
    /// Seconds until the first byte, where that was looked at.
    pub first: Option<f64>,
}

/// stormd and one peer, medians.
pub struct Pair {
    pub peer: &'static str,
    pub atomic: bool,
    /// Amount per second, ours and theirs.
    pub rates: [f64; 2],
    /// Ours by theirs.
    pub rate: f64,
    /// Seconds of processor per amount.
    pub cpus: [f64; 2],
    /// Ours by theirs.
    pub cpu: f64,
    /// Milliseconds until the first byte.
    pub firsts: Option<[f64; 2]>,
}

/// One thing that was asked of all.
pub struct Round {
    pub name: String,
    pub pairs: Vec<Pair>,
}

impl Pair {
    pub fn new(peer: &Server, turns: Vec<(Sample, Sample)>) -> Self {
        let middle = |of: &dyn Fn(&(Sample, Sample)) -> f64| {
            median(&mut turns.iter().map(of).collect::<Vec<f64>>())
        };
        let rate = |sample: &Sample| sample.amount / sample.seconds;
        let cpu = |sample: &Sample| sample.cpu / sample.amount;
        let first = |sample: &Sample| sample.first.unwrap_or_default() * 1e3;
        Self {
            peer: peer.name,
            atomic: peer.atomic,
            rates: [middle(&|t| rate(&t.0)), middle(&|t| rate(&t.1))],
            rate: middle(&|t| rate(&t.0) / rate(&t.1)),
            cpus: [middle(&|t| cpu(&t.0)), middle(&|t| cpu(&t.1))],
            cpu: middle(&|t| cpu(&t.0) / cpu(&t.1)),
            firsts: turns[0].0.first.map(|_| [middle(&|t| first(&t.0)), middle(&|t| first(&t.1))]),
        }
    }

    /// For a person who watches.
    pub fn line(&self) -> String {
        format!(
            "{:8} rate {:.2} ({:.4e} {:.4e}), cpu {:.2} ({:.3e} {:.3e}) {:?}",
            self.peer,
            self.rate,
            self.rates[0],
            self.rates[1],
            self.cpu,
            self.cpus[0],
            self.cpus[1],
            self.firsts
        )
    }
}

impl Round {
    /// The fastest of those that count.
    fn best(&self, counts: impl Fn(&Pair) -> bool) -> Option<&Pair> {
        let pairs = self.pairs.iter().filter(|pair| counts(pair));
        pairs.min_by(|one, other| one.rate.total_cmp(&other.rate))
    }
}

/// Tells what held.
pub fn judge(rounds: &[Round], peers: &[Server], bounds: &mut Bounds) {
    let running = |name: &str| peers.iter().any(|peer| peer.name == name);
    for round in rounds {
        let name = &round.name;
        if name.contains("1 GiB") {
            let Some(best) = round.best(|_| true) else { continue };
            bounds.at_least(&format!("{name}: rate against {}", best.peer), best.rate, 1.0);
            bounds.at_most(&format!("{name}: processor against {}", best.peer), best.cpu, 0.9);
        } else if name.contains("4 KiB") {
            let Some(best) = round.best(|pair| pair.atomic) else { continue };
            bounds.at_least(&format!("{name}: rate against {}", best.peer), best.rate, 1.0);
        } else {
            let of = |peer: &str| round.pairs.iter().find(|pair| pair.peer == peer);
            if running("xrootd") {
                let rate = of("xrootd").map_or(f64::NAN, |pair| pair.rate);
                bounds.at_least(&format!("{name}: rate against xrootd"), rate, 1.0);
            }
            if running("apache2") {
                let first =
                    of("apache2").and_then(|pair| pair.firsts).map_or(f64::NAN, |[o, t]| o / t);
                bounds.at_most(&format!("{name}: first byte against apache2"), first, 1.0);
            }
        }
    }
}

/// docs/peers.md.
pub fn page(rounds: &[Round], ours: &Server, peers: &[Server]) -> String {
    let mut text = String::from(
        "# Beside its peers\n\n\
         Written by `make bench-peers`; the program is benches/peers. Every server runs on the first processor, its one client on \
         the second; stormd and the peer take turns, seven each after one that does not count (three where the peer takes far longer). Medians; a ratio is the median of the turns' ratios, \
         stormd by the peer: a rate above 1 and processor below 1 are for stormd. All serve the same folder of one file system (warm), \
         with keep-alive, an access log and TLS of the same certificate; nobody brings to disk what he takes (`[http] fsync = false`), \
         and before 1 GiB is put the memory that will hold it is fetched back from the virtual machine's host.\n\
         stormd writes checksums beside what it stores, as always.\n\n",
    );
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("?");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let model = model.trim_start_matches([' ', '\t', ':']);
    writeln!(text, "Machine: {processors} of {model}, Linux {}. Servers:\n", kernel.trim())
        .unwrap();
    for server in std::iter::once(ours).chain(peers) {
        writeln!(text, "- {}: {}", server.name, server.version).unwrap();
    }
    for Round { name, pairs } in rounds {
        let (unit, scale, per) = match name {
            name if name.contains("GiB") => ("MB/s", 1e3, "s/GB"),
            name if name.contains("KiB") => ("requests/s", 1.0, "s/10^6"),
            _ => ("entries/s", 1.0, "s/10^6"),
        };
        let cpus = if per == "s/GB" { 1.0 } else { 1e6 };
        let first = pairs.iter().any(|pair| pair.firsts.is_some());
        let more = if first { " first byte | its |" } else { "" };
        let line = if first { "---|---|" } else { "" };
        writeln!(
            text,
            "\n## {name}\n\n| peer | {unit} | its | ratio | processor, {per} | its | ratio |{more}\n\
             |---|---|---|---|---|---|---|{line}"
        )
        .unwrap();
        for pair in pairs {
            let [our_rate, rate] = pair.rates.map(|rate| rate * scale);
            let [our_cpu, cpu] = pair.cpus.map(|cpu| cpu * cpus);
            write!(
                text,
                "| {} | {our_rate:.0} | {rate:.0} | **{:.2}** | {our_cpu:.2} | {cpu:.2} | **{:.2}** |",
                pair.peer, pair.rate, pair.cpu
            )
            .unwrap();
            if let Some([ours, theirs]) = pair.firsts {
                write!(text, " {ours:.1} ms | {theirs:.1} ms |").unwrap();
            }
            text.push('\n');
        }
    }
    text
}
