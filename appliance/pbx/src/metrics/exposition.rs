//! Prometheus text exposition, version 0.0.4.

use std::fmt::Write;

/// Media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// A page of figures.
pub(super) struct Exposition(String);

// Writing into a String cannot fail.
impl Exposition {
    pub(super) fn new() -> Exposition {
        Exposition(String::with_capacity(4096))
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// Says what a figure is; its samples follow.
    pub(super) fn one(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        let written: Vec<String> = labels
            .iter()
            .map(|(label, text)| format!("{label}=\"{}\"", escape_label(text)))
            .collect();
        if !written.is_empty() {
            let _ = write!(self.0, "{{{}}}", written.join(","));
        }
        let _ = writeln!(self.0, " {value}");
    }

    pub(super) fn counts(&mut self, kind: Kind, counts: &[(&str, &str, u64)]) {
        for (name, help, value) in counts {
            self.plain(name, kind, help, *value as f64);
        }
    }

    /// A figure with one sample and no label.
    pub(super) fn plain(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.one(name, kind, help);
        self.sample(name, &[], value);
    }
}

fn escape_label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
