//! TLS: private authorities, client certificates, and no way back to plain http. And proxies.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use salus_bulk::{
    BulkError, Job, KeyAlgorithm, Level, Options, Proxy, Request, Secret, Silent, generate_key,
};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::server::{Fault, Server, Stage, raw, resources};
use crate::support::{MANY, Trial, backend, population, quick, register};

/// An authority that nobody knows.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A certificate for a name, and its key.
    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }
}

/// Puts TLS before the server, which from then on calls itself by the https address.
async fn behind_tls(server: &Server, authority: &Authority, clients: Option<&Authority>) {
    let (certificate, key) = authority.issue("127.0.0.1");
    // Other crates of the workspace may have switched another provider on as well.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.0.der().clone()).unwrap();
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                    .build()
                    .unwrap(),
            )
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    server.rename(format!("https://{address}"));
    let behind = server.address;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut outside) = acceptor.accept(stream).await else {
                    return;
                };
                let mut inside = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
}

fn trusting(authority: &Authority, mut options: Options) -> Options {
    options.connection.roots = vec![authority.pem()];
    options.attempts = 2;
    options
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_if_given() {
    let authority = Authority::new();
    let trial = Trial::new(population()).await;
    let keys = vec![generate_key(KeyAlgorithm::Es384).unwrap()];
    register(&trial.server, &keys, MANY);
    behind_tls(&trial.server, &authority, None).await;
    let options = backend("salus-test", keys);
    trial.arrives(trusting(&authority, options.clone())).await;
    assert!(trial.server.seen(Stage::Token).len() == 1);

    for distrusting in [options.clone(), trusting(&Authority::new(), options)] {
        let dir = tempfile::tempdir().unwrap();
        let mut job = Job::start(dir.path(), trial.request(), distrusting).unwrap();
        let error = job.run(Arc::new(Silent)).await.unwrap_err();
        assert!(matches!(error, BulkError::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let trial = Trial::new(population()).await;
    behind_tls(&trial.server, &authority, Some(&clients)).await;
    let without = trusting(&authority, quick());
    let dir = tempfile::tempdir().unwrap();
    let mut job = Job::start(dir.path(), trial.request(), without.clone()).unwrap();
    assert!(matches!(
        job.run(Arc::new(Silent)).await,
        Err(BulkError::Unavailable { .. })
    ));

    let (certificate, key) = clients.issue("salus");
    let mut with = without;
    let identity = format!("{}{}", certificate.pem(), key.serialize_pem());
    with.connection.identity = Some(Secret::new(identity));
    assert!(!format!("{with:?}").contains("PRIVATE"));
    trial.arrives(with).await;
}

#[tokio::test]
async fn https_is_never_left() {
    let authority = Authority::new();
    for stage in [Stage::KickOff, Stage::Status, Stage::File] {
        let trial = Trial::new(vec![resources("Patient", 1)]).await;
        behind_tls(&trial.server, &authority, None).await;
        let plain = format!("http://{}/x", trial.server.address);
        trial.server.faults(stage, [Fault::redirect(302, &plain)]);
        let mut options = trusting(&authority, quick());
        options.connection.allow_http = true;
        let error = trial.run(options).await.unwrap_err();
        assert!(matches!(error, BulkError::NotAllowed(_)), "{error}");
        assert!(
            error
                .to_string()
                .contains("not followed from an https server"),
            "{error}"
        );
    }
    // Links and status addresses of a server that does not know that it is behind TLS.
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    behind_tls(&trial.server, &authority, None).await;
    let plain = format!("http://{}/fhir/bulkfiles", trial.server.address);
    trial.server.with().links = Some(plain);
    let error = trial.run(trusting(&authority, quick())).await.unwrap_err();
    assert!(matches!(error, BulkError::NotAllowed(_)), "{error}");
    assert!(trial.server.seen(Stage::File).is_empty());

    // And its token endpoint.
    let trial = Trial::new(vec![resources("Patient", 1)]).await;
    let keys = vec![generate_key(KeyAlgorithm::Es384).unwrap()];
    register(&trial.server, &keys, MANY);
    behind_tls(&trial.server, &authority, None).await;
    let endpoint = format!("http://{}/auth/token", trial.server.address);
    trial.server.with().smart = Some(json!({"token_endpoint": endpoint}));
    let error = trial
        .run(trusting(&authority, backend("salus-test", keys)))
        .await
        .unwrap_err();
    assert!(matches!(error, BulkError::NotAllowed(_)), "{error}");
    assert!(trial.server.seen(Stage::Token).is_empty());
}

#[tokio::test]
async fn a_proxy_is_used() {
    let answer = b"HTTP/1.1 403 No\r\ncontent-length: 5\r\n\r\nproxy".to_vec();
    let proxy = raw(vec![answer]).await;
    let home = tempfile::tempdir().unwrap();
    let request = Request::new("http://fhir.example.invalid/fhir", Level::System).unwrap();
    let mut options = quick();
    options.connection.allow_http = true;
    options.connection.proxy = Proxy::Url(Secret::new(proxy.url("/").replace("//", "//u:pw@")));
    assert!(!format!("{options:?}").contains("pw"));
    let mut job = Job::start(home.path(), request, options).unwrap();
    let error = job.run(Arc::new(Silent)).await.unwrap_err().to_string();
    assert!(error.ends_with("403: proxy"), "{error}");
    let head = &proxy.requests()[0];
    assert!(
        head.starts_with("get http://fhir.example.invalid/fhir/$export http/1.1"),
        "{head}"
    );
    assert!(head.contains("proxy-authorization: basic"), "{head}");
}

#[tokio::test]
async fn unusable_material_is_found_out_at_once() {
    let request = || Request::new("https://fhir.example.invalid/fhir", Level::System).unwrap();
    let cases: [fn(&mut Options); 4] = [
        |options| options.connection.roots = vec![b"nonsense".to_vec()],
        |options| options.connection.identity = Some(Secret::new("nonsense")),
        |options| options.connection.proxy = Proxy::Url(Secret::new("::nonsense::")),
        |options| options.parallel = 0,
    ];
    for case in cases {
        let home = tempfile::tempdir().unwrap();
        let mut options = quick();
        case(&mut options);
        let error = Job::start(home.path(), request(), options).unwrap_err();
        assert!(matches!(error, BulkError::Options(_)), "{error}");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
