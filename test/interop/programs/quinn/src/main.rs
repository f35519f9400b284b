//! quinn as a program; see ../../program.ts for the protocol.
mod config;
mod program;
mod transfer;

use config::Task;
use program::{emit_failed, emit_listening, fail, Seen};
use quinn::{ClientConfig, Connecting, ConnectionError, Endpoint};
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use tokio::task::{spawn_local, JoinSet, LocalSet};
use transfer::Conversation;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// A draft with version 1's packet protection, the only requirement of quinn.
const DRAFT_34: u32 = 0xff00_0022;

async fn serve(connecting: Connecting, task: &'static Task) -> Outcome<()> {
    let conversation = Rc::new(Conversation::new(task, connecting.await?));
    let with_datagrams = conversation.clone();
    spawn_local(async move { with_datagrams.answer_datagrams().await });
    loop {
        match conversation.connection.accept_bi().await {
            Ok(stream) => {
                let conversation = conversation.clone();
                spawn_local(async move {
                    if let Err(error) = conversation.answer(stream).await {
                        emit_failed(error.as_ref());
                    }
                });
            }
            Err(ConnectionError::ApplicationClosed(close)) if close.error_code == 0u32.into() => {
                return Ok(())
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn run_server(task: &'static Task) -> Outcome<()> {
    let endpoint = Endpoint::server(config::server(task)?, SocketAddr::from((task.host, 0)))?;
    emit_listening(endpoint.local_addr()?.port());
    while let Some(connecting) = endpoint.accept().await {
        spawn_local(async move {
            if let Err(error) = serve(connecting, task).await {
                emit_failed(error.as_ref());
            }
        });
    }
    Ok(())
}

/// Starts with a version the server does not support, and requires it to reject that.
async fn begin_with_draft(task: &Task, endpoint: &Endpoint, mut config: ClientConfig) -> Outcome<()> {
    config.version(DRAFT_34);
    match endpoint.connect_with(config, server_of(task), &task.server_name)?.await {
        Err(ConnectionError::VersionMismatch) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err("the server accepted a draft version".into()),
    }
}

fn server_of(task: &Task) -> SocketAddr {
    SocketAddr::from((task.host, task.port))
}

/// Runs one connection from start to end; with `early`, data is sent before the handshake completes.
async fn call(task: &'static Task, endpoint: &Endpoint, config: ClientConfig, early: bool) -> Outcome<()> {
    let connecting = endpoint.connect_with(config, server_of(task), &task.server_name)?;
    let (connection, accepted) = if early {
        let (connection, accepted) =
            connecting.into_0rtt().map_err(|_| "no session allows early data")?;
        (connection, Some(accepted))
    } else {
        (connecting.await?, None)
    };
    let conversation = Rc::new(Conversation::new(task, connection));
    conversation.exchange_datagrams().await?;
    let mut streams = JoinSet::new();
    for _ in 0..task.streams {
        let stream = conversation.connection.open_bi().await?;
        let conversation = conversation.clone();
        streams.spawn_local(async move { conversation.ask(stream).await });
    }
    let mut receipts = Vec::new();
    while let Some(ended) = streams.join_next().await {
        receipts.push(ended??);
    }
    let early_data = match accepted {
        Some(accepted) => Some(accepted.await),
        None => None,
    };
    Seen { datagrams: task.datagrams, early_data }.emit();
    receipts.into_iter().for_each(|receipt| receipt.emit());
    conversation.connection.close(0u32.into(), b"");
    Ok(())
}

async fn run_client(task: &'static Task) -> Outcome<()> {
    let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?;
    let config = config::client(task)?;
    if task.option("version") == Some("unknown") {
        begin_with_draft(task, &endpoint, config.clone()).await?;
    }
    call(task, &endpoint, config.clone(), false).await?;
    if let Some(how) = task.option("come-back") {
        call(task, &endpoint, config, how == "earlyData").await?;
    }
    endpoint.wait_idle().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    program::end_with_parent();
    let task = config::read_task().unwrap_or_else(|error| fail(error.as_ref()));
    let task: &Task = Box::leak(Box::new(task));
    let run = async {
        let done = if task.role == "server" { run_server(task).await } else { run_client(task).await };
        if let Err(error) = done {
            fail(error.as_ref());
        }
    };
    LocalSet::new().run_until(run).await;
}
