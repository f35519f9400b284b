//! quinn as a program; what it does is described in ../../program.ts.
mod config;
mod program;

use config::Task;
use program::{emit_listening, emit_received, fail};
use quinn::{Connection, Endpoint, RecvStream};
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

async fn receive(stream: &mut RecvStream) -> Outcome<()> {
    let started = Instant::now();
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let mut bytes = 0;
    while let Some(chunk) = stream.read_chunk(usize::MAX, true).await? {
        digest.update(&chunk.bytes);
        bytes += chunk.bytes.len();
    }
    emit_received(bytes, digest.finish().as_ref(), started.elapsed());
    Ok(())
}

async fn serve_connection(connection: Connection, file: &[u8]) -> Outcome<()> {
    let (mut send, mut recv) = connection.accept_bi().await?;
    let sending = async { send.write_all(file).await.map_err(Into::into) };
    tokio::try_join!(sending, receive(&mut recv))?;
    // the client may close as soon as it has all of it, and before it has said so
    let _ = send.finish().await;
    connection.closed().await;
    Ok(())
}

async fn run_server(task: &Task) -> Outcome<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let endpoint = Endpoint::server(config::server(task)?, address)?;
    emit_listening(endpoint.local_addr()?.port());
    while let Some(connecting) = endpoint.accept().await {
        match connecting.await {
            Ok(connection) => {
                if let Err(error) = serve_connection(connection, &task.file).await {
                    program::emit_failed(error.as_ref());
                }
            }
            Err(error) => program::emit_failed(&error),
        }
    }
    Ok(())
}

async fn run_client(task: &Task) -> Outcome<()> {
    let mut endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    endpoint.set_default_client_config(config::client(task)?);
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, task.port));
    let connection = endpoint.connect(server, &task.server_name)?.await?;
    let (mut send, mut recv) = connection.open_bi().await?;
    let sending = async {
        send.write_all(&task.file).await?;
        // acknowledged or not: the server's end says that it has everything
        let _ = send.finish().await;
        Ok(())
    };
    tokio::try_join!(sending, receive(&mut recv))?;
    connection.close(0u32.into(), b"");
    endpoint.wait_idle().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    program::end_with_parent();
    let task = config::read_task().unwrap_or_else(|error| fail(error.as_ref()));
    let done = if task.role == "server" { run_server(&task).await } else { run_client(&task).await };
    if let Err(error) = done {
        fail(error.as_ref());
    }
}
