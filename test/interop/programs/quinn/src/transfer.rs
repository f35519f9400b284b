//! The application: every stream carries a file in both directions, and every datagram is echoed.
use crate::config::Task;
use crate::program::{Receipt, Seen};
use crate::Outcome;
use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};
use std::cell::Cell;

/// How many bytes must arrive before the key update or migration.
const MIDWAY: usize = 500_000;

/// A connection, and what to do on it once data flows.
pub struct Conversation {
    task: &'static Task,
    pub connection: Connection,
    arrived: Cell<usize>,
}

impl Conversation {
    pub fn new(task: &'static Task, connection: Connection) -> Self {
        Conversation { task, connection, arrived: Cell::new(0) }
    }

    fn on_arrival(&self, bytes: usize) {
        let before = self.arrived.replace(self.arrived.get() + bytes);
        let is_midway = before < MIDWAY && self.arrived.get() >= MIDWAY;
        if is_midway && self.task.option("key-update") == Some(&self.task.role) {
            self.connection.force_key_update();
        }
    }

    async fn receive(&self, stream: &mut RecvStream) -> Outcome<Receipt> {
        let mut receipt = Receipt::new();
        while let Some(chunk) = stream.read_chunk(usize::MAX, true).await? {
            receipt.add(&chunk.bytes);
            self.on_arrival(chunk.bytes.len());
        }
        Ok(receipt)
    }

    /// Finishes its side only after the client has finished.
    pub async fn answer(&self, (mut send, mut recv): (SendStream, RecvStream)) -> Outcome<()> {
        let sending = async { send.write_all(&self.task.file).await.map_err(Into::into) };
        let (_, receipt) = tokio::try_join!(sending, self.receive(&mut recv))?;
        receipt.emit();
        // the client may close as soon as it has everything, before it acknowledges that
        let _ = send.finish().await;
        Ok(())
    }

    pub async fn ask(&self, (mut send, mut recv): (SendStream, RecvStream)) -> Outcome<Receipt> {
        let sending = async {
            send.write_all(&self.task.file).await?;
            // acknowledged or not: the server's FIN means it has everything
            let _ = send.finish().await;
            Ok(())
        };
        let (_, receipt) = tokio::try_join!(sending, self.receive(&mut recv))?;
        Ok(receipt)
    }

    pub async fn answer_datagrams(&self) {
        let mut datagrams = 0;
        while let Ok(datagram) = self.connection.read_datagram().await {
            datagrams += 1;
            Seen { datagrams, early_data: None }.emit();
            let _ = self.connection.send_datagram(datagram);
        }
    }

    /// Sends all datagrams and waits until each has been echoed.
    pub async fn exchange_datagrams(&self) -> Outcome<()> {
        let mut missing: Vec<Bytes> =
            (0..self.task.datagrams).map(|number| Bytes::from(vec![number as u8; 1000])).collect();
        for datagram in &missing {
            self.connection.send_datagram(datagram.clone())?;
        }
        while !missing.is_empty() {
            let arrived = self.connection.read_datagram().await?;
            missing.retain(|datagram| *datagram != arrived);
        }
        Ok(())
    }
}
