//! What the figures were taken on.

use std::fs;

/// Cores, processor, memory and kernel, in one line.
pub(crate) fn description() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or(std::env::consts::ARCH, |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory_gb = read("/proc/meminfo")
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        })
        .map_or(0, |kb| kb.div_ceil(1 << 20));
    let kernel = read("/proc/sys/kernel/osrelease");
    // A release name may carry the name of a machine after its numbers.
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    format!("{cores} cores of {model}, {memory_gb} GiB of memory, Linux {kernel}")
}

/// Share of the machine's processors that was busy over the last minute; others' work disturbs small figures.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// The version of a crate that this program was built with.
pub(crate) fn crate_version(name: &str) -> &'static str {
    let lock = include_str!("../../../Cargo.lock");
    let entry = format!("name = \"{name}\"\nversion = \"");
    lock.split_once(entry.as_str())
        .and_then(|(_, after)| after.split('"').next())
        .unwrap_or("?")
}
