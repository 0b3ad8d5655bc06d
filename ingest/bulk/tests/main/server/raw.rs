//! Answers that no proper HTTP library would send, byte for byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A listener that gives the `n`-th connection the `n`-th answer, the last one for ever.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Raw {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Heads of the requests so far, in lower case.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Starts a listener with these answers.
pub(crate) async fn raw(answers: Vec<Vec<u8>>) -> Raw {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let raw = Raw {
        address: listener.local_addr().unwrap(),
        requests: Arc::default(),
    };
    let requests = raw.requests.clone();
    tokio::spawn(async move {
        let mut answered = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answers[answered.min(answers.len() - 1)].clone();
            answered += 1;
            let requests = requests.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                let mut bytes = [0; 4096];
                while !head.windows(4).any(|window| window == b"\r\n\r\n") {
                    match stream.read(&mut bytes).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => head.extend_from_slice(&bytes[..read]),
                    }
                }
                let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
                requests.lock().unwrap().push(text);
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    raw
}
