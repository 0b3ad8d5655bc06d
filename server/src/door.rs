//! Where the server listens: the loopback, or anywhere under TLS; and how it stops.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::caller;
use crate::desk::{Desk, Limits};
use crate::house::House;
use crate::incoming::connections;
use crate::proto::private_server::PrivateServer;
use crate::service::Service;

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A peer that has been silent for so long, once it speaks HTTP/2, is asked whether it is there, and has so long to say so.
const SILENCE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_secs(20));
/// What a stopping server waits for answers to be read once all are made.
const READING: Duration = Duration::from_secs(5);
/// Calls of one connection at a time, and bytes of the headers of each.
const STREAMS: (u32, u32) = (64, 16 << 10);

/// Certificate chain and key of the server, and who may call; PEM.
#[derive(Clone)]
pub struct Tls {
    /// Certificate chain, the server's own first.
    pub certificate: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
    /// Where given, callers need a certificate of these authorities, beside their token.
    pub client_ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("client_ca", &self.client_ca.is_some())
            .finish_non_exhaustive()
    }
}

/// Why a door does not open, or closed by itself.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Tokens and answers would cross a network in the clear.
    #[error(
        "{0} can be reached from other machines, where tokens and answers would travel in the clear: give --tls-cert and --tls-key, or listen at a loopback address such as 127.0.0.1:7431"
    )]
    InTheClear(SocketAddr),
    /// The address is taken, or not of this machine.
    #[error("cannot listen at {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// Certificate, key or authorities cannot be used.
    #[error("certificate, key or client authorities cannot be used: {0}")]
    Tls(String),
    /// The server ended.
    #[error("the server ended: {0}")]
    Ended(String),
}

/// A place where a server listens.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
    server: Server,
}

impl Door {
    /// Listens at `address`, of the loopback unless there is TLS.
    ///
    /// # Errors
    /// [`DoorError::InTheClear`], before anything listens; [`DoorError::Tls`]; [`DoorError::Listen`].
    pub async fn open(address: SocketAddr, tls: Option<&Tls>) -> Result<Self, DoorError> {
        let mut server = Server::builder()
            .http2_keepalive_interval(Some(SILENCE.0))
            .http2_keepalive_timeout(Some(SILENCE.1))
            .max_concurrent_streams(STREAMS.0)
            .http2_max_header_list_size(STREAMS.1);
        match tls {
            None if !address.ip().to_canonical().is_loopback() => {
                return Err(DoorError::InTheClear(address));
            }
            None => {}
            Some(tls) => {
                // Two libraries of ciphers are linked, and somebody has to say which; whoever did so before may.
                let _ = ring::default_provider().install_default();
                let mut config = ServerTlsConfig::new()
                    .identity(Identity::from_pem(&tls.certificate, &tls.key))
                    .timeout(HANDSHAKE);
                if let Some(authorities) = &tls.client_ca {
                    config = config.client_ca_root(Certificate::from_pem(authorities));
                }
                server = server
                    .tls_config(config)
                    .map_err(|error| DoorError::Tls(reasons(&error)))?;
            }
        }
        let unheard = |error| DoorError::Listen(address, error);
        let listener = TcpListener::bind(address).await.map_err(unheard)?;
        let address = listener.local_addr().map_err(unheard)?;
        Ok(Self {
            listener,
            address,
            server,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `end` resolves; then takes nothing more, and returns when all that was taken is done.
    ///
    /// # Errors
    /// [`DoorError::Ended`].
    pub async fn serve<H: House>(
        self,
        house: Arc<H>,
        limits: Limits,
        end: impl Future<Output = ()> + Send,
    ) -> Result<(), DoorError> {
        let desk = Arc::new(Desk::new(limits));
        let service = PrivateServer::new(Service::new(Arc::clone(&house), Arc::clone(&desk)))
            .max_decoding_message_size(limits.request_bytes);
        let admitted =
            InterceptedService::new(service, move |request| caller::admit(&house, request));
        let (tell, told) = oneshot::channel::<()>();
        let mut server = self.server;
        let serving = server.add_service(admitted).serve_with_incoming_shutdown(
            connections(self.listener),
            async {
                // Sent, or dropped with whoever would have sent it.
                let _ = told.await;
            },
        );
        tokio::pin!(serving);
        let ended = |error: tonic::transport::Error| DoorError::Ended(reasons(&error));
        tokio::select! {
            outcome = &mut serving => return outcome.map_err(ended),
            () = end => {}
        }
        desk.close();
        let _ = tell.send(());
        let read = async {
            desk.finished().await;
            tokio::time::sleep(READING).await;
        };
        tokio::select! {
            outcome = &mut serving => {
                desk.finished().await;
                outcome.map_err(ended)
            }
            () = read => Ok(()),
        }
    }
}

/// An error and what is behind it, in one line.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(why) = cause {
        text = format!("{text}: {why}");
        cause = why.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_tls_only_the_loopback_is_listened_at() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
            let opened = Door::open(address.parse().unwrap(), None).await;
            assert!(matches!(opened, Err(DoorError::InTheClear(_))), "{address}");
        }
        let door = Door::open("127.0.0.1:0".parse().unwrap(), None)
            .await
            .unwrap();
        assert!(door.address().ip().is_loopback());
    }

    #[tokio::test]
    async fn a_certificate_that_is_none_opens_no_door() {
        let tls = Tls {
            certificate: b"not a certificate".to_vec(),
            key: b"not a key".to_vec(),
            client_ca: None,
        };
        let opened = Door::open("127.0.0.1:0".parse().unwrap(), Some(&tls)).await;
        assert!(matches!(opened, Err(DoorError::Tls(_))), "{opened:?}");
        assert!(!format!("{tls:?}").contains("not a key"));
    }
}
