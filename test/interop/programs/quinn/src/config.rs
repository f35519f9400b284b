//! Translates the command line into quinn and rustls configurations.
use crate::Outcome;
use quinn::TransportConfig;
use rustls::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
use rustls::server::AllowAnyAuthenticatedClient;
use rustls::{Certificate, PrivateKey, RootCertStore, SupportedCipherSuite};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

pub struct Task {
    pub role: String,
    /// The server's port, for a client.
    pub port: u16,
    /// The server's address.
    pub host: Ipv4Addr,
    pub server_name: String,
    /// The bytes to send.
    pub file: Vec<u8>,
    /// Streams the client opens on each connection.
    pub streams: usize,
    pub datagrams: usize,
    options: HashMap<String, String>,
}

impl Task {
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }
}

/// Options without a value.
const SWITCHES: [&str; 2] = ["retry", "migrate"];

/// `client` or `server`, followed by options.
pub fn read_task() -> Outcome<Task> {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next().ok_or("the first argument is client or server")?;
    let mut options = HashMap::new();
    while let Some(argument) = arguments.next() {
        let name = argument.strip_prefix("--").ok_or_else(|| format!("{argument} is not an option"))?;
        let value = if SWITCHES.contains(&name) { Some(String::new()) } else { arguments.next() };
        options.insert(name.into(), value.ok_or_else(|| format!("{argument} has no value"))?);
    }
    let get = |name: &str| options.get(name).cloned().unwrap_or_default();
    Ok(Task {
        role,
        host: get("host").parse().unwrap_or(Ipv4Addr::LOCALHOST),
        port: get("port").parse().unwrap_or(0),
        server_name: get("server-name"),
        streams: get("streams").parse().unwrap_or(1),
        datagrams: get("datagrams").parse().unwrap_or(0),
        file: if get("send").is_empty() { Vec::new() } else { fs::read(get("send"))? },
        options,
    })
}

fn certificates(path: &str) -> Outcome<Vec<Certificate>> {
    let found = rustls_pemfile::certs(&mut BufReader::new(File::open(path)?))?;
    Ok(found.into_iter().map(Certificate).collect())
}

/// Our certificate and key, if any.
fn identity(task: &Task) -> Outcome<Option<(Vec<Certificate>, PrivateKey)>> {
    Ok(match (task.option("cert"), task.option("key")) {
        (Some(cert), Some(key)) => {
            let keys = rustls_pemfile::pkcs8_private_keys(&mut BufReader::new(File::open(key)?))?;
            let key = keys.into_iter().next().ok_or("no PKCS #8 key in the key file")?;
            Some((certificates(cert)?, PrivateKey(key)))
        }
        _ => None,
    })
}

fn authorities(path: &str) -> Outcome<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(&certificate)?;
    }
    Ok(roots)
}

fn transport() -> Outcome<Arc<TransportConfig>> {
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(Duration::from_secs(10).try_into()?));
    Ok(Arc::new(transport))
}

/// All suites of rustls, or only the requested one.
fn cipher_suites(task: &Task) -> Vec<SupportedCipherSuite> {
    match task.option("cipher-suite") {
        Some("TLS_CHACHA20_POLY1305_SHA256") => vec![TLS13_CHACHA20_POLY1305_SHA256],
        _ => rustls::DEFAULT_CIPHER_SUITES.to_vec(),
    }
}

fn alpn(task: &Task) -> Vec<Vec<u8>> {
    vec![task.option("alpn").unwrap_or("transfer").into()]
}

pub fn server(task: &Task) -> Outcome<quinn::ServerConfig> {
    let (chain, key) = identity(task)?.ok_or("a server needs --cert and --key")?;
    let builder = rustls::ServerConfig::builder()
        .with_cipher_suites(&cipher_suites(task))
        .with_safe_default_kx_groups()
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let builder = match task.option("ca") {
        Some(path) => builder.with_client_cert_verifier(AllowAnyAuthenticatedClient::new(authorities(path)?)),
        None => builder.with_no_client_auth(),
    };
    let mut tls = builder.with_single_cert(chain, key)?;
    tls.alpn_protocols = alpn(task);
    tls.key_log = Arc::new(rustls::KeyLogFile::new());
    tls.max_early_data_size = u32::MAX; // RFC 9001 §4.6.1
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config.use_retry(task.option("retry").is_some());
    config.transport_config(transport()?);
    Ok(config)
}

pub fn client(task: &Task) -> Outcome<quinn::ClientConfig> {
    let builder = rustls::ClientConfig::builder()
        .with_cipher_suites(&cipher_suites(task))
        .with_safe_default_kx_groups()
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(authorities(task.option("ca").ok_or("a client needs --ca")?)?);
    let mut tls = match identity(task)? {
        Some((chain, key)) => builder.with_single_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = alpn(task);
    tls.key_log = Arc::new(rustls::KeyLogFile::new());
    tls.enable_early_data = task.option("come-back") == Some("earlyData");
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    config.transport_config(transport()?);
    Ok(config)
}
