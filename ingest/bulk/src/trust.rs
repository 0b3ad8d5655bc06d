//! Where requests may go, and where the access token may go with them.

use url::{Host, Origin, Url};

use crate::error::BulkError;
use crate::options::Connection;
use crate::text::shown;

/// The rules of one job. They follow from its base address and the options, never from what a server
/// says.
#[derive(Debug)]
pub(crate) struct Trust {
    origins: Vec<Origin>,
    secure: bool,
    allow_http: bool,
}

impl Trust {
    pub(crate) fn new(base: &Url, connection: &Connection) -> Self {
        let others = connection.trusted_origins.iter().map(Url::origin);
        Self {
            origins: std::iter::once(base.origin()).chain(others).collect(),
            secure: base.scheme() == "https",
            allow_http: connection.allow_http,
        }
    }

    /// Whether a request may be sent to `url` at all.
    ///
    /// # Errors
    /// [`BulkError::NotAllowed`] with the reason.
    pub(crate) fn permits(&self, url: &Url) -> Result<(), BulkError> {
        let refused = |why: &str| Err(BulkError::NotAllowed(format!("{}: {why}", shown(url))));
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.secure => refused("plain http is not followed from an https server"),
            "http" if self.allow_http || loopback(url) => Ok(()),
            "http" => refused("plain http needs to be allowed explicitly"),
            _ => refused("only https and http are understood"),
        }
    }

    /// Whether the access token may go to `url`.
    pub(crate) fn carries(&self, url: &Url) -> bool {
        self.permits(url).is_ok() && self.origins.contains(&url.origin())
    }

    /// Whether a secret of ours may be posted to the token endpoint `url`: over TLS or to this machine.
    ///
    /// # Errors
    /// [`BulkError::NotAllowed`] with the reason.
    pub(crate) fn token_endpoint(&self, url: &Url) -> Result<(), BulkError> {
        if url.scheme() == "https" || loopback(url) {
            self.permits(url)
        } else {
            let text = "a token endpoint must be https";
            Err(BulkError::NotAllowed(format!("{}: {text}", shown(url))))
        }
    }
}

/// Whether the host is this machine.
fn loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(base: &str, connection: &Connection) -> Trust {
        Trust::new(&Url::parse(base).unwrap(), connection)
    }

    #[test]
    fn tokens_stay_at_their_origin() {
        let trust = trust("https://a.org/fhir", &Connection::default());
        let carries = |url: &str| trust.carries(&Url::parse(url).unwrap());
        assert!(carries("https://a.org/elsewhere"));
        assert!(carries("https://A.ORG:443/"));
        for url in [
            "http://a.org/fhir",
            "https://a.org:444/fhir",
            "https://a.org.evil.org/",
            "https://evil.org/https://a.org/",
            "https://a.org@evil.org/",
            "ftp://a.org/",
            "file:///etc/passwd",
        ] {
            assert!(!carries(url), "{url}");
        }
    }

    #[test]
    fn origins_can_be_added() {
        let connection = Connection {
            trusted_origins: vec![Url::parse("https://files.a.org/ignored").unwrap()],
            ..Connection::default()
        };
        let trust = trust("https://a.org/fhir", &connection);
        assert!(trust.carries(&Url::parse("https://files.a.org/1.ndjson").unwrap()));
        assert!(!trust.carries(&Url::parse("http://files.a.org/1.ndjson").unwrap()));
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        let permits = |base: &str, allow_http, url: &str| {
            let connection = Connection {
                allow_http,
                ..Connection::default()
            };
            trust(base, &connection)
                .permits(&Url::parse(url).unwrap())
                .is_ok()
        };
        assert!(permits("http://127.0.0.1/", false, "http://127.0.0.1:9/"));
        assert!(permits("http://[::1]/", false, "http://localhost/"));
        assert!(!permits("http://a.org/", false, "http://a.org/"));
        assert!(permits("http://a.org/", true, "http://a.org/"));
        assert!(!permits("https://a.org/", true, "http://a.org/"));
        assert!(!permits("https://a.org/", true, "http://127.0.0.1/"));
        assert!(permits("http://a.org/", true, "https://a.org/"));
        let open = Connection {
            allow_http: true,
            ..Connection::default()
        };
        let endpoint = Url::parse("http://a.org/token").unwrap();
        assert!(
            trust("http://a.org/", &open)
                .token_endpoint(&endpoint)
                .is_err()
        );
    }
}
