//! Prints events as lines of JSON on stdout; see ../../program.ts.
use ring::digest;
use std::error::Error;
use std::fmt::Write;
use std::time::Instant;

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\0'..='\x1f' => write!(out, "\\u{:04x}", character as u32).unwrap(),
            _ => out.push(character),
        }
    }
    out + "\""
}

pub fn emit_listening(port: u16) {
    println!(r#"{{"event":"listening","port":{port}}}"#);
}

/// Counts, hashes and times what arrives on one stream.
pub struct Receipt {
    digest: digest::Context,
    bytes: usize,
    started: Instant,
}

impl Receipt {
    pub fn new() -> Self {
        Receipt { digest: digest::Context::new(&digest::SHA256), bytes: 0, started: Instant::now() }
    }

    pub fn add(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.bytes += bytes.len();
    }

    pub fn emit(self) {
        let mut sha256 = String::new();
        for byte in self.digest.finish().as_ref() {
            write!(sha256, "{byte:02x}").unwrap();
        }
        let (bytes, millis) = (self.bytes, self.started.elapsed().as_secs_f64() * 1000.0);
        println!(r#"{{"event":"received","bytes":{bytes},"sha256":"{sha256}","millis":{millis}}}"#);
    }
}

/// What quinn exposes about a connection.
pub struct Seen {
    pub datagrams: usize,
    /// Whether 0-RTT was accepted, for a client that tried it.
    pub early_data: Option<bool>,
}

impl Seen {
    pub fn emit(&self) {
        let datagrams = self.datagrams;
        let early = self.early_data.map_or(String::new(), |accepted| format!(r#","earlyData":{accepted}"#));
        println!(r#"{{"event":"seen","datagrams":{datagrams}{early}}}"#);
    }
}

/// An error with its causes: quinn's "connection lost" alone says little.
pub fn emit_failed(error: &dyn Error) {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(reason, ": {error}").unwrap();
        cause = error.source();
    }
    println!(r#"{{"event":"failed","reason":{}}}"#, quoted(&reason));
}

pub fn fail(error: &dyn Error) -> ! {
    emit_failed(error);
    std::process::exit(1)
}

/// Exits when stdin ends, since the parent is gone.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1)
    });
}
