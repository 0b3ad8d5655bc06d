//! Connections, so many at most: sockets that nobody uses must not take the files away that questions read.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{Stream, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;

/// Connections at a time; further ones wait until one ends. Well below the 1,024 files that a process may usually open.
pub(crate) const MOST: usize = 256;
/// What a new connection has for its first byte.
const FIRST_BYTE: Duration = Duration::from_secs(10);
/// What is waited after a connection could not be taken, for want of files for example.
const RECOVERY: Duration = Duration::from_millis(100);

/// Takes connections as long as it is asked for them.
pub(crate) fn connections(
    listener: TcpListener,
) -> impl Stream<Item = Result<Connection, io::Error>> {
    let places = Arc::new(Semaphore::new(MOST));
    stream::unfold((listener, places), async |(listener, places)| {
        // Never closed.
        let place = Arc::clone(&places).acquire_owned().await.ok()?;
        let stream = loop {
            match listener.accept().await {
                Ok((stream, _)) => break stream,
                Err(_) => sleep(RECOVERY).await,
            }
        };
        let connection = stream.set_nodelay(true).map(|()| Connection {
            stream,
            silent: Some(Box::pin(sleep(FIRST_BYTE))),
            _place: place,
        });
        Some((connection, (listener, places)))
    })
}

/// A connection and its place.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Ends a connection that has said nothing yet.
    silent: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if read.is_ready() {
            self.silent = None;
            return read;
        }
        let Some(silent) = &mut self.silent else {
            return Poll::Pending;
        };
        ready!(silent.as_mut().poll(context));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn connections_beyond_the_most_wait_for_a_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut incoming = Box::pin(connections(listener));
        let (mut peers, mut taken) = (Vec::new(), Vec::new());
        for _ in 0..MOST {
            peers.push(TcpStream::connect(address).await.unwrap());
            taken.push(incoming.next().await.unwrap().unwrap());
        }
        peers.push(TcpStream::connect(address).await.unwrap());
        let soon = Duration::from_millis(50);
        assert!(
            tokio::time::timeout(soon, incoming.next()).await.is_err(),
            "one more was taken"
        );
        taken.pop();
        incoming.next().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_says_nothing_is_let_go() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut incoming = Box::pin(connections(listener));
        let _peer = TcpStream::connect(address).await.unwrap();
        let mut connection = incoming.next().await.unwrap().unwrap();
        connection.silent = Some(Box::pin(sleep(Duration::from_millis(20))));
        let mut byte = [0];
        let read = connection.read(&mut byte).await;
        assert_eq!(read.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
