//! What a figure was taken on.

use std::fs;

use serde::Serialize;

/// The machine and the moment.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// Memory in GiB, rounded down.
    pub memory_gib: u64,
    /// Kernel.
    pub kernel: String,
    /// UTC.
    pub date: String,
    /// Tasks that ran or waited to run during the last minute.
    pub load: f64,
}

impl Machine {
    /// This one, now. What the system does not tell stays empty.
    pub fn here() -> Self {
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: field("/proc/meminfo", "MemTotal")
                .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
                .unwrap_or_default()
                >> 20,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            date: chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            load: load(),
        }
    }
}

/// Tasks that ran or waited to run during the last minute, on average.
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or_default()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Most memory that this process has held, in megabytes; since now, where `afresh` is asked for.
///
/// # Errors
/// When the system does not tell.
pub fn peak_memory(afresh: bool) -> anyhow::Result<u64> {
    if afresh {
        fs::write("/proc/self/clear_refs", "5")?;
    }
    let peak = field("/proc/self/status", "VmHWM")
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        .ok_or_else(|| anyhow::anyhow!("no peak of memory"))?;
    Ok(peak >> 10)
}
