//! A line of JSON on stdout for each event; see ../../program.ts.
use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

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

pub fn emit_received(bytes: usize, sha256: &[u8], took: Duration) {
    let mut hex = String::new();
    for byte in sha256 {
        write!(hex, "{byte:02x}").unwrap();
    }
    let millis = took.as_secs_f64() * 1000.0;
    println!(r#"{{"event":"received","bytes":{bytes},"sha256":"{hex}","millis":{millis}}}"#);
}

/// The error and what caused it: quinn's "connection lost" says little.
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

/// When the parent is gone, so is the reason to run.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1)
    });
}
